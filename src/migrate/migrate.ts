// Migrate room: the published configuration of another program, in whole files, becomes one of this service, with an account of what
// became of each option. It owns the meanings of those programs; the names and notes that `foregate check` shares with it are
// config/moving*.ts, and whether the result holds is load-config.ts's to say. It opens no connection and reads no file: texts are handed in.
// Three rules: nothing is made public that was not; a limit that cannot be carried over leaves the door shut; no secret is repeated.
import { finish, type Migration } from './finish.ts'
import { createDraft } from './draft.ts'
import { readInput, type InputFile } from './input.ts'
import { readAlpha } from './oauth2-proxy/alpha.ts'
import { readOAuth2Proxy } from './oauth2-proxy/read.ts'
import { addOptions, collect } from './oauth2-proxy/options.ts'
import { migrateIngress } from './ingress-nginx.ts'
import { migrateForwardAuth } from './traefik-forward-auth/traefik-forward-auth.ts'
import { migrateOidcAuth } from './traefik-oidc-auth/traefik-oidc-auth.ts'
import { migratePlugin } from './traefikoidc.ts'
import type { Draft } from './draft.ts'
import type { Input } from './input.ts'
import type { SourceName } from './source-names.ts'

export interface MigrateOptions {
  /** Secrets of the source stay in the configuration; otherwise each is a variable. */
  readonly keepSecrets?: boolean
}

const migrations: Readonly<Record<SourceName, (draft: Draft, inputs: readonly Input[]) => void>> = {
  traefikoidc: migratePlugin,
  'oauth2-proxy': migrateOAuth2Proxy,
  'traefik-oidc-auth': migrateOidcAuth,
  'traefik-forward-auth': migrateForwardAuth,
  'ingress-nginx': migrateIngress,
}

/** Throws MigrationInputError where a file cannot be read, or nothing of the source is in them. */
export function migrate(
  source: SourceName,
  files: readonly InputFile[],
  { keepSecrets = false }: MigrateOptions = {},
): Migration {
  const inputs = files.map(readInput)
  // Variables of the source's own name would be taken for its configuration, and be warned of.
  const draft = createDraft({ keepSecrets, foreign: /^OAUTH2_PROXY_/ })
  draft.set(
    'sessionEncryptionKey',
    draft.variable('SESSION_ENCRYPTION_KEY', 'a new key: openssl rand -base64 32', 'key'),
    'new: sessions of other programs cannot be read, everybody logs in once',
  )
  migrations[source](draft, inputs)
  return finish(source, draft)
}

function migrateOAuth2Proxy(draft: Draft, inputs: readonly Input[]): void {
  const source = readOAuth2Proxy(inputs)
  const alpha = readAlpha(source.alpha)
  const collected = collect(draft, [...source.found, ...alpha.found])
  alpha.upstreams(draft)
  addOptions(collected, source)
  alpha.rest(draft)
}

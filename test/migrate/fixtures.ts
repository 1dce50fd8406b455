// The files of test/migrate/fixtures: of the kinds that people publish, their values replaced. Which of them are given together, and every
// secret that is in one, so that it can be looked for where it must not be.
import { readdirSync, readFileSync } from 'node:fs'
import { migrate } from '../../src/migrate/migrate.ts'
import { sourceNames, type SourceName } from '../../src/migrate/source-names.ts'

export const directory = new URL('fixtures/', import.meta.url)

export interface Fixture {
  readonly source: SourceName
  /** The first gives its name. */
  readonly files: readonly string[]
}

const together: Readonly<Record<string, readonly string[]>> = { 'alpha.yaml': ['alpha-core.cfg'] }
const parts = new Set(Object.values(together).flat())

export const fixtures: readonly Fixture[] = sourceNames.flatMap((source) =>
  readdirSync(new URL(`${source}/`, directory))
    .filter((name) => !name.endsWith('.expected') && !parts.has(name))
    .map((name) => ({ source, files: [name, ...(together[name] ?? [])] })),
)

export const read = ({ source, files }: Fixture) =>
  files.map((name) => ({ name, text: readFileSync(new URL(`${source}/${name}`, directory), 'utf8') }))

export const migrated = (fixture: Fixture, options?: { keepSecrets: boolean }) =>
  migrate(fixture.source, read(fixture), options)

export const SECRETS = [
  's3cr3t-of-the-dashboard-1f9',
  'Zm9yZWdhdGUtZml4dHVyZS0wMDAxLWFiY2Q=',
  'vv3ry-s3cr3t-of-nginx',
  'OQINaROshtE9TcZkNAm-5Zs2Pv3xaWytBmc5W7sPX7w=',
  'hunter22-of-redis',
  'an-oauth-secret-from-github',
  'sixteen-byte-key',
  'GOCSPX-not-a-real-one',
  'a-secret-of-the-client-77',
  'pass-of-sentinels-5',
  'pass-of-redis-5',
  'c3VwZXItc2VjcmV0',
  'a-cookie-secret-of-32-bytes-here',
  'a secret with spaces 9',
  'abcdefghijklmnop',
  'not-to-be-shown',
  'k3y-of-the-plugin-that-is-long-enough-8842',
  'redis-pw-of-the-plugin-3',
  'label-secret-of-whoami',
  'toml-secret-of-app',
  'MLFs4TT99kOOq8h3UAVRtYoCTDYXiRcZ',
  'mistyped-but-secret-all-the-same',
  'google-secret-of-tfa',
  'something-random',
  'oidc-secret-of-tfa',
  'signing-secret-of-tfa',
  'a-long-api-key-to-hide',
  'secret-of-mesosphere-2',
  '0123456789abcdef0123456789abcdef',
  'gitlab-secret-of-kibana',
  'SECRET-of-the-cookie',
] as const

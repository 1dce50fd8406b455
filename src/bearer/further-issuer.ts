// Whoever else may have issued a token, beside the configured provider: `bearer.issuers`. Only where its keys are is of interest; it
// need not be an OpenID provider (Kubernetes' own tokens come from one that nobody logs in at).
import type { Documents } from '../cache/documents.ts'
import { createKeysLocation } from '../oidc/keys-location.ts'
import { createKeys } from '../oidc/keys.ts'
import { asymmetric } from '../oidc/metadata.ts'
import { verifySignature, type Unverified } from '../oidc/signature.ts'
import type { Transport } from '../oidc/transport.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Clock } from '../time.ts'

export interface FurtherIssuerDeps {
  readonly issuer: string
  /** Absent: the issuer's metadata says it. */
  readonly jwksURI: string | undefined
  readonly allowInsecure: boolean
  readonly transport: Transport
  readonly cache: { readonly metadata: Documents; readonly jwks: Documents }
  readonly clock: Clock
  readonly logger: Logger
}

/** Whether it signed this token. Throws LoginRejected, or ProviderUnavailable while its keys cannot be had. */
export type VerifySignature = (token: string) => Promise<Unverified>

const maxBytes = 256 * 1024

export function createFurtherIssuer(deps: FurtherIssuerDeps): VerifySignature {
  const { issuer, jwksURI, transport, cache, clock, logger } = deps
  const keys = createKeys({ transport, cache: cache.jwks, clock, logger })
  const located = createKeysLocation({
    kind: 'further',
    issuer,
    addresses: wellKnown(issuer),
    maxBytes,
    allowInsecure: deps.allowInsecure,
    remedy: 'set jwksURI of this issuer',
    transport,
    cache: cache.metadata,
    clock,
    onTrouble: (detail) =>
      logger.warn(
        { event: 'bearer_issuer_unavailable', issuer, detail },
        'where the keys of a further issuer are cannot be found out: its tokens are answered with 503',
      ),
    onReadyAgain: () => logger.info({ event: 'bearer_issuer_ready', issuer }, 'a further issuer is known again'),
  })

  return async (token) =>
    verifySignature(token, { algorithms: asymmetric, jwks_uri: jwksURI ?? (await located()) }, keys, 'anybody')
}

/** OpenID Connect Discovery, else RFC 8414, which puts the well-known part in front of the issuer's path. */
function wellKnown(issuer: string): readonly string[] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  return [
    `${origin}${path}/.well-known/openid-configuration`,
    `${origin}/.well-known/oauth-authorization-server${path}`,
  ]
}

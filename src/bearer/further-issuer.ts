// Whoever else may have issued a token, beside the configured provider: `bearer.issuers`. Only where its keys are is of interest; it
// need not be an OpenID provider (Kubernetes' own tokens come from one that nobody logs in at).
import { createHash } from 'node:crypto'
import type { Documents } from '../cache/documents.ts'
import { ProviderUnavailable } from '../errors.ts'
import { freshMs, load, save, usableMs } from '../oidc/document-cache.ts'
import { asked } from '../oidc/faults.ts'
import { createKeys } from '../oidc/keys.ts'
import { asymmetric, mayBeCalled } from '../oidc/metadata.ts'
import { verifySignature, type Unverified } from '../oidc/signature.ts'
import { jsonObject, type Transport } from '../oidc/transport.ts'
import type { Logger } from '../telemetry/logger.ts'
import { seconds, type Clock } from '../time.ts'

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
/** After a failure nobody asks again for so long: tokens are brought by strangers. */
const betweenAttemptsMs = seconds(5)

export function createFurtherIssuer(deps: FurtherIssuerDeps): VerifySignature {
  const { issuer, jwksURI, transport, cache, clock, logger } = deps
  const keys = createKeys({ transport, cache: cache.jwks, clock, logger })
  const id = createHash('sha256').update(`further ${issuer}`).digest('base64url')
  let known: { readonly uri: string; readonly fetchedAt: number } | undefined
  let asking: Promise<string> | undefined
  let lastFailure: { readonly error: unknown; readonly at: number } | undefined

  async function keysURI(): Promise<string> {
    if (jwksURI !== undefined) return jwksURI
    if (known !== undefined && clock() - known.fetchedAt < freshMs) return known.uri
    const old = known !== undefined && clock() - known.fetchedAt < usableMs ? known.uri : undefined
    try {
      if (lastFailure !== undefined && clock() - lastFailure.at < betweenAttemptsMs) throw lastFailure.error
      asking ??= discovered().finally(() => (asking = undefined))
      return await asking
    } catch (error) {
      if (old !== undefined) return old
      throw error
    }
  }

  async function discovered(): Promise<string> {
    const kept = known === undefined ? await load(cache.metadata, id, clock) : undefined
    const uri = kept?.document['jwks_uri']
    if (kept !== undefined && typeof uri === 'string' && clock() - kept.fetchedAt < freshMs) {
      known = { uri, fetchedAt: kept.fetchedAt }
      return uri
    }
    try {
      const found = await fetchURI()
      known = { uri: found, fetchedAt: clock() }
      lastFailure = undefined
      await save(cache.metadata, id, { fetchedAt: known.fetchedAt, document: { jwks_uri: found } })
      return found
    } catch (error) {
      if (lastFailure === undefined) {
        const detail = error instanceof Error ? error.message : 'unknown'
        logger.warn(
          { event: 'bearer_issuer_unavailable', issuer, detail },
          'where the keys of a further issuer are cannot be found out: its tokens are answered with 503',
        )
      }
      lastFailure = { error, at: clock() }
      throw error
    }
  }

  /** OpenID Connect Discovery, else RFC 8414, which puts the well-known part in front of the issuer's path. */
  async function fetchURI(): Promise<string> {
    const { origin, pathname } = new URL(issuer)
    const path = pathname.replace(/\/$/, '')
    const addresses = [
      `${origin}${path}/.well-known/openid-configuration`,
      `${origin}/.well-known/oauth-authorization-server${path}`,
    ]
    let why = ''
    for (const address of addresses) {
      const request = {
        operation: 'discovery',
        url: new URL(address),
        headers: { accept: 'application/json' },
        maxBytes,
      } as const
      const answer = await transport.send(request)
      const document = answer.status === 200 ? jsonObject(answer) : undefined
      const uri = document?.['jwks_uri']
      const here = `${asked(request)}: status ${answer.status}`
      why ||= here
      if (document === undefined) continue
      if (document['issuer'] !== issuer) throw new ProviderUnavailable(`${here}, and it is another issuer's`)
      if (typeof uri === 'string' && mayBeCalled(uri, issuer, deps.allowInsecure)) return uri
      throw new ProviderUnavailable(`${here}, and jwks_uri is missing or no https URL`)
    }
    throw new ProviderUnavailable(`${why}; set jwksURI of this issuer`)
  }

  return async (token) => verifySignature(token, { algorithms: asymmetric, jwks_uri: await keysURI() }, keys)
}

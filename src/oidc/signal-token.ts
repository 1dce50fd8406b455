// A JWT that nobody asked for: a logout token or a security event token. Anybody may bring one, so nothing is fetched for one that
// does not even say that it is the provider's. Here is what both kinds have in common; logout-token.ts and security-event-token.ts
// have the rest.
import { LoginRejected, SignalRejected, type LoginReason, type SignalReason } from '../errors.ts'
import { hours } from '../time.ts'
import type { JSONObject } from './json.ts'
import type { Keys } from './keys.ts'
import { asymmetric } from './metadata.ts'
import { instant } from './numeric-date.ts'
import { decodeUnverified, verifySignature, type Unverified } from './signature.ts'

/** Whose signature counts. */
export interface Signer {
  readonly isIssuer: (issuer: string) => boolean
  /** Asymmetric ones only: the client's secret is no key of the provider's. */
  readonly algorithms: readonly string[]
  /** Asked for once the token says that it is of this issuer. May throw ProviderUnavailable. */
  readonly keysURI: () => Promise<string>
}

export interface Expected {
  /** `aud` must hold one of them. */
  readonly audiences: readonly string[]
  readonly clockSkewMs: number
  /** ms since the epoch. */
  readonly now: number
}

/** No sender repeats a token for longer, and for no longer is it remembered that it came. */
export const longestLifeMs = hours(24)

const reasons: Partial<Readonly<Record<LoginReason, SignalReason>>> = {
  claims_too_large: 'token_too_large',
  id_token_algorithm: 'algorithm',
  id_token_signature: 'signature',
}

/** The token, signed by `signer`. Throws SignalRejected, or ProviderUnavailable where no keys can be had. */
export async function verifySignal(token: string, signer: Signer, keys: Keys): Promise<Unverified> {
  try {
    const { claims } = decodeUnverified(token, signer.algorithms)
    demand(
      typeof claims['iss'] === 'string' && signer.isIssuer(claims['iss']),
      'issuer',
      'iss is not the one that is configured',
    )
    const { algorithms, keysURI } = signer
    return await verifySignature(token, { algorithms, jwks_uri: await keysURI() }, keys, 'anybody')
  } catch (error) {
    if (!(error instanceof LoginRejected)) throw error
    throw new SignalRejected(reasons[error.reason] ?? 'malformed', error.message, { cause: error })
  }
}

/** Whom it names as its issuer, verified or not; undefined for what cannot be read. */
export function issuerNamed(token: string): string | undefined {
  try {
    const { iss } = decodeUnverified(token, asymmetric).claims
    return typeof iss === 'string' ? iss : undefined
  } catch (error) {
    if (error instanceof LoginRejected) return undefined
    throw error
  }
}

/** `aud`, and `azp` where it is there. Others may be named, too: what is said concerns them all. */
export function checkAudience({ aud, azp }: JSONObject, audiences: readonly string[]): void {
  const named: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  demand(
    named.some((audience) => typeof audience === 'string' && audiences.includes(audience)),
    'audience',
    'aud does not name us',
  )
  demand(azp === undefined || audiences.some((audience) => audience === azp), 'audience', 'azp names somebody else')
}

/** `iat` and, where it is there, `nbf`: ms since the epoch. */
export function checkIssuedAt(claims: JSONObject, { now, clockSkewMs }: Expected): number {
  const issuedAt = instant(claims['iat'])
  demand(issuedAt !== undefined, 'issued_at', 'iat is missing or not a usable number')
  demand(issuedAt <= now + clockSkewMs, 'issued_at', 'iat lies in the future: compare the clocks')
  if (claims['nbf'] !== undefined) {
    const notBefore = instant(claims['nbf'])
    const hasBegun = notBefore !== undefined && notBefore <= now + clockSkewMs
    demand(hasBegun, 'not_yet_valid', 'nbf lies in the future or is not a number')
  }
  return issuedAt
}

/** `jti` (RFC 8417 section 2.2 and Back-Channel Logout 1.0 section 2.4 require it). */
export function tokenID({ jti }: JSONObject): string {
  demand(typeof jti === 'string' && jti !== '', 'token_id', 'jti is missing or no string')
  return jti
}

/** Throws SignalRejected unless it holds. */
export function demand(holds: boolean, reason: SignalReason, message: string): asserts holds {
  if (!holds) throw new SignalRejected(reason, message)
}

// The proof that whoever sends a token has the key that it is bound to (RFC 9449 section 4.3), made anew for each request.
import { createHash } from 'node:crypto'
import type { ReplayDetection } from '../cache/replay-detection.ts'
import { LoginRejected, TokenRejected, type TokenReason } from '../errors.ts'
import { asymmetric } from '../oidc/metadata.ts'
import { verifyOwnKey, type OwnKeyProof } from '../oidc/own-key.ts'
import { seconds } from '../time.ts'

/** The request as its client made it: scheme, host and path; without query. */
export interface ProvenRequest {
  readonly method: string
  readonly url: string
}

export type CheckProof = (given: {
  /** The `DPoP` header. */
  readonly proof: string | undefined
  readonly token: string
  /** The key that the token is bound to. */
  readonly thumbprint: string
  /** Undefined: nobody whom we believe has said which it is. */
  readonly request: ProvenRequest | undefined
}) => Promise<void>

/** What proofs are accepted with, as the metadata of RFC 9728 tells. */
export const proofAlgorithms = asymmetric

const maxProofLength = 4 * 1024
const maxAgeMs = seconds(60)

/** Throws TokenRejected, or StoreUnavailable where nobody can say whether it was used before. */
export function createCheckProof(deps: {
  readonly used: ReplayDetection
  readonly clockSkewMs: number
  readonly clock: () => number
}): CheckProof {
  const { used, clockSkewMs, clock } = deps

  return async ({ proof, token, thumbprint, request }) => {
    if (proof === undefined || proof === '') throw new TokenRejected('dpop_missing', 'there is no DPoP header')
    // Two fields are joined with a comma, which is in no JWT.
    demand(
      proof.length <= maxProofLength && /^[\w.-]+$/.test(proof),
      'dpop_malformed',
      'the DPoP header is not one JWT',
    )
    demand(request !== undefined, 'dpop_request_unknown', 'the proxy does not tell which request it is')
    const { type = '', claims, thumbprint: presented } = await verified(proof)
    const { htm, htu, iat, ath, jti } = claims
    demand(/^dpop\+jwt$/i.test(type), 'dpop_type', 'typ of the proof is not dpop+jwt')
    demand(typeof jti === 'string' && jti !== '' && jti.length <= 512, 'dpop_malformed', 'the proof has no usable jti')
    demand(presented === thumbprint, 'dpop_key', 'the proof is of another key than the token')
    demand(ath === digest(token), 'dpop_token', 'ath is not the hash of the token')
    demand(htm === request.method, 'dpop_method', 'htm is another method')
    const asked = plainURL(request.url)
    demand(asked !== undefined && plainURL(htu) === asked, 'dpop_url', 'htu is another address')
    const age = typeof iat === 'number' ? clock() - iat * 1_000 : Number.NaN
    demand(age <= maxAgeMs + clockSkewMs && age >= -clockSkewMs, 'dpop_time', 'iat is not of the last minute')
    // Last, so that nobody spends another one's proof with a bad one of the same jti. Until it would be too old by any clock.
    const lifeMs = maxAgeMs + 2 * clockSkewMs
    const isFirst = await used.first('dpop', `${thumbprint} ${jti}`, lifeMs)
    demand(isFirst, 'dpop_replayed', 'the proof was used before')
  }
}

async function verified(proof: string): Promise<OwnKeyProof> {
  try {
    return await verifyOwnKey(proof, proofAlgorithms)
  } catch (error) {
    if (!(error instanceof LoginRejected)) throw error
    const reason: TokenReason =
      error.reason === 'id_token_algorithm'
        ? 'dpop_algorithm'
        : error.reason === 'id_token_signature'
          ? 'dpop_signature'
          : 'dpop_malformed'
    throw new TokenRejected(reason, `the proof cannot be used: ${error.message}`, { cause: error })
  }
}

/**
 * Without query and fragment, and in one spelling (RFC 3986 sections 6.2.2 and 6.2.3): letter case of scheme, host and escapes,
 * default ports, and escapes of what needs none. Undefined where it is no http URL.
 */
export function plainURL(url: unknown): string | undefined {
  if (typeof url !== 'string') return undefined
  const parsed = URL.parse(url)
  if (parsed === null || !/^https?:$/.test(parsed.protocol) || parsed.username !== '' || parsed.password !== '')
    return undefined
  const path = parsed.pathname.replace(/%[0-9a-f]{2}/gi, (escape) => {
    const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16))
    return /[\w.~-]/.test(character) ? character : escape.toUpperCase()
  })
  return parsed.origin + path
}

const digest = (text: string): string => createHash('sha256').update(text).digest('base64url')

function demand(condition: boolean, reason: TokenReason, message: string): asserts condition {
  if (!condition) throw new TokenRejected(reason, message)
}

// What an ID token must say (OpenID Connect Core 3.1.3.7 and 12.2). Pure: claims in, a refusal or nothing out.
import { createHash } from 'node:crypto'
import type { LoginReason } from '../errors.ts'
import { LoginRejected } from '../errors.ts'
import { minutes } from '../time.ts'
import type { JSONObject } from './json.ts'
import { instant } from './numeric-date.ts'
import type { Authentication, StepUp } from './provider.ts'
import type { Unverified } from './signature.ts'

export interface Expected {
  readonly issuer: string
  readonly clientID: string
  /** The nonce this login sent. Undefined at a refresh, where a token need not have one. */
  readonly nonce: string | undefined
  /** A token of this login without any nonce is accepted, too. */
  readonly mayLackNonce: boolean
  readonly accessToken: string
  /** What this login was for. */
  readonly stepUp: StepUp | undefined
  /** When the person was sent to the provider (ms since the epoch). Undefined at a refresh. */
  readonly startedAt: number | undefined
  readonly clockSkewMs: number
  /** ms since the epoch. */
  readonly now: number
}

export interface IDTokenFacts {
  readonly subject: string
  /** ms since the epoch. */
  readonly expiresAt: number
  /** ms since the epoch, by the provider's clock. */
  readonly issuedAt: number
  readonly authentication: Authentication
}

// The token comes straight from the token endpoint: a login that dawdled at the provider still gets a new one.
const maxIssuedAgoMs = minutes(10)

/** Throws LoginRejected with the reason. */
export function checkIDToken({ algorithm, type = 'JWT', claims }: Unverified, expected: Expected): IDTokenFacts {
  const { issuer, clockSkewMs, nonce, now } = expected
  const subject = claims['sub']
  // RFC 8725 section 3.11: a token made for another purpose is not an ID token, whoever signed it.
  demand(
    !/^(application\/)?(at|logout|secevent)\+jwt$/i.test(type),
    'id_token_malformed',
    'it is a token of another kind',
  )
  demand(claims['iss'] === issuer, 'id_token_issuer', 'iss is not the configured provider')
  checkAudience(claims, expected.clientID)
  demand(
    typeof subject === 'string' && subject !== '' && subject.length <= 255,
    'id_token_subject',
    'sub is not a string of 1 to 255 characters',
  )
  const expiresAt = instant(claims['exp'])
  demand(expiresAt !== undefined, 'id_token_expired', 'exp is missing or not a usable number')
  demand(now < expiresAt + clockSkewMs, 'id_token_expired', 'exp has passed')
  if (claims['nbf'] !== undefined) {
    const notBefore = instant(claims['nbf'])
    const begun = notBefore !== undefined && notBefore <= now + clockSkewMs
    demand(begun, 'id_token_not_yet_valid', 'nbf lies in the future or is not a number')
  }
  const issuedAt = instant(claims['iat'])
  demand(issuedAt !== undefined, 'id_token_issued_at', 'iat is missing or not a usable number')
  demand(issuedAt <= now + clockSkewMs, 'id_token_issued_at', 'iat lies in the future: compare the clocks')
  if (nonce !== undefined) {
    const fresh = now - issuedAt <= maxIssuedAgoMs + clockSkewMs
    demand(fresh, 'id_token_issued_at', 'iat lies more than 10 minutes back')
    const isLackingRightly = expected.mayLackNonce && claims['nonce'] === undefined
    demand(claims['nonce'] === nonce || isLackingRightly, 'id_token_nonce', 'nonce is not the one this login sent')
  }
  const authentication = { acr: acrIn(claims), at: authenticatedAt(claims, expected) }
  if (expected.stepUp !== undefined) checkStepUp(expected.stepUp, authentication, now)
  if (claims['at_hash'] !== undefined) {
    const matches = claims['at_hash'] === leftHalfHash(algorithm, expected.accessToken)
    demand(matches, 'id_token_at_hash', 'at_hash does not belong to the access token')
  }
  return { subject, expiresAt, issuedAt, authentication }
}

/** When the person authenticated; never in the future. Undefined where the token does not say. */
function authenticatedAt(claims: JSONObject, { startedAt, clockSkewMs, now }: Expected): number | undefined {
  if (claims['auth_time'] === undefined) return undefined
  const said = instant(claims['auth_time'])
  const past = said !== undefined && said <= now + clockSkewMs
  demand(past, 'id_token_auth_time', 'auth_time lies in the future or is not a number')
  // Of a refresh: the original login, which no rounding may make newer.
  if (startedAt === undefined) return Math.min(said, now)
  // Whole seconds, rounded down: it was within the second that follows.
  const at = Math.min(said + (said % 1_000 === 0 ? 999 : 0), now)
  // The provider's clock may be slow by the skew: what it says of a time as short before this login may have been in it.
  return at + clockSkewMs >= startedAt ? Math.max(at, startedAt) : at
}

/** Core 2. Longer than any name of a class of authentication: none that a rule could mean. */
const acrIn = ({ acr }: JSONObject): string | undefined =>
  typeof acr === 'string' && acr !== '' && acr.length <= 256 ? acr : undefined

/** Core 3.1.2.1 and 3.1.3.7, steps 12 and 13: what was asked for is voluntary to some providers, and unknown to others. */
function checkStepUp(stepUp: StepUp, { acr, at }: Authentication, now: number): void {
  if (stepUp.maxAgeMs !== undefined) {
    demand(
      at !== undefined,
      'id_token_auth_time',
      'max_age was sent, but there is no auth_time: require.maxAge needs it',
    )
    const isRecent = now - at < stepUp.maxAgeMs
    demand(isRecent, 'id_token_auth_time', 'auth_time is older than the max_age that was sent: the provider ignores it')
  }
  if (stepUp.acr === undefined) return
  const isAccepted = acr !== undefined && stepUp.acr.includes(acr)
  demand(
    isAccepted,
    'id_token_acr',
    'acr is none of the acr_values that were sent: the provider must offer one of them',
  )
}

function checkAudience(claims: JSONObject, clientID: string): void {
  const { aud, azp } = claims
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  demand(audiences.includes(clientID), 'id_token_audience', 'aud does not name this client')
  demand(azp === undefined || azp === clientID, 'id_token_azp', 'azp names another client')
  // A token that others may use as well is ours only where azp says for whom it was made.
  const alone = audiences.every((audience) => audience === clientID)
  demand(alone || azp === clientID, 'id_token_audience', 'aud names others too, and azp nobody')
}

/** Core 3.1.3.6: the left half of the hash of the signature's algorithm. */
function leftHalfHash(algorithm: string, accessToken: string): string {
  const name = algorithm.endsWith('256') ? 'sha256' : algorithm.endsWith('384') ? 'sha384' : 'sha512'
  const hash = createHash(name).update(accessToken).digest()
  return hash.subarray(0, hash.length / 2).toString('base64url')
}

function demand(holds: boolean, reason: LoginReason, message: string): asserts holds {
  if (!holds) throw new LoginRejected(reason, message)
}

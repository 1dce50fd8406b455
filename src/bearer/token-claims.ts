// What the claims of an access token must say, be they signed (RFC 9068, or any JWT) or told by the provider (RFC 7662). Pure: claims
// in, what they are worth or a refusal out.
import { TokenRejected, type TokenReason } from '../errors.ts'
import { isObject, type JSONObject } from '../oidc/json.ts'

export interface Expected {
  readonly issuer: string
  readonly audiences: readonly string[]
  /** This client's own ids: ID tokens are made out to them. */
  readonly clientIDs: readonly string[]
  readonly clockSkewMs: number
  /** ms since the epoch. */
  readonly now: number
}

export interface TokenFacts {
  readonly subject: string
  readonly scopes: readonly string[]
  /** How its person proved who they are, and when (RFC 9470 section 6.1); absent: nobody says. */
  readonly acr?: string
  readonly authenticatedAt?: number
  /** Until when it counts (ms since the epoch), the clocks' difference included; undefined: the provider does not say. */
  readonly endsAt: number | undefined
  /** The token counts only with a proof of this key (RFC 9449 section 6). */
  readonly keyThumbprint: string | undefined
  readonly jti: string | undefined
}

// The last second of the year 9999: past it, numbers are a mistake or an attack.
const lastSecond = 253_402_300_799
const maxNameLength = 255

/** A JWT whose signature is good. Throws TokenRejected. */
export function checkSigned(
  { type, claims }: { readonly type: string | undefined; readonly claims: JSONObject },
  expected: Expected,
): TokenFacts {
  const { iss, exp, aud } = claims
  const isAccessToken = /^(?:application\/)?at\+jwt$/i.test(type ?? '')
  demand(isAccessToken || /^JWT$/i.test(type ?? 'JWT'), 'token_type', 'typ is not that of an access token')
  demand(iss === expected.issuer, 'token_issuer', 'iss is another issuer')
  demand(exp !== undefined, 'token_expired', 'exp is missing')
  if (!isAccessToken)
    checkPurpose(
      claims,
      textsOf(aud).some((one) => expected.clientIDs.includes(one)),
    )
  return check(claims, expected)
}

/**
 * The provider's answer (RFC 7662 section 2.2), where it says less completed from what the token, a JWT of good signature, says of
 * itself. Throws TokenRejected.
 */
export function checkIntrospected(answer: JSONObject, signed: JSONObject = {}, expected: Expected): TokenFacts {
  const { iss, sub } = answer
  demand(answer['active'] === true, 'token_inactive', 'the provider says that the token is not active')
  demand(iss === undefined || iss === expected.issuer, 'token_issuer', 'iss is another issuer')
  // A provider introspects refresh tokens, too, and calls them active.
  checkPurpose(answer, false)
  const { sub: signedSub = sub } = signed
  demand(sub === undefined || sub === signedSub, 'token_subject', 'the answer is about somebody else')
  // A binding that the token states is not undone by an answer that says null.
  return check({ ...signed, ...answer, cnf: answer['cnf'] ?? signed['cnf'] }, expected)
}

function check(claims: JSONObject, { audiences, clockSkewMs, now }: Expected): TokenFacts {
  const { sub, aud, exp, jti } = claims
  const audience = textsOf(aud)
  demand(
    audiences.some((one) => audience.includes(one)),
    'token_audience',
    aud === undefined ? 'aud is missing' : 'aud names nobody of bearer.audiences',
  )
  demand(
    typeof sub === 'string' && sub !== '' && sub.length <= maxNameLength,
    'token_subject',
    'sub is not a string of 1 to 255 characters',
  )
  const endsAt = instant(exp)
  demand(exp === undefined || endsAt !== undefined, 'token_expired', 'exp is not a usable number')
  demand(endsAt === undefined || now < endsAt + clockSkewMs, 'token_expired', 'exp has passed')
  demand(hasBegun(claims['nbf']), 'token_not_yet_valid', 'nbf lies in the future or is not a number')
  demand(hasBegun(claims['iat']), 'token_issued_at', 'iat lies in the future or is not a number')
  const keyThumbprint = boundTo(claims['cnf'])
  // RFC 9449 section 6.2 has both said: of a bound token whose key is not told anybody could make use.
  const isCalledBound = kindsIn(claims).some((kind) => /^dpop$/i.test(kind))
  demand(keyThumbprint !== undefined || !isCalledBound, 'token_binding', 'it is called DPoP, and its key is not said')
  return {
    subject: sub,
    scopes: scopesOf(claims),
    ...authenticationOf(),
    endsAt: endsAt === undefined ? undefined : endsAt + clockSkewMs,
    keyThumbprint,
    jti: typeof jti === 'string' && jti !== '' ? jti : undefined,
  }

  /** One of the future is none. */
  function authenticationOf(): Pick<TokenFacts, 'acr' | 'authenticatedAt'> {
    const { acr } = claims
    const at = instant(claims['auth_time'])
    return {
      ...(typeof acr === 'string' && acr !== '' && acr.length <= maxNameLength && { acr }),
      ...(at !== undefined && at <= now + clockSkewMs && { authenticatedAt: Math.min(at, now) }),
    }
  }

  function hasBegun(claim: unknown): boolean {
    if (claim === undefined) return true
    const at = instant(claim)
    return at !== undefined && at <= now + clockSkewMs
  }
}

// Only in tokens that say who has logged in (Core 2 and 3.3.2.11), or that a session has ended (Back-Channel Logout 2.4, RFC 8417).
const signsOfAnother = ['nonce', 'at_hash', 'c_hash', 's_hash', 'events']
const signsOfAccess = ['scope', 'scp', 'client_id']
// `Refresh` (Keycloak), `refresh_token` (Ory Hydra), `urn:ietf:params:oauth:token-type:refresh_token` (RFC 8693 section 3).
const kindOfAnother = /(?:^|^serialized-|:)(?:id|refresh|offline|logout)(?:[-_]?token)?$/i
const kindOfAccess = /^(?:bearer|dpop|access(?:[-_]?token)?)$/i

/** By what name its kind goes in its claims, or in the provider's answer (RFC 7662 section 2.2). */
const kindsIn = (claims: JSONObject): readonly string[] =>
  [claims['typ'], claims['token_use'], claims['token_type']].filter((kind) => typeof kind === 'string')

/**
 * A token that does not name its kind (RFC 9068's `at+jwt`) may have been made for something else, by the same issuer and with the
 * same key (RFC 8725 section 3.11). Keycloak, Cognito and others name it among the claims.
 */
function checkPurpose(claims: JSONObject, isForThisClient: boolean): void {
  const isAnother = signsOfAnother.some((name) => claims[name] !== undefined)
  demand(!isAnother, 'token_type', 'it is an ID token or a logout token')
  const named = kindsIn(claims)
  demand(
    named.every((kind) => !kindOfAnother.test(kind)),
    'token_type',
    'its claims name another kind of token',
  )
  // Every ID token that this client is given is made out to it: there silence is not enough.
  const isAccess =
    signsOfAccess.some((name) => claims[name] !== undefined) || named.some((kind) => kindOfAccess.test(kind))
  demand(!isForThisClient || isAccess, 'token_type', 'aud is this client, and nothing shows that it is no ID token')
}

/** RFC 9068 section 2.2.3.1; Entra ID and Okta say `scp`, as text or as a list. */
function scopesOf(claims: JSONObject): readonly string[] {
  const { scope = claims['scp'] } = claims
  return typeof scope === 'string' ? scope.split(' ').filter((one) => one !== '') : textsOf(scope)
}

/** RFC 7800, RFC 9449 section 6.1. What we cannot check is as good as no proof. */
function boundTo(cnf: unknown): string | undefined {
  if (cnf === undefined || cnf === null) return undefined
  const [entry, ...others] = isObject(cnf) ? Object.entries(cnf) : []
  const [method, value] = entry ?? []
  demand(
    method === 'jkt' && typeof value === 'string' && /^[\w-]{43}$/.test(value) && others.length === 0,
    'token_binding',
    'it is bound to a key in a way that cannot be checked here (a certificate: RFC 8705)',
  )
  return value
}

export const textsOf = (claim: unknown): readonly string[] =>
  (Array.isArray(claim) ? claim : [claim]).filter((one: unknown): one is string => typeof one === 'string')

/** NumericDate (RFC 7519 section 2) as ms since the epoch, or undefined where it is none. */
const instant = (value: unknown): number | undefined =>
  typeof value === 'number' && value >= 0 && value <= lastSecond ? value * 1_000 : undefined

function demand(condition: boolean, reason: TokenReason, message: string): asserts condition {
  if (!condition) throw new TokenRejected(reason, message)
}

// The UserInfo endpoint (OpenID Connect Core 5.3): what the ID token did not say about the person.
import { LoginRejected, ProviderUnavailable } from '../errors.ts'
import type { DPoP } from './dpop.ts'
import { asked } from './faults.ts'
import { notAnObject, type JSONObject } from './json.ts'
import type { Keys } from './keys.ts'
import type { Metadata } from './metadata.ts'
import { verifySignature } from './signature.ts'
import type { ProviderHealth } from './provider-health.ts'
import type { ProviderAnswer, Transport } from './transport.ts'
import { jsonObject } from './transport.ts'

export interface UserInfoRequest {
  readonly url: string
  readonly metadata: Metadata
  readonly clientID: string
  readonly accessToken: string
  /** See TokenResponse. */
  readonly boundTo: string | undefined
  /** `sub` of the verified ID token. */
  readonly subject: string
}

const maxBytes = 64 * 1024
/** Trying again will not help: the operator has to choose another source. */
const refusing = new Set([401, 403, 404])

/**
 * Claims about `subject`. Throws LoginRejected (`userinfo_subject`, `userinfo_invalid`, `claims_too_large`) for an answer
 * that must not be used, ProviderUnavailable where there was none.
 */
export async function fetchUserInfo(
  request: UserInfoRequest,
  { transport, dpop, keys, health }: { transport: Transport; dpop: DPoP; keys: Keys; health: ProviderHealth },
): Promise<JSONObject> {
  const { accessToken, boundTo } = request
  const toSend = {
    operation: 'userinfo',
    url: new URL(request.url),
    headers: {
      accept: 'application/json, application/jwt',
      authorization: `${boundTo === undefined ? 'Bearer' : 'DPoP'} ${accessToken}`,
    },
    maxBytes,
  } as const
  const call = { operation: 'userinfo', url: request.url } as const
  const sent =
    boundTo === undefined
      ? transport.send(toSend)
      : dpop.send(() => Promise.resolve(toSend), { key: boundTo, accessToken })
  const answer = await sent.catch((error: unknown) => {
    if (error instanceof ProviderUnavailable) health.unanswered(call, error.message)
    throw error
  })
  // Any other answer is about this token.
  if (answer.status >= 500 || answer.status === 429) health.failed(call, `${asked(toSend)}: status ${answer.status}`)
  else health.answered(call)
  if (answer.status !== 200) {
    const remedy = refusing.has(answer.status)
      ? ': it does not take the access token (of another resource?); claimsFrom: [idToken] does without it'
      : ''
    throw new ProviderUnavailable(`${asked(toSend)}: status ${answer.status}${remedy}`)
  }
  if (answer.body === undefined) throw new LoginRejected('claims_too_large', 'userinfo is longer than 64 KB')
  const claims =
    answer.contentType === 'application/jwt' ? await signedClaims(answer.body, request, keys) : plainClaims(answer)
  // Core 5.3.2: without this comparison a provider's slip, or a swapped access token, makes somebody somebody else.
  if (claims['sub'] !== request.subject) throw new LoginRejected('userinfo_subject', 'userinfo is about somebody else')
  return claims
}

function plainClaims(answer: ProviderAnswer): JSONObject {
  const claims = jsonObject(answer)
  if (claims === undefined) throw new LoginRejected('userinfo_invalid', `userinfo is ${notAnObject}`)
  return claims
}

async function signedClaims(token: string, { metadata, clientID }: UserInfoRequest, keys: Keys): Promise<JSONObject> {
  const { claims } = await verifySignature(token.trim(), metadata, keys, 'provider').catch((error: unknown) => {
    if (!(error instanceof LoginRejected)) throw error
    throw new LoginRejected('userinfo_invalid', `signed userinfo: ${error.message}`, { cause: error })
  })
  const { iss, aud } = claims
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  if ((iss !== undefined && iss !== metadata.issuer) || (aud !== undefined && !audiences.includes(clientID))) {
    throw new LoginRejected('userinfo_invalid', 'userinfo is of another provider or for another client')
  }
  return claims
}

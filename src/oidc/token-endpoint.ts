// The token endpoint (RFC 6749 sections 4.1.3, 5 and 6) and its neighbour for revocation (RFC 7009): one call each, never
// repeated, and every answer sorted into what it means. Errors name the provider's error word and nothing it was sent.
// openid-client's own grants are not used: they check ID tokens without their signature, know no injected clock, and put
// whole answers, tokens included, into the `cause` of their errors.
import { ProviderUnavailable } from '../errors.ts'
import { secretsIn, unavailable, type ClientPost, type Sender } from './client-post.ts'
import { notAnObject, type JSONObject } from './json.ts'
import type { Metadata } from './metadata.ts'
import { oauthErrorIn, type OAuthError } from './oauth-error.ts'
import type { ProviderHealth } from './provider-health.ts'
import type { ProviderAnswer } from './transport.ts'
import { jsonObject } from './transport.ts'

export interface TokenResponse {
  /** `client_id` */
  readonly issuedTo: string
  readonly accessToken: string
  /** The key whose possession has to be proven with the access token (RFC 9449); undefined: a bearer token. */
  readonly boundTo: string | undefined
  /** As it came: `undefined` when absent, and not yet known to be a token. */
  readonly idToken: unknown
  readonly refreshToken: string | undefined
  /** Milliseconds from now. */
  readonly expiresInMs: number | undefined
  readonly scope: string | undefined
}

export type TokenResult =
  | { readonly kind: 'tokens'; readonly answer: TokenResponse }
  /** The provider says no, in RFC 6749's words. */
  | ({ readonly kind: 'refused' } & OAuthError)
  /** An answer that no provider should give. */
  | { readonly kind: 'unusable'; readonly why: string }

export interface TokenEndpoint {
  /** Throws ProviderUnavailable: no answer, a 5xx, or "later". `sender.proofKey`: tokens are to be bound to it. */
  grant(
    operation: 'token' | 'refresh',
    metadata: Metadata,
    parameters: Record<string, string>,
    sender: Sender,
  ): Promise<TokenResult>
  /** Throws ProviderUnavailable. */
  revoke(url: string, parameters: Record<string, string>, sender: Sender): Promise<void>
}

const maxTokenLength = 64 * 1024
const tenYearsInSeconds = 10 * 365 * 24 * 3600

/** `bindingRequired`: who asks for tokens that are bound to a key takes no others. */
export function createTokenEndpoint(deps: {
  readonly post: ClientPost
  readonly health: ProviderHealth
  readonly bindingRequired: boolean
}): TokenEndpoint {
  const { post, health, bindingRequired } = deps
  return {
    async grant(operation, metadata, parameters, sender) {
      const call = { operation, url: metadata.token_endpoint }
      const answer = await post.send(call, parameters, sender)
      const result = sorted(answer, secretsIn(parameters), sender, bindingRequired)
      const isRefresh = operation === 'refresh'
      switch (result.kind) {
        case 'tokens':
          health.granted(call)
          return result
        case 'unusable':
          if (isRefresh) health.failed(call, `refresh: ${result.why}`)
          return result
        case 'refused':
          if (result.isPassing) {
            const error = new ProviderUnavailable(`${operation}: ${result.message}`)
            if (isRefresh || result.error === 'temporarily_unavailable') health.failed(call, error.message)
            throw error
          }
          if (result.isClients) health.clientRejected(call, result.error, result.message)
          else health.answered(call)
          return result
      }
    },

    async revoke(url, parameters, sender) {
      const call = { operation: 'revocation', url } as const
      const answer = await post.send(call, parameters, sender)
      health.answered(call)
      if (answer.status === 200 || answer.status === 204) return
      throw unavailable(call, answer, parameters)
    },
  }
}

/** What a status below 500 and its body mean. `secrets`: what was sent, and is not repeated. */
function sorted(
  answer: ProviderAnswer,
  secrets: readonly string[],
  { client, proofKey }: Sender,
  bindingRequired: boolean,
): TokenResult {
  if (answer.body === undefined) return { kind: 'unusable', why: 'the answer is too long' }
  const body = jsonObject(answer)
  // GitHub and its like: an error with status 200.
  if (body !== undefined && (answer.status !== 200 || body['access_token'] === undefined)) {
    const error = oauthErrorIn(answer, body, secrets)
    if (error !== undefined) return { kind: 'refused', ...error }
  }
  if (answer.status !== 200) return { kind: 'unusable', why: `status ${answer.status} without an OAuth error` }
  if (body === undefined) return { kind: 'unusable', why: `the answer is ${notAnObject}` }
  const { access_token: accessToken, token_type: tokenType, scope } = body
  if (!isToken(accessToken)) return { kind: 'unusable', why: 'no usable access_token' }
  // Case-insensitive (RFC 6749 section 5.1). Without a key of ours a DPoP token is of no use.
  const type = typeof tokenType === 'string' ? tokenType.toLowerCase() : undefined
  const isBound = type === 'dpop' && proofKey !== undefined
  if (!isBound && (type !== 'bearer' || (bindingRequired && proofKey !== undefined))) {
    const wanted = proofKey === undefined ? 'Bearer' : bindingRequired ? 'DPoP' : 'DPoP or Bearer'
    return { kind: 'unusable', why: `token_type is not ${wanted}` }
  }
  const refreshToken = body['refresh_token']
  return {
    kind: 'tokens',
    answer: {
      issuedTo: client.id,
      accessToken,
      boundTo: isBound ? proofKey : undefined,
      idToken: body['id_token'] ?? undefined,
      refreshToken: isToken(refreshToken) ? refreshToken : undefined,
      expiresInMs: lifetimeMs(body),
      scope: typeof scope === 'string' ? scope : undefined,
    },
  }
}

// RFC 6749 appendix A.12: printable ASCII. Anything else could not be sent in a header.
const isToken = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= maxTokenLength && /^[\x20-\x7e]+$/.test(value)

/** Some send a string. Zero and nonsense count as absent: a token that has ended before it came is of no use to anybody. */
function lifetimeMs(body: JSONObject): number | undefined {
  const value = body['expires_in']
  const seconds = typeof value === 'string' && /^\d{1,12}$/.test(value) ? Number(value) : value
  if (typeof seconds !== 'number' || !(seconds > 0)) return undefined
  return Math.min(seconds, tenYearsInSeconds) * 1_000
}

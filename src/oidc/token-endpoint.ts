// The token endpoint (RFC 6749 sections 4.1.3, 5 and 6) and its neighbour for revocation (RFC 7009): one call each, never
// repeated, and every answer sorted into what it means. Errors name the provider's error word and nothing it was sent.
// openid-client's own grants are not used: they check ID tokens without their signature, know no injected clock, and put
// whole answers, tokens included, into the `cause` of their errors.
import { AnswerLost, ProviderUnavailable } from '../errors.ts'
import type { ClientAuth } from './client-auth.ts'
import { asked } from './faults.ts'
import { notAnObject, type JSONObject } from './json.ts'
import type { Metadata } from './metadata.ts'
import type { Call, ProviderHealth } from './provider-health.ts'
import { errorWord, inWords } from './provider-text.ts'
import type { ProviderAnswer, Transport } from './transport.ts'
import { jsonObject } from './transport.ts'

export interface TokenResponse {
  readonly accessToken: string
  /** As it came: `undefined` when absent, and not yet known to be a token. */
  readonly idToken: unknown
  readonly refreshToken: string | undefined
  /** Milliseconds from now. */
  readonly expiresInMs: number | undefined
  readonly scope: string | undefined
}

export type TokenResult =
  | { readonly kind: 'tokens'; readonly answer: TokenResponse }
  /** The provider says no, in RFC 6749's words. `message`: the error and what else it says, for the log. */
  | { readonly kind: 'refused'; readonly error: string; readonly message: string; readonly isClients: boolean }
  /** An answer that no provider should give. */
  | { readonly kind: 'unusable'; readonly why: string }

export interface TokenEndpoint {
  /** Throws ProviderUnavailable: no answer, a 5xx, or "later". */
  grant(operation: 'token' | 'refresh', metadata: Metadata, parameters: Record<string, string>): Promise<TokenResult>
  /** Throws ProviderUnavailable. */
  revoke(url: string, parameters: Record<string, string>): Promise<void>
}

export interface TokenEndpointOptions {
  readonly issuer: string
  readonly authenticate: ClientAuth
  readonly transport: Transport
  readonly health: ProviderHealth
}

const maxBytes = 512 * 1024
const maxTokenLength = 64 * 1024
const tenYearsInSeconds = 10 * 365 * 24 * 3600
// Words for "later" (RFC 6749 section 4.1.2.1 has them for the authorization endpoint; providers use them here as well).
const passingErrors = new Set(['temporarily_unavailable', 'server_error', 'slow_down'])
// Not the token endpoint's word, but that of what stands in front of it: not here, not so, not now.
const passingStatuses = new Set([404, 405, 407, 408, 421, 425, 429])
const isRefusal = (status: number) => status === 200 || (status >= 400 && status < 500 && !passingStatuses.has(status))
const errorCode = /^[a-z][a-z0-9_.-]{0,63}$/

export function createTokenEndpoint(options: TokenEndpointOptions): TokenEndpoint {
  const { issuer, authenticate, transport, health } = options

  /** Throws ProviderUnavailable, which the provider's health has heard of then. */
  async function post(call: Call, parameters: Record<string, string>): Promise<ProviderAnswer> {
    const { operation, url } = call
    const form = new URLSearchParams(parameters)
    const headers = new Headers({ accept: 'application/json' })
    await authenticate({ issuer }, form, headers)
    const request = { operation, url: new URL(url), headers: Object.fromEntries(headers), form, maxBytes }
    const answer = await transport.send(request).catch((error: unknown) => {
      if (error instanceof ProviderUnavailable && !mayBeCodes(call, error)) health.unanswered(call, error.message)
      throw error
    })
    if (answer.status >= 500 || answer.status === 429 || answer.status === 408) {
      const error = unavailable(call, answer, parameters)
      if (operation !== 'token' || isAboutNobody(answer.status)) health.failed(call, error.message)
      throw error
    }
    return answer
  }

  return {
    async grant(operation, metadata, parameters) {
      const call = { operation, url: metadata.token_endpoint }
      const result = sorted(await post(call, parameters), secretsIn(parameters))
      const isRefresh = operation === 'refresh'
      switch (result.kind) {
        case 'tokens':
          health.granted(call)
          return result
        case 'unusable':
          if (isRefresh) health.failed(call, `refresh: ${result.why}`)
          return result
        case 'refused':
          if (passingErrors.has(result.error)) {
            const error = new ProviderUnavailable(`${operation}: ${result.message}`)
            if (isRefresh || result.error === 'temporarily_unavailable') health.failed(call, error.message)
            throw error
          }
          if (result.isClients) health.clientRejected(call, result.error, result.message)
          else health.answered(call)
          return result
      }
    },

    async revoke(url, parameters) {
      const call = { operation: 'revocation', url } as const
      const answer = await post(call, parameters)
      health.answered(call)
      if (answer.status === 200 || answer.status === 204) return
      throw unavailable(call, answer, parameters)
    },
  }
}

// A code is whatever a browser brought: that some server chokes on it says nothing about the provider. What was never sent, what
// got no answer in time, and the statuses of those who are not there do.
const mayBeCodes = ({ operation }: Call, error: ProviderUnavailable): boolean =>
  operation === 'token' && error instanceof AnswerLost && error.cause !== undefined
const isAboutNobody = (status: number): boolean => status === 429 || (status >= 502 && status <= 504)

const secretsIn = (parameters: Record<string, string>): string[] =>
  ['code', 'code_verifier', 'refresh_token', 'token'].flatMap((name) => parameters[name] ?? [])

function unavailable(
  { operation, url }: Call,
  answer: ProviderAnswer,
  parameters: Record<string, string>,
): ProviderUnavailable {
  const begin = asked({ operation, url: new URL(url) })
  return new ProviderUnavailable(`${begin}: status ${answer.status}${reasonIn(answer, parameters)}`)
}

/** ` (temporarily_unavailable: back at noon)`, where the body says something of the kind. */
function reasonIn(answer: ProviderAnswer, parameters: Record<string, string>): string {
  const { error, error_description: description } = jsonObject(answer) ?? {}
  return error === undefined ? '' : ` (${inWords(errorWord(error), description, secretsIn(parameters))})`
}

/** What a status below 500 and its body mean. `secrets`: what was sent, and is not repeated. */
function sorted(answer: ProviderAnswer, secrets: readonly string[]): TokenResult {
  if (answer.body === undefined) return { kind: 'unusable', why: 'the answer is too long' }
  const body = jsonObject(answer)
  // GitHub and its like: an error with status 200.
  if (body !== undefined && (answer.status !== 200 || body['access_token'] === undefined)) {
    const { error, error_description: description } = body
    if (typeof error === 'string' && errorCode.test(error) && isRefusal(answer.status)) {
      const message = inWords(error, description, secrets)
      return { kind: 'refused', error, message, isClients: isAboutClient(error, answer.status) }
    }
  }
  if (answer.status !== 200) return { kind: 'unusable', why: `status ${answer.status} without an OAuth error` }
  if (body === undefined) return { kind: 'unusable', why: `the answer is ${notAnObject}` }
  const { access_token: accessToken, token_type: tokenType, scope } = body
  if (!isToken(accessToken)) return { kind: 'unusable', why: 'no usable access_token' }
  // Case-insensitive (RFC 6749 section 5.1). We hold no DPoP key, so nothing but a bearer token is of use.
  if (typeof tokenType !== 'string' || tokenType.toLowerCase() !== 'bearer') {
    return { kind: 'unusable', why: 'token_type is not Bearer' }
  }
  const refreshToken = body['refresh_token']
  return {
    kind: 'tokens',
    answer: {
      accessToken,
      idToken: body['id_token'] ?? undefined,
      refreshToken: isToken(refreshToken) ? refreshToken : undefined,
      expiresInMs: lifetimeMs(body),
      scope: typeof scope === 'string' ? scope : undefined,
    },
  }
}

/**
 * Whether the client was not recognized (RFC 6749 section 5.2: invalid_client, or status 401; Keycloak says unauthorized_client
 * then, Auth0 access_denied): the operator's or the provider's mistake, whatever the grant is worth.
 */
const isAboutClient = (error: string, status: number): boolean =>
  error === 'invalid_client' || (status === 401 && (error === 'unauthorized_client' || error === 'access_denied'))

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

// What an endpoint's "no" means, in OAuth's words (RFC 6749 section 5.2): about what was asked, about our client, or "later".
import { isObject, type JSONObject } from './json.ts'
import { errorWord, inWords } from './provider-text.ts'
import type { ProviderAnswer } from './transport.ts'
import { jsonObject } from './transport.ts'

export interface OAuthError {
  readonly error: string
  /** The error and what else it says, for the log. */
  readonly message: string
  /** The client was not recognized: the operator's or the provider's mistake, whatever was asked is worth. */
  readonly isClients: boolean
  /** Asked again later, it may say yes. */
  readonly isPassing: boolean
}

// Words for "later" (RFC 6749 section 4.1.2.1 has them for the authorization endpoint; providers use them elsewhere as well).
// A proof of possession that is refused is about a clock or a nonce (RFC 9449 section 5), not about what was asked.
const passingErrors = new Set([
  'temporarily_unavailable',
  'server_error',
  'slow_down',
  'use_dpop_nonce',
  'invalid_dpop_proof',
])
// Not the endpoint's word, but that of what stands in front of it: not here, not so, not now.
const passingStatuses = new Set([404, 405, 407, 408, 421, 425, 429])
const isRefusal = (status: number) => status === 200 || (status >= 400 && status < 500 && !passingStatuses.has(status))
const errorCode = /^[a-z][a-z0-9_.-]{0,63}$/

/** The error in an answer that has one. `secrets`: what was sent, and is not repeated. */
export function oauthErrorIn(
  { status }: ProviderAnswer,
  body: JSONObject | undefined,
  secrets: readonly string[],
): OAuthError | undefined {
  if (!isObject(body)) return undefined
  const { error, error_description: description } = body
  if (typeof error !== 'string' || !errorCode.test(error) || !isRefusal(status)) return undefined
  return {
    error,
    message: inWords(error, description, secrets),
    isClients: isAboutClient(error, status),
    isPassing: passingErrors.has(error),
  }
}

/** ` (temporarily_unavailable: back at noon)`, where the body says something of the kind. */
export function reasonIn(answer: ProviderAnswer, secrets: readonly string[]): string {
  const { error, error_description: description } = jsonObject(answer) ?? {}
  return error === undefined ? '' : ` (${inWords(errorWord(error), description, secrets)})`
}

/** RFC 6749 section 5.2: invalid_client, or status 401; Keycloak says unauthorized_client then, Auth0 access_denied. */
const isAboutClient = (error: string, status: number): boolean =>
  error === 'invalid_client' || (status === 401 && (error === 'unauthorized_client' || error === 'access_denied'))

// How we say no: a page to a person, JSON to a program, always with a public code and the request's id. A failure of ours or
// of the provider's is a 503 with `Retry-After`, never a 401, and never touches a cookie.
import type { IncomingHttpHeaders } from 'node:http'
import {
  AppError,
  BadRequest,
  LoginRejected,
  ProviderUnavailable,
  StoreUnavailable,
  type LoginReason,
} from '../errors.ts'
import type { Pages } from '../pages/pages.ts'
import { json, page, type HttpResponse } from './http-response.ts'
import { createCrossOrigin } from './cors.ts'
import { isNavigation } from './negotiation.ts'

/** Seconds after which a client may try again what failed for a passing reason. */
const retryAfterSeconds = '5'

const loginStatus: Readonly<Record<LoginReason, number>> = {
  state_missing: 400,
  state_unknown: 400,
  state_reused: 400,
  ended_meanwhile: 400,
  handover_code: 400,
  handover_host: 400,
  parameter_repeated: 400,
  parameter_too_long: 400,
  code_missing: 400,
  iss_missing: 400,
  iss_mismatch: 400,
  provider_error: 403,
  access_denied: 403,
  code_rejected: 400,
  client_rejected: 502,
  token_response_invalid: 502,
  id_token_missing: 502,
  id_token_malformed: 403,
  id_token_signature: 403,
  id_token_algorithm: 403,
  id_token_issuer: 403,
  id_token_audience: 403,
  id_token_azp: 403,
  id_token_expired: 403,
  id_token_not_yet_valid: 403,
  id_token_issued_at: 403,
  id_token_nonce: 403,
  id_token_at_hash: 403,
  id_token_subject: 403,
  id_token_auth_time: 403,
  id_token_acr: 403,
  id_token_replayed: 403,
  access_token_audience: 403,
  userinfo_subject: 403,
  userinfo_invalid: 502,
  email_not_verified: 403,
  claims_too_large: 502,
}

export interface Asked {
  readonly method: string
  readonly headers: IncomingHttpHeaders
  readonly requestId: string
}

export interface Refusals {
  refuse(asked: Asked, status: number, reason: string, options?: RefuseOptions): HttpResponse
  /** JSON with the request's id: for a program, whatever it says of itself. */
  toProgram(asked: Asked, status: number, body: object, headers?: Readonly<Record<string, string>>): HttpResponse
  /** 429, and in how long it may be tried again (RFC 6585 section 4). */
  tooMany(asked: Asked, waitMs: number): HttpResponse
  /** The answer to an error, expected or not. */
  forError(asked: Asked, error: unknown, options?: RefuseOptions): HttpResponse
}

export interface RefuseOptions {
  /** Where a person can try again. */
  readonly retryURL?: string
  /** The page goes there without being asked. */
  readonly retriesByItself?: boolean
  readonly headers?: Readonly<Record<string, string>>
}

/** `allowedOrigins`: whose pages may read what a program is told. */
export function createRefusals(pages: Pages, allowedOrigins: readonly string[] = []): Refusals {
  const crossOrigin = createCrossOrigin(allowedOrigins)

  const toProgram: Refusals['toProgram'] = ({ requestId, headers }, status, body, more) =>
    json(status, body, { 'x-request-id': requestId, ...crossOrigin(headers), ...more })

  function refuse(asked: Asked, status: number, reason: string, options: RefuseOptions = {}): HttpResponse {
    const { requestId } = asked
    const headers = { ...(status === 503 && { 'retry-after': retryAfterSeconds }), ...options.headers }
    if (!isNavigation(asked.method, asked.headers)) {
      return toProgram(asked, status, { error: reason, request_id: requestId }, headers)
    }
    const { retryURL, retriesByItself } = options
    const html = pages.error({ status, reason, requestId, retryURL, retriesByItself })
    return page(status, html, pages.headers, { 'x-request-id': requestId, ...headers })
  }

  return {
    refuse,
    toProgram,
    tooMany(asked, waitMs) {
      const seconds = Math.max(1, Math.ceil(waitMs / 1_000))
      return refuse(asked, 429, 'rate_limited', { headers: { 'retry-after': String(seconds) } })
    },
    forError(asked, error, options) {
      const [status, reason] = statusAndReason(error)
      return refuse(asked, status, reason, options)
    },
  }
}

// Its keys: the type says that each reason is one.
export const loginReasons = Object.keys(loginStatus) as readonly LoginReason[]

export function statusAndReason(error: unknown): [status: number, reason: string] {
  if (error instanceof LoginRejected) return [loginStatus[error.reason], error.reason]
  if (error instanceof StoreUnavailable) return [503, 'store_unavailable']
  if (error instanceof ProviderUnavailable) return [503, 'provider_unavailable']
  if (error instanceof BadRequest) return [400, 'bad_request']
  if (error instanceof AppError) return [500, error.code.toLowerCase()]
  return [500, 'internal']
}

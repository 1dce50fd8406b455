// Where providers tell of logouts and of what befell an account. No person comes here: answers are the specifications' own JSON, no
// cookie is read or set but in the provider's frame, and no other site's script may read a word.
import { createHash, timingSafeEqual } from 'node:crypto'
import { SignalRejected, type SignalReason } from '../errors.ts'
import type { RateLimits } from '../cache/rate-limits.ts'
import type { Providers } from '../oidc/providers.ts'
import type { BackChannelLogout } from '../signals/backchannel-logout.ts'
import type { FrontChannelLogout } from '../signals/frontchannel-logout.ts'
import type { SecurityEvents } from '../signals/security-events.ts'
import type { Signals } from '../signals/create-signals.ts'
import type { Effect, SignalOutcome } from '../signals/signals.ts'
import type { Logger } from '../telemetry/logger.ts'
import { warnOnce } from '../telemetry/once.ts'
import type { BrowserCookies } from './browser-cookies.ts'
import type { CurrentSession } from './current-session.ts'
import type { EndpointRequest } from './endpoint-request.ts'
import { forgetBrowser } from './forget-browser.ts'
import { frame } from './frame.ts'
import { empty, type HttpResponse } from './http-response.ts'
import type { Refusals } from './refusals.ts'

export interface SignalDeps {
  readonly signals: Signals
  readonly providers: Pick<Providers, 'pageOrigins'>
  readonly cookies: BrowserCookies
  readonly currentSession: CurrentSession
  readonly refusals: Refusals
  /** Frames per client network: each may cost a read. */
  readonly rateLimits: Pick<RateLimits, 'logoutFrame'>
  readonly passes: boolean
  readonly logger: Logger
}

type Answer = (request: EndpointRequest) => Promise<HttpResponse>

/** What is not configured is undefined, and its address is nobody's. */
export interface SignalEndpoints {
  readonly backChannelLogout: Answer | undefined
  readonly frontChannelLogout: Answer | undefined
  readonly securityEvents: Answer | undefined
}

const retryAfter = { 'retry-after': '5' }
const formType = 'application/x-www-form-urlencoded'
const eventType = 'application/secevent+jwt'

export function createSignalEndpoints(deps: SignalDeps): SignalEndpoints {
  const { signals, refusals } = deps
  const { backChannelLogout, frontChannelLogout, securityEvents, receive } = signals
  const tellNotRouted = warnOnce(
    deps.logger,
    { event: 'signal_not_routed' },
    'a logout or an event of the provider came by way of a proxy’s question, which has no body: the path needs a route of its ' +
      'own to this service (docs/provider-signals.md)',
  )

  /** The question of a forward-auth proxy describes a request without what it carries: there is nothing to read. */
  const withBody =
    (answer: Answer): Answer =>
    async (request) => {
      if (!request.relayed) return answer(request)
      tellNotRouted()
      return refusals.toProgram(request, 404, { error: 'not_routed', request_id: request.requestId })
    }

  /** Back-Channel Logout 1.0, sections 2.7 and 2.8. */
  const logoutToken =
    (logout: BackChannelLogout): Answer =>
    async (request) =>
      answerToLogout(
        request,
        await receive('logout_token', request.requestId, async () => logout(tokenInForm(request))),
      )

  function answerToLogout(request: EndpointRequest, outcome: SignalOutcome): HttpResponse {
    const request_id = request.requestId
    if (outcome.kind === 'done') return empty(200)
    const { reason } = outcome
    if (outcome.kind === 'later')
      return refusals.toProgram(request, 503, { error: 'temporarily_unavailable', reason, request_id }, retryAfter)
    return refusals.toProgram(request, 400, {
      error: 'invalid_request',
      error_description: outcome.message,
      reason,
      request_id,
    })
  }

  /** RFC 8935, sections 2.2 to 2.4. */
  const securityEvent =
    ({ bearerToken, apply }: SecurityEvents): Answer =>
    async (request) => {
      const outcome = await receive('security_event', request.requestId, async (): Promise<Effect> => {
        const { authorization } = request.headers
        // First: whoever does not know it has us compute nothing.
        if (bearerToken !== undefined && !isSame(authorization, `Bearer ${bearerToken}`))
          throw new SignalRejected('sender', 'Authorization is not what was agreed on')
        return apply(bodyOf(request, eventType).trim())
      })
      const request_id = request.requestId
      if (outcome.kind === 'done') return empty(202)
      if (outcome.kind === 'later')
        return refusals.toProgram(request, 503, { reason: outcome.reason, request_id }, retryAfter)
      const { reason, message: description } = outcome
      const err = errorCodes[reason] ?? 'invalid_request'
      return refusals.toProgram(request, 400, { err, description, reason, request_id }, { 'content-language': 'en' })
    }

  /** Front-Channel Logout 1.0, section 2. */
  const logoutFrame =
    (logout: FrontChannelLogout): Answer =>
    async (request) => {
      const waitMs = await deps.rateLimits.logoutFrame.take(request.clientAddress)
      if (waitMs > 0) return refusals.tooMany(request, waitMs)
      let cookies: readonly string[] = []
      const outcome = await receive('frontchannel_logout', request.requestId, async () => {
        const session = logout.read(request.query)
        const current = await deps.currentSession(request).catch(() => undefined)
        const isTheirs = current?.session.issuer === session.issuer && current.session.providerSessionId === session.sid
        const effect = await logout.end(session)
        if (isTheirs) cookies = forgetBrowser(request, deps.cookies.on(request.host), deps.passes)
        return effect
      })
      if (outcome.kind === 'done') return frame(deps.providers.pageOrigins(), cookies)
      // "Done" would be a lie: the cookies stay.
      if (outcome.kind === 'later') return refusals.refuse(request, 503, outcome.reason)
      return refusals.refuse(request, 400, 'bad_request')
    }

  return {
    backChannelLogout: backChannelLogout && withBody(logoutToken(backChannelLogout)),
    frontChannelLogout: frontChannelLogout && logoutFrame(frontChannelLogout),
    securityEvents: securityEvents && withBody(securityEvent(securityEvents)),
  }
}

/** RFC 8935 section 2.4. */
const errorCodes: Partial<Readonly<Record<SignalReason, string>>> = {
  sender: 'authentication_failed',
  issuer: 'invalid_issuer',
  audience: 'invalid_audience',
  signature: 'invalid_key',
  algorithm: 'invalid_key',
}

/** Throws SignalRejected. */
function tokenInForm(request: EndpointRequest): string {
  const [token = '', ...others] = new URLSearchParams(bodyOf(request, formType)).getAll('logout_token')
  if (others.length > 0) throw new SignalRejected('token_repeated', 'logout_token is there more than once')
  if (token === '') throw new SignalRejected('token_missing', 'the body has no logout_token')
  return token
}

/** Throws SignalRejected. */
function bodyOf({ headers, body }: EndpointRequest, type: string): string {
  const [given = ''] = (headers['content-type'] ?? '').split(';', 1)
  if (given.trim().toLowerCase() !== type) throw new SignalRejected('token_missing', `the body must be ${type}`)
  if (body === 'too-long') throw new SignalRejected('token_too_large', 'the body is too long')
  if (body === undefined || body.text === '') throw new SignalRejected('token_missing', 'there is no body')
  return body.text
}

/** In a time that says nothing of where they differ, or of how long the secret is. */
function isSame(given: string | undefined, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given ?? ''), digest(expected))
}

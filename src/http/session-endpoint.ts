// A single-page application's view of its session: whose it is, how long it lasts, and new tokens now. Never a token. Looking (GET) is
// no use of the session: a page that is left open keeps nobody logged in by it. Refreshing (POST) is.
import type { RefreshNow } from '../session/refresh-now.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Session } from '../session/session.ts'
import type { Addresses } from './addresses.ts'
import type { BrowserCookies } from './browser-cookies.ts'
import type { CrossOrigin } from './cors.ts'
import { createCurrentSession, type Current, type CurrentSession } from './current-session.ts'
import type { EndpointRequest } from './endpoint-request.ts'
import { json, type HttpResponse } from './http-response.ts'
import { isOwnWish } from './own-wish.ts'
import type { UserProfile } from './profile-endpoints.ts'
import type { Refusals } from './refusals.ts'

export interface SessionEndpointDeps {
  readonly addresses: Addresses
  readonly cookies: BrowserCookies
  readonly sessions: Sessions
  readonly refusals: Refusals
  readonly describe: (session: Session) => UserProfile
  readonly currentSession: CurrentSession
  readonly crossOrigin: CrossOrigin
}

const iso = (ms: number) => new Date(ms).toISOString()

export function createSessionEndpoint(deps: SessionEndpointDeps) {
  const { addresses, cookies, sessions, refusals, crossOrigin } = deps
  const lookAtCurrent = createCurrentSession({ sessions: { find: sessions.look }, cookies })

  /** A script's request is part of a page: that is where the person wants to be after the login. */
  function loginURL(request: EndpointRequest): string {
    const page = addresses.returnURL(request, request.headers.referer)
    return addresses.startURL(request, page ?? `${addresses.origin(request)}/`)
  }

  function about(session: Session) {
    const { acr, authenticatedAt, refreshable } = session
    return {
      loggedIn: true,
      user: deps.describe(session).user,
      expiresAt: iso(sessions.endOf(session)),
      accessExpiresAt: iso(session.tokenExpiresAt),
      refreshable,
      ...(refreshable && { refreshesAt: iso(session.refreshAt) }),
      ...(acr !== undefined && { acr }),
      ...(authenticatedAt !== undefined && { authenticatedAt: iso(authenticatedAt) }),
    }
  }

  function told(
    { host }: EndpointRequest,
    { session, ticket }: Pick<Current, 'session' | 'ticket'>,
    more: object = {},
  ): HttpResponse {
    const pass = sessions.passFor(session, ticket)
    return {
      ...json(200, { ...about(session), ...more }),
      cookies: pass === undefined ? [] : [cookies.on(host).setPass(pass)],
    }
  }

  async function look(request: EndpointRequest): Promise<HttpResponse> {
    const current = await lookAtCurrent(request)
    if (current === undefined) return json(200, { loggedIn: false, login_url: loginURL(request) })
    return current.from === 'unproven' ? refusals.refuse(request, 503, 'store_unavailable') : told(request, current)
  }

  async function refresh(request: EndpointRequest): Promise<HttpResponse> {
    // Of a foreign page it would cost the provider a call, and the person nothing.
    const isOurs = isOwnWish(request, addresses) || 'access-control-allow-origin' in crossOrigin(request.headers)
    if (!isOurs) return refusals.refuse(request, 403, 'foreign_origin')
    const current = await deps.currentSession(request)
    if (current === undefined) return loginRequired(request)
    if (current.from === 'unproven') return refusals.refuse(request, 503, 'store_unavailable')
    const { ticket } = current
    const outcome: RefreshNow = await sessions.refreshNow(ticket, current.session)
    switch (outcome.kind) {
      case 'refreshed':
      case 'unchanged':
        return told(request, { session: outcome.session, ticket }, { refreshed: outcome.kind === 'refreshed' })
      case 'ended':
        return loginRequired(request)
      case 'failed':
        return refusals.refuse(request, 503, `${outcome.fault}_unavailable`)
    }
  }

  const loginRequired = (request: EndpointRequest) =>
    refusals.toProgram(request, 401, { error: 'login_required', login_url: loginURL(request) })

  return {
    session: (request: EndpointRequest) => (request.method === 'POST' ? refresh(request) : look(request)),
  }
}

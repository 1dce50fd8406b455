// Our own paths. Each takes an `EndpointRequest` and gives an `HttpResponse`, so that they work the same when a browser comes here itself and when
// a forward-auth middleware relays.
import type { Logger } from '../telemetry/logger.ts'
import type { HttpResponse } from './http-response.ts'
import { createCurrentSession } from './current-session.ts'
import { createHandoverEndpoints, type HandoverDeps } from './handover-endpoints.ts'
import { createLoginEndpoints, type LoginDeps, type LoginWish } from './login-endpoints.ts'
import { createLogoutEndpoints, type LogoutDeps } from './logout-endpoints.ts'
import { isNavigation } from './negotiation.ts'
import { preflightAnswer, type IsPreflight } from './preflight.ts'
import type { ProtectedResources } from './protected-resources.ts'
import { createOwnSessions, type OwnSessionsDeps } from './own-sessions.ts'
import { createProfileEndpoints, type ProfileDeps } from './profile-endpoints.ts'
import { createSignalEndpoints, type SignalDeps } from './signal-endpoints.ts'
import { createSessionEndpoint, type SessionEndpointDeps } from './session-endpoint.ts'
import type { EndpointRequest } from './endpoint-request.ts'

export interface Endpoints {
  /** Never throws. */
  answer(request: EndpointRequest): Promise<HttpResponse>
  /** Sends a person to the provider at once, or to where they choose one. Throws ProviderUnavailable. */
  sendToLogin(request: Omit<EndpointRequest, 'path' | 'query'>, wish: LoginWish): Promise<HttpResponse>
}

export interface EndpointsDeps extends Omit<
  LoginDeps & LogoutDeps & ProfileDeps & SessionEndpointDeps & SignalDeps & OwnSessionsDeps & HandoverDeps,
  'currentSession' | 'beginHandover'
> {
  readonly isPreflight: IsPreflight
  /** See SharedCache: bounds how long one request waits for the store in all. */
  readonly withinBudget: <T>(task: () => T) => T
  /** The keys of identity tokens, as JSON; absent where there are none. */
  readonly jwks?: (() => string) | undefined
  /** Absent: no token is of use. */
  readonly resources?: Pick<ProtectedResources, 'answer'> | undefined
  readonly logger: Logger
}

/** Whoever caches them for longer than this still has tomorrow's. */
const publicKeys = (body: string): HttpResponse => ({
  status: 200,
  headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'public, max-age=3600' },
  cookies: [],
  body,
})

interface Endpoint {
  /** As in the header `Allow`. */
  readonly allow: string
  /** Scripts of listed origins may read its answers. */
  readonly isForScripts?: boolean
  readonly answer: (request: EndpointRequest) => Promise<HttpResponse> | HttpResponse
}

export function createEndpoints(deps: EndpointsDeps): Endpoints {
  const { addresses, refusals, logger } = deps
  const currentSession = createCurrentSession(deps)
  const { begin: beginHandover, handover } = createHandoverEndpoints({ ...deps, currentSession })
  const login = createLoginEndpoints({ ...deps, currentSession, beginHandover })
  const { logout, signedOut } = createLogoutEndpoints({ ...deps, currentSession })
  const { userinfo } = createProfileEndpoints({ ...deps, currentSession })
  const { session } = createSessionEndpoint({ ...deps, currentSession })
  const { ownSessions } = createOwnSessions({
    ...deps,
    currentSession,
    sendToLogin: login.sendToLogin,
    logout,
  })

  const signals = createSignalEndpoints({ ...deps, currentSession })

  const { ownPath, signalPath } = addresses
  const table = new Map<string, Endpoint>([
    [ownPath.start, { allow: 'GET, HEAD', answer: login.start }],
    [ownPath.signIn, { allow: 'GET, HEAD', answer: login.signIn }],
    [addresses.logoutPath, { allow: 'GET, POST', answer: (request) => logout(request) }],
    [ownPath.signOut, { allow: 'GET, POST', answer: (request) => logout(request) }],
    [ownPath.sessions, { allow: 'GET, HEAD, POST', answer: ownSessions }],
    [ownPath.signedOut, { allow: 'GET, HEAD', answer: signedOut }],
    [ownPath.userinfo, { allow: 'GET, HEAD', isForScripts: true, answer: userinfo }],
    [ownPath.session, { allow: 'GET, HEAD, POST', isForScripts: true, answer: session }],
  ])
  for (const [name, path] of addresses.callbackPaths) {
    table.set(path, { allow: 'GET', answer: (request) => login.callback(request, name) })
  }
  const addIfOn = (path: string, allow: string, answer: Endpoint['answer'] | undefined) =>
    answer === undefined ? undefined : table.set(path, { allow, answer })
  addIfOn(signalPath.backChannelLogout, 'POST', signals.backChannelLogout)
  addIfOn(signalPath.frontChannelLogout, 'GET', signals.frontChannelLogout)
  addIfOn(signalPath.securityEvents, 'POST', signals.securityEvents)
  addIfOn(ownPath.handover, 'GET', deps.isHandoverHost && handover)
  const { jwks } = deps
  if (jwks !== undefined) table.set(ownPath.jwks, { allow: 'GET, HEAD', answer: () => publicKeys(jwks()) })

  const { resources } = deps
  const metadata = resources && { allow: 'GET, HEAD, OPTIONS', answer: resources.answer }
  const wellKnown = (path: string): Endpoint | undefined => (addresses.isResourceMetadata(path) ? metadata : undefined)

  /** To a forward-auth proxy a 2xx means "let them through to the application": our own paths never say that. */
  function neverAllowing(request: EndpointRequest, answer: HttpResponse): HttpResponse {
    if (answer.status < 200 || answer.status > 299) return answer
    const isPage = answer.headers['content-type']?.startsWith('text/html') ?? false
    return isPage ? { ...answer, status: 403 } : refusals.refuse(request, 404, 'not_routed')
  }

  async function answerOf(request: EndpointRequest, { allow, answer }: Endpoint): Promise<HttpResponse> {
    if (!allow.split(', ').includes(request.method)) {
      return refusals.refuse(request, 405, 'method_not_allowed', { headers: { allow } })
    }
    try {
      return await deps.withinBudget(() => answer(request))
    } catch (error) {
      const refusal = refusals.forError(request, error)
      // Redis or the provider being away is told once, by whoever watches them; here it would be a line for each request.
      if (refusal.status === 500) {
        logger.error(
          { event: 'request_failed', requestId: request.requestId, path: request.path, err: error },
          'an own endpoint failed',
        )
      }
      return refusal
    }
  }

  /** What a script of a listed origin may read, its browser's question before that included. A person's page is for no script. */
  async function answerToScript(request: EndpointRequest, endpoint: Endpoint): Promise<HttpResponse> {
    const { method, headers } = request
    const answer = deps.isPreflight(method, headers)
      ? preflightAnswer(endpoint.allow)
      : await answerOf(request, endpoint)
    return isNavigation(method, headers)
      ? answer
      : { ...answer, headers: { ...answer.headers, ...deps.crossOrigin(headers) } }
  }

  return {
    async answer(request) {
      const endpoint = table.get(request.path) ?? wellKnown(request.path)
      if (endpoint === undefined) return refusals.refuse(request, 404, 'not_found')
      const answer = await (endpoint.isForScripts === true ? answerToScript : answerOf)(request, endpoint)
      return request.relayed ? neverAllowing(request, answer) : answer
    },
    sendToLogin: login.sendToLogin,
  }
}

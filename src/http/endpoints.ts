// Our own paths. Each takes an `EndpointRequest` and gives an `HttpResponse`, so that they work the same when a browser comes here itself and when
// a forward-auth middleware relays.
import type { Logger } from '../telemetry/logger.ts'
import type { HttpResponse } from './http-response.ts'
import { createCurrentSession } from './current-session.ts'
import { createLoginEndpoints, type LoginDeps, type LoginWish } from './login-endpoints.ts'
import { createLogoutEndpoints, type LogoutDeps } from './logout-endpoints.ts'
import { createOwnSessions, type OwnSessionsDeps } from './own-sessions.ts'
import { createProfileEndpoints, type ProfileDeps } from './profile-endpoints.ts'
import type { EndpointRequest } from './endpoint-request.ts'

export interface Endpoints {
  /** Never throws. */
  answer(request: EndpointRequest): Promise<HttpResponse>
  /** Sends a person to the provider at once. Throws ProviderUnavailable. */
  sendToProvider(request: Omit<EndpointRequest, 'path' | 'query'>, wish: LoginWish): Promise<HttpResponse>
}

export interface EndpointsDeps extends Omit<LoginDeps & LogoutDeps & ProfileDeps & OwnSessionsDeps, 'currentSession'> {
  /** See SharedCache: bounds how long one request waits for the store in all. */
  readonly withinBudget: <T>(task: () => T) => T
  readonly logger: Logger
}

interface Endpoint {
  /** As in the header `Allow`. */
  readonly allow: string
  readonly answer: (request: EndpointRequest) => Promise<HttpResponse> | HttpResponse
}

export function createEndpoints(deps: EndpointsDeps): Endpoints {
  const { addresses, refusals, logger } = deps
  const currentSession = createCurrentSession(deps)
  const login = createLoginEndpoints({ ...deps, currentSession })
  const { logout, signedOut } = createLogoutEndpoints({ ...deps, currentSession })
  const { userinfo } = createProfileEndpoints({ ...deps, currentSession })
  const { ownSessions } = createOwnSessions({
    ...deps,
    currentSession,
    sendToProvider: login.sendToProvider,
    logout,
  })

  const { ownPath } = addresses
  const table = new Map<string, Endpoint>([
    [ownPath.start, { allow: 'GET, HEAD', answer: login.start }],
    [ownPath.signIn, { allow: 'GET, HEAD', answer: login.signIn }],
    [addresses.callbackPath, { allow: 'GET', answer: login.callback }],
    [addresses.logoutPath, { allow: 'GET, POST', answer: (request) => logout(request) }],
    [ownPath.signOut, { allow: 'GET, POST', answer: (request) => logout(request) }],
    [ownPath.sessions, { allow: 'GET, HEAD, POST', answer: ownSessions }],
    [ownPath.signedOut, { allow: 'GET, HEAD', answer: signedOut }],
    [ownPath.userinfo, { allow: 'GET, HEAD', answer: userinfo }],
  ])

  /** To a forward-auth proxy a 2xx means "let them through to the application": our own paths never say that. */
  function neverAllowing(request: EndpointRequest, answer: HttpResponse): HttpResponse {
    if (answer.status < 200 || answer.status > 299) return answer
    const isPage = answer.headers['content-type']?.startsWith('text/html') ?? false
    return isPage ? { ...answer, status: 403 } : refusals.refuse(request, 404, 'not_routed')
  }

  return {
    async answer(request) {
      const endpoint = table.get(request.path)
      if (endpoint === undefined) return refusals.refuse(request, 404, 'not_found')
      const { allow } = endpoint
      if (!allow.split(', ').includes(request.method)) {
        return refusals.refuse(request, 405, 'method_not_allowed', { headers: { allow } })
      }
      try {
        const answer = await deps.withinBudget(() => endpoint.answer(request))
        return request.relayed ? neverAllowing(request, answer) : answer
      } catch (error) {
        const answer = refusals.forError(request, error)
        // Redis or the provider being away is told once, by whoever watches them; here it would be a line for each request.
        if (answer.status === 500) {
          logger.error(
            { event: 'request_failed', requestId: request.requestId, path: request.path, err: error },
            'an own endpoint failed',
          )
        }
        return answer
      }
    },
    sendToProvider: login.sendToProvider,
  }
}

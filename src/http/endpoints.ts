// Our own paths. Each takes a `Visit` and gives an `Answer`, so that they work the same when a browser comes here itself and when
// a forward-auth middleware relays.
import type { Logger } from '../telemetry/logger.ts'
import type { Answer } from './answer.ts'
import { createCurrentSession } from './current-session.ts'
import { createLoginEndpoints, type LoginDeps, type LoginWish } from './login-endpoints.ts'
import { createLogoutEndpoints, type LogoutDeps } from './logout-endpoints.ts'
import { createProfileEndpoints, type ProfileDeps } from './profile-endpoints.ts'
import type { Visit } from './visit.ts'

export interface Endpoints {
  /** Never throws. */
  answer(visit: Visit): Promise<Answer>
  /** Sends a person to the provider at once. Throws ProviderUnavailable. */
  sendToProvider(visit: Omit<Visit, 'path' | 'query'>, wish: LoginWish): Promise<Answer>
}

export interface EndpointsDeps extends Omit<LoginDeps & LogoutDeps & ProfileDeps, 'currentSession'> {
  /** See SharedCache: bounds how long one request waits for the store in all. */
  readonly withinBudget: <T>(task: () => T) => T
  readonly logger: Logger
}

interface Endpoint {
  /** As in the header `Allow`. */
  readonly allow: string
  readonly answer: (visit: Visit) => Promise<Answer> | Answer
}

export function createEndpoints(deps: EndpointsDeps): Endpoints {
  const { addresses, refusals, logger } = deps
  const currentSession = createCurrentSession(deps)
  const login = createLoginEndpoints({ ...deps, currentSession })
  const { logout, signedOut } = createLogoutEndpoints({ ...deps, currentSession })
  const { userinfo } = createProfileEndpoints({ ...deps, currentSession })

  const { ownPath } = addresses
  const table = new Map<string, Endpoint>([
    [ownPath.start, { allow: 'GET, HEAD', answer: login.start }],
    [ownPath.signIn, { allow: 'GET, HEAD', answer: login.signIn }],
    [addresses.callbackPath, { allow: 'GET', answer: login.callback }],
    [addresses.logoutPath, { allow: 'GET, POST', answer: logout }],
    [ownPath.signOut, { allow: 'GET, POST', answer: logout }],
    [ownPath.signedOut, { allow: 'GET, HEAD', answer: signedOut }],
    [ownPath.userinfo, { allow: 'GET, HEAD', answer: userinfo }],
  ])

  /** To a forward-auth proxy a 2xx means "let them through to the application": our own paths never say that. */
  function neverAllowing(visit: Visit, answer: Answer): Answer {
    if (answer.status < 200 || answer.status > 299) return answer
    const isPage = answer.headers['content-type']?.startsWith('text/html') ?? false
    return isPage ? { ...answer, status: 403 } : refusals.refuse(visit, 404, 'not_routed')
  }

  return {
    async answer(visit) {
      const endpoint = table.get(visit.path)
      if (endpoint === undefined) return refusals.refuse(visit, 404, 'not_found')
      const { allow } = endpoint
      if (!allow.split(', ').includes(visit.method)) {
        return refusals.refuse(visit, 405, 'method_not_allowed', { headers: { allow } })
      }
      try {
        const answer = await deps.withinBudget(() => endpoint.answer(visit))
        return visit.relayed ? neverAllowing(visit, answer) : answer
      } catch (error) {
        const answer = refusals.forError(visit, error)
        // Redis or the provider being away is told once, by whoever watches them; here it would be a line for each request.
        if (answer.status === 500) {
          logger.error(
            { event: 'request_failed', requestId: visit.requestId, path: visit.path, err: error },
            'an own endpoint failed',
          )
        }
        return answer
      }
    },
    sendToProvider: login.sendToProvider,
  }
}

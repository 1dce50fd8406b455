// The trip to the provider and back. This room owns flows, their single use, and what follows a login; it leaves tokens to
// oidc/, the session's life to session/, and headers and pages to http/. It speaks of cookies by what they hold.
import type { ReplayDetection } from '../cache/replay-detection.ts'
import { LoginRejected } from '../errors.ts'
import type { Provider } from '../oidc/provider.ts'
import type { Begun, Sessions } from '../session/sessions.ts'
import type { Session } from '../session/session.ts'
import type { Clock } from '../time.ts'
import {
  flowIdOfState,
  flowLifetimeMs,
  isFlowId,
  maxFlowsPerBrowser,
  sameState,
  type Flow,
  type Flows,
} from './flow.ts'

/** Flow cookies that the browser sent: id and sealed value. */
export type FlowCookies = readonly (readonly [id: string, value: string])[]

export interface LoginStart {
  readonly location: URL
  readonly flow: { readonly id: string; readonly value: string; readonly maxAgeMs: number }
  /** Flows that have to go so that no browser keeps more than 5. */
  readonly evictedFlows: readonly string[]
}

export type LoginEnd =
  | { readonly kind: 'logged-in'; readonly begun: Begun; readonly returnTo: string; readonly flowId: string }
  /** A late tab: the person has a session already and just goes where they wanted to. */
  | { readonly kind: 'already'; readonly returnTo: string | undefined; readonly flowId: string | undefined }

export interface Logins {
  /** Throws ProviderUnavailable. */
  start(request: StartRequest): Promise<LoginStart>
  /** Throws LoginRejected, ProviderUnavailable or StoreUnavailable. */
  complete(request: CompleteRequest): Promise<LoginEnd>
  /** Where the person behind a callback wanted to go, if the flow is theirs: for "try again". */
  destination(query: string, flows: FlowCookies): string | undefined
}

export interface StartRequest {
  readonly redirectURI: string
  /** Absolute, already checked. */
  readonly returnTo: string
  readonly flows: FlowCookies
  readonly prompt: 'select_account' | 'login' | undefined
}

export interface HeldSession {
  readonly session: Session
  readonly ticket: string
}

export interface CompleteRequest {
  readonly query: string
  readonly flows: FlowCookies
  /** The session that the browser has already, if any, with its ticket. */
  readonly current: HeldSession | undefined
  /** The session that this login replaces: `current`, or one that cannot be believed now but is theirs all the same. */
  readonly previous: HeldSession | undefined
}

export function createLogins(deps: {
  flows: Flows
  provider: Provider
  sessions: Sessions
  used: ReplayDetection
  disableReplayDetection: boolean
  clockSkewMs: number
  clock: Clock
}): Logins {
  const { flows, provider, sessions, used, clock } = deps

  return {
    async start({ redirectURI, returnTo, flows: cookies, prompt }) {
      const flow = flows.start({ redirectURI, returnTo, fresh: prompt !== undefined })
      const location = await provider.authorizationURL({ ...flow, ...(prompt !== undefined && { prompt }) })
      const known = cookies
        .map(([id]) => id)
        .filter(isFlowId)
        .sort()
      return {
        location,
        flow: { id: flow.id, value: flows.seal(flow), maxAgeMs: flowLifetimeMs },
        evictedFlows: known.slice(0, Math.max(0, known.length - (maxFlowsPerBrowser - 1))),
      }
    },

    async complete({ query, flows: cookies, current, previous }) {
      const flow = flowOf(query, cookies)
      if (flow instanceof LoginRejected) {
        if (current !== undefined) return { kind: 'already', returnTo: undefined, flowId: undefined }
        throw flow
      }
      if (current !== undefined && !flow.fresh && current.session.createdAt >= flow.startedAt) {
        return { kind: 'already', returnTo: flow.returnTo, flowId: flow.id }
      }
      // Before the code exchange, so that a replayed callback finds nothing to redeem.
      if (!(await used.first('flow', flow.state, flowLifetimeMs))) {
        if (current !== undefined) return { kind: 'already', returnTo: flow.returnTo, flowId: flow.id }
        throw new LoginRejected('state_reused', 'this login was completed before')
      }
      const grant = await provider.redeem({ query, ...flow })
      if (!deps.disableReplayDetection) {
        const ttlMs = Math.max(1, grant.idTokenExpiresAt - clock()) + deps.clockSkewMs
        if (!(await used.first('id_token', grant.idTokenKey, ttlMs))) {
          throw new LoginRejected('id_token_replayed', 'this ID token was used before')
        }
      }
      // A new id and secret at each login: what was planted in the browser before is worth nothing after.
      if (previous !== undefined) await sessions.end(previous.ticket, previous.session)
      const begun = await sessions.begin(grant)
      return { kind: 'logged-in', begun, returnTo: flow.returnTo, flowId: flow.id }
    },

    destination,
  }

  function destination(query: string, cookies: FlowCookies): string | undefined {
    const flow = flowOf(query, cookies)
    return flow instanceof LoginRejected ? undefined : flow.returnTo
  }

  function flowOf(query: string, cookies: FlowCookies): Flow | LoginRejected {
    const states = new URLSearchParams(query).getAll('state')
    const [state] = states
    if (state === undefined || state === '') return new LoginRejected('state_missing', 'the callback has no state')
    if (states.length > 1) return new LoginRejected('parameter_repeated', 'the callback has several states')
    const id = flowIdOfState(state)
    for (const [cookieId, value] of cookies) {
      if (cookieId !== id) continue
      const flow = flows.open(id, value)
      if (flow !== undefined && sameState(flow.state, state)) return flow
    }
    return new LoginRejected(
      'state_unknown',
      'this browser has not begun the login it comes back from, or too long ago',
    )
  }
}

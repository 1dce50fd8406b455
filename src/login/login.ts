// The trip to the provider and back. This room owns flows, their single use, and what follows a login; it leaves tokens to
// oidc/, the session's life to session/, and headers and pages to http/. It speaks of cookies by what they hold.
import type { ReplayDetection } from '../cache/replay-detection.ts'
import { LoginRejected } from '../errors.ts'
import { isTooLong, tooLong } from '../oidc/callback.ts'
import type { Claims, Grant, StepUp } from '../oidc/provider.ts'
import type { Providers } from '../oidc/providers.ts'
import type { NewSession, Sessions } from '../session/sessions.ts'
import type { Session, WhereFrom } from '../session/session.ts'
import type { Clock } from '../time.ts'
import { flowLifetimeMs, type Flow, type Flows } from './flow.ts'
import { chooseSlot, type FlowCookies } from './slots.ts'

export interface LoginStart {
  readonly location: URL
  readonly flow: { readonly slot: number; readonly value: string; readonly maxAgeMs: number }
  /** The return address was too long to be kept whole. */
  readonly isCut: boolean
}

export type LoginEnd =
  | { readonly kind: 'logged-in'; readonly newSession: NewSession; readonly returnTo: string }
  /** A late tab: the person has a session already and just goes where they wanted to, as far as that is known. */
  | { readonly kind: 'already'; readonly returnTo: string | undefined }

/** The login that a callback belongs to. */
export interface LoginTrace {
  /** This browser began it, not long ago. Anybody can come with a callback of which that is not true. */
  readonly isHeld: boolean
  readonly returnTo: string
  /** See Flow. */
  readonly stepUp: StepUp | undefined
  /** See Flow. */
  readonly again: boolean
  /** Cookies that are of no use any more once it is over. */
  readonly slots: readonly number[]
}

export interface Logins {
  /** Throws ProviderUnavailable. */
  start(request: StartRequest): Promise<LoginStart>
  /** Throws LoginRejected, ProviderUnavailable or StoreUnavailable. */
  complete(request: CompleteRequest): Promise<LoginEnd>
  /** Whether it succeeds or not. Undefined for a callback of a login that was not begun here. Proves nothing of who asks. */
  trace(query: string, flows: FlowCookies): LoginTrace | undefined
}

export interface StartRequest {
  readonly redirectURI: string
  /** Of one of the configured ones; see Session. */
  readonly provider: string | undefined
  /** Absolute, already checked. */
  readonly returnTo: string
  readonly flows: FlowCookies
  readonly prompt: 'select_account' | 'login' | undefined
  /** Whom a third party that sent the person here expects (OpenID Connect Core 1.0 section 4). */
  readonly loginHint?: string | undefined
  /** See Flow. */
  readonly stepUp?: StepUp | undefined
  /** See Flow. */
  readonly again: boolean
}

export interface HeldSession {
  readonly session: Session
  readonly ticket: string
}

export interface CompleteRequest {
  readonly query: string
  /** Whose redirect URI it is that the browser came to. */
  readonly provider: string | undefined
  readonly flows: FlowCookies
  /** The session that the browser has already, if any, with its ticket. */
  readonly current: HeldSession | undefined
  /** The session that this login replaces: `current`, or one that cannot be believed now but is theirs all the same. */
  readonly previous: HeldSession | undefined
  readonly from?: WhereFrom
}

export function createLogins(deps: {
  flows: Flows
  providers: Pick<Providers, 'of' | 'has'>
  sessions: Sessions
  used: ReplayDetection
  disableReplayDetection: boolean
  clockSkewMs: number
  /** Hears of the claims of everybody who has logged in, unless some could not be asked for. */
  noticeClaims: (claims: Claims) => void
  clock: Clock
  /** 0 <= x < 1. */
  random: () => number
}): Logins {
  const { flows, providers, sessions, used, clock, random } = deps

  return {
    async start({ redirectURI, provider: id, returnTo, flows: cookies, prompt, loginHint, stepUp, again }) {
      const provider = providers.of(id)
      const proofKey = await provider.newProofKey()
      const { flow, state, cookie } = flows.start({
        redirectURI,
        ...(id !== undefined && { provider: id }),
        returnTo,
        fresh: prompt !== undefined || stepUp !== undefined,
        again,
        ...(stepUp && { stepUp }),
        ...(proofKey !== undefined && { proofKey }),
      })
      const location = await provider.authorizationURL({
        redirectURI,
        state,
        nonce: flow.nonce,
        codeVerifier: flow.codeVerifier,
        proofKey,
        ...(prompt !== undefined && { prompt }),
        ...(loginHint !== undefined && { loginHint }),
        ...(stepUp && { stepUp }),
      })
      return {
        location,
        flow: { slot: chooseSlot(cookies, clock, random), value: cookie, maxAgeMs: flowLifetimeMs },
        isCut: flow.returnTo !== returnTo,
      }
    },

    async complete({ query, provider: asked, flows: cookies, current, previous, from }) {
      const state = stateOf(query)
      const flow = state instanceof LoginRejected ? undefined : flows.read(state)
      if (state instanceof LoginRejected || flow === undefined || !isHeld(flow, cookies)) {
        if (current !== undefined) return { kind: 'already', returnTo: flow?.returnTo }
        throw state instanceof LoginRejected ? state : unknownLogin()
      }
      const isSame = current?.session.provider === flow.provider
      if (current !== undefined && isSame && !flow.fresh && current.session.createdAt >= flow.startedAt) {
        return { kind: 'already', returnTo: flow.returnTo }
      }
      // RFC 9700 section 4.4.2.2: each has a redirect URI of its own, so that none can send us another one's code.
      if (flow.provider !== asked) {
        throw new LoginRejected('iss_mismatch', 'the answer came to the redirect URI of another provider')
      }
      if (!providers.has(flow.provider)) throw unknownLogin()
      const provider = providers.of(flow.provider)
      // Before the code exchange, so that a replayed callback finds nothing to redeem.
      if (!(await used.first('flow', flow.id, flowLifetimeMs))) {
        if (current !== undefined) return { kind: 'already', returnTo: flow.returnTo }
        throw new LoginRejected('state_reused', 'this login was completed before')
      }
      const grant = await provider.exchangeCode({ query, state, ...flow })
      let newSession: NewSession
      try {
        await checkFirstUse(grant)
        // A new id and secret at each login: what was planted in the browser before is worth nothing after.
        if (previous !== undefined) await sessions.end(previous.ticket, previous.session)
        newSession = await sessions.begin(grant, { ...from, startedAt: flow.startedAt, provider: flow.provider })
      } catch (error) {
        provider.abandon(grant.tokens)
        throw error
      }
      if (grant.isHalfKnown !== true) deps.noticeClaims(grant.claims)
      return { kind: 'logged-in', newSession, returnTo: flow.returnTo }
    },

    trace(query, cookies) {
      const state = isTooLong(query) ? '' : (new URLSearchParams(query).get('state') ?? '')
      const flow = flows.read(state)
      if (flow === undefined) return undefined
      const slots = cookies.filter(([, value]) => flows.isHeldBy(flow, value)).map(([slot]) => slot)
      const { returnTo, stepUp, again } = flow
      return { isHeld: slots.length > 0, returnTo, stepUp, again, slots }
    },
  }

  async function checkFirstUse({ idTokenKey, idTokenExpiresAt }: Grant): Promise<void> {
    if (deps.disableReplayDetection) return
    const ttlMs = Math.max(1, idTokenExpiresAt - clock()) + deps.clockSkewMs
    if (await used.first('id_token', idTokenKey, ttlMs)) return
    throw new LoginRejected('id_token_replayed', 'this ID token was used before')
  }

  function isHeld(flow: Flow, cookies: FlowCookies): boolean {
    return cookies.some(([, value]) => flows.isHeldBy(flow, value))
  }
}

function stateOf(query: string): string | LoginRejected {
  if (isTooLong(query)) return tooLong()
  const [state = '', ...others] = new URLSearchParams(query).getAll('state')
  if (state === '') return new LoginRejected('state_missing', 'the callback has no state')
  return others.length === 0 ? state : new LoginRejected('parameter_repeated', 'the callback has several states')
}

const unknownLogin = () =>
  new LoginRejected('state_unknown', 'this browser has not begun the login it comes back from, or too long ago')

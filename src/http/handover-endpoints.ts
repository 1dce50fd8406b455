// Handing a session over to a host of another domain: begun and ended there, granted at the login host. One path, on both.
import type { IsHandoverHost } from '../config/handover.ts'
import { LoginRejected, StoreUnavailable, type LoginReason } from '../errors.ts'
import type { Handover, Handovers } from '../login/handover.ts'
import { chooseSlot } from '../login/slots.ts'
import type { Pages } from '../pages/pages.ts'
import type { RateLimit, RateLimits } from '../cache/rate-limits.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Logger } from '../telemetry/logger.ts'
import { fromZero, type Metrics } from '../telemetry/metrics.ts'
import type { Clock } from '../time.ts'
import type { Addresses } from './addresses.ts'
import type { BrowserCookies } from './browser-cookies.ts'
import type { CurrentSession } from './current-session.ts'
import type { EndpointRequest } from './endpoint-request.ts'
import { page, redirect, type HttpResponse } from './http-response.ts'
import type { LoginWish } from './login-endpoints.ts'
import type { Refusals } from './refusals.ts'
import { flowLifetimeMs } from '../login/flow.ts'

export interface HandoverDeps {
  readonly handovers: Handovers
  /** Undefined: there is none, and all this is not asked for. */
  readonly isHandoverHost: IsHandoverHost | undefined
  readonly addresses: Addresses
  readonly cookies: BrowserCookies
  readonly sessions: Pick<Sessions, 'find' | 'passFor'>
  readonly currentSession: CurrentSession
  readonly pages: Pages
  readonly refusals: Refusals
  readonly rateLimits: Pick<RateLimits, 'start' | 'callback'>
  /** `cookieSameSite: strict` */
  readonly strictCookies: boolean
  readonly metrics: Pick<Metrics, 'handovers'>
  readonly logger: Logger
  readonly clock: Clock
  /** 0 <= x < 1. */
  readonly random: () => number
}

/** Those of logins that come about here. */
const handoverReasons = [
  'state_missing',
  'state_unknown',
  'state_reused',
  'parameter_repeated',
  'code_missing',
  'handover_code',
  'handover_host',
  'ended_meanwhile',
] as const satisfies readonly LoginReason[]

type Asked = Omit<EndpointRequest, 'path' | 'query'>

export function createHandoverEndpoints(deps: HandoverDeps) {
  const { handovers, addresses, cookies, sessions, refusals, rateLimits, metrics, logger } = deps
  const { isHandoverHost = () => false } = deps

  if (deps.isHandoverHost !== undefined) {
    fromZero(metrics.handovers, [
      { outcome: 'succeeded', reason: '' },
      ...['rate_limited', 'failed', ...handoverReasons].map((reason) => ({ outcome: 'refused', reason })),
    ])
  }

  const handoverURL = (origin: string, query: Readonly<Record<string, string>>) =>
    `${origin}${addresses.ownPath.handover}?${new URLSearchParams(query).toString()}`

  async function limited(limit: RateLimit, request: Asked): Promise<HttpResponse | undefined> {
    const waitMs = await limit.take(request.clientAddress)
    if (waitMs === 0) return undefined
    metrics.handovers.labels({ outcome: 'refused', reason: 'rate_limited' }).value++
    return refusals.tooMany(request, waitMs)
  }

  /** On the other host: the browser keeps the proof that it began this, so that nobody can plant a session in it. */
  async function begin(request: Asked, { returnTo, prompt, provider, stepUp }: LoginWish): Promise<HttpResponse> {
    const tooMany = await limited(rateLimits.start, request)
    if (tooMany !== undefined) return tooMany
    const here = cookies.on(request.host)
    const { state, cookie } = handovers.start({
      origin: addresses.origin(request),
      returnTo,
      ...(prompt !== undefined && { prompt }),
      ...(provider !== undefined && { provider }),
      ...(stepUp !== undefined && { stepUp }),
    })
    const slot = chooseSlot(here.flows(request.headers.cookie), deps.clock, deps.random)
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    return redirect(isRead ? 302 : 303, handoverURL(addresses.loginOrigin(request), { state }), [
      here.setFlow(slot, cookie, flowLifetimeMs),
    ])
  }

  async function handover(request: EndpointRequest): Promise<HttpResponse> {
    const isThere = isHandoverHost(request.host)
    const tooMany = await limited(isThere ? rateLimits.callback : rateLimits.start, request)
    if (tooMany !== undefined) return tooMany
    const query = new URLSearchParams(request.query)
    let told: Handover | undefined
    try {
      told = handovers.read(only(query, 'state'))
      return await (isThere ? complete(request, query, told) : grant(request, told))
    } catch (error) {
      return refused(request, error, told)
    }
  }

  /** At the login host: whoever has the session that is wanted goes on with a code, everybody else logs in first. */
  async function grant(request: EndpointRequest, wanted: Handover | undefined): Promise<HttpResponse> {
    if (wanted === undefined || !handovers.isYoung(wanted)) throw unknown()
    if (addresses.origin(request) !== addresses.loginOrigin(request) || !mayReceive(wanted)) {
      throw new LoginRejected('handover_host', 'sessions are not handed over to this host, or not from here')
    }
    const current = await deps.currentSession(request)
    const isFresh = wanted.prompt !== undefined || wanted.stepUp !== undefined
    if (current === undefined || (isFresh && current.session.createdAt < wanted.startedAt)) {
      const { prompt, provider, stepUp } = wanted
      const here = handoverURL(addresses.loginOrigin(request), {
        state: only(new URLSearchParams(request.query), 'state'),
      })
      return redirect(302, addresses.startURL(request, here, { ...(prompt && { prompt }), provider, stepUp }))
    }
    if (current.from === 'unproven') throw new StoreUnavailable('the session cannot be believed now')
    const state = only(new URLSearchParams(request.query), 'state')
    return redirect(302, handoverURL(wanted.origin, { code: handovers.codeFor(wanted, current.ticket), state }))
  }

  /** The list may be another one than when it began; and what came over https stays there. */
  function mayReceive({ origin }: Handover): boolean {
    const site = URL.parse(origin)
    if (site === null || !isHandoverHost(site.host)) return false
    return site.protocol === 'https:' || addresses.publicURL?.startsWith('http:') === true
  }

  /** On the other host again. */
  async function complete(
    request: EndpointRequest,
    query: URLSearchParams,
    wanted: Handover | undefined,
  ): Promise<HttpResponse> {
    const here = cookies.on(request.host)
    const slots = wanted === undefined ? [] : handovers.slotsOf(wanted, here.flows(request.headers.cookie))
    if (wanted === undefined || slots.length === 0) throw unknown()
    if (wanted.origin !== addresses.origin(request) || !mayReceive(wanted)) {
      throw new LoginRejected('handover_host', 'the session is for another host')
    }
    const ticket = await handovers.redeem(wanted, only(query, 'code'))
    const found = await sessions.find(ticket, [])
    if (found.kind === 'unproven') throw new StoreUnavailable('the session cannot be believed now')
    if (found.kind !== 'found') throw new LoginRejected('ended_meanwhile', 'the session ended on the way here')
    metrics.handovers.labels({ outcome: 'succeeded', reason: '' }).value++
    logger.info({ event: 'session_handed_over', requestId: request.requestId }, 'a session is good on one host more')
    const pass = sessions.passFor(found.session, ticket)
    const set = [
      here.setTicket(ticket),
      ...(pass === undefined ? [] : [here.setPass(pass)]),
      ...slots.map((slot) => here.expireFlow(slot)),
    ]
    // The redirects that led here began elsewhere: a browser that followed one more would leave a strict ticket behind.
    return deps.strictCookies
      ? { ...page(200, deps.pages.goOn({ url: wanted.returnTo }), deps.pages.headers), cookies: set }
      : redirect(302, wanted.returnTo, set)
  }

  function refused(request: EndpointRequest, error: unknown, wanted: Handover | undefined): HttpResponse {
    // A state that was made up, or somebody else's, says where to go no more than a link could.
    const goal = addresses.returnURL(request, wanted?.returnTo) ?? `${addresses.origin(request)}/`
    const refusal = refusals.forError(request, error, { retryURL: addresses.startURL(request, goal) })
    const reason = error instanceof LoginRejected ? error.reason : 'failed'
    metrics.handovers.labels({ outcome: 'refused', reason }).value++
    const fields = { event: 'handover_refused', reason, requestId: request.requestId, status: refusal.status }
    if (error instanceof LoginRejected || refusal.status !== 500) logger.debug(fields, 'a session was not handed over')
    else logger.error({ ...fields, err: error }, 'a session could not be handed over')
    return refusal
  }

  return { begin, handover }
}

/** Throws LoginRejected where it is missing or repeated. */
function only(query: URLSearchParams, name: 'state' | 'code'): string {
  const [value = '', ...others] = query.getAll(name)
  if (others.length > 0) throw new LoginRejected('parameter_repeated', `there are several of ${name}`)
  if (value === '') throw new LoginRejected(`${name}_missing`, `there is no ${name}`)
  return value
}

const unknown = () =>
  new LoginRejected('state_unknown', 'this browser has not begun the way that it comes back from, or too long ago')

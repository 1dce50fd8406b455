// The way in: start, callback, the sign-in page.
import type { RateLimit, RateLimits } from '../cache/rate-limits.ts'
import type { IsHandoverHost } from '../config/handover.ts'
import { LoginRejected } from '../errors.ts'
import type { LoginTrace, Logins } from '../login/login.ts'
import type { StepUp } from '../oidc/provider.ts'
import type { ConfiguredProvider, Providers } from '../oidc/providers.ts'
import type { Pages } from '../pages/pages.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Logger } from '../telemetry/logger.ts'
import { fromZero, type Metrics } from '../telemetry/metrics.ts'
import type { Addresses } from './addresses.ts'
import { page, redirect, type HttpResponse } from './http-response.ts'
import type { BrowserCookies } from './browser-cookies.ts'
import type { CurrentSession } from './current-session.ts'
import type { Destinations } from './destination.ts'
import { isOwnWish } from './own-wish.ts'
import type { ProviderChoice } from './provider-choice.ts'
import { loginReasons, type Refusals } from './refusals.ts'
import { stepUpIn } from './step-up.ts'
import type { EndpointRequest } from './endpoint-request.ts'
import { whereFrom } from './where-from.ts'

type Prompt = 'select_account' | 'login'

export interface LoginWish {
  /** Absolute, already checked. */
  readonly returnTo: string
  /** The name of the one that was chosen. Absent, or not for there: the only one that is, or the person is asked. */
  readonly provider?: string | undefined
  readonly prompt?: Prompt | undefined
  readonly loginHint?: string | undefined
  /** See Flow. */
  readonly stepUp?: StepUp | undefined
  /** See Flow. */
  readonly again?: boolean
}

export interface LoginDeps {
  readonly addresses: Addresses
  readonly destinations: Destinations
  readonly cookies: BrowserCookies
  readonly logins: Logins
  readonly sessions: Sessions
  readonly providers: Providers
  readonly choice: ProviderChoice
  readonly pages: Pages
  readonly refusals: Refusals
  readonly rateLimits: Pick<RateLimits, 'start' | 'callback' | 'signIn'>
  readonly currentSession: CurrentSession
  /** Every `acr` that a rule asks for. */
  readonly acrNamed: ReadonlySet<string>
  /** `pages.skipSignIn` */
  readonly skipSignIn: boolean
  /** `cookieSameSite: strict` */
  readonly strictCookies: boolean
  /** Undefined: every host's login is here. */
  readonly isHandoverHost: IsHandoverHost | undefined
  /** On the host of another domain: the login is the login host's to begin. */
  readonly beginHandover: (request: Omit<EndpointRequest, 'path' | 'query'>, wish: LoginWish) => Promise<HttpResponse>
  readonly metrics: Pick<Metrics, 'logins'>
  readonly logger: Logger
}

export function createLoginEndpoints(deps: LoginDeps) {
  const { addresses, destinations, cookies, logins, providers, choice, pages, refusals, rateLimits, currentSession } =
    deps
  const { metrics, logger } = deps

  fromZero(metrics.logins, [
    { outcome: 'succeeded', reason: '' },
    ...['rate_limited', 'failed', ...loginReasons].map((reason) => ({ outcome: 'refused', reason })),
  ])

  const isElsewhere = ({ host }: Pick<EndpointRequest, 'host'>) => deps.isHandoverHost?.(host) === true

  /** Ours, and where a third party sends a person to log in (OpenID Connect Core 1.0 section 4). */
  async function start(request: EndpointRequest): Promise<HttpResponse> {
    const query = new URLSearchParams(request.query)
    const returnTo = destinations.of(request, query)
    const candidates = choice.for(returnTo)
    const issuers = query.getAll('iss')
    const ofIssuer = candidates.filter(({ provider }) => issuers.every((issuer) => provider.isIssuer(issuer)))
    if (ofIssuer.length === 0 && candidates.length > 0) {
      metrics.logins.labels({ outcome: 'refused', reason: 'iss_mismatch' }).value++
      return refusals.refuse(request, 400, 'iss_mismatch', { retryURL: addresses.startURL(request, returnTo) })
    }
    const found = choice.among(ofIssuer, query.get('provider') ?? undefined)
    const asked = query.get('prompt')
    const prompt = asked === 'select_account' || asked === 'login' ? asked : undefined
    const loginHint = query.get('login_hint')?.slice(0, 256) || undefined
    const stepUp = stepUpIn(query, deps.acrNamed)
    try {
      if (found.kind === 'none') return refusals.refuse(request, 403, 'provider_not_allowed')
      if (isElsewhere(request)) {
        const provider = found.kind === 'one' ? choice.nameOf(found.chosen.entry.id) : undefined
        return await deps.beginHandover(request, { returnTo, prompt, stepUp, provider })
      }
      if (found.kind === 'several') return toChoice(request, `${addresses.ownPath.signIn}?${query.toString()}`)
      const { chosen } = found
      if (prompt === 'select_account' && !chosen.provider.offersPrompt(prompt)) {
        return await switchAccount(request, returnTo, chosen)
      }
      const again = query.get('again') === '1'
      return await sendToProvider(request, chosen, { returnTo, prompt, loginHint, stepUp, again })
    } catch (error) {
      return refusals.forError(request, error, { retryURL: addresses.startURL(request, returnTo) })
    }
  }

  /**
   * A provider that cannot be asked for the choice of an account goes on with the person that it knows, and some refuse to log in
   * anybody else until its session has ended. Its `state` brings back where to go afterwards: an address with a query of its own
   * could not be registered there.
   */
  async function switchAccount(
    request: EndpointRequest,
    returnTo: string,
    chosen: ConfiguredProvider,
  ): Promise<HttpResponse> {
    const { provider, entry } = chosen
    // A page elsewhere must not end anybody's session at the provider.
    const current = isOwnWish(request, addresses) ? await currentSession(request).catch(() => undefined) : undefined
    // The session that the provider goes on with is its own.
    const theirs = current?.session.provider === entry.id ? current : undefined
    const tokens = theirs && (await deps.sessions.tokens(theirs.ticket).catch(() => undefined))
    const atProvider =
      tokens &&
      provider.endSessionURL({
        idToken: tokens.idToken,
        postLogoutRedirectURI: addresses.ownOrigin(request) + addresses.ownPath.start,
        state: returnTo,
      })
    return atProvider === undefined
      ? sendToProvider(request, chosen, { returnTo, prompt: 'login' })
      : redirect(302, atProvider.href)
  }

  /** The page is on the host that they are on: its own. */
  function toChoice(request: Pick<EndpointRequest, 'method' | 'scheme' | 'host'>, path: string): HttpResponse {
    return redirect(redirectStatus(request), addresses.ownOrigin(request) + path)
  }

  async function sendToLogin(request: Omit<EndpointRequest, 'path' | 'query'>, wish: LoginWish): Promise<HttpResponse> {
    const { returnTo, provider, prompt, stepUp } = wish
    const found = choice.among(choice.for(returnTo), provider)
    if (found.kind === 'none') return refusals.refuse(request, 403, 'provider_not_allowed')
    if (isElsewhere(request)) return deps.beginHandover(request, wish)
    if (found.kind === 'one') return sendToProvider(request, found.chosen, wish)
    const options = { stepUp, ...(prompt === 'select_account' && { prompt }) }
    return redirect(redirectStatus(request), addresses.signInURL(request, returnTo, options))
  }

  async function sendToProvider(
    request: Omit<EndpointRequest, 'path' | 'query'>,
    { entry }: ConfiguredProvider,
    wish: LoginWish,
  ): Promise<HttpResponse> {
    const tooMany = await limited(rateLimits.start, request)
    if (tooMany !== undefined) return tooMany
    const { returnTo, prompt, loginHint, stepUp, again = false } = wish
    const begun = await logins.start({
      redirectURI: addresses.redirectURI(request, entry.name),
      provider: entry.id,
      returnTo,
      flows: cookies.on(request.host).flows(request.headers.cookie),
      prompt,
      loginHint,
      stepUp,
      again,
    })
    if (begun.isCut) destinations.tellCut(request, returnTo)
    const { slot, value, maxAgeMs } = begun.flow
    return redirect(redirectStatus(request), begun.location.href, [
      cookies.on(request.host).setFlow(slot, value, maxAgeMs),
    ])
  }

  /** Before anything is opened, derived or asked for. */
  async function limited(limit: RateLimit, request: Omit<EndpointRequest, 'path' | 'query'>) {
    const waitMs = await limit.take(request.clientAddress)
    if (waitMs === 0) return undefined
    metrics.logins.labels({ outcome: 'refused', reason: 'rate_limited' }).value++
    return refusals.tooMany(request, waitMs)
  }

  /** `name`: of the provider whose redirect URI it is. */
  async function callback(request: EndpointRequest, name: string): Promise<HttpResponse> {
    const tooMany = await limited(rateLimits.callback, request)
    if (tooMany !== undefined) return tooMany
    const here = cookies.on(request.host)
    const flows = here.flows(request.headers.cookie)
    const trace = logins.trace(request.query, flows)
    const forget = (trace?.slots ?? []).map((slot) => here.expireFlow(slot))
    try {
      // An ended session's cookie, or one that nobody can look up now, is no reason to refuse a login.
      const current = await currentSession(request).catch(() => undefined)
      const end = await logins.complete({
        query: request.query,
        provider: providers.named(name)?.entry.id,
        flows,
        current: current?.from === 'unproven' ? undefined : current,
        previous: current,
        from: whereFrom(request),
      })
      if (end.kind === 'already') return redirect(302, goalOf(request, trace), forget)
      metrics.logins.labels({ outcome: 'succeeded', reason: '' }).value++
      logger.info({ event: 'login_succeeded', requestId: request.requestId }, 'a person has logged in')
      const { ticket, pass } = end.newSession
      const set = [here.setTicket(ticket), ...(pass === undefined ? [] : [here.setPass(pass)]), ...forget]
      // The redirects that led here began at the provider: a browser that followed one more would leave a strict ticket behind.
      return deps.strictCookies
        ? { ...page(200, pages.goOn({ url: end.returnTo }), pages.headers), cookies: set }
        : redirect(302, end.returnTo, set)
    } catch (error) {
      return refused(request, error, trace, name)
    }
  }

  function refused(
    request: EndpointRequest,
    error: unknown,
    trace: LoginTrace | undefined,
    name: string,
  ): HttpResponse {
    // Its cookie has gone, pushed out by other tabs or by time: the login begins anew by itself, but not for ever.
    const isLost = trace?.isHeld === false && !trace.again
    const refusal = refusals.forError(request, error, {
      retryURL: addresses.startURL(request, goalOf(request, trace), {
        again: isLost,
        stepUp: trace?.stepUp,
        provider: choice.nameOf(providers.named(name)?.entry.id),
      }),
      retriesByItself: isLost,
    })
    const reason = error instanceof LoginRejected ? error.reason : 'failed'
    metrics.logins.labels({ outcome: 'refused', reason }).value++
    const fields = { event: 'login_refused', reason, requestId: request.requestId, status: refusal.status }
    if (!(error instanceof LoginRejected)) logger.error({ ...fields, err: error }, 'a login could not be completed')
    // Anybody can come with the callback of no login, or of one that is over, as often as they like.
    else if (trace?.isHeld !== true || reason === 'state_reused') logger.debug(fields, 'a callback was refused')
    else logger.warn(fields, `a login was refused: ${error.message}`)
    return refusal
  }

  /** A flow that is not this browser's may say where to go no more than a link could. */
  function goalOf(request: EndpointRequest, trace: LoginTrace | undefined): string {
    const goal = trace?.isHeld === true ? trace.returnTo : addresses.returnURL(request, trace?.returnTo)
    return goal ?? `${addresses.origin(request)}/`
  }

  async function signIn(request: EndpointRequest): Promise<HttpResponse> {
    const tooMany = await limited(rateLimits.signIn, request)
    if (tooMany !== undefined) return tooMany
    const query = new URLSearchParams(request.query)
    const returnTo = destinations.of(request, query)
    const candidates = choice.for(returnTo)
    if (deps.skipSignIn && candidates.length === 1) return start(request)
    const prompt = query.get('prompt') === 'select_account' ? ({ prompt: 'select_account' } as const) : {}
    const options = { ...prompt, stepUp: stepUpIn(query, deps.acrNamed) }
    const startURL = (provider?: string) => addresses.startURL(request, returnTo, { ...options, provider })
    if (candidates.length < 2) return page(200, pages.signIn({ loginURL: startURL() }), pages.headers)
    const choices = candidates.map(({ entry }) => ({
      title: entry.title,
      logo: entry.logo,
      loginURL: startURL(entry.name),
    }))
    return page(200, pages.chooseProvider({ choices }), pages.headers)
  }

  return { start, callback, signIn, sendToLogin }
}

const redirectStatus = ({ method }: Pick<EndpointRequest, 'method'>) =>
  method === 'GET' || method === 'HEAD' ? 302 : 303

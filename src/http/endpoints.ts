// Our own paths: start, callback, logout, the pages, userinfo. Each takes a `Visit` and gives an `Answer`, so that they work
// the same when a browser comes here itself and when a forward-auth middleware relays.
import { LoginRejected, StoreUnavailable } from '../errors.ts'
import type { Logins } from '../login/login.ts'
import type { LoginRateLimit } from '../login/rate-limit.ts'
import type { Provider } from '../oidc/provider.ts'
import type { Pages } from '../pages/pages.ts'
import type { Found, Sessions } from '../session/sessions.ts'
import type { Session } from '../session/session.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Addresses } from './addresses.ts'
import { json, page, redirect, type Answer } from './answer.ts'
import type { BrowserCookies } from './browser-cookies.ts'
import type { Refusals } from './refusals.ts'
import type { Visit } from './visit.ts'

export interface Endpoints {
  /** Never throws. */
  answer(visit: Visit): Promise<Answer>
  /** Sends a person to the provider at once. Throws ProviderUnavailable. */
  sendToProvider(visit: Omit<Visit, 'path' | 'query'>, returnTo: string, prompt?: Prompt): Promise<Answer>
}

/** What a session says of its person, as shown to them. */
export interface Person {
  readonly user: string
  readonly email: string
  readonly groups: readonly string[]
  readonly preferredUsername: string
}

interface Current {
  readonly session: Session
  readonly ticket: string
  /** `unproven`: theirs, but not to be believed now. */
  readonly from: Extract<Found, { kind: 'found' }>['from'] | 'unproven'
}

type Prompt = 'select_account' | 'login'

export interface EndpointsDeps {
  readonly addresses: Addresses
  readonly cookies: BrowserCookies
  readonly logins: Logins
  readonly sessions: Sessions
  readonly provider: Provider
  readonly pages: Pages
  readonly refusals: Refusals
  readonly rateLimit: LoginRateLimit
  readonly describe: (session: Session) => Person
  /** See SharedCache: bounds how long one request waits for the store in all. */
  readonly withinBudget: <T>(task: () => T) => T
  readonly postLogoutRedirectURI: string
  readonly passes: boolean
  readonly randomId: () => string
  readonly metrics: Pick<Metrics, 'logins'>
  readonly logger: Logger
}

export function createEndpoints(deps: EndpointsDeps): Endpoints {
  const { addresses, cookies, logins, sessions, provider, pages, refusals, metrics, logger } = deps

  const { ownPath } = addresses
  type Endpoint = (visit: Visit) => Promise<Answer> | Answer
  const table = new Map<string, Endpoint>([
    [ownPath.start, start],
    [ownPath.signIn, signIn],
    [addresses.callbackPath, callback],
    [addresses.logoutPath, logout],
    [ownPath.signOut, logout],
    [ownPath.signedOut, signedOut],
    [ownPath.userinfo, userinfo],
  ])

  return {
    async answer(visit) {
      const endpoint = table.get(visit.path)
      if (endpoint === undefined) return refusals.refuse(visit, 404, 'not_found')
      try {
        const answer = await deps.withinBudget(() => endpoint(visit))
        return visit.relayed ? neverAllowing(visit, answer) : answer
      } catch (error) {
        logger.error(
          { event: 'request_failed', requestId: visit.requestId, path: visit.path, err: error },
          'an own endpoint failed',
        )
        return refusals.forError(visit, error)
      }
    },
    sendToProvider,
  }

  /** To a forward-auth proxy a 2xx means "let them through to the application": our own paths never say that. */
  function neverAllowing(visit: Visit, answer: Answer): Answer {
    if (answer.status < 200 || answer.status > 299) return answer
    const isPage = answer.headers['content-type']?.startsWith('text/html') ?? false
    return isPage ? { ...answer, status: 403 } : refusals.refuse(visit, 404, 'not_routed')
  }

  // --- login --------------------------------------------------------------------------------------------------------

  async function start(visit: Visit): Promise<Answer> {
    if (visit.method !== 'GET' && visit.method !== 'HEAD') return methodNotAllowed(visit, 'GET, HEAD')
    const query = new URLSearchParams(visit.query)
    const prompt = query.get('prompt')
    try {
      return await sendToProvider(
        visit,
        returnTo(visit, query),
        prompt === 'select_account' || prompt === 'login' ? prompt : undefined,
      )
    } catch (error) {
      return refusals.forError(visit, error, { retryURL: addresses.startURL(visit, returnTo(visit, query)) })
    }
  }

  function returnTo(visit: Visit, query: URLSearchParams): string {
    const asked = query.getAll('rd')
    // Two destinations are nobody's wish.
    const candidate = asked.length === 1 ? asked[0] : undefined
    return addresses.returnURL(visit, candidate) ?? `${addresses.origin(visit)}/`
  }

  async function sendToProvider(
    visit: Omit<Visit, 'path' | 'query'>,
    returnTo: string,
    prompt?: Prompt,
  ): Promise<Answer> {
    if (!deps.rateLimit.allows(visit.clientAddress)) {
      metrics.logins.with({ outcome: 'refused', reason: 'rate_limited' }).value++
      return refusals.refuse(visit, 429, 'rate_limited', { headers: { 'retry-after': '60' } })
    }
    const begun = await logins.start({
      redirectURI: addresses.redirectURI(visit),
      returnTo,
      flows: cookies.flows(visit.headers.cookie),
      prompt,
    })
    const status = visit.method === 'GET' || visit.method === 'HEAD' ? 302 : 303
    return redirect(status, begun.location.href, [
      cookies.setFlow(begun.flow.id, begun.flow.value, begun.flow.maxAgeMs),
      ...begun.evictedFlows.map((id) => cookies.expireFlow(id)),
    ])
  }

  async function callback(visit: Visit): Promise<Answer> {
    if (visit.method !== 'GET') return methodNotAllowed(visit, 'GET')
    const flows = cookies.flows(visit.headers.cookie)
    try {
      // An ended session's cookie, or one that nobody can look up now, is no reason to refuse a login.
      const current = await currentSession(visit).catch(() => undefined)
      const end = await logins.complete({
        query: visit.query,
        flows,
        current: current?.from === 'unproven' ? undefined : current,
        previous: current,
      })
      const forget = end.flowId === undefined ? [] : [cookies.expireFlow(end.flowId)]
      if (end.kind === 'already') return redirect(302, end.returnTo ?? `${addresses.origin(visit)}/`, forget)
      metrics.logins.with({ outcome: 'succeeded', reason: '' }).value++
      logger.info({ event: 'login_succeeded', requestId: visit.requestId }, 'a person has logged in')
      const { ticket, pass } = end.begun
      return redirect(302, end.returnTo, [
        cookies.setTicket(ticket),
        ...(pass === undefined ? [] : [cookies.setPass(pass)]),
        ...forget,
      ])
    } catch (error) {
      const goal = logins.destination(visit.query, flows)
      const refusal = refusals.forError(visit, error, {
        retryURL: addresses.startURL(visit, goal ?? `${addresses.origin(visit)}/`),
      })
      const reason = error instanceof LoginRejected ? error.reason : 'failed'
      metrics.logins.with({ outcome: 'refused', reason }).value++
      const fields = { event: 'login_refused', reason, requestId: visit.requestId, status: refusal.status }
      if (error instanceof LoginRejected) logger.warn(fields, `a login was refused: ${error.message}`)
      else logger.error({ ...fields, err: error }, 'a login could not be completed')
      return refusal
    }
  }

  function signIn(visit: Visit): Answer {
    if (visit.method !== 'GET' && visit.method !== 'HEAD') return methodNotAllowed(visit, 'GET, HEAD')
    const goal = returnTo(visit, new URLSearchParams(visit.query))
    return page(
      200,
      pages.signIn({ loginURL: addresses.startURL(visit, goal), providerName: undefined }),
      pages.headers,
    )
  }

  // --- logout -------------------------------------------------------------------------------------------------------

  async function logout(visit: Visit): Promise<Answer> {
    if (visit.method !== 'GET' && visit.method !== 'POST') return methodNotAllowed(visit, 'GET, POST')
    const current = await currentSession(visit).catch(() => undefined)
    if (!isOwnWish(visit)) {
      const user = current === undefined ? undefined : deps.describe(current.session).user
      return page(
        200,
        // On the host that the page is on: a form sent to another one would be taken for a stranger's again.
        pages.confirmLogout({ action: `${addresses.origin(visit)}${addresses.logoutPath}`, user }),
        pages.headers,
      )
    }
    const pass = cookies.pass(visit.headers.cookie)
    let idToken: string | undefined
    let isKept = true
    for (const ticket of cookies.tickets(visit.headers.cookie)) {
      const ended = await sessions
        .end(ticket, ticket === current?.ticket ? current.session : undefined, pass)
        .catch((error: unknown) => {
          // Somebody's planted cookie must not keep the person's own session alive. But where none of them can be told from
          // a made-up one, "logged out" would be a lie: the answer is "later", and the cookie stays.
          if (current === undefined || ticket === current.ticket) throw error
          return undefined
        })
      if (ended === undefined) continue
      isKept &&= ended.isKept
      if (ended.full === undefined) continue
      idToken ??= ended.full.tokens.idToken
      // Best effort, and not at the person's expense: they are logged out here whether or not the provider listens.
      void provider.revoke(ended.full.tokens)
    }
    if (!isKept) {
      // Nothing else than this process knows of it yet: "done" would be a lie. The cookies stay, so that trying again can prove
      // who asks.
      logger.warn(
        { event: 'logout_incomplete', requestId: visit.requestId },
        'a logout is known here only: neither Redis nor a peer nor the spool took it',
      )
      return refusals.refuse(visit, 503, 'logout_incomplete', {
        retryURL: `${addresses.origin(visit)}${addresses.logoutPath}`,
      })
    }
    const forget = [
      cookies.expireTicket(),
      ...(deps.passes ? [cookies.expirePass()] : []),
      ...cookies.flows(visit.headers.cookie).map(([id]) => cookies.expireFlow(id)),
    ]
    logger.info({ event: 'logged_out', requestId: visit.requestId }, 'a person has logged out')
    const rd = new URLSearchParams(visit.query).get('rd')
    const goal = addresses.returnURL(visit, rd ?? undefined) ?? absolute(visit, deps.postLogoutRedirectURI)
    const atProvider = provider.endSessionURL({ idToken, postLogoutRedirectURI: goal, state: deps.randomId() })
    return redirect(visit.method === 'GET' ? 302 : 303, atProvider?.href ?? goal, forget)
  }

  /**
   * Whether the person wants this logout, rather than a page elsewhere that makes the browser ask for it. Browsers say where
   * a request comes from; where they do not (plain http), a foreign Origin or Referer still gives it away.
   */
  function isOwnWish(visit: Visit): boolean {
    const site = visit.headers['sec-fetch-site']
    const isOwn = (url: string) => {
      const origin = URL.parse(url)?.origin
      return origin === addresses.origin(visit) || origin === addresses.ownOrigin(visit)
    }
    if (visit.method === 'POST') {
      const { origin } = visit.headers
      return origin === undefined ? site === 'same-origin' : isOwn(origin)
    }
    if (site !== undefined) return site === 'same-origin' || site === 'same-site' || site === 'none'
    const { referer } = visit.headers
    return referer === undefined || isOwn(referer)
  }

  function absolute(visit: Visit, uri: string): string {
    return uri.startsWith('/') ? addresses.origin(visit) + uri : uri
  }

  function signedOut(visit: Visit): Answer {
    return page(
      200,
      pages.signedOut({ loginURL: addresses.startURL(visit, `${addresses.origin(visit)}/`) }),
      pages.headers,
    )
  }

  // --- who am I -----------------------------------------------------------------------------------------------------

  async function userinfo(visit: Visit): Promise<Answer> {
    if (visit.method !== 'GET' && visit.method !== 'HEAD') return methodNotAllowed(visit, 'GET, HEAD')
    const current = await currentSession(visit)
    if (current === undefined) return json(401, { error: 'login_required' })
    if (current.from === 'unproven') return refusals.refuse(visit, 503, 'store_unavailable')
    const body = { ...deps.describe(current.session), expiry: new Date(current.session.expiresAt).toISOString() }
    const pass = sessions.passFor(current.session, current.ticket)
    return { ...json(200, body), cookies: pass === undefined ? [] : [cookies.setPass(pass)] }
  }

  async function currentSession(visit: Visit): Promise<Current | undefined> {
    const pass = cookies.pass(visit.headers.cookie)
    let unanswered: unknown
    let unproven: Current | undefined
    for (const ticket of cookies.tickets(visit.headers.cookie)) {
      try {
        const found: Found = await sessions.find(ticket, pass)
        if (found.kind === 'found') return { session: found.session, ticket, from: found.from }
        if (found.kind !== 'unproven') continue
        if (found.session === undefined)
          unanswered ??= new StoreUnavailable('the store lacks it, which proves nothing now')
        else unproven ??= { session: found.session, ticket, from: 'unproven' }
      } catch (error) {
        // Another cookie of the same name may still be the good one.
        unanswered ??= error
      }
    }
    if (unproven === undefined && unanswered !== undefined) throw unanswered
    return unproven
  }

  function methodNotAllowed(visit: Visit, allow: string): Answer {
    return refusals.refuse(visit, 405, 'method_not_allowed', { headers: { allow } })
  }
}

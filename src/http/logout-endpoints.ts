// The way out: our session, the tokens, the session at the provider, and a page where all that ends.
import type { Providers } from '../oidc/providers.ts'
import type { Pages } from '../pages/pages.ts'
import type { Sealer } from '../sealing.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Session } from '../session/session.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Addresses } from './addresses.ts'
import { page, redirect, type HttpResponse } from './http-response.ts'
import type { BrowserCookies } from './browser-cookies.ts'
import type { Current, CurrentSession } from './current-session.ts'
import type { Destinations } from './destination.ts'
import { forgetBrowser } from './forget-browser.ts'
import { isOwnWish } from './own-wish.ts'
import type { UserProfile } from './profile-endpoints.ts'
import type { Refusals } from './refusals.ts'
import type { EndpointRequest } from './endpoint-request.ts'

export interface LogoutDeps {
  readonly addresses: Addresses
  readonly destinations: Destinations
  readonly cookies: BrowserCookies
  readonly sessions: Sessions
  readonly providers: Pick<Providers, 'of' | 'has'>
  readonly pages: Pages
  readonly refusals: Refusals
  readonly describe: (session: Session) => UserProfile
  readonly currentSession: CurrentSession
  /** For what a second attempt at a logout has to know of the first. */
  readonly hintSealer: Sealer
  readonly postLogoutRedirectURI: string
  readonly passes: boolean
  readonly randomId: () => string
  readonly metrics: Pick<Metrics, 'sessions'>
  readonly logger: Logger
}

/** For the provider: which of its sessions ends. */
interface Hint {
  readonly idToken: string
  /** See Session. */
  readonly provider: string | undefined
  readonly ticket: string
}

const hintContext = 'id_token_hint'
/** Characters. A longer one would not be sent to the provider either. */
const maxHintLength = 2_800

export function createLogoutEndpoints(deps: LogoutDeps) {
  const { addresses, cookies, sessions, providers, pages, refusals, hintSealer, currentSession, logger } = deps
  const withoutSession = deps.metrics.sessions.labels({ event: 'logout_without_session' })

  /** `endMore`: what the person wants to end with this browser's session; resolves with whether that is kept. */
  async function logout(
    request: EndpointRequest,
    endMore?: (session: Session) => Promise<boolean>,
  ): Promise<HttpResponse> {
    const current = await currentSession(request).catch(() => undefined)
    if (!isOwnWish(request, addresses)) return confirm(request, current)
    const query = new URLSearchParams(request.query)
    const ended = await endAll(request, current)
    // After this one, whose tokens nobody could read any more otherwise.
    const isMoreKept = endMore === undefined || current === undefined || (await endMore(current.session))
    const hint = ended.hint ?? hintIn(request, query)
    const idToken = hint?.idToken
    const which = hint === undefined ? current?.session.provider : hint.provider
    const provider = providers.has(which) ? providers.of(which) : undefined
    if (!ended.isKept || !isMoreKept) {
      // Nothing else than this process knows of it yet: "done" would be a lie. The cookies stay, so that trying again can prove
      // who asks.
      logger[ended.isSomebodys ? 'warn' : 'debug'](
        { event: 'logout_incomplete', requestId: request.requestId },
        'a logout is known here only: neither Redis nor a peer nor the spool took it',
      )
      return refusals.refuse(request, 503, 'logout_incomplete', { retryURL: retryURL(request, query, hint) })
    }
    if (ended.isSomebodys) {
      logger.info({ event: 'logged_out', requestId: request.requestId }, 'a person has logged out')
    } else {
      withoutSession.value++
      logger.debug({ event: 'logout_without_session', requestId: request.requestId }, 'nobody was logged in')
    }
    const atProvider = (goal: string) =>
      provider?.endSessionURL({ idToken, postLogoutRedirectURI: goal, state: deps.randomId() })
    const home = absolute(request, deps.postLogoutRedirectURI)
    const url = atProvider(deps.destinations.allowed(request, query.getAll('rd')) ?? home) ?? atProvider(home)
    // Where the provider's own session goes on, most other goals would log the person in again at once.
    const location = url?.href ?? addresses.ownOrigin(request) + addresses.ownPath.signedOut
    return redirect(
      request.method === 'GET' ? 302 : 303,
      location,
      forgetBrowser(request, cookies.on(request.host), deps.passes),
    )
  }

  function confirm(request: EndpointRequest, current: Current | undefined): HttpResponse {
    const user = current === undefined ? undefined : deps.describe(current.session).user
    // On the host that the page is on: a form sent to another one would be taken for a stranger's again.
    const action = `${addresses.origin(request)}${addresses.logoutPath}`
    const sessionsURL = addresses.origin(request) + addresses.ownPath.sessions
    return page(200, pages.confirmLogout({ action, user, sessionsURL }), pages.headers)
  }

  async function endAll(request: EndpointRequest, current: Current | undefined) {
    const here = cookies.on(request.host)
    const passes = here.passes(request.headers.cookie)
    let hint: Hint | undefined
    let isKept = true
    let isSomebodys = false
    for (const ticket of here.tickets(request.headers.cookie)) {
      const ended = await sessions
        .end(ticket, ticket === current?.ticket ? current.session : undefined, passes)
        .catch((error: unknown) => {
          // Somebody's planted cookie must not keep the person's own session alive. But where none of them can be told from
          // a made-up one, "logged out" would be a lie: the answer is "later", and the cookie stays.
          if (current === undefined || ticket === current.ticket) throw error
          return undefined
        })
      if (ended === undefined) continue
      // The ticket of a session that had ended before is no secret worth a line each time: who had it may present it for ever.
      isSomebodys ||= ended.full !== undefined || ticket === current?.ticket
      isKept &&= ended.isKept
      if (ended.full === undefined) continue
      const { session, tokens } = ended.full
      if (tokens.idToken !== undefined) hint ??= { idToken: tokens.idToken, provider: session.provider, ticket }
      // Best effort, and not at the person's expense: they are logged out here whether or not the provider listens.
      void providers.of(session.provider).revoke(tokens)
    }
    return { hint, isKept, isSomebodys }
  }

  /** The session has ended here with the first attempt, and its ID token with it: it travels along, sealed for whoever has its ticket. */
  function retryURL(request: EndpointRequest, query: URLSearchParams, given: Hint | undefined): string {
    const again = new URLSearchParams()
    const rd = query.get('rd')
    if (rd !== null) again.set('rd', rd)
    const plain = given && `${given.provider ?? ''} ${given.idToken}`
    const hint = given && hintSealer.seal(Buffer.from(plain ?? ''), hintContext, given.ticket).toString('base64url')
    if (hint !== undefined && hint.length <= maxHintLength) again.set('hint', hint)
    return `${addresses.origin(request)}${addresses.logoutPath}${again.size === 0 ? '' : `?${again.toString()}`}`
  }

  function hintIn(request: EndpointRequest, query: URLSearchParams): Hint | undefined {
    const hint = query.get('hint')
    if (hint === null) return undefined
    // The cookies stayed with the first attempt. Whoever found the address elsewhere, in a history or a log, has no use for it.
    for (const ticket of cookies.on(request.host).tickets(request.headers.cookie)) {
      const plain = hintSealer.open(Buffer.from(hint, 'base64url'), hintContext, ticket)?.toString()
      const [, provider = '', idToken] = /^(?:(\S*) )?(\S+)$/.exec(plain ?? '') ?? []
      if (idToken !== undefined) return { idToken, provider: provider === '' ? undefined : provider, ticket }
    }
    return undefined
  }

  function absolute(request: EndpointRequest, uri: string): string {
    return uri.startsWith('/') ? addresses.origin(request) + uri : uri
  }

  async function signedOut(request: EndpointRequest): Promise<HttpResponse> {
    // Whoever was led here with a session would believe that it has ended, and leave it open on a shared computer.
    const current = await currentSession(request)
    if (current !== undefined) return confirm(request, current)
    const loginURL = addresses.startURL(request, `${addresses.origin(request)}/`)
    return page(200, pages.signedOut({ loginURL }), pages.headers)
  }

  return { logout, signedOut }
}

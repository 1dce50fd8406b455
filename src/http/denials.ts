// The decision was no, or "not like this": sent to log in, refused, or told to come again. Counted with its reason, and worded
// for whoever asked, a person or a program.
import type { IncomingHttpHeaders } from 'node:http'
import type { DenialReason, OriginalRequest } from '../access/access.ts'
import type { Contract } from '../config/config.ts'
import { BadRequest, StoreUnavailable } from '../errors.ts'
import type { Pages } from '../pages/pages.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Session } from '../session/session.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Addresses } from './addresses.ts'
import { json, page, redirect, type Answer } from './answer.ts'
import type { BrowserCookies } from './browser-cookies.ts'
import type { TrustedPeers } from './client.ts'
import { contracts } from './contracts.ts'
import type { Endpoints } from './endpoints.ts'
import { isNavigation } from './negotiation.ts'
import type { Person } from './profile-endpoints.ts'
import { percentEncodedBytes } from './return-url.ts'
import { refusedWith, type AuthRequest, type Case, type Label, type Outcome } from './outcome.ts'
import { statusAndReason, type Refusals } from './refusals.ts'
import type { UntrustedPeerNotices } from './untrusted-peers.ts'

export interface DenialsDeps {
  readonly sessions: Sessions
  readonly cookies: BrowserCookies
  readonly peers: TrustedPeers
  readonly untrusted: UntrustedPeerNotices
  readonly addresses: Addresses
  readonly endpoints: Endpoints
  readonly refusals: Refusals
  readonly pages: Pages
  readonly describe: (session: Session) => Person
  readonly requestIdOf: (headers: IncomingHttpHeaders) => string
  readonly metrics: Pick<Metrics, 'decisions'>
  readonly logger: Logger
}

export interface Denials {
  notLoggedIn(about: Case, reason?: string): Outcome | Promise<Outcome>
  /** Theirs, but not to be believed while the store is away: a person goes to the provider and back, a program comes later. */
  unproven(about: Case, reason: string): Outcome | Promise<Outcome>
  denied(about: Case, reason: DenialReason | 'denied_by_rule' | 'ambiguous_path', session: Session | undefined): Outcome
  /** One of our own paths through a middleware: performed or refused, never allowed. */
  ownPath(contract: Contract, request: AuthRequest, original: OriginalRequest): Promise<Outcome>
  untrustedPeer(contract: Contract, request: AuthRequest): Outcome
  failed(label: Label, request: AuthRequest, error: unknown, badRequestStatus: 400 | 403): Outcome
  /**
   * A Set-Cookie for a pass, where the browser has none any more, or where this replica has given none of the session's newer
   * state yet: the old one says when the old token ended, and perhaps what is not true any more.
   */
  renewedPass(about: Case, session: Session): readonly string[]
}

export function createDenials(deps: DenialsDeps): Denials {
  const { sessions, cookies, peers, addresses, endpoints, refusals, metrics, logger } = deps

  const given = new WeakSet<Session>()

  function renewedPass(about: Case, session: Session): readonly string[] {
    const header = about.request.headers.cookie
    if (cookies.pass(header) !== undefined && (session.generation === 1 || given.has(session))) return []
    for (const ticket of cookies.tickets(header)) {
      if (!ticket.startsWith(session.id)) continue
      const pass = sessions.passFor(session, ticket)
      if (pass === undefined) continue
      given.add(session)
      return [cookies.setPass(pass)]
    }
    return []
  }

  function count(label: Label, decision: 'login' | 'deny' | 'error', reason: string): void {
    metrics.decisions.with({ contract: label, decision, reason }).value++
  }

  const asked = (about: Pick<Case, 'request'>, method: string) => ({
    method,
    headers: about.request.headers,
    requestId: deps.requestIdOf(about.request.headers),
  })

  function notLoggedIn(about: Case, reason = 'no_session'): Outcome | Promise<Outcome> {
    const { original, request, label } = about
    const navigation = isNavigation(original.method, request.headers)
    if (original.ambiguity === 'host_dot' && navigation) return toPlainHost(about)
    count(label, 'login', reason)
    const returnTo = askedURL(original)
    const reader = label === 'proxy' ? undefined : contracts[label]
    if (reader?.loginBy === 'refuse') {
      const start = addresses.startURL(original, returnTo)
      return refusedWith(loginRequired(about, start, { location: start, 'x-auth-request-redirect': returnTo }))
    }
    if (!navigation) return refusedWith(loginRequired(about, addresses.startURL(original, pageOf(about) ?? returnTo)))
    // The flow's cookie has to be set where the callback will be: not on plain http, nor on another host.
    if (reader?.loginBy === 'start' || !addresses.sharesCookies(original)) {
      return refusedWith(redirect(statusOf(original.method), addresses.startURL(original, returnTo)))
    }
    return sendToProvider(about, returnTo)
  }

  /** `app.example.com.` is another host to cookies and to the provider: a login that begins there cannot be finished. */
  function toPlainHost(about: Case): Outcome {
    const { original, label } = about
    count(label, 'login', 'host_dot')
    const location = askedURL(original)
    return refusedWith(
      label !== 'proxy' && contracts[label].loginBy === 'refuse'
        ? loginRequired(about, location, { location, 'x-auth-request-redirect': location })
        : redirect(statusOf(original.method), location),
    )
  }

  const statusOf = (method: string) => (method === 'GET' || method === 'HEAD' ? 302 : 303)

  const askedURL = (original: OriginalRequest) =>
    addresses.origin(original) + percentEncodedBytes(original.rawPath + original.rawQuery)

  function unproven(about: Case, reason: string): Outcome | Promise<Outcome> {
    if (isNavigation(about.original.method, about.request.headers)) return notLoggedIn(about, reason)
    return failed(about.label, about.request, new StoreUnavailable(`the pass cannot count now: ${reason}`), 400)
  }

  async function sendToProvider(about: Case, returnTo: string): Promise<Outcome> {
    const { original, request } = about
    const visit = {
      ...asked(about, original.method),
      scheme: original.scheme,
      host: original.host,
      clientAddress: peers.clientAddress(request.peer, request.headers),
      relayed: true,
    }
    try {
      return refusedWith(
        await endpoints.sendToProvider(visit, {
          returnTo: addresses.returnURL(original, returnTo) ?? `${addresses.origin(original)}/`,
        }),
      )
    } catch (error) {
      return failed(about.label, request, error, 400)
    }
  }

  /** A program's request is part of a page: that is where the person wants to be after the login. */
  function pageOf({ original, request }: Case): string | undefined {
    const { referer } = request.headers
    return referer === undefined ? undefined : addresses.returnURL(original, percentEncodedBytes(referer))
  }

  function loginRequired(about: Case, loginURL: string, headers: Readonly<Record<string, string>> = {}): Answer {
    const { requestId } = asked(about, about.original.method)
    return json(
      401,
      { error: 'login_required', login_url: loginURL },
      { 'www-authenticate': 'Bearer realm="foregate"', 'x-request-id': requestId, ...headers },
    )
  }

  function denied(
    about: Case,
    reason: DenialReason | 'denied_by_rule' | 'ambiguous_path',
    session: Session | undefined,
  ): Outcome {
    const { original, label, request } = about
    if (original.ambiguity === 'host_dot' && isNavigation(original.method, request.headers)) return toPlainHost(about)
    count(label, 'deny', reason)
    const who = asked(about, original.method)
    const fields = { event: 'access_denied', reason, requestId: who.requestId, path: original.rawPath }
    if (session === undefined) {
      // Anybody can cause this one, as often as they like.
      logger.debug(fields, 'access denied to all')
      return refusedWith(refusals.refuse(who, 403, reason))
    }
    logger.info(fields, 'access denied to a person who is logged in')
    if (!isNavigation(original.method, request.headers)) {
      return refusedWith(
        json(403, { error: 'forbidden', reason, request_id: who.requestId }, { 'x-request-id': who.requestId }),
      )
    }
    const html = deps.pages.forbidden({
      user: deps.describe(session).user,
      switchAccountURL: addresses.startURL(original, askedURL(original), { prompt: 'select_account' }),
      logoutURL: `${addresses.ownOrigin(original)}${addresses.logoutPath}`,
      requestId: who.requestId,
      reason,
    })
    const answer = page(403, html, deps.pages.headers, { 'x-request-id': who.requestId })
    return refusedWith({ ...answer, cookies: renewedPass(about, session) })
  }

  async function ownPath(contract: Contract, request: AuthRequest, original: OriginalRequest): Promise<Outcome> {
    const who = asked({ request }, original.method)
    if (!contracts[contract].performsOwnPaths) {
      count(contract, 'deny', 'own_path')
      return refusedWith(refusals.refuse(who, 403, 'not_routed'))
    }
    count(contract, 'login', 'own_path')
    const answer = await endpoints.answer({
      ...who,
      scheme: original.scheme,
      host: original.host,
      path: original.path,
      query: percentEncodedBytes(original.rawQuery.slice(1)),
      clientAddress: peers.clientAddress(request.peer, request.headers),
      relayed: true,
    })
    return refusedWith(answer)
  }

  function untrustedPeer(contract: Contract, request: AuthRequest): Outcome {
    count(contract, 'deny', 'untrusted_peer')
    deps.untrusted.notice(request.peer)
    return refusedWith(refusals.refuse(asked({ request }, request.method), 403, 'untrusted_peer'))
  }

  /** Whatever was thrown, the answer is no; and where the fault is ours, it says "later" rather than "log in". */
  function failed(label: Label, request: AuthRequest, error: unknown, badRequestStatus: 400 | 403): Outcome {
    const [status, reason] = statusAndReason(error)
    count(label, error instanceof BadRequest ? 'deny' : 'error', reason)
    const who = asked({ request }, request.method)
    if (status === 500) {
      logger.error({ event: 'auth_failed', reason, requestId: who.requestId, err: error }, 'a decision failed: denied')
    }
    return refusedWith(refusals.refuse(who, error instanceof BadRequest ? badRequestStatus : status, reason))
  }

  return { notLoggedIn, unproven, denied, ownPath, untrustedPeer, failed, renewedPass }
}

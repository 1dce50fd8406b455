// The decision endpoints: what every request through every proxy waits for. On a near session the way through here is
// synchronous and allocates next to nothing; no hook, no log line, ready-made headers.
import type { IncomingHttpHeaders } from 'node:http'
import type { AccessRules, DenialReason, OriginalRequest, Policy, Verdict } from '../access/access.ts'
import type { HeaderRecord, IdentityHeaders } from '../access/identity-headers.ts'
import type { Contract } from '../config/config.ts'
import { BadRequest } from '../errors.ts'
import type { Found, Sessions } from '../session/sessions.ts'
import type { Session } from '../session/session.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Count, Metrics } from '../telemetry/metrics.ts'
import type { Addresses } from './addresses.ts'
import { json, page, redirect, type Answer } from './answer.ts'
import type { BrowserCookies } from './browser-cookies.ts'
import type { TrustedPeers } from './client.ts'
import { contracts, type Subrequest } from './contracts.ts'
import type { Endpoints, Person } from './endpoints.ts'
import { isNavigation } from './negotiation.ts'
import type { Extra } from './oauth2-proxy-query.ts'
import type { Refusals } from './refusals.ts'
import { statusAndReason } from './refusals.ts'
import type { Pages } from '../pages/pages.ts'
import type { UntrustedPeerNotices } from './untrusted-peers.ts'

/** Either the makings of a 200, or a whole answer. `cookies`: only where the operator says that they arrive. */
export type Outcome =
  | { readonly allow: Allowed; readonly cookies?: readonly string[] }
  | { readonly allow: undefined; readonly answer: Answer }

/** The identity headers, as a record and as they go out: name, value, name, value, ... with the empty body's length. */
export interface Allowed {
  readonly headers: HeaderRecord
  readonly wire: string[]
}

export interface AuthRequest extends Subrequest {
  /** The socket's own address: what trust goes by. */
  readonly peer: string | undefined
}

export interface Auth {
  /** A forward-auth subrequest. Never throws, never rejects: whatever goes wrong denies. */
  forward(contract: Contract, request: AuthRequest, extra?: Extra): Outcome | Promise<Outcome>
  /** A request that came here itself (reverse-proxy mode). The same decision. */
  direct(original: OriginalRequest, request: AuthRequest, rules: AccessRules): Outcome | Promise<Outcome>
}

export interface AuthDeps {
  readonly rules: AccessRules
  readonly identityHeaders: IdentityHeaders
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
  /** See SharedTier: bounds how long one request waits for the store in all. */
  readonly patiently: <T>(task: () => T) => T
  /** Renew the pass on a 200: the proxy passes our cookies on. */
  readonly renewPass: boolean
  readonly metrics: Pick<Metrics, 'decisions' | 'authDuration'>
  /** Milliseconds, monotonic. */
  readonly stopwatch: () => number
  readonly logger: Logger
}

/** What a session's requests have in common, made once and kept as long as the session object lives. */
interface Ready {
  readonly outcome: Outcome & { readonly allow: Allowed }
  readonly outcomeForOAuth2Proxy: Outcome & { readonly allow: Allowed }
  readonly verdicts: (Verdict | undefined)[]
}

type Label = Contract | 'proxy'

/** Everything one decision is about. */
interface Case {
  readonly label: Label
  readonly request: AuthRequest
  readonly original: OriginalRequest
  readonly policy: Policy
  readonly rules: AccessRules
  readonly extra: Extra | undefined
}

export function createAuth(deps: AuthDeps): Auth {
  const { identityHeaders, sessions, cookies, peers, addresses, endpoints, refusals, logger, metrics, stopwatch } = deps
  const readyFor = new WeakMap<Session, Ready>()
  const nobody = allowing(identityHeaders.headersFor(undefined))
  const labels: readonly Label[] = ['traefik', 'caddy', 'nginx', 'haproxy', 'envoy', 'oauth2-proxy', 'proxy']
  const hot = new Map(
    labels.map((contract) => [
      contract,
      {
        allowed: metrics.decisions.with({ contract, decision: 'allow', reason: 'session' }),
        duration: metrics.authDuration.with({ contract }),
      },
    ]),
  )

  function forward(contract: Contract, request: AuthRequest, extra?: Extra): Outcome | Promise<Outcome> {
    const startedAt = stopwatch()
    return timed(contract, startedAt, () => forwardUntimed(contract, request, extra))
  }

  function timed(
    label: Label,
    startedAt: number,
    decide: () => Outcome | Promise<Outcome>,
  ): Outcome | Promise<Outcome> {
    const duration = hot.get(label)?.duration
    const outcome = decide()
    if (!(outcome instanceof Promise)) {
      duration?.observe((stopwatch() - startedAt) / 1_000)
      return outcome
    }
    return outcome.finally(() => duration?.observe((stopwatch() - startedAt) / 1_000))
  }

  function forwardUntimed(
    contract: Contract,
    request: AuthRequest,
    extra: Extra | undefined,
  ): Outcome | Promise<Outcome> {
    const reader = contracts[contract]
    try {
      if (!peers.includes(request.peer)) return untrustedPeer(contract, request)
      const original = reader.read(request)
      if (addresses.isOwnPath(original.path)) return ownPath(contract, request, original)
      const policy = deps.rules.policyFor(original)
      return decide({ label: contract, request, original, policy, rules: deps.rules, extra })
    } catch (error) {
      return failed(contract, request, error, reader.badRequestStatus)
    }
  }

  function direct(original: OriginalRequest, request: AuthRequest, rules: AccessRules): Outcome | Promise<Outcome> {
    const startedAt = stopwatch()
    return timed('proxy', startedAt, () => {
      try {
        return decide({ label: 'proxy', request, original, policy: rules.policyFor(original), rules, extra: undefined })
      } catch (error) {
        return failed('proxy', request, error, 400)
      }
    })
  }

  function decide(about: Case): Outcome | Promise<Outcome> {
    const { policy, request, label } = about
    if (policy.kind === 'deny') return denied(about, policy.reason, undefined)
    const tickets = cookies.tickets(request.headers.cookie)
    for (const ticket of tickets) {
      const session = sessions.near(ticket)
      if (session === undefined) continue
      const ready = readyFor.get(session)
      if (ready === undefined) return admit(about, session, ticket)
      return allowOrDeny(about, session, ready, hot.get(label)?.allowed)
    }
    if (tickets.length === 0) return policy.kind === 'public' ? publicly(about) : notLoggedIn(about)
    return deps.patiently(() => search(about, tickets))
  }

  async function search(about: Case, tickets: readonly string[]): Promise<Outcome> {
    try {
      const pass = cookies.pass(about.request.headers.cookie)
      let reason = 'no_session'
      let unanswered: unknown
      for (const ticket of tickets) {
        let found: Found
        try {
          found = await sessions.find(ticket, pass)
        } catch (error) {
          // Another cookie of the same name may still be the good one.
          unanswered ??= error
          continue
        }
        if (found.kind === 'found') return await admit(about, found.session, ticket, found.from)
        reason = found.reason === 'malformed' || found.reason === 'unknown' ? 'no_session' : `session_${found.reason}`
      }
      if (about.policy.kind === 'public') return publicly(about)
      if (unanswered !== undefined) throw unanswered
      return await notLoggedIn(about, reason)
    } catch (error) {
      return failed(about.label, about.request, error, 400)
    }
  }

  /** A session whose headers are not made yet, or may come with a cookie. */
  function admit(about: Case, session: Session, ticket: string, from: string = 'session'): Outcome | Promise<Outcome> {
    if (identityHeaders.needsTokens) return withTokens(about, session, ticket, from)
    return allowOrDeny(about, session, prepare(session, undefined), countFor(about, from))
  }

  async function withTokens(about: Case, session: Session, ticket: string, from: string): Promise<Outcome> {
    try {
      const tokens = await sessions.tokens(ticket)
      return allowOrDeny(about, session, prepare(session, tokens), countFor(about, from))
    } catch (error) {
      return failed(about.label, about.request, error, 400)
    }
  }

  const countFor = (about: Case, from: string): Count =>
    metrics.decisions.with({
      contract: about.label,
      decision: 'allow',
      reason: from === 'stale' || from === 'pass' ? from : 'session',
    })

  function prepare(session: Session, tokens: Awaited<ReturnType<Sessions['tokens']>>): Ready {
    const known = readyFor.get(session)
    if (known !== undefined) return known
    const ready: Ready = {
      outcome: allowing(identityHeaders.headersFor(session, tokens)),
      outcomeForOAuth2Proxy: allowing(identityHeaders.headersForOAuth2Proxy(session, tokens)),
      verdicts: [],
    }
    // Without its tokens a header would stay empty for as long as the session is near.
    if (!identityHeaders.needsTokens || tokens !== undefined) readyFor.set(session, ready)
    return ready
  }

  function allowOrDeny(about: Case, session: Session, ready: Ready, allowed: Count | undefined): Outcome {
    const { policy, rules, extra, label } = about
    if (policy.kind === 'login') {
      const verdict = (ready.verdicts[policy.requirement] ??= rules.meets(policy.requirement, session))
      if (!verdict.ok) return denied(about, verdict.reason, session)
      if (extra !== undefined && !extra(session)) return denied(about, 'group_not_allowed', session)
    }
    if (allowed !== undefined) allowed.value++
    const outcome = label === 'oauth2-proxy' ? ready.outcomeForOAuth2Proxy : ready.outcome
    return deps.renewPass ? { ...outcome, cookies: renewedPass(about, session) } : outcome
  }

  function renewedPass(about: Case, session: Session): readonly string[] {
    const header = about.request.headers.cookie
    if (cookies.pass(header) !== undefined) return []
    for (const ticket of cookies.tickets(header)) {
      if (!ticket.startsWith(session.id)) continue
      const pass = sessions.passFor(session, ticket)
      if (pass !== undefined) return [cookies.setPass(pass)]
    }
    return []
  }

  function publicly(about: Case): Outcome {
    const reason = about.policy.kind === 'public' ? about.policy.reason : 'public_rule'
    metrics.decisions.with({ contract: about.label, decision: 'allow', reason }).value++
    return nobody
  }

  // --- not allowed ----------------------------------------------------------------------------------------------------

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
    count(label, 'login', reason)
    const returnTo = `${addresses.origin(original)}${original.rawPath}${original.rawQuery}`
    const reader = label === 'proxy' ? undefined : contracts[label]
    const navigation = isNavigation(original.method, request.headers)
    if (reader?.loginBy === 'refuse') {
      const start = addresses.startURL(original, returnTo)
      return refusedWith(loginRequired(about, start, { location: start, 'x-auth-request-redirect': returnTo }))
    }
    if (!navigation) return refusedWith(loginRequired(about, addresses.startURL(original, pageOf(about) ?? returnTo)))
    if (reader?.loginBy === 'start') {
      const status = original.method === 'GET' || original.method === 'HEAD' ? 302 : 303
      return refusedWith(redirect(status, addresses.startURL(original, returnTo)))
    }
    return sendToProvider(about, returnTo)
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
        await endpoints.sendToProvider(
          visit,
          addresses.returnURL(original, returnTo) ?? `${addresses.origin(original)}/`,
        ),
      )
    } catch (error) {
      return failed(about.label, request, error, 400)
    }
  }

  /** A program's request is part of a page: that is where the person wants to be after the login. */
  function pageOf({ original, request }: Case): string | undefined {
    const { referer } = request.headers
    return referer === undefined ? undefined : addresses.returnURL(original, referer)
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
    const returnTo = `${addresses.origin(original)}${original.rawPath}${original.rawQuery}`
    const html = deps.pages.forbidden({
      user: deps.describe(session).user,
      switchAccountURL: addresses.startURL(original, returnTo, 'select_account'),
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
      query: original.rawQuery.slice(1),
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

  return { forward, direct }
}

const allowing = (headers: HeaderRecord): Outcome & { readonly allow: Allowed } => ({
  allow: { headers, wire: [...Object.entries(headers).flat(), 'content-length', '0'] },
})

const refusedWith = (answer: Answer): Outcome => ({ allow: undefined, answer })

// The decision endpoints: what every request through every proxy waits for. On a near session the way through here is
// synchronous and allocates next to nothing; no hook, no log line, ready-made headers.
import type { AccessRules, DenialReason, OriginalRequest, Verdict } from '../access/access.ts'
import type { IdentityHeaders } from '../access/identity-headers.ts'
import { contracts, type Contract } from '../config/contracts.ts'
import type { Found, Sessions } from '../session/sessions.ts'
import type { Session } from '../session/session.ts'
import type { Count, Metrics } from '../telemetry/metrics.ts'
import type { Addresses } from './addresses.ts'
import type { BrowserCookies } from './browser-cookies.ts'
import type { TrustedPeers } from './client.ts'
import type { createReaders } from './contracts.ts'
import type { Denials } from './denials.ts'
import type { Extra } from './oauth2-proxy-query.ts'
import type { PassRenewal } from './pass-renewal.ts'
import type { RelayedPaths } from './relayed-paths.ts'
import { allowing, labels, type Allowed, type AuthRequest, type Case, type Label, type Outcome } from './outcome.ts'

export interface Auth {
  /** A forward-auth subrequest. Never throws, never rejects: whatever goes wrong denies. */
  forward(contract: Contract, request: AuthRequest, extra?: Extra): Outcome | Promise<Outcome>
  /** A request that came here itself (reverse-proxy mode). The same decision. */
  direct(original: OriginalRequest, request: AuthRequest, rules: AccessRules): Outcome | Promise<Outcome>
}

export interface AuthDeps {
  readonly readers: ReturnType<typeof createReaders>
  readonly rules: AccessRules
  readonly identityHeaders: IdentityHeaders
  readonly sessions: Pick<Sessions, 'near' | 'find' | 'tokens'>
  readonly cookies: BrowserCookies
  readonly peers: TrustedPeers
  readonly addresses: Pick<Addresses, 'isOwnPath'>
  readonly relayedPaths: RelayedPaths
  readonly denials: Denials
  readonly passRenewal: PassRenewal
  /** See SharedCache: bounds how long one request waits for the store in all. */
  readonly withinBudget: <T>(task: () => T) => T
  /** Renew the pass on a 200: the proxy passes our cookies on. */
  readonly renewPass: boolean
  readonly metrics: Pick<Metrics, 'decisions' | 'authDuration'>
  /** Milliseconds, monotonic. */
  readonly stopwatch: () => number
}

type Admission = Outcome & { readonly allow: Allowed }

/** What a session's requests have in common, each made once and kept as long as the session object lives. */
interface Remembered {
  readonly verdicts: (Verdict | undefined)[]
  admission: Admission | undefined
  admissionForOAuth2Proxy: Admission | undefined
}

const globally = [0] as const

export function createAuth(deps: AuthDeps): Auth {
  const { identityHeaders, sessions, cookies, peers, addresses, metrics, stopwatch } = deps
  const { notLoggedIn, unproven, denied, untrustedPeer, failed } = deps.denials
  const rememberedOf = new WeakMap<Session, Remembered>()
  const nobody = allowing(identityHeaders.headersFor(undefined))
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
    try {
      if (!peers.includes(request.peer)) return untrustedPeer(contract, request)
      const original = deps.readers[contract](request)
      if (addresses.isOwnPath(original.path)) return deps.relayedPaths(contract, request, original)
      const policy = deps.rules.policyFor(original)
      return decide({ label: contract, request, original, policy, rules: deps.rules, extra })
    } catch (error) {
      return failed(contract, request, error, contracts[contract].badRequestStatus)
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
      return allowOrDeny(about, session, ticket, hot.get(label)?.allowed)
    }
    if (tickets.length === 0) return policy.kind === 'public' ? publicly(about) : notLoggedIn(about)
    return deps.withinBudget(() => search(about, tickets))
  }

  async function search(about: Case, tickets: readonly string[]): Promise<Outcome> {
    try {
      const pass = cookies.pass(about.request.headers.cookie)
      let reason = 'no_session'
      let unanswered: unknown
      let unprovenBy: string | undefined
      for (const ticket of tickets) {
        let found: Found
        try {
          found = await sessions.find(ticket, pass)
        } catch (error) {
          // Another cookie of the same name may still be the good one.
          unanswered ??= error
          continue
        }
        if (found.kind === 'found') return await allowOrDeny(about, found.session, ticket, countFor(about, found.from))
        if (found.kind === 'unproven') {
          unprovenBy ??= found.reason
          continue
        }
        reason = found.reason === 'malformed' || found.reason === 'unknown' ? 'no_session' : `session_${found.reason}`
      }
      if (about.policy.kind === 'public') return publicly(about)
      if (unprovenBy !== undefined) return await unproven(about, unprovenBy)
      if (unanswered !== undefined) throw unanswered
      return await notLoggedIn(about, reason)
    } catch (error) {
      return failed(about.label, about.request, error, 400)
    }
  }

  const countFor = (about: Case, from: string): Count =>
    metrics.decisions.with({
      contract: about.label,
      decision: 'allow',
      reason: from === 'near_stale' || from === 'stale' || from === 'pass' ? from : 'session',
    })

  /** A public page is for everybody; it names a person only who would get in without its being public. */
  function allowOrDeny(
    about: Case,
    session: Session,
    ticket: string,
    allowed: Count | undefined,
  ): Outcome | Promise<Outcome> {
    const remembered = remember(session)
    const refusal = refusalFor(about, session, remembered)
    if (refusal !== undefined) return about.policy.kind === 'public' ? publicly(about) : denied(about, refusal, session)
    if (about.label === 'oauth2-proxy') {
      const headers = () => identityHeaders.headersForOAuth2Proxy(session)
      return allow(about, session, (remembered.admissionForOAuth2Proxy ??= allowing(headers())), allowed)
    }
    const { admission } = remembered
    if (admission !== undefined) return allow(about, session, admission, allowed)
    if (identityHeaders.needsTokens) return allowWithTokens(about, session, ticket, allowed)
    return allow(about, session, (remembered.admission = allowing(identityHeaders.headersFor(session))), allowed)
  }

  function remember(session: Session): Remembered {
    let remembered = rememberedOf.get(session)
    if (remembered === undefined) {
      remembered = { verdicts: [], admission: undefined, admissionForOAuth2Proxy: undefined }
      rememberedOf.set(session, remembered)
    }
    return remembered
  }

  function refusalFor(
    { policy, rules, extra }: Case,
    session: Session,
    { verdicts }: Remembered,
  ): DenialReason | undefined {
    for (const requirement of policy.kind === 'login' ? policy.requirements : globally) {
      const verdict = (verdicts[requirement] ??= rules.meets(requirement, session))
      if (!verdict.ok) return verdict.reason
    }
    return extra === undefined || extra(session) ? undefined : 'group_not_allowed'
  }

  async function allowWithTokens(
    about: Case,
    session: Session,
    ticket: string,
    allowed: Count | undefined,
  ): Promise<Outcome> {
    try {
      const tokens = await sessions.tokens(ticket)
      const admission = allowing(identityHeaders.headersFor(session, tokens))
      // Without its tokens a header would stay empty for as long as the session is near.
      if (tokens !== undefined) remember(session).admission = admission
      return allow(about, session, admission, allowed)
    } catch (error) {
      return about.policy.kind === 'public' ? publicly(about) : failed(about.label, about.request, error, 400)
    }
  }

  function allow(about: Case, session: Session, admission: Admission, allowed: Count | undefined): Outcome {
    if (allowed !== undefined) allowed.value++
    return deps.renewPass ? { ...admission, cookies: deps.passRenewal(about.request.headers, session) } : admission
  }

  function publicly(about: Case): Outcome {
    const reason = about.policy.kind === 'public' ? about.policy.reason : 'public_rule'
    metrics.decisions.with({ contract: about.label, decision: 'allow', reason }).value++
    return nobody
  }

  return { forward, direct }
}

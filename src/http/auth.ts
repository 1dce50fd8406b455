// The decision endpoints: what every request through every proxy waits for. On a near session the way through here is
// synchronous and allocates next to nothing; no hook, no log line, ready-made headers.
import type { AccessRules, Identity, OriginalRequest, Policy } from '../access/access.ts'
import { contracts, type Contract } from '../config/contracts.ts'
import type { LookupResult } from '../session/lookup-result.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Count, Metrics } from '../telemetry/metrics.ts'
import type { Admissions } from './admissions.ts'
import type { Addresses } from './addresses.ts'
import type { BearerAuth } from './bearer-auth.ts'
import type { BrowserCookies } from './browser-cookies.ts'
import type { TrustedPeers } from './client.ts'
import type { createReaders } from './contracts.ts'
import type { Denials } from './denials.ts'
import type { Constraint } from './oauth2-proxy-query.ts'
import type { IsPreflight } from './preflight.ts'
import type { RelayedPaths } from './relayed-paths.ts'
import { labels, type AuthRequest, type DecisionContext, type Label, type AuthDecision } from './auth-decision.ts'

export interface Auth {
  /** A forward-auth subrequest. Never throws, never rejects: whatever goes wrong denies. */
  forward(contract: Contract, request: AuthRequest, constraint?: Constraint): AuthDecision | Promise<AuthDecision>
  /** A request that came here itself (reverse-proxy mode). The same decision. */
  direct(original: OriginalRequest, request: AuthRequest, rules: AccessRules): AuthDecision | Promise<AuthDecision>
  /**
   * Until when what `direct` let pass may go on under this state of its session or token (ms since the epoch). Infinity: as long as that
   * is as it is. -Infinity: no longer. Never throws: whatever goes wrong denies.
   */
  goesOnUntil(original: OriginalRequest, request: AuthRequest, rules: AccessRules, identity: Identity): number
}

export interface AuthDeps {
  readonly readers: ReturnType<typeof createReaders>
  readonly rules: AccessRules
  readonly sessions: Pick<Sessions, 'near' | 'find'>
  readonly cookies: BrowserCookies
  readonly peers: TrustedPeers
  readonly addresses: Pick<Addresses, 'isOwnPath'>
  readonly relayedPaths: RelayedPaths
  readonly admissions: Admissions
  /** Absent: tokens are the applications' business. */
  readonly bearer?: BearerAuth | undefined
  readonly denials: Denials
  readonly isPreflight: IsPreflight
  /** See SharedCache: bounds how long one request waits for the store in all. */
  readonly withinBudget: <T>(task: () => T) => T
  readonly metrics: Pick<Metrics, 'decisions' | 'authDuration'>
  /** Milliseconds, monotonic. */
  readonly stopwatch: () => number
}

export function createAuth(deps: AuthDeps): Auth {
  const { sessions, cookies, peers, addresses, bearer, metrics, stopwatch } = deps
  const { allowOrDeny, meetsUntil, publicly } = deps.admissions
  const { notLoggedIn, unproven, denied, untrustedPeer, failed } = deps.denials
  const hot = new Map(
    labels.map((contract) => [
      contract,
      {
        allowed: metrics.decisions.labels({ contract, decision: 'allow', reason: 'session' }),
        duration: metrics.authDuration.labels({ contract }),
      },
    ]),
  )

  function forward(
    contract: Contract,
    request: AuthRequest,
    constraint?: Constraint,
  ): AuthDecision | Promise<AuthDecision> {
    const startedAt = stopwatch()
    return timed(contract, startedAt, () => forwardUntimed(contract, request, constraint))
  }

  function timed(
    label: Label,
    startedAt: number,
    decide: () => AuthDecision | Promise<AuthDecision>,
  ): AuthDecision | Promise<AuthDecision> {
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
    constraint: Constraint | undefined,
  ): AuthDecision | Promise<AuthDecision> {
    try {
      if (!peers.includes(request.peer)) return untrustedPeer(contract, request)
      const original = deps.readers[contract](request)
      if (addresses.isOwnPath(original.path)) return deps.relayedPaths(contract, request, original)
      const { rules } = deps
      return decide({
        label: contract,
        request,
        original,
        policy: policyFor(rules, original, request),
        rules,
        constraint,
      })
    } catch (error) {
      return failed(contract, request, error, contracts[contract].badRequestStatus)
    }
  }

  function direct(
    original: OriginalRequest,
    request: AuthRequest,
    rules: AccessRules,
  ): AuthDecision | Promise<AuthDecision> {
    const startedAt = stopwatch()
    return timed('proxy', startedAt, () => {
      try {
        const policy = policyFor(rules, original, request)
        return decide({ label: 'proxy', request, original, policy, rules, constraint: undefined })
      } catch (error) {
        return failed('proxy', request, error, 400)
      }
    })
  }

  function goesOnUntil(
    original: OriginalRequest,
    request: AuthRequest,
    rules: AccessRules,
    identity: Identity,
  ): number {
    try {
      const policy = policyFor(rules, original, request)
      return policy.kind === 'deny' ? -Infinity : meetsUntil({ policy, rules, constraint: undefined }, identity)
    } catch {
      return -Infinity
    }
  }

  function policyFor(rules: AccessRules, original: OriginalRequest, { peer, headers }: AuthRequest): Policy {
    // Who asks from where is read only where a rule wants to know.
    return rules.policyFor(original, rules.usesNetworks ? peers.statedClient(peer, headers) : undefined)
  }

  function decide(context: DecisionContext): AuthDecision | Promise<AuthDecision> {
    const { policy, request, label } = context
    if (policy.kind === 'deny') return denied(context, policy.reason, undefined)
    // What is public is so for whoever brings a token, which may be the application's own and none of ours.
    if (bearer !== undefined && policy.kind === 'login') {
      const { authorization } = request.headers
      const decision = authorization === undefined ? undefined : bearer(context, authorization)
      if (decision !== undefined) return decision
    }
    const tickets = cookies.on(context.original.host).tickets(request.headers.cookie)
    for (const ticket of tickets) {
      const session = sessions.near(ticket)
      if (session === undefined) continue
      return allowOrDeny(context, session, ticket, hot.get(label)?.allowed)
    }
    if (tickets.length === 0) return isOpen(context) ? publicly(context) : notLoggedIn(context)
    return deps.withinBudget(() => search(context, tickets))
  }

  /** Open to whoever has no cookie. */
  function isOpen({ policy, original, request }: DecisionContext): boolean {
    if (policy.kind !== 'login' || policy.passesPreflight !== true) return policy.kind === 'public'
    return original.unstated === undefined && deps.isPreflight(original.method, request.headers)
  }

  async function search(context: DecisionContext, tickets: readonly string[]): Promise<AuthDecision> {
    try {
      const passes = cookies.on(context.original.host).passes(context.request.headers.cookie)
      let reason = 'no_session'
      let unanswered: unknown
      let unprovenBy: string | undefined
      for (const ticket of tickets) {
        let found: LookupResult
        try {
          found = await sessions.find(ticket, passes)
        } catch (error) {
          // Another cookie of the same name may still be the good one.
          unanswered ??= error
          continue
        }
        if (found.kind === 'found')
          return await allowOrDeny(context, found.session, ticket, countFor(context, found.from))
        if (found.kind === 'unproven') {
          unprovenBy ??= found.reason
          continue
        }
        reason = found.reason === 'malformed' || found.reason === 'unknown' ? 'no_session' : `session_${found.reason}`
      }
      if (context.policy.kind === 'public') return publicly(context)
      if (unprovenBy !== undefined) return await unproven(context, unprovenBy)
      if (unanswered !== undefined) throw unanswered
      return await notLoggedIn(context, reason)
    } catch (error) {
      return failed(context.label, context.request, error, 400)
    }
  }

  const countFor = (context: DecisionContext, from: string): Count =>
    metrics.decisions.labels({
      contract: context.label,
      decision: 'allow',
      reason: from === 'near_stale' || from === 'stale' || from === 'pass' ? from : 'session',
    })

  return { forward, direct, goesOnUntil }
}

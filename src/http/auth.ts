// The decision endpoints: what every request through every proxy waits for. On a near session the way through here is
// synchronous and allocates next to nothing; no hook, no log line, ready-made headers.
import type { AccessRules, OriginalRequest, Policy } from '../access/access.ts'
import { contracts, type Contract } from '../config/contracts.ts'
import type { LookupResult } from '../session/lookup-result.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Count, Metrics } from '../telemetry/metrics.ts'
import type { Admissions } from './admissions.ts'
import type { Addresses } from './addresses.ts'
import type { BrowserCookies } from './browser-cookies.ts'
import type { TrustedPeers } from './client.ts'
import type { createReaders } from './contracts.ts'
import type { Denials } from './denials.ts'
import type { Extra } from './oauth2-proxy-query.ts'
import type { RelayedPaths } from './relayed-paths.ts'
import { labels, type AuthRequest, type Case, type Label, type Outcome } from './outcome.ts'

export interface Auth {
  /** A forward-auth subrequest. Never throws, never rejects: whatever goes wrong denies. */
  forward(contract: Contract, request: AuthRequest, extra?: Extra): Outcome | Promise<Outcome>
  /** A request that came here itself (reverse-proxy mode). The same decision. */
  direct(original: OriginalRequest, request: AuthRequest, rules: AccessRules): Outcome | Promise<Outcome>
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
  readonly denials: Denials
  /** See SharedCache: bounds how long one request waits for the store in all. */
  readonly withinBudget: <T>(task: () => T) => T
  readonly metrics: Pick<Metrics, 'decisions' | 'authDuration'>
  /** Milliseconds, monotonic. */
  readonly stopwatch: () => number
}

export function createAuth(deps: AuthDeps): Auth {
  const { sessions, cookies, peers, addresses, metrics, stopwatch } = deps
  const { allowOrDeny, publicly } = deps.admissions
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
      const { rules } = deps
      return decide({ label: contract, request, original, policy: policyFor(rules, original, request), rules, extra })
    } catch (error) {
      return failed(contract, request, error, contracts[contract].badRequestStatus)
    }
  }

  function direct(original: OriginalRequest, request: AuthRequest, rules: AccessRules): Outcome | Promise<Outcome> {
    const startedAt = stopwatch()
    return timed('proxy', startedAt, () => {
      try {
        const policy = policyFor(rules, original, request)
        return decide({ label: 'proxy', request, original, policy, rules, extra: undefined })
      } catch (error) {
        return failed('proxy', request, error, 400)
      }
    })
  }

  function policyFor(rules: AccessRules, original: OriginalRequest, { peer, headers }: AuthRequest): Policy {
    // Who asks from where is read only where a rule wants to know.
    return rules.policyFor(original, rules.usesNetworks ? peers.statedClient(peer, headers) : undefined)
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
      const passes = cookies.passes(about.request.headers.cookie)
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
    metrics.decisions.labels({
      contract: about.label,
      decision: 'allow',
      reason: from === 'near_stale' || from === 'stale' || from === 'pass' ? from : 'session',
    })

  return { forward, direct }
}

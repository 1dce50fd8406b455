// What stands in for a store that cannot be asked: a near copy, or the pass that the browser carries. The one place where
// anything else than the store answers, and the conditions under which it may.
import type { SharedCache } from '../cache/shared-cache.ts'
import type { Count, Metrics } from '../telemetry/metrics.ts'
import { seconds, type Clock } from '../time.ts'
import { presentsSecret, type NearCache } from './near-cache.ts'
import type { LookupResult } from './lookup-result.ts'
import type { Passes } from './pass.ts'
import type { Session } from './session.ts'
import type { Ticket } from './ticket.ts'
import type { SessionLifetimes } from './lifetimes.ts'
import type { Withdrawn } from './withdrawn.ts'

export type FallbackAnswer =
  | { readonly kind: 'found'; readonly session: Session; readonly from: 'near_stale' | 'pass' }
  | Extract<LookupResult, { kind: 'unproven' | 'absent' }>
  | { readonly kind: 'none' }

export interface Fallback {
  /**
   * `carried`: what the browser sent as passes. `ground`: the store is away, did not answer this once, or does not have what may be on its way into it. Counts only what is
   * not below its floor, whose rights have not ended (token's end + `outage.maxStale`), and of whose withdrawal this process
   * would know: its horizon is no older than `outage.passMaxAge` (`maxStale` without passes).
   */
  answer(ticket: Ticket, carried: readonly string[], ground: 'away' | 'failed' | 'missing'): FallbackAnswer
  /** The pass says that its session was not written when it was issued, and that was not long ago. */
  isUnwritten(carried: readonly string[], ticket: Ticket): boolean
}

export interface FallbackDeps {
  readonly cache: SharedCache
  readonly near: NearCache
  readonly passes: Passes | undefined
  readonly lifetimes: SessionLifetimes
  readonly maxStaleMs: number
  readonly passMaxAgeMs: number | undefined
  readonly withdrawn: Withdrawn
  readonly passHonoured: Count
  readonly metrics: Pick<Metrics, 'standIns'>
  readonly clock: Clock
  readonly stopwatch: () => number
}

/** Clocks of two replicas may differ by this much: a session that began so soon after our start may have begun before it. */
const bornMarginMs = seconds(5)

export function createFallback(deps: FallbackDeps): Fallback {
  const {
    cache,
    near,
    passes,
    lifetimes,
    withdrawn,
    maxStaleMs,
    passMaxAgeMs,
    passHonoured,
    metrics,
    clock,
    stopwatch,
  } = deps
  const { outage } = cache
  /** How long a withdrawal made elsewhere can go unnoticed here, by configuration. */
  const exposureMs = passMaxAgeMs ?? maxStaleMs

  function stands(session: Session): boolean {
    return !withdrawn.is(session) && clock() < lifetimes.rightsEnd(session)
  }

  function fromNear(ticket: Ticket, isKnowing: boolean): Session | undefined {
    const entry = near.get(ticket.id)
    if (entry === undefined || !presentsSecret(entry, ticket.secret)) return undefined
    const { session } = entry
    if (!stands(session) || lifetimes.isIdle(entry.lastSeenAt)) return undefined
    if (!isKnowing && stopwatch() - entry.confirmedAt > exposureMs) return undefined
    if (ticket.unattended !== true) near.seen(entry, clock())
    return session
  }

  function decide(ticket: Ticket, carried: readonly string[]): FallbackAnswer {
    const horizonAgeMs = outage.horizonAgeMs()
    const isKnowing = horizonAgeMs !== undefined && horizonAgeMs <= exposureMs
    const copy = fromNear(ticket, isKnowing)
    if (copy !== undefined) return { kind: 'found', session: copy, from: 'near_stale' }
    const session = passes?.open(carried, ticket)
    if (session === undefined || clock() >= lifetimes.endOf(session)) return { kind: 'none' }
    if (withdrawn.isEnded(session)) return { kind: 'absent', reason: 'revoked' }
    // They are still logged in, with other rights: which, only the newer state says.
    if (withdrawn.is(session)) return { kind: 'unproven', reason: 'superseded', session }
    if (!stands(session)) return { kind: 'unproven', reason: 'rights_too_old', session }
    if (isKnowing) return { kind: 'found', session, from: 'pass' }
    if (horizonAgeMs !== undefined) return { kind: 'unproven', reason: 'horizon_too_old', session }
    // Blind: of what was withdrawn before its start this process knows nothing; what began after it, it has seen from the start.
    const isYounger = session.createdAt >= outage.bornAt + bornMarginMs && clock() - session.createdAt <= exposureMs
    return isYounger ? { kind: 'found', session, from: 'pass' } : { kind: 'unproven', reason: 'blind', session }
  }

  return {
    answer(ticket, carried, ground) {
      const answer = decide(ticket, carried)
      const result = answer.kind === 'found' ? answer.from : answer.kind === 'none' ? 'none' : answer.reason
      metrics.standIns.labels({ ground, result }).value++
      if (answer.kind === 'found' && answer.from === 'pass') passHonoured.value++
      return answer
    },
    isUnwritten: (carried, ticket) => passes?.isUnwritten(carried, ticket, maxStaleMs) === true,
  }
}

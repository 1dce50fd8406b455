// Whose session is this? First what is near, then the shared store, and while that cannot be asked, what stands in. What an
// outage means for a request is decided here and nowhere else: known sessions go on, nobody is logged out.
import { ProviderUnavailable, StoreUnavailable, StoreValueRejected } from '../errors.ts'
import type { SharedTier } from '../cache/shared-tier.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Count, Metrics } from '../telemetry/metrics.ts'
import type { Clock } from '../time.ts'
import { identityReadBytes } from './codec.ts'
import type { Copies } from './copies.ts'
import { presentsSecret, type NearSession, type NearSessions } from './near.ts'
import type { Passes } from './pass.ts'
import type { Revocations } from './revocations.ts'
import type { Session } from './session.ts'
import type { Shelf } from './shelf.ts'
import { parseTicket, ticketValue, type Ticket } from './ticket.ts'
import type { SessionTimes } from './times.ts'
import type { Upkeep } from './upkeep.ts'

export type Found =
  | { readonly kind: 'found'; readonly session: Session; readonly from: 'near' | 'shared' | 'stale' | 'pass' }
  | { readonly kind: 'absent'; readonly reason: 'malformed' | 'unknown' | 'expired' | 'revoked' | 'ended' }

export interface Finder {
  /** The session, if this process may answer for it without asking anybody. Synchronous: the hot path. */
  near(ticket: string): Session | undefined
  /** Throws StoreUnavailable or ProviderUnavailable when it cannot be said: never a reason to log anybody out. */
  find(ticket: string, pass: string | undefined): Promise<Found>
}

export function createFinder(deps: {
  tier: SharedTier
  near: NearSessions
  copies: Copies
  shelf: Shelf
  upkeep: Upkeep
  passes: Passes | undefined
  revocations: Revocations
  times: SessionTimes
  maxAgeMs: number
  maxStaleMs: number
  passHonoured: Count
  metrics: Pick<Metrics, 'cacheRequests'>
  logger: Logger
  clock: Clock
}): Finder {
  const {
    tier,
    near,
    copies,
    shelf,
    upkeep,
    passes,
    revocations,
    times,
    maxAgeMs,
    maxStaleMs,
    passHonoured,
    logger,
    clock,
  } = deps
  const { trust } = tier
  const { endOf } = times
  const shared = tier.mode !== 'memory'
  const count = (inTier: 'l1' | 'l2', result: 'hit' | 'miss' | 'stale' | 'error') =>
    deps.metrics.cacheRequests.with({ kind: 'session', tier: inTier, result })
  const nearHits = count('l1', 'hit')
  const nearMisses = count('l1', 'miss')
  const staleHits = count('l1', 'stale')
  // Memory mode is all l1 (SPEC 7).
  const sharedTierName = shared ? 'l2' : 'l1'
  const sharedHits = count(sharedTierName, 'hit')
  const sharedMisses = count(sharedTierName, 'miss')
  const sharedErrors = count(sharedTierName, 'error')

  function nearSession(text: string): Session | undefined {
    const now = clock()
    if (now >= trust.until) return undefined
    const entry = near.presenting(text)
    if (entry === undefined) return undefined
    if (now >= entry.attentionAt) {
      if (!copies.mayAnswer(entry, now)) return undefined
      upkeep.startDue(entry, text, now)
    }
    entry.lastSeenAt = now
    nearHits.value++
    return entry.session
  }

  async function find(text: string, pass: string | undefined): Promise<Found> {
    const ticket = parseTicket(text)
    if (ticket === undefined) return { kind: 'absent', reason: 'malformed' }
    if (revocations.has(ticket.id)) return { kind: 'absent', reason: 'revoked' }
    if (shared) nearMisses.value++
    if (trust.recovering) {
      // A Redis that just came back has enough to do: not one read per request until it knows again what it lost.
      const known = standIn(ticket, pass, undefined)
      if (known.kind === 'found') return known
    }
    let value
    // With a copy at hand the first kilobyte tells whether it still holds; without one, all of it is fetched once.
    const head = tier.mode === 'redis' && near.get(ticket.id)?.outdated === false ? identityReadBytes : undefined
    try {
      value = await shelf.read(ticket.id, head)
    } catch (error) {
      sharedErrors.value++
      if (error instanceof StoreUnavailable) return standIn(ticket, pass, error)
      if (error instanceof StoreValueRejected) return unusable(ticket, error)
      throw error
    }
    if (value === undefined) {
      sharedMisses.value++
      return missing(ticket, pass)
    }
    let entry
    try {
      entry = await shelf.confirm(ticket, value, head === undefined || value.length < head)
    } catch (error) {
      sharedErrors.value++
      if (error instanceof StoreUnavailable) return standIn(ticket, pass, error)
      if (error instanceof StoreValueRejected) return unusable(ticket, error)
      throw error
    }
    if (entry === undefined) {
      const copy = near.get(ticket.id)
      // A known session, presented with another secret: somebody's guess, which is no reason to drop the copy or to complain.
      if (copy !== undefined && !presentsSecret(copy, ticket.secret)) return { kind: 'absent', reason: 'unknown' }
      return unusable(ticket, undefined)
    }
    sharedHits.value++
    // It may have been ended while the answer was on its way.
    if (revocations.has(ticket.id)) {
      near.delete(ticket.id)
      return { kind: 'absent', reason: 'revoked' }
    }
    return answerFrom(entry, ticket)
  }

  async function answerFrom(entry: NearSession, ticket: Ticket): Promise<Found> {
    const now = clock()
    const { session } = entry
    if (now >= session.expiresAt) return { kind: 'absent', reason: 'expired' }
    entry.lastSeenAt = now
    if (now < session.tokenExpiresAt) {
      upkeep.startDue(entry, ticketValue(ticket), now)
      return { kind: 'found', session, from: 'shared' }
    }
    if (!session.refreshable) return { kind: 'absent', reason: 'expired' }
    const graceEnd = session.tokenExpiresAt + maxStaleMs
    // Once a refresh has failed nobody waits for the next one; it is tried when its back-off has passed.
    if (entry.refreshFailures > 0 && now < graceEnd) {
      upkeep.startDue(entry, ticketValue(ticket), now)
      return stale(session)
    }
    const outcome = await upkeep.refresh(ticket, entry)
    switch (outcome.kind) {
      case 'refreshed':
        if (revocations.has(ticket.id)) return { kind: 'absent', reason: 'revoked' }
        return { kind: 'found', session: outcome.full.session, from: 'shared' }
      case 'ended':
        return { kind: 'absent', reason: 'ended' }
      case 'failed':
        if (clock() < graceEnd) return stale(session)
        throw new ProviderUnavailable('the session cannot be refreshed: the provider is away for too long')
    }
  }

  const stale = (session: Session): Found => {
    staleHits.value++
    return { kind: 'found', session, from: 'stale' }
  }

  async function missing(ticket: Ticket, pass: string | undefined): Promise<Found> {
    const entry = near.get(ticket.id)
    // The replica of the login could not write it (cut off, or a store that takes no writes): a miss here proves nothing.
    const unwritten = pass !== undefined && passes?.isUnwritten(pass, ticket, maxStaleMs) === true
    if (entry?.pending === true || clock() < trust.settlingUntil || unwritten) {
      try {
        if (!(await shelf.isMarkedRevoked(ticket.id))) return standIn(ticket, pass, undefined)
        // Kept, for the note of it was missed: should Redis be lost again, a pass must not bring the session back.
        revocations.mark(ticket.id, clock() + maxAgeMs)
      } catch (error) {
        if (error instanceof StoreUnavailable) return standIn(ticket, pass, error)
        throw error
      }
    }
    near.delete(ticket.id)
    return { kind: 'absent', reason: 'unknown' }
  }

  /** The store cannot be asked: what this replica knows, then what the browser carries. */
  function standIn(ticket: Ticket, pass: string | undefined, cause: StoreUnavailable | undefined): Found {
    const now = clock()
    const entry = near.get(ticket.id)
    if (
      entry !== undefined &&
      presentsSecret(entry, ticket.secret) &&
      now < endOf(entry.session) &&
      !times.isIdle(entry.lastSeenAt) &&
      (entry.pending || now < (trust.awaySince ?? now) + maxStaleMs)
    ) {
      entry.lastSeenAt = now
      return stale(entry.session)
    }
    const session = pass === undefined ? undefined : passes?.open(pass, ticket)
    if (session !== undefined && now < endOf(session)) {
      passHonoured.value++
      return { kind: 'found', session, from: 'pass' }
    }
    if (cause === undefined) return { kind: 'absent', reason: 'unknown' }
    throw cause
  }

  function unusable(ticket: Ticket, error: Error | undefined): Found {
    // Damaged, swapped, of a newer version, or presented with another secret: a miss, whatever the cause.
    sharedErrors.value++
    near.delete(ticket.id)
    logger.warn(
      { event: 'stored_value_unusable', reason: error === undefined ? 'does_not_open' : 'wrong_type', kind: 'session' },
      'a stored session is damaged, moved or of another version: treated as absent',
    )
    return { kind: 'absent', reason: 'unknown' }
  }

  return {
    near: nearSession,
    async find(text, pass) {
      const session = nearSession(text)
      return session === undefined ? find(text, pass) : { kind: 'found', session, from: 'near' }
    },
  }
}

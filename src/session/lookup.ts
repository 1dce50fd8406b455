// Whose session is this? First what is near, then the shared store, and while that cannot be asked, what stands in. What an
// outage means for a request is decided here and nowhere else: known sessions go on, nobody is logged out, and nothing counts
// that this process knows to be withdrawn or could not know of.
import { ProviderUnavailable, StoreUnavailable, StoreValueRejected } from '../errors.ts'
import type { SharedCache } from '../cache/shared-cache.ts'
import { isOwnDelay } from '../store/redis/faults.ts'
import type { Runtime } from '../runtime.ts'
import { withTimeout } from '../store/with-timeout.ts'
import { createLogQuota } from '../telemetry/log-quota.ts'
import { identityReadBytes } from './codec.ts'
import { createFallback, type FallbackDeps } from './fallback.ts'
import type { LookupResult } from './lookup-result.ts'
import { presentsSecret, type NearCache, type NearSession } from './near-cache.ts'
import type { Revalidation } from './revalidation.ts'
import type { Session } from './session.ts'
import type { SessionReader, Unusable } from './session-reader.ts'
import { parseTicket, ticketValue, type Ticket } from './ticket.ts'
import type { SessionLifetimes } from './lifetimes.ts'

export interface Lookup {
  /** The session, if this process may answer for it without asking anybody. Synchronous: the hot path. */
  near(ticket: string): Session | undefined
  /**
   * `passes`: all that the browser carries beside it. Throws StoreUnavailable or ProviderUnavailable when it cannot be said: never a
   * reason to log anybody out.
   */
  find(ticket: string, passes?: readonly string[]): Promise<LookupResult>
  /** What `find` says, for a connection that stays open under the session: no use of it. Throws the same. */
  review(ticket: string, passes: readonly string[]): Promise<LookupResult>
  /**
   * As `find`, without consequence: no use of it, nothing is renewed and nobody waits for a refresh. What is there is told, also past
   * its access token's end.
   */
  look(ticket: string, passes?: readonly string[]): Promise<LookupResult>
}

export interface LookupDeps extends Pick<
  FallbackDeps,
  'passes' | 'withdrawn' | 'maxStaleMs' | 'passMaxAgeMs' | 'passHonoured'
> {
  readonly cache: SharedCache
  readonly near: NearCache
  readonly reader: Pick<SessionReader, 'read' | 'confirm'>
  readonly revalidation: Revalidation
  /** Resolves at the next change of the session, at the latest after `maxMs`. */
  readonly changed: (id: string, maxMs: number) => Promise<void>
  readonly lifetimes: SessionLifetimes
  readonly runtime: Pick<Runtime, 'clock' | 'stopwatch' | 'timer' | 'nextTurn' | 'logger' | 'metrics'>
}

/** A write follows its announcement within milliseconds. */
const newerStateSoonMs = 100
const justNowMs = 1_000

/** Less than anybody notices. */
const brieflyMs = 40

class Late extends Error {
  readonly byOurselves: boolean
  constructor(byOurselves: boolean) {
    super('not answered yet')
    this.byOurselves = byOurselves
  }
}

/** What the store has is below its session's floor. */
interface BelowFloor {
  readonly kind: 'below-floor'
  readonly session: Session
}

/** For so long the state that a floor announced may be on its way into the store. */
const newerStateWithinMs = 5_000

export function createLookup(deps: LookupDeps): Lookup {
  const { cache, near, reader, revalidation, withdrawn, lifetimes, maxStaleMs, runtime } = deps
  const { clock, stopwatch, logger, metrics } = runtime
  const { trust, floors, outage } = cache
  const shared = cache.mode !== 'memory'
  const fallback = createFallback({ ...deps, clock, stopwatch, metrics })
  const count = (tier: 'l1' | 'l2', result: 'hit' | 'miss' | 'stale' | 'error') =>
    metrics.cacheRequests.labels({ kind: 'session', tier, result })
  const nearHits = count('l1', 'hit')
  const nearMisses = count('l1', 'miss')
  const staleHits = count('l1', 'stale')
  // One process alone has one tier.
  const sharedTier = shared ? 'l2' : 'l1'
  const sharedHits = count(sharedTier, 'hit')
  const sharedMisses = count(sharedTier, 'miss')
  const sharedErrors = count(sharedTier, 'error')
  // Anybody can have one written, with the id of a session of theirs.
  const mayWarn = createLogQuota(1, clock)

  function nearSession(text: string): Session | undefined {
    if (stopwatch() >= trust.until) return undefined
    const now = clock()
    const entry = near.answering(text, now)
    if (entry === undefined) return undefined
    if (now >= entry.attentionAt) revalidation.startDue(entry, text, now)
    nearHits.value++
    return entry.session
  }

  /** The copy that may answer alone, without being used. */
  function standing(text: string, now: number): NearSession | undefined {
    return stopwatch() < trust.until ? near.standing(text, now) : undefined
  }

  async function find(ticket: Ticket | undefined, passes: readonly string[]): Promise<LookupResult> {
    if (ticket === undefined) return { kind: 'absent', reason: 'malformed' }
    if (floors.isEnded(ticket.id)) return { kind: 'absent', reason: 'revoked' }
    if (shared) nearMisses.value++
    if (outage.isAway()) {
      // A Redis that just came back has enough to do: not one read per request until it knows again what it lost.
      const known = fallback.answer(ticket, passes, 'away')
      if (known.kind === 'found' || outage.isUnreachable()) return known.kind === 'none' ? unavailable() : known
    }
    return fallback.isUnwritten(passes, ticket) ? askBriefly(ticket, passes) : askTwice(ticket, passes)
  }

  /** Redis had trouble when this login was to be written: nobody waits for it a whole deadline once more. */
  function askBriefly(ticket: Ticket, passes: readonly string[]): Promise<LookupResult> {
    const answer = askTwice(ticket, passes)
    return withTimeout(answer, brieflyMs, runtime, (byOurselves) => new Late(byOurselves)).catch((error: unknown) => {
      if (!(error instanceof Late)) throw error
      const known = error.byOurselves ? undefined : fallback.answer(ticket, passes, 'missing')
      return known?.kind === 'found' ? known : answer
    })
  }

  async function askTwice(ticket: Ticket, passes: readonly string[]): Promise<LookupResult> {
    let below: Session | undefined
    // Word of a change may have overtaken the answer that was on its way, or the write that it is about.
    for (let look = 0; look < 3; look++) {
      const answer = await ask(ticket, passes)
      if (answer.kind !== 'below-floor') return answer
      below = answer.session
      const entry = near.get(ticket.id)
      if (entry !== undefined && !withdrawn.is(entry.session)) break
      if (look === 1 && floors.knownForMs(ticket.id) < justNowMs) await deps.changed(ticket.id, newerStateSoonMs)
    }
    return belowFloor(ticket, passes, below)
  }

  async function ask(ticket: Ticket, passes: readonly string[]): Promise<LookupResult | BelowFloor> {
    // With a copy at hand the first kilobyte tells whether it still holds; without one, all of it is fetched once.
    const head = cache.mode === 'redis' && near.get(ticket.id)?.isConfirmed === true ? identityReadBytes : undefined
    let entry
    try {
      const value = await reader.read(ticket.id, head)
      if (value === undefined) {
        sharedMisses.value++
        return missing(ticket, passes)
      }
      entry = await reader.confirm(ticket, value, head === undefined || value.length < head)
    } catch (error) {
      if (error instanceof StoreValueRejected) return unusable(ticket, 'wrong_type')
      sharedErrors.value++
      // We had no time to look, twice: that says nothing of Redis, so that nothing may stand in for it.
      if (!(error instanceof StoreUnavailable) || isOwnDelay(error)) throw error
      const known = fallback.answer(ticket, passes, 'failed')
      if (known.kind === 'none') throw error
      return known
    }
    if (entry === 'gone') {
      sharedMisses.value++
      return missing(ticket, passes)
    }
    if (typeof entry === 'string') return unusable(ticket, entry)
    // It may have been ended while the answer was on its way.
    const { session } = entry
    if (withdrawn.isEnded(session)) return { kind: 'absent', reason: 'revoked' }
    if (withdrawn.is(session)) return { kind: 'below-floor', session }
    sharedHits.value++
    return answerFrom(entry, ticket, passes)
  }

  /** The state that counts is on its way into the store, or was lost: not at once a reason to send anybody away. */
  function belowFloor(
    ticket: Ticket,
    passes: readonly string[],
    below: Session | undefined,
  ): LookupResult | Promise<LookupResult> {
    const entry = near.get(ticket.id)
    if (entry !== undefined && presentsSecret(entry, ticket.secret) && !withdrawn.is(entry.session)) {
      return answerFrom(entry, ticket, passes)
    }
    if (outage.missProvesNothing()) {
      const known = fallback.answer(ticket, passes, 'missing')
      if (known.kind !== 'none') return known
      // The ticket has opened what is stored: theirs, with rights that only the newer state says.
      return { kind: 'unproven', reason: 'superseded', session: below }
    }
    if (floors.knownForMs(ticket.id) >= newerStateWithinMs) return { kind: 'absent', reason: 'ended' }
    throw new StoreUnavailable('a newer state of the session is on its way into the store')
  }

  async function answerFrom(entry: NearSession, ticket: Ticket, passes: readonly string[]): Promise<LookupResult> {
    const now = clock()
    const { session } = entry
    if (now >= session.expiresAt) return { kind: 'absent', reason: 'expired' }
    if (ticket.unattended !== true) near.seen(entry, now)
    if (now < session.tokenExpiresAt) {
      startDue(entry, ticket, now)
      return { kind: 'found', session, from: 'shared' }
    }
    if (!session.refreshable) return { kind: 'absent', reason: 'expired' }
    if (ticket.onlyLooks === true) return { kind: 'found', session, from: 'stale' }
    const graceEnd = session.tokenExpiresAt + maxStaleMs
    // Once a refresh has failed nobody waits for the next one; it is tried when its back-off has passed, and not before.
    if (entry.refreshFailures > 0 && (now < graceEnd || now < entry.refreshAt)) {
      startDue(entry, ticket, now)
      if (now < graceEnd) return stale(session)
      throw new ProviderUnavailable('the session could not be refreshed a moment ago')
    }
    const outcome = await revalidation.refreshed(ticket, entry)
    if (withdrawn.isEnded(session)) return { kind: 'absent', reason: 'revoked' }
    switch (outcome.kind) {
      case 'refreshed': {
        const next = outcome.full.session
        if (withdrawn.is(next)) return belowFloor(ticket, passes, next)
        if (clock() < next.tokenExpiresAt) return { kind: 'found', session: next, from: 'shared' }
        if (clock() < lifetimes.rightsEnd(next)) return stale(next)
        throw new ProviderUnavailable('the provider gives tokens that have ended')
      }
      case 'ended':
        return { kind: 'absent', reason: 'ended' }
      case 'failed':
        if (clock() < graceEnd && !withdrawn.is(session)) return stale(session)
        // The provider is there: it can say who they are, and a login is written where a refresh is not.
        if (outcome.fault === 'store') return { kind: 'unproven', reason: 'rights_too_old', session }
        throw new ProviderUnavailable('the session cannot be refreshed: the provider is away for too long')
    }
  }

  function startDue(entry: NearSession, ticket: Ticket, now: number): void {
    if (ticket.onlyLooks !== true) revalidation.startDue(entry, ticketValue(ticket), now, ticket.unattended)
  }

  const stale = (session: Session): LookupResult => {
    staleHits.value++
    return { kind: 'found', session, from: 'stale' }
  }

  function missing(ticket: Ticket, passes: readonly string[]): LookupResult {
    // While others may still write what only they know, a miss proves nothing; nor does it for a login that is in a journal.
    if (
      near.get(ticket.id)?.pending !== undefined ||
      outage.missProvesNothing() ||
      fallback.isUnwritten(passes, ticket)
    ) {
      const known = fallback.answer(ticket, passes, 'missing')
      if (known.kind !== 'none') return known
      if (outage.missProvesNothing()) return { kind: 'unproven', reason: 'unsettled', session: undefined }
      return { kind: 'absent', reason: 'unknown' }
    }
    near.delete(ticket.id)
    return { kind: 'absent', reason: 'unknown' }
  }

  function unavailable(): never {
    throw new StoreUnavailable('the store is away, and nothing stands in for it')
  }

  /** A miss, whatever the cause. */
  function unusable(ticket: Ticket, reason: Exclude<Unusable, 'gone'> | 'wrong_type'): LookupResult {
    const absent = { kind: 'absent', reason: 'unknown' } as const
    const copy = near.get(ticket.id)
    // A known session, presented with another secret: somebody's guess, which is no reason to drop the copy or to complain.
    if (reason === 'does_not_open' && copy !== undefined && !presentsSecret(copy, ticket.secret)) {
      sharedMisses.value++
      return absent
    }
    sharedErrors.value++
    near.delete(ticket.id)
    if (!mayWarn(reason)) return absent
    logger.warn(
      { event: 'stored_value_unusable', reason, kind: 'session' },
      reason === 'does_not_open'
        ? 'a stored session does not open with the ticket presented, which is a guess, or it is damaged, moved or sealed with another key'
        : 'a stored session is damaged or of another version: treated as absent',
    )
    return absent
  }

  return {
    near: nearSession,
    async find(text, passes = []) {
      const session = nearSession(text)
      return session === undefined ? find(parseTicket(text), passes) : { kind: 'found', session, from: 'near' }
    },
    async review(text, passes) {
      const now = clock()
      const entry = standing(text, now)
      if (entry !== undefined) {
        if (now >= entry.attentionAt) revalidation.startDue(entry, text, now, true)
        return { kind: 'found', session: entry.session, from: 'near' }
      }
      const ticket = parseTicket(text)
      return find(ticket && { ...ticket, unattended: true }, passes)
    },
    async look(text, passes = []) {
      const entry = standing(text, clock())
      if (entry !== undefined) {
        nearHits.value++
        return { kind: 'found', session: entry.session, from: 'near' }
      }
      const ticket = parseTicket(text)
      return find(ticket && { ...ticket, unattended: true, onlyLooks: true }, passes)
    },
  }
}

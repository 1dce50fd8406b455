// The cache that replicas share, as its users see it: a guarded store, what is known to be withdrawn, how far near copies may be
// trusted, and what an outage leaves. In memory mode all of it is local; redis-cache.ts has the other one.
import type { Store } from '../store/store.ts'
import { minutes } from '../time.ts'
import type { Withdrawal } from '../store/withdrawal-log.ts'
import type { Floors } from './floors.ts'
import type { Journal } from './journal.ts'

/** Sessions end by each replica's own clock: a withdrawal is kept for so much longer than any of them (ms). */
export const clockMarginMs = minutes(5)

export interface SharedCache {
  readonly mode: 'memory' | 'redis' | 'hybrid'
  /** Behind circuit and deadline: no call takes longer than `outage.storeDeadline`. */
  readonly store: Store
  readonly trust: NearTrust
  readonly floors: Floors
  readonly outage: Outage
  readonly journal: Journal
  /** Runs one request's work: once one of its calls has used up the deadline, its further calls do not wait at all. */
  withinBudget<T>(task: () => T): T
  /** Starts work that outlives the request that gave rise to it: what that one has waited is not its concern. */
  inBackground<T>(task: () => T): T
  /** The note of a write, for `Store` methods that announce. */
  changed(id: string, generation: number): string
  /**
   * Makes a withdrawal known: here at once, to Redis (also past an open circuit, also where its memory is full) and to peers.
   * True: it survives this process. False: nobody else has it yet; asked again, it tries again. Never throws, takes no longer than
   * `outage.storeDeadline`, and as long again for the spool.
   */
  withdraw(withdrawal: Withdrawal): Promise<boolean>
  /** Whoever holds near copies. One per cache. */
  setNearCopies(copies: NearCopies): void
}

/** A field rather than a method: it is read on every request. */
export interface NearTrust {
  /** Near copies answer by themselves before this moment (ms, monotonic). Infinity: always; 0: never. */
  until: number
}

/** What has to be known where the store cannot be asked, or lacks something. */
export interface Outage {
  /** The store is not in use, or has not got back yet what it lost: what is known here answers first. */
  isAway(): boolean
  /** It cannot be asked either. */
  isUnreachable(): boolean
  /** What the store does not have may still be on its way into it. */
  missProvesNothing(): boolean
  /** How long ago every withdrawal recorded until then was known here (ms); undefined: that was never so, this process is blind. */
  horizonAgeMs(): number | undefined
  /** This process began (ms since the epoch). */
  readonly bornAt: number
}

/**
 * What the cache tells whoever holds near copies, and asks of them. What is asked for may throw StoreUnavailable, or answer false
 * where the store refused: then it is asked for again.
 */
export interface NearCopies {
  /** Another replica wrote a state of at least this generation. */
  changed(id: string, generation: number): void
  /** Word of changes may have been missed. */
  unconfirmAll(): void
  /** Writes whose loss would go unnoticed: what was acknowledged shortly before the connection was lost. */
  offerAgain(lostAt: number): Promise<boolean>
  /** The store lost what it had: copies that `isProven` (by when they were confirmed: ms, monotonic) go back. */
  reseed(isProven: (confirmedAt: number) => boolean): Promise<boolean>
  /** The store lost what it had, and nobody can vouch for copies last confirmed before `since` (ms, monotonic). */
  dropUnproven(since: number): void
  /** A few of the copies that may answer now, each compared with the store. */
  compareSome(count: number): Promise<void>
}

/** Until somebody holds any. */
export const noNearCopies: NearCopies = {
  changed: () => undefined,
  unconfirmAll: () => undefined,
  offerAgain: () => Promise.resolve(true),
  reseed: () => Promise.resolve(true),
  dropUnproven: () => undefined,
  compareSome: () => Promise.resolve(),
}

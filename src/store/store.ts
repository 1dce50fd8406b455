// The port to the tier that all replicas share. Bytes in, bytes out: what they mean, and what an outage means, is decided
// by the rooms that use it. Implementations: memory-store.ts, redis/store.ts; wrapped by instrumented.ts, and by the circuit of the shared cache.

import type { Rate } from './rate.ts'

/** A class of cached data: names the key (`<keyPrefix><kind>:<id>`), the metric label and the policy. */
export type Kind =
  'session' | 'about' | 'sessions' | 'revoked' | 'used' | 'metadata' | 'jwks' | 'client' | 'token' | 'lease' | 'rate'

/** Where a value lives. `id` never holds a token or a secret; characters: A-Z a-z 0-9 - _ . : */
export interface Key {
  readonly kind: Kind
  readonly id: string
}

/**
 * Expiring bytes shared by all replicas. `ttlMs`: whole milliseconds, > 0.
 * Every method may throw StoreUnavailable (nobody answered) or StoreValueRejected (somebody answered, but the value has a
 * wrong type or is otherwise unusable: the callers treat it as a miss).
 */
export interface Store {
  /** The value, or undefined once absent or expired. `head`: no more than that many leading bytes are moved. */
  get(key: Key, head?: number): Promise<Buffer | undefined>

  set(key: Key, value: Buffer, ttlMs: number): Promise<void>

  /**
   * Writes only if the key is free: true for exactly one caller among all replicas. 'even-when-full': also on a server whose
   * memory is full; for what is small and lives for seconds, without which nothing else goes on.
   */
  add(key: Key, value: Buffer, ttlMs: number, urgency?: 'even-when-full'): Promise<boolean>

  /**
   * Compare and set: writes only while the stored value begins with `expectedHead` byte for byte, and announces `note` in
   * the same atomic step. A server without memory takes it, too. False: it changed or has gone, nothing was written.
   */
  compareAndSet(key: Key, value: Buffer, ttlMs: number, expectedHead: Buffer, note?: string): Promise<boolean>

  /**
   * Writes only if the key is free *and* nothing at `mark` withdraws it, in one atomic step. `generation`: which state of it
   * `value` is; a mark withdraws what is below its floor.
   */
  setUnlessMarked(
    key: Key,
    value: Buffer,
    ttlMs: number,
    unless: { readonly mark: Key; readonly generation: number },
    note?: string,
  ): Promise<'written' | 'exists' | 'marked'>

  /**
   * Raises `mark` to `floor` (a higher one stays, and so does a later end), deletes `key` where the floor is above every
   * generation, announces `note`: one atomic step, which a server without memory takes, too. True when the key existed.
   */
  withdraw(key: Key, mark: Key, floor: number, ttlMs: number, note?: string): Promise<boolean>

  /** Gives the key a new life of `ttlMs`. False when it has gone. */
  touch(key: Key, ttlMs: number): Promise<boolean>

  delete(key: Key): Promise<void>

  /** Deletes only while the value is `expected` byte for byte (a lease's release). True when it did. */
  compareAndDelete(key: Key, expected: Buffer): Promise<boolean>

  /** Gives a new life only while the value is `expected` (a lease's renewal). False: it is somebody else's now, or gone. */
  compareAndTouch(key: Key, expected: Buffer, ttlMs: number): Promise<boolean>

  /** How long the value stays (ms); undefined where there is none. */
  ttl(key: Key): Promise<number | undefined>

  /** Overwrites the first bytes of a value that is there, which lives on as long as before. False where nothing is. */
  overwriteHead(key: Key, head: Buffer): Promise<boolean>

  /**
   * Puts `member` into the set at `key`, to stay until `expiresAt` (ms since the epoch, by the caller's clock, as `now`). A set ends
   * with the last of its members. What lies under the key and is no set goes.
   */
  addMember(key: Key, member: string, expiresAt: number, now: number): Promise<void>

  removeMember(key: Key, member: string): Promise<void>

  /** At most `limit` of those who stay longer than `now`, after the first `skip`: whoever leaves first comes first. */
  members(key: Key, now: number, limit: number, skip?: number): Promise<readonly string[]>

  /**
   * Takes one of what the rate allows at this key, all in one atomic step and by the store's own clock. How long (ms) until it may be
   * taken; 0: it was.
   */
  take(key: Key, rate: Rate): Promise<number>
}

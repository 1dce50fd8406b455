// The port to the tier that all replicas share. Bytes in, bytes out: what they mean, and what an outage means, is decided
// by the rooms that use it. Implementations: memory.ts, redis.ts; wrapped by guarded.ts (circuit, deadline) and instrumented.ts.

/** A class of cached data: names the key (`<keyPrefix><kind>:<id>`), the metric label and the policy. */
export type Kind = 'session' | 'revoked' | 'used' | 'token' | 'metadata' | 'jwks' | 'client' | 'lease' | 'index'

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

  /** Writes and, in the same atomic step, announces `note` to all replicas. */
  set(key: Key, value: Buffer, ttlMs: number, note?: string): Promise<void>

  /** Writes only if the key is free: true for exactly one caller among all replicas. */
  add(key: Key, value: Buffer, ttlMs: number): Promise<boolean>

  /**
   * Compare and set: writes only while the stored value begins with `expectedHead` byte for byte, and announces `note` in
   * the same atomic step. False: it changed or has gone, nothing was written.
   */
  replace(key: Key, value: Buffer, ttlMs: number, expectedHead: Buffer, note?: string): Promise<boolean>

  /** Writes only if the key is free *and* no mark exists, in one atomic step. */
  seed(key: Key, value: Buffer, ttlMs: number, mark: Key, note?: string): Promise<'written' | 'exists' | 'marked'>

  /** Deletes `key`, leaves `mark` for `ttlMs`, announces `note`: one atomic step. True when the key existed. */
  revoke(key: Key, mark: Key, markValue: Buffer, ttlMs: number, note?: string): Promise<boolean>

  /** Gives the key a new life of `ttlMs`. False when it has gone. */
  touch(key: Key, ttlMs: number): Promise<boolean>

  delete(key: Key, note?: string): Promise<void>

  /** Deletes only while the value is `expected` byte for byte (a lease's release). True when it did. */
  deleteIf(key: Key, expected: Buffer): Promise<boolean>

  /** Gives a new life only while the value is `expected` (a lease's renewal). False: it is somebody else's now, or gone. */
  touchIf(key: Key, expected: Buffer, ttlMs: number): Promise<boolean>

  /** Adds `member`, valid until `expiresAt` (ms since the epoch), to the set at `key`; the set outlives its members. */
  indexAdd(key: Key, member: string, expiresAt: number): Promise<void>

  /** Members not yet expired at `now`. */
  indexMembers(key: Key, now: number): Promise<string[]>

  /** One message to every replica (also to this one). */
  announce(note: string): Promise<void>
}

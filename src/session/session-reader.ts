// Stored sessions, read: opened by their tickets, and agreed with what is near. What a read brings becomes the near copy.
import { StoreValueRejected } from '../errors.ts'
import type { SharedCache } from '../cache/shared-cache.ts'
import { sessionKey } from '../store/keys.ts'
import { createCoalescedReads } from './coalesced-reads.ts'
import { generationOf, headBytes, isWellFormed, startsAlike, type SessionCodec } from './codec.ts'
import type { SessionLifetimes } from './lifetimes.ts'
import { presentsSecret, type NearCache, type NearSession } from './near-cache.ts'
import type { SessionWithTokens } from './session.ts'
import type { Ticket } from './ticket.ts'
import type { Withdrawn } from './withdrawn.ts'

/** What asks the store may throw StoreUnavailable or StoreValueRejected. */
export interface SessionReader {
  /** The stored value, or its first `head` bytes. One read per key and process at a time, however many wait for it. */
  read(id: string, head?: number): Promise<Buffer | undefined>
  /** Somebody wrote: answers under way may be from before. */
  overtakeReads(id: string): void
  /** Undefined where nothing is stored for this ticket, or nothing that can be used. Throws StoreUnavailable only. */
  readWhole(ticket: Ticket): Promise<SessionWithTokens | undefined>
  /**
   * What counts now, by a read of its own: one that was under way before a lease was ours may show what its last owner
   * replaced. 'awaited': the state that counts is still on its way into the store. Throws StoreUnavailable only.
   */
  readLatest(ticket: Ticket): Promise<SessionWithTokens | 'ended' | 'awaited'>
  /**
   * Whether a newer state than this may still be on its way into the store: others have not written yet what only they know, or
   * this process has heard of one that it cannot find. Its refresh token may have been used: nobody may use it again.
   */
  isNewerAwaited(id: string, generation: number): boolean
  /** A whole stored value, opened; undefined for anything that is not this ticket's. */
  open(value: Buffer, ticket: Ticket): SessionWithTokens | undefined
  /**
   * The near copy that agrees with what the store holds, or why there is none. `whole`: `value` is not just its beginning. Throws
   * StoreUnavailable when more had to be read.
   */
  confirm(ticket: Ticket, value: Buffer, whole: boolean): Promise<NearSession | Unusable>
}

/**
 * `gone`: meanwhile. `unreadable`: damaged or of another version, which needs no secret to be seen. `does_not_open`: with the secret
 * that was presented, which may be anybody's guess.
 */
export type Unusable = 'gone' | 'unreadable' | 'does_not_open'

export function createSessionReader(deps: {
  cache: Pick<SharedCache, 'store' | 'floors' | 'outage' | 'changed'>
  codec: SessionCodec
  near: NearCache
  lifetimes: Pick<SessionLifetimes, 'storedTtl'>
  withdrawn: Withdrawn
}): SessionReader {
  const { cache, codec, near, lifetimes, withdrawn } = deps
  const { store, floors } = cache
  const { read, overtake } = createCoalescedReads(store)

  async function readWhole(ticket: Ticket): Promise<SessionWithTokens | undefined> {
    if (floors.isEnded(ticket.id)) return undefined
    try {
      const value = (await read(ticket.id)) ?? pendingValue(ticket)
      return value === undefined ? undefined : open(value, ticket)
    } catch (error) {
      if (error instanceof StoreValueRejected) return undefined
      throw error
    }
  }

  function pendingValue(ticket: Ticket): Buffer | undefined {
    const entry = near.get(ticket.id)
    return entry?.pending !== undefined && presentsSecret(entry, ticket.secret) ? entry.value : undefined
  }

  /** Ours, where the store does not have it yet, or lost it: only it has the refresh token that was rotated last. */
  function newerHere(ticket: Ticket, stored: Buffer | undefined): Buffer | undefined {
    if (stored === undefined) return pendingValue(ticket)
    const entry = near.get(ticket.id)
    const generation = generationOf(stored)
    if (entry === undefined || generation === undefined || entry.session.generation <= generation) return undefined
    return presentsSecret(entry, ticket.secret) ? entry.value : undefined
  }

  async function readLatest(ticket: Ticket): Promise<SessionWithTokens | 'ended' | 'awaited'> {
    // Twice: word of a change may have overtaken the answer that was on its way.
    for (let look = 0; look < 2; look++) {
      if (floors.isEnded(ticket.id)) return 'ended'
      let value
      try {
        value = await store.get(sessionKey(ticket.id))
      } catch (error) {
        if (error instanceof StoreValueRejected) return 'ended'
        throw error
      }
      const isStored = value !== undefined
      value = newerHere(ticket, value) ?? value
      if (value === undefined) return cache.outage.missProvesNothing() ? 'awaited' : 'ended'
      const full = open(value, ticket)
      if (full === undefined || withdrawn.isEnded(full.session)) return 'ended'
      if (withdrawn.is(full.session)) continue
      const known = near.get(ticket.id)
      if (isStored && (known === undefined || known.session.generation < full.session.generation)) {
        near.adopt(ticket, full.session, value, { touchedAt: 0 })
      }
      return full
    }
    return 'awaited'
  }

  function isNewerAwaited(id: string, generation: number): boolean {
    return cache.outage.missProvesNothing() || near.heardOf(id) > generation
  }

  function open(value: Buffer, ticket: Ticket): SessionWithTokens | undefined {
    const session = codec.decode(value, ticket)
    const tokens = codec.decodeTokens(value, ticket)
    return session === undefined || session === 'short' || tokens === undefined ? undefined : { session, tokens }
  }

  async function confirm(ticket: Ticket, value: Buffer, whole: boolean): Promise<NearSession | Unusable> {
    const entry = near.get(ticket.id)
    if (entry !== undefined && presentsSecret(entry, ticket.secret)) {
      if (startsAlike(entry.value, value)) {
        near.confirm(entry)
        return entry
      }
      // A failover can lose the last write: then ours is the newer state, and only ours has the rotated refresh token.
      const stored = generationOf(value)
      if (stored !== undefined && entry.session.generation > stored) {
        await store
          .compareAndSet(
            sessionKey(ticket.id),
            entry.value,
            lifetimes.storedTtl(entry.session),
            value.subarray(0, headBytes),
            cache.changed(ticket.id, entry.session.generation),
          )
          .catch(() => false)
        return entry
      }
    }
    // It changed: a copy without its tokens could not be written again after a restart of the store.
    const all = whole ? value : await read(ticket.id)
    if (all === undefined) return 'gone'
    const decoded = codec.decode(all, ticket)
    if (decoded === undefined || decoded === 'short') return isWellFormed(all) ? 'does_not_open' : 'unreadable'
    // Read, not written: how much of its idle time is left only the store knows, so the next request touches it.
    return near.adopt(ticket, decoded, all, { touchedAt: 0 })
  }

  return { read, overtakeReads: overtake, readWhole, readLatest, isNewerAwaited, open, confirm }
}

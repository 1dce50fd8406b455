// Copies of sessions in this process, decoded and ready: what answers most requests. The one owner of an entry: every change of
// its state is a verb here, and what follows from it (when it has to be looked at next) is computed here and nowhere else.
import { timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { seconds } from '../time.ts'
import type { Runtime } from '../runtime.ts'
import { revalidateAfterMs, trustForMs, type SessionLifetimes } from './lifetimes.ts'
import type { Session } from './session.ts'
import type { Tag } from './sweeps.ts'
import { createTagIndex } from './tag-index.ts'
import type { Ticket } from './ticket.ts'

export interface NearSession {
  readonly session: Session
  /** The ticket's secret: presented with each request. */
  readonly secret: string
  /** The whole value as stored, tokens included: what a store that lost it is given again. */
  readonly value: Buffer
  /** When the shared store last confirmed it (ms, monotonic). */
  readonly confirmedAt: number
  /** Nothing has been heard or missed since that might have changed it. False: good for an outage only. */
  readonly isConfirmed: boolean
  /** The newest generation that was heard of: an older copy is no state to write back. */
  readonly heardOf: number
  /** When (ms, monotonic). */
  readonly heardAt: number
  /** Before this moment there is nothing to do for the entry but to answer (ms since the epoch, as all times that follow). */
  readonly attentionAt: number
  /** When this process refreshes the access token: jittered, and put off after a failure. */
  readonly refreshAt: number
  readonly refreshFailures: number
  readonly lastSeenAt: number
  /** When the list of sessions was last told so. */
  readonly listedAt: number
  readonly touchedAt: number
  /** Not in the shared store yet, the journal holds it: the whole session, or only this state of it. */
  readonly pending: 'session' | 'state' | undefined
  /** What the store is believed to hold: older than `session` while this state is pending. */
  readonly storedGeneration: number
  /** Nobody vouches for it any more: it stays only if its pending write finds what it follows. */
  readonly isGivenUp: boolean
}

type Entry = { -readonly [Field in keyof NearSession]: NearSession[Field] }

export interface NearCache {
  get(id: string): NearSession | undefined
  /**
   * The entry of a whole ticket, id and secret, if it may answer by itself: the one lookup of the hot path. `now`: ms since the
   * epoch. It counts as seen.
   */
  answering(ticket: string, now: number): NearSession | undefined
  /** The same, and it does not count as seen. */
  lookedAt(ticket: string, now: number): NearSession | undefined
  /**
   * The copy made from `value`, kept near unless it is below its session's floor or older than what is there.
   * `touchedAt`: when the stored value was last given its whole idle time, as far as this process knows.
   */
  adopt(ticket: Ticket, session: Session, value: Buffer, details?: AdoptDetails): NearSession
  /** The store holds exactly this. It answers alone again, unless a newer state was heard of lately: that one may only be lost. */
  confirm(entry: NearSession): void
  /** The newest generation of it that was heard of, and may still come; 0: none but the copy's own. */
  heardOf(id: string): number
  /** Word of a state of at least this generation: an older copy has to be confirmed. */
  changed(id: string, generation: number): void
  unconfirmAll(): void
  /** What the journal held has been written; or it turned out to be of no use, and the store has to be asked. */
  settle(id: string, written: boolean): void
  seen(entry: NearSession, now: number): void
  listed(entry: NearSession, now: number): void
  touched(entry: NearSession, now: number): void
  /** A refresh is under way until it says otherwise. */
  refreshing(entry: NearSession, now: number): void
  refreshFailed(entry: NearSession, now: number): void
  /** It could not be tried, by no fault of the provider: soon again. */
  refreshPutOff(entry: NearSession, now: number): void
  /** What was due has been started. */
  attended(entry: NearSession): void
  delete(id: string): void
  /** Copies that nobody vouches for any more: last confirmed before `since` (ms, monotonic), and in no journal. */
  deleteUnproven(since: number): void
  deleteBelow(id: string, floor: number): void
  entries(): IterableIterator<[id: string, NearSession]>
  /** Sessions with this tag. */
  tagged(tag: Tag): readonly Session[]
  readonly size: number
  readonly bytes: number
}

export interface AdoptDetails {
  readonly pending?: NearSession['pending']
  readonly storedGeneration?: number
  readonly touchedAt?: number
}

export interface NearLimits {
  readonly maxItems: number | undefined
  readonly maxBytes: number
}

/** What an entry weighs besides its sealed bytes: the decoded claims, the ready headers, the map's own nodes. Measured. */
const entryOverheadBytes = 1_000
const maxJitterMs = seconds(1)
/** Who wrote a state that a failover lost offers it again once its own connection is back. */
export const newerComesWithinMs = seconds(10)
const firstBackoffMs = seconds(1)
const maxBackoffMs = seconds(60)

export function createNearCache(deps: {
  limits: NearLimits
  lifetimes: SessionLifetimes
  /** It does not count any more, or not in this state. */
  isWithdrawn: (session: Session) => boolean
  /** By what somebody may want to find it, once nobody knows its id. */
  tagsOf: (session: Session) => readonly Tag[]
  /** Other replicas can change what is stored. */
  shared: boolean
  runtime: Pick<Runtime, 'clock' | 'stopwatch' | 'random'>
}): NearCache {
  const { limits, lifetimes, isWithdrawn, shared } = deps
  const { clock, stopwatch, random } = deps.runtime
  const { idleTimeoutMs, idleGrainMs } = lifetimes
  const tickets = new Map<string, string>()
  const index = createTagIndex()
  // Under the whole ticket, so that the secret is checked by the lookup itself: it finds by a seeded hash of all of it, and
  // compares bytes only where that agrees, which nobody can feel their way to.
  const cache = new LRUCache<string, Entry>({
    ...(limits.maxItems !== undefined && { max: limits.maxItems }),
    maxSize: Math.max(1, limits.maxBytes),
    sizeCalculation: (entry) => entry.value.length + entryOverheadBytes,
    perf: { now: clock },
    dispose: (entry, ticket, reason) => {
      const { id } = entry.session
      if (reason === 'set' || tickets.get(id) !== ticket) return
      tickets.delete(id)
      index.remove(id)
    },
  })

  /** Readers see entries as read-only; whoever hands one back means this one. */
  const own = (entry: NearSession): Entry => entry

  function get(id: string): Entry | undefined {
    const ticket = tickets.get(id)
    return ticket === undefined ? undefined : cache.get(ticket)
  }

  function remove(id: string): void {
    const ticket = tickets.get(id)
    if (ticket !== undefined) cache.delete(ticket)
  }

  function schedule(entry: Entry): void {
    const { session } = entry
    // The token's end also while its refresh is under way or put off: from then on an answer has to wait, or is a stale one.
    let at = Math.min(session.expiresAt, session.tokenExpiresAt)
    if (session.refreshable) at = Math.min(at, entry.refreshAt)
    if (shared)
      at = Math.min(at, entry.isConfirmed ? clock() + revalidateAfterMs - (stopwatch() - entry.confirmedAt) : 0)
    if (idleTimeoutMs !== undefined) at = Math.min(at, entry.touchedAt + idleGrainMs, entry.lastSeenAt + idleTimeoutMs)
    entry.attentionAt = at
  }

  /** A newer state was heard of, and not so long ago that it must be lost. */
  function isBehind({ session, heardOf, heardAt }: Entry): boolean {
    return heardOf > session.generation && stopwatch() - heardAt < newerComesWithinMs
  }

  function mayAnswer(entry: Entry, now: number): boolean {
    const { session } = entry
    if (now >= session.expiresAt || now >= session.tokenExpiresAt) return false
    if (lifetimes.isIdle(entry.lastSeenAt)) return false
    return !shared || (entry.isConfirmed && stopwatch() - entry.confirmedAt < trustForMs)
  }

  function* entries(): IterableIterator<[string, Entry]> {
    for (const [id, ticket] of tickets) {
      const entry = cache.peek(ticket)
      if (entry !== undefined) yield [id, entry]
    }
  }

  function unconfirm(entry: Entry): void {
    entry.isConfirmed = false
    entry.attentionAt = 0
  }

  return {
    get,
    answering(ticket, now) {
      const entry = cache.get(ticket)
      if (entry === undefined || (now >= entry.attentionAt && !mayAnswer(entry, now))) return undefined
      entry.lastSeenAt = now
      return entry
    },
    lookedAt(ticket, now) {
      const entry = cache.get(ticket)
      return entry !== undefined && mayAnswer(entry, now) ? entry : undefined
    },
    adopt(ticket, session, value, { pending, storedGeneration = session.generation, touchedAt = clock() } = {}) {
      const now = clock()
      const previous = get(ticket.id)
      const entry: Entry = {
        session,
        secret: ticket.secret,
        value: unpooled(value),
        // A write that the store has not confirmed is no news of whether the session stands.
        confirmedAt: pending !== undefined && previous !== undefined ? previous.confirmedAt : stopwatch(),
        isConfirmed: session.generation >= (previous?.heardOf ?? 0),
        heardOf: Math.max(session.generation, previous?.heardOf ?? 0),
        heardAt: previous?.heardAt ?? 0,
        attentionAt: 0,
        refreshAt: session.refreshAt + random() * maxJitterMs,
        refreshFailures: 0,
        lastSeenAt: now,
        listedAt: previous?.listedAt ?? now,
        touchedAt: previous?.touchedAt ?? touchedAt,
        pending,
        storedGeneration,
        isGivenUp: false,
      }
      schedule(entry)
      // A read or a refresh may have been under way when the session was ended: its answer must not bring it back.
      if (isWithdrawn(session)) return entry
      if (previous !== undefined && previous.session.generation > session.generation) return entry
      const key = ticket.id + ticket.secret
      tickets.set(ticket.id, key)
      if (previous === undefined || previous.session.claims !== session.claims)
        index.set(ticket.id, deps.tagsOf(session))
      cache.set(key, entry)
      // Too large for the whole cache: lru-cache then keeps nothing, and says so to nobody.
      if (!cache.has(key)) {
        tickets.delete(ticket.id)
        index.remove(ticket.id)
      }
      return entry
    },
    confirm(known) {
      const entry = own(known)
      if (isBehind(entry)) return
      entry.confirmedAt = stopwatch()
      entry.isConfirmed = true
      entry.pending = undefined
      entry.isGivenUp = false
      entry.storedGeneration = entry.session.generation
      schedule(entry)
    },
    heardOf(id) {
      const entry = get(id)
      return entry !== undefined && isBehind(entry) ? entry.heardOf : 0
    },
    changed(id, generation) {
      const entry = get(id)
      if (entry === undefined || entry.session.generation >= generation) return
      if (generation > entry.heardOf) {
        entry.heardOf = generation
        entry.heardAt = stopwatch()
      }
      unconfirm(entry)
    },
    unconfirmAll() {
      if (shared) for (const [, entry] of entries()) unconfirm(entry)
    },
    settle(id, written) {
      const entry = get(id)
      if (entry === undefined) return
      entry.pending = undefined
      if (written) {
        entry.confirmedAt = stopwatch()
        entry.isGivenUp = false
        entry.storedGeneration = entry.session.generation
      } else if (entry.isGivenUp) remove(id)
      else unconfirm(entry)
    },
    seen: (entry, now) => void (own(entry).lastSeenAt = now),
    listed: (entry, now) => void (own(entry).listedAt = now),
    touched: (entry, now) => void (own(entry).touchedAt = now),
    refreshing: (entry, now) => void (own(entry).refreshAt = now + maxBackoffMs),
    refreshFailed(known, now) {
      const entry = own(known)
      entry.refreshFailures++
      const backoffMs = Math.min(maxBackoffMs, firstBackoffMs * 2 ** (entry.refreshFailures - 1))
      // After a lost answer the session itself says when it may be tried again.
      entry.refreshAt = Math.max(now + backoffMs, entry.session.refreshAt)
      schedule(entry)
    },
    refreshPutOff(known, now) {
      const entry = own(known)
      entry.refreshAt = Math.max(now + firstBackoffMs, entry.session.refreshAt)
      schedule(entry)
    },
    attended: (entry) => schedule(own(entry)),
    delete: remove,
    deleteUnproven(since) {
      for (const [id, entry] of Array.from(entries())) {
        // A login that waits to be written is no copy of anything.
        if (entry.pending === 'session' || entry.confirmedAt >= since) continue
        // Only it has the refresh token that was rotated last: where the store still has what it follows, it is written.
        if (entry.pending === 'state') entry.isGivenUp = true
        else remove(id)
      }
    },
    deleteBelow(id, floor) {
      const entry = get(id)
      if (entry !== undefined && entry.session.generation < floor) remove(id)
    },
    entries,
    tagged: (tag) => index.of(tag).flatMap((id) => get(id)?.session ?? []),
    get size() {
      return cache.size
    },
    get bytes() {
      return cache.calculatedSize
    },
  }
}

/**
 * Whether the secret is the entry's, in a time that does not depend on where they differ: whoever knows an id must not be
 * able to feel for the secret.
 */
export function presentsSecret(entry: NearSession, secret: string): boolean {
  return secret.length === entry.secret.length && timingSafeEqual(latin1(secret), latin1(entry.secret))
}

const latin1 = (text: string) => Buffer.from(text, 'latin1')

/** A Buffer made from parts may pin the pool it was cut from, many times its own size. */
function unpooled(value: Buffer): Buffer {
  if (value.buffer.byteLength === value.length) return value
  const copy = Buffer.allocUnsafeSlow(value.length)
  value.copy(copy)
  return copy
}

// Copies of sessions in this process, decoded and ready: what answers most requests. A lookup is synchronous and asks
// nobody; whether its answer may be given without asking is `NearTrust`'s and the entry's own `attentionAt`.
import { timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../time.ts'
import type { Session } from './session.ts'

export interface NearSession {
  session: Session
  /** The ticket's secret: presented with each request. */
  readonly secret: string
  /** The whole value as stored, tokens included: what a store that lost it is given again. */
  value: Buffer
  /** When the shared store last confirmed it (ms since the epoch, as all times here). */
  validatedAt: number
  /** Before this moment there is nothing to do for the entry but to answer. */
  attentionAt: number
  /** When this process refreshes the access token: jittered, and put off after a failure. */
  refreshAt: number
  refreshFailures: number
  lastSeenAt: number
  touchedAt: number
  /** Another replica wrote a newer state: good for an outage only. */
  outdated: boolean
  /** Not yet in the shared store: the journal holds it. */
  pending: boolean
}

export interface NearSessions {
  get(id: string): NearSession | undefined
  /** By the whole ticket, id and secret: the one lookup of the hot path. */
  presenting(ticket: string): NearSession | undefined
  set(id: string, entry: NearSession): void
  delete(id: string): void
  entries(): IterableIterator<[id: string, NearSession]>
  readonly size: number
  readonly bytes: number
}

export interface NearLimits {
  readonly maxItems: number | undefined
  readonly maxBytes: number
}

/** What an entry weighs besides its sealed bytes: the decoded claims, the ready headers, the map's own nodes. Measured. */
const entryOverheadBytes = 1_000

export function createNearSessions(limits: NearLimits, clock: Clock): NearSessions {
  const tickets = new Map<string, string>()
  // Under the whole ticket, so that the secret is checked by the lookup itself: it finds by a seeded hash of all of it, and
  // compares bytes only where that agrees, which nobody can feel their way to.
  const cache = new LRUCache<string, NearSession>({
    ...(limits.maxItems !== undefined && { max: limits.maxItems }),
    maxSize: Math.max(1, limits.maxBytes),
    sizeCalculation: (entry) => entry.value.length + entryOverheadBytes,
    perf: { now: clock },
    dispose: (entry, ticket, reason) => {
      if (reason !== 'set' && tickets.get(entry.session.id) === ticket) tickets.delete(entry.session.id)
    },
  })
  return {
    get(id) {
      const ticket = tickets.get(id)
      return ticket === undefined ? undefined : cache.get(ticket)
    },
    presenting: (ticket) => cache.get(ticket),
    set(id, entry) {
      // A Buffer made from parts may pin the pool it was cut from, many times its own size.
      if (entry.value.buffer.byteLength > entry.value.length) entry.value = unpooled(entry.value)
      const ticket = id + entry.secret
      tickets.set(id, ticket)
      cache.set(ticket, entry)
      // Too large for the whole cache: lru-cache then keeps nothing, and says so to nobody.
      if (!cache.has(ticket)) tickets.delete(id)
    },
    delete(id) {
      const ticket = tickets.get(id)
      if (ticket !== undefined) cache.delete(ticket)
    },
    *entries() {
      for (const [id, ticket] of tickets) {
        const entry = cache.peek(ticket)
        if (entry !== undefined) yield [id, entry]
      }
    },
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

function unpooled(value: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(value.length)
  value.copy(copy)
  return copy
}

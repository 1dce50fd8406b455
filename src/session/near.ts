// Copies of sessions in this process, decoded and ready: what answers most requests. A lookup is synchronous and asks
// nobody; whether its answer may be given without asking is `NearTrust`'s and the entry's own `attentionAt`.
import { LRUCache } from 'lru-cache'
import type { Clock } from '../time.ts'
import type { Session } from './session.ts'

export interface NearSession {
  session: Session
  /** The ticket's secret: presented with each request. */
  readonly secret: string
  /** The value as stored; only its first part when `whole` is false. */
  value: Buffer
  whole: boolean
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
  set(id: string, entry: NearSession): void
  delete(id: string): void
  clear(): void
  entries(): IterableIterator<[string, NearSession]>
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
  const cache = new LRUCache<string, NearSession>({
    ...(limits.maxItems !== undefined && { max: limits.maxItems }),
    maxSize: Math.max(1, limits.maxBytes),
    sizeCalculation: (entry) => entry.value.length + entryOverheadBytes,
    perf: { now: clock },
  })
  return {
    get: (id) => cache.get(id),
    set: (id, entry) => void cache.set(id, entry),
    delete: (id) => void cache.delete(id),
    clear: () => cache.clear(),
    entries: () => cache.entries(),
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
 * able to feel for the secret. By hand, for this is asked on every request: `timingSafeEqual` wants Buffers, and making them
 * costs ten times the comparison.
 */
export function presentsSecret(entry: NearSession, secret: string): boolean {
  const own = entry.secret
  if (own.length !== secret.length) return false
  let difference = 0
  for (let at = 0; at < own.length; at++) difference |= own.charCodeAt(at) ^ secret.charCodeAt(at)
  return difference === 0
}

// The store of a replica that runs alone (memory mode), and the memory of replay detection while Redis is away: the same port as
// Redis', bounded in bytes. Revocation marks live apart from everything else: cache pressure must never bring a logged-out session back.
import { LRUCache } from 'lru-cache'
import type { Clock } from '../time.ts'
import { floorOfMark, markText } from './mark.ts'
import { createMarks } from './marks.ts'
import { createMemberSets } from './member-sets.ts'
import { take } from './rate.ts'
import { notEmpty, wholeTtl } from './rules.ts'
import type { Key, Store } from './store.ts'
import { everyGeneration } from './withdrawal-log.ts'

export interface MemoryStoreParts {
  readonly clock: Clock
  readonly maxBytes: number
  /** Who hears what is announced: in memory mode nobody. */
  readonly announce?: (note: string) => void
}

// Key strings, the map's own nodes and the Buffer object around the bytes: measured at roughly this much per entry.
const overheadBytes = 200

export function createMemoryStore({ clock, maxBytes, announce }: MemoryStoreParts): Store {
  const marks = createMarks<string>(clock)
  const sets = createMemberSets()
  const cache = new LRUCache<string, Buffer>({
    maxSize: maxBytes,
    // One value may not push out everything else; lru-cache then drops it, and the login it belonged to fails alone.
    maxEntrySize: Math.max(1, Math.floor(maxBytes / 4)),
    // lru-cache takes a start time of 0 for "no time to live": one millisecond keeps a clock that starts at 0 honest.
    perf: { now: () => clock() + 1 },
    ttlResolution: 0,
    ttlAutopurge: false,
  })

  function read(key: Key): Buffer | undefined {
    if (key.kind !== 'revoked') return cache.get(nameOf(key))
    const mark = marks.get(key.id)
    return mark === undefined ? undefined : Buffer.from(mark)
  }

  function write(key: Key, value: Buffer, ttlMs: number): void {
    if (key.kind === 'revoked') {
      marks.set(key.id, notEmpty(value).toString(), clock() + wholeTtl(ttlMs))
      return
    }
    // A copy of its own: a slice would keep the network buffer it came from in memory, a pooled one the whole pool.
    const bytes = Buffer.allocUnsafeSlow(notEmpty(value).length)
    value.copy(bytes)
    cache.set(nameOf(key), bytes, { ttl: wholeTtl(ttlMs), size: key.id.length + overheadBytes + bytes.length })
  }

  function remove(key: Key): boolean {
    return key.kind === 'revoked' ? marks.delete(key.id) : cache.has(nameOf(key)) && cache.delete(nameOf(key))
  }

  function renew(key: Key, ttlMs: number): boolean {
    const value = read(key)
    if (value !== undefined) write(key, value, ttlMs)
    return value !== undefined
  }

  function tell(note: string | undefined): void {
    if (note !== undefined) announce?.(note)
  }

  return {
    get: async (key, head) => {
      const value = read(key)
      return head === undefined ? value : value?.subarray(0, head)
    },
    set: async (key, value, ttlMs) => write(key, value, ttlMs),
    add: async (key, value, ttlMs) => {
      if (read(key) !== undefined) return false
      write(key, value, ttlMs)
      return true
    },
    compareAndSet: async (key, value, ttlMs, expectedHead, note) => {
      notEmpty(expectedHead)
      const head = read(key)?.subarray(0, expectedHead.length)
      if (head === undefined || !head.equals(expectedHead)) return false
      write(key, value, ttlMs)
      tell(note)
      return true
    },
    setUnlessMarked: async (key, value, ttlMs, { mark, generation }, note) => {
      if (floorOfMark(read(mark)) > generation) return 'marked'
      if (read(key) !== undefined) return 'exists'
      write(key, value, ttlMs)
      tell(note)
      return 'written'
    },
    withdraw: async (key, mark, floor, ttlMs, note) => {
      const existed = read(key) !== undefined
      const highest = Math.max(floor, floorOfMark(read(mark)))
      if (highest >= everyGeneration) remove(key)
      write(mark, Buffer.from(markText(highest)), ttlMs)
      tell(note)
      return existed
    },
    touch: async (key, ttlMs) => renew(key, ttlMs),
    delete: async (key) => void remove(key),
    compareAndDelete: async (key, expected) => read(key)?.equals(expected) === true && remove(key),
    compareAndTouch: async (key, expected, ttlMs) => read(key)?.equals(expected) === true && renew(key, ttlMs),
    ttl: async (key) => (read(key) === undefined ? undefined : cache.getRemainingTTL(nameOf(key))),
    overwriteHead: async (key, head) => {
      const value = read(key)
      if (value === undefined) return false
      const longer = Buffer.concat([head, value.subarray(head.length)])
      write(key, longer, cache.getRemainingTTL(nameOf(key)))
      return true
    },
    addMember: async (key, member, expiresAt, now) => sets.add(nameOf(key), member, expiresAt, now),
    removeMember: async (key, member) => sets.remove(nameOf(key), member),
    members: async (key, now, limit, skip = 0) => sets.of(nameOf(key), now).slice(skip, skip + limit),
    take: async (key, rate) => {
      const now = clock()
      const { waitMs, dueAt } = take(Number(read(key)?.toString()) || 0, now, rate)
      if (waitMs === 0) write(key, Buffer.from(String(dueAt)), Math.max(1, Math.ceil(dueAt - now)))
      return waitMs
    },
  }
}

const nameOf = (key: Key): string => `${key.kind}:${key.id}`

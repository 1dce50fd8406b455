// The store of a replica that runs alone (memory mode), and the fallback's shape for tests: the same port as Redis', bounded
// in bytes. Revocation marks live apart from everything else: cache pressure must never bring a logged-out session back.
import { LRUCache } from 'lru-cache'
import { StoreValueRejected } from '../errors.ts'
import type { Clock } from '../time.ts'
import { createMarks } from './memory-marks.ts'
import { notEmpty, wholeTtl } from './rules.ts'
import type { Key, Kind, Store } from './store.ts'

export interface MemoryStore extends Store {
  /** Notes, as other replicas would hear them; here only this process does. Returns the way to stop. */
  onNote(handler: (note: string) => void): () => void
  usage(): { readonly entries: number; readonly bytes: number }
}

export interface MemoryStoreParts {
  readonly clock: Clock
  readonly maxBytes: number
  /** A value that was still alive had to make room. */
  readonly onEvict?: (kind: Kind) => void
}

type Index = Map<string, number>

// Key strings, the map's own nodes and the Buffer object around the bytes: measured at roughly this much per entry.
const overheadBytes = 200

export function createMemoryStore({ clock, maxBytes, onEvict }: MemoryStoreParts): MemoryStore {
  const handlers = new Set<(note: string) => void>()
  const marks = createMarks({ clock, onEvict: () => onEvict?.('revoked') })
  const cache = new LRUCache<string, Buffer | Index>({
    maxSize: maxBytes,
    // One value may not push out everything else; lru-cache then drops it, and the login it belonged to fails alone.
    maxEntrySize: Math.max(1, Math.floor(maxBytes / 4)),
    // lru-cache takes a start time of 0 for "no time to live": one millisecond keeps a clock that starts at 0 honest.
    perf: { now: () => clock() + 1 },
    ttlResolution: 0,
    ttlAutopurge: false,
    dispose(_value, name, reason) {
      // The kind is what our own nameOf() put before the first colon.
      if (reason === 'evict') onEvict?.(name.slice(0, name.indexOf(':')) as Kind)
    },
  })

  function read(key: Key): Buffer | undefined {
    if (key.kind === 'revoked') return marks.get(key.id)
    const found = cache.get(nameOf(key))
    if (found instanceof Map) throw new StoreValueRejected(`an index where a value was expected: ${key.kind}`)
    return found
  }

  function write(key: Key, value: Buffer, ttlMs: number): void {
    // A copy of its own: a slice would keep the network buffer it came from in memory, a pooled one the whole pool.
    const bytes = Buffer.allocUnsafeSlow(notEmpty(value).length)
    value.copy(bytes)
    if (key.kind === 'revoked') marks.set(key.id, bytes, clock() + wholeTtl(ttlMs))
    else keep(key, bytes, ttlMs)
  }

  function keep(key: Key, value: Buffer | Index, ttlMs: number): void {
    cache.set(nameOf(key), value, { ttl: wholeTtl(ttlMs), size: key.id.length + overheadBytes + sizeOf(value) })
  }

  function remove(key: Key): boolean {
    return key.kind === 'revoked' ? marks.delete(key.id) : cache.has(nameOf(key)) && cache.delete(nameOf(key))
  }

  function renew(key: Key, ttlMs: number): boolean {
    if (key.kind === 'revoked') {
      const mark = marks.get(key.id)
      if (mark !== undefined) write(key, mark, ttlMs)
      return mark !== undefined
    }
    const value = cache.get(nameOf(key))
    if (value !== undefined) keep(key, value, ttlMs)
    return value !== undefined
  }

  function tell(note: string | undefined): void {
    if (note !== undefined) for (const handler of handlers) handler(note)
  }

  function indexOf(key: Key): Index | undefined {
    const found = cache.get(nameOf(key))
    if (Buffer.isBuffer(found)) throw new StoreValueRejected(`a value where an index was expected: ${key.kind}`)
    return found
  }

  return {
    get: async (key, head) => {
      const value = read(key)
      return head === undefined ? value : value?.subarray(0, head)
    },
    set: async (key, value, ttlMs, note) => {
      write(key, value, ttlMs)
      tell(note)
    },
    add: async (key, value, ttlMs) => {
      if (read(key) !== undefined) return false
      write(key, value, ttlMs)
      return true
    },
    replace: async (key, value, ttlMs, expectedHead, note) => {
      notEmpty(expectedHead)
      const head = read(key)?.subarray(0, expectedHead.length)
      if (head === undefined || !head.equals(expectedHead)) return false
      write(key, value, ttlMs)
      tell(note)
      return true
    },
    seed: async (key, value, ttlMs, mark, note) => {
      if (read(mark) !== undefined) return 'marked'
      if (read(key) !== undefined) return 'exists'
      write(key, value, ttlMs)
      tell(note)
      return 'written'
    },
    revoke: async (key, mark, markValue, ttlMs, note) => {
      const existed = remove(key)
      write(mark, markValue, ttlMs)
      tell(note)
      return existed
    },
    touch: async (key, ttlMs) => renew(key, ttlMs),
    delete: async (key, note) => {
      remove(key)
      tell(note)
    },
    deleteIf: async (key, expected) => read(key)?.equals(expected) === true && remove(key),
    touchIf: async (key, expected, ttlMs) => read(key)?.equals(expected) === true && renew(key, ttlMs),
    indexAdd: async (key, member, expiresAt) => {
      const now = clock()
      if (expiresAt <= now) return
      const index: Index = new Map([...(indexOf(key) ?? [])].filter(([, end]) => end > now))
      index.set(member, expiresAt)
      keep(key, index, Math.max(...index.values()) - now)
    },
    indexMembers: async (key, now) => [...(indexOf(key) ?? [])].filter(([, end]) => end > now).map(([name]) => name),
    announce: async (note) => tell(note),
    onNote(handler) {
      handlers.add(handler)
      return () => handlers.delete(handler)
    },
    usage: () => ({ entries: cache.size + marks.size(), bytes: cache.calculatedSize + marks.size() * overheadBytes }),
  }
}

const sizeOf = (value: Buffer | Index): number =>
  value instanceof Map ? [...value.keys()].reduce((sum, name) => sum + name.length + 60, 0) : value.length

const nameOf = (key: Key): string => `${key.kind}:${key.id}`

// Small documents that replicas share but can live without: provider metadata, keys. Memory first, then the shared store;
// while that is away, memory alone. Nothing here ever throws, for a document can always be fetched again.
import { LRUCache } from 'lru-cache'
import type { Sealer } from '../sealing.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Clock } from '../time.ts'
import type { SharedCache } from './shared-cache.ts'
import type { Kind } from '../store/store.ts'

/** Neither method ever throws. `ttlMs`: milliseconds, > 0. */
export interface Documents {
  get(id: string): Promise<string | undefined>
  set(id: string, text: string, ttlMs: number): Promise<void>
}

const maxDocuments = 100
const maxBytes = 4 * 1024 * 1024

export function createDocuments(deps: {
  kind: Extract<Kind, 'metadata' | 'jwks'>
  cache: SharedCache
  sealer: Sealer
  metrics: Pick<Metrics, 'cacheRequests'>
  clock: Clock
}): Documents {
  const { kind, cache, sealer, metrics } = deps
  const near = new LRUCache<string, string>({
    max: maxDocuments,
    maxSize: maxBytes,
    sizeCalculation: (text) => text.length + 1,
    perf: { now: deps.clock },
    ttlResolution: 0,
  })
  const count = (tier: 'l1' | 'l2', result: string) => void metrics.cacheRequests.labels({ kind, tier, result }).value++
  const context = (id: string) => `${kind}:${id} 1`

  return {
    async get(id) {
      const copy = near.get(id)
      count('l1', copy === undefined ? 'miss' : 'hit')
      if (copy !== undefined || cache.mode === 'memory') return copy
      try {
        const sealed = await cache.store.get({ kind, id })
        const text = sealed === undefined ? undefined : sealer.open(sealed, context(id))?.toString()
        count('l2', text === undefined ? 'miss' : 'hit')
        return text
      } catch {
        count('l2', 'error')
        return undefined
      }
    },

    async set(id, text, ttlMs) {
      near.set(id, text, { ttl: ttlMs })
      if (cache.mode === 'memory') return
      // A missed write costs another replica one fetch.
      await cache.store.set({ kind, id }, sealer.seal(Buffer.from(text), context(id)), ttlMs).catch(() => undefined)
    },
  }
}

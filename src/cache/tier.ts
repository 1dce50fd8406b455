// Which shared tier there is: this process's own memory, or Redis.
import type { Config } from '../config/config.ts'
import type { CacheHealth } from '../http/health.ts'
import type { Runtime } from '../runtime.ts'
import { createMemoryTier } from './memory-tier.ts'
import { createMemoryStore } from '../store/memory-store.ts'
import { createRedisTier } from './redis-tier.ts'
import type { SharedTier } from './shared-tier.ts'

/** A tier with its life: opened, watched, closed. */
export interface Tier extends SharedTier {
  /** Resolves once the store was reached for the first time, or at the latest after `outage.storeDeadline`. Never rejects. */
  start(): Promise<void>
  /** Writes what can still be written, then lets go. Never throws. */
  stop(): Promise<void>
  health(): CacheHealth
  /** Data connections; all 0 in memory mode. */
  pool(): { readonly inUse: number; readonly idle: number; readonly max: number }
}

export function createTier({ config, runtime }: { config: Config; runtime: Runtime }): Tier {
  if (config.redis.mode !== 'memory') return createRedisTier(config, runtime)
  const { clock } = runtime
  const store = createMemoryStore({ clock, maxBytes: config.memory.maxBytes / 2 })
  return {
    ...createMemoryTier(store),
    start: () => Promise.resolve(),
    stop: () => Promise.resolve(),
    pool: () => ({ inUse: 0, idle: 0, max: 0 }),
    health: () => ({
      mode: 'memory',
      redis: { connected: false, latency: null },
      circuit_breaker: { state: 'closed', failures: 0 },
    }),
  }
}

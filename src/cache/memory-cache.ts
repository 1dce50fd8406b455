// One process alone: the store is its own memory, so nothing is ever away, late or written by somebody else.
import type { Runtime } from '../runtime.ts'
import { revokedKey, sessionKey } from '../store/keys.ts'
import { createMemoryStore } from '../store/memory-store.ts'
import type { Cache } from './cache.ts'
import { createFloors } from './floors.ts'

export function createMemoryCache(deps: { maxBytes: number; maxAgeMs: number; runtime: Runtime }): Cache {
  const { clock, stopwatch } = deps.runtime
  const store = createMemoryStore({ clock, maxBytes: deps.maxBytes })
  const floors = createFloors({ clock, stopwatch, lifeMs: deps.maxAgeMs })
  return {
    mode: 'memory',
    store,
    trust: { until: Number.POSITIVE_INFINITY },
    floors,
    outage: {
      bornAt: clock(),
      isAway: () => false,
      isUnreachable: () => false,
      missProvesNothing: () => false,
      horizonAgeMs: () => 0,
    },
    journal: {
      add(entry) {
        throw new Error(`a memory store missed a write: ${entry.name}`)
      },
      drop: () => undefined,
      size: 0,
    },
    withinBudget: (task) => task(),
    inBackground: (task) => task(),
    changed: () => '',
    async withdraw(withdrawal) {
      // With its process the session itself is gone: nothing has to outlive it.
      floors.raise(withdrawal, true)
      const { id, floor } = withdrawal
      await store.withdraw(sessionKey(id), revokedKey(id), floor, deps.maxAgeMs)
      return true
    },
    setNearCopies: () => undefined,
    start: () => Promise.resolve(),
    stop: () => Promise.resolve(),
    pool: () => ({ inUse: 0, idle: 0, max: 0 }),
    coherence: () => ({
      horizonAgeMs: 0,
      logged: floors.size,
      unlogged: 0,
      peers: { up: 0, down: 0 },
      isReseeding: false,
    }),
    health: () => ({
      mode: 'memory',
      redis: { connected: false, latency: null },
      circuit_breaker: { state: 'closed', failures: 0 },
    }),
  }
}

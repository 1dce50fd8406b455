import type { SharedTier } from './shared-tier.ts'
import type { Store } from '../store/store.ts'

/** One process alone: the store is its own memory, so nothing is ever away, late or written by somebody else. */
export function createMemoryTier(store: Store): SharedTier {
  return {
    mode: 'memory',
    store,
    trust: { until: Number.POSITIVE_INFINITY, awaySince: undefined, recovering: false, settlingUntil: 0 },
    journal: {
      add(entry) {
        throw new Error(`a memory store missed a write: ${entry.name}`)
      },
      size: 0,
    },
    withinBudget: (task) => task(),
    note: () => '',
    onChange: () => undefined,
    onFlush: () => undefined,
    onRestart: () => undefined,
  }
}

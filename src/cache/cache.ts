import type { CacheHealth } from './health.ts'
import type { SharedCache } from './shared-cache.ts'

/** The shared cache with its life: opened, watched, closed. */
export interface Cache extends SharedCache {
  /**
   * Resolves once the spool was read (5 s at most), and the store was reached for the first time, or at the latest after
   * `outage.storeDeadline`. Never rejects.
   */
  start(): Promise<void>
  /** Writes or hands over what can still be, then lets go. Never throws. */
  stop(): Promise<void>
  health(): CacheHealth
  /** Data connections; all 0 in memory mode. */
  pool(): { readonly inUse: number; readonly idle: number; readonly max: number }
  coherence(): Coherence
}

/** How well this process knows what was withdrawn: for metrics. */
export interface Coherence {
  /** undefined: blind. */
  readonly horizonAgeMs: number | undefined
  readonly logged: number
  readonly unlogged: number
  readonly peers: { readonly up: number; readonly down: number }
  /** Near copies wait to be written back to a store that lost its data. */
  readonly isReseeding: boolean
}

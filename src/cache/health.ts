import type { RedisFault } from '../store/redis/faults.ts'
import type { Coherence } from './cache.ts'

/** What `/healthz` says of the cache: the keys that users of the Traefik plugin know, and what this project added beside them. */
export interface CacheHealth {
  readonly mode: 'memory' | 'redis' | 'hybrid'
  readonly redis: {
    readonly connected: boolean
    /** `"2ms"`; null when never measured, or in memory mode. */
    readonly latency: string | null
    /** Why it is not connected, or takes no writes, in plain words. */
    readonly error?: string
    readonly reason?: string
  }
  readonly circuit_breaker: { readonly state: 'closed' | 'open' | 'half-open'; readonly failures: number }
  /** Absent in memory mode. */
  readonly revocations?: {
    /** How long ago every recorded withdrawal was known here; null: this process is blind. */
    readonly horizon: string | null
    /** Known here, and not seen in the log yet. */
    readonly unlogged: number
    /** Replicas that answered over the second road lately. */
    readonly peers: number
    /** Redis lost what it had, and near copies wait to be written back: those who may know of a logout are heard first. */
    readonly reseeding: boolean
  }
}

/** As it is with Redis, connected or not. */
export function redisHealth(facts: {
  mode: 'redis' | 'hybrid'
  isConnected: boolean
  /** Of the last beat; undefined while it was not answered. */
  latencyMs: number | undefined
  fault: RedisFault | undefined
  circuit: CacheHealth['circuit_breaker']['state']
  failures: number
  coherence: Coherence
}): CacheHealth {
  const { mode, isConnected, latencyMs, fault, circuit, failures, coherence } = facts
  const { horizonAgeMs, unlogged, peers, isReseeding } = coherence
  return {
    mode,
    redis: {
      connected: isConnected,
      latency: isConnected && latencyMs !== undefined ? `${Math.max(1, Math.round(latencyMs))}ms` : null,
      ...(fault !== undefined && { error: fault.message, reason: fault.kind }),
    },
    circuit_breaker: { state: circuit, failures },
    revocations: {
      horizon: horizonAgeMs === undefined ? null : `${Math.round(horizonAgeMs / 1_000)}s`,
      unlogged,
      peers: peers.up,
      reseeding: isReseeding,
    },
  }
}

// Single use across replicas: who asks first, with one atomic set-if-absent. For things presented once (an ID token at the
// callback, a flow's state), never for a session: that is presented with every request and can never be a replay.
import { createHash } from 'node:crypto'
import { StoreUnavailable } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import { fromZero, type Metrics } from '../telemetry/metrics.ts'
import type { Clock } from '../time.ts'
import type { SharedCache } from './shared-cache.ts'
import type { Key, Store } from '../store/store.ts'

const usedKinds = ['flow', 'handover', 'id_token', 'logout_token', 'security_event', 'bearer', 'dpop'] as const
export type UsedKind = (typeof usedKinds)[number]

export interface ReplayDetection {
  /**
   * True for exactly one caller among all replicas within `ttlMs`. While the store is away: by this process's memory and the
   * journal (`outage.replay: local`), or StoreUnavailable (`closed`).
   */
  first(kind: UsedKind, id: string, ttlMs: number): Promise<boolean>
}

export function createReplayDetection(deps: {
  cache: SharedCache
  /** This process's own memory, for the time when the store is away. */
  local: Store
  whenAway: 'local' | 'closed'
  metrics: Pick<Metrics, 'replaysRejected'>
  logger: Logger
  clock: Clock
}): ReplayDetection {
  const { cache, local, metrics, logger, clock } = deps
  const value = Buffer.from('1')
  fromZero(
    metrics.replaysRejected,
    usedKinds.map((kind) => ({ kind })),
  )

  async function mark(key: Key, ttlMs: number): Promise<boolean> {
    try {
      // What this process let through during an outage counts until the journal has told the others.
      if (cache.journal.size > 0 && (await local.get(key)) !== undefined) return false
      return await cache.store.add(key, value, ttlMs)
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || deps.whenAway === 'closed') throw error
      if (!(await local.add(key, value, ttlMs))) return false
      const expiresAt = clock() + ttlMs
      cache.journal.add({
        name: `used:${key.id}`,
        expiresAt,
        write: async () => void (await cache.store.add(key, value, Math.max(1, Math.ceil(expiresAt - clock())))),
      })
      return true
    }
  }

  return {
    async first(kind, id, ttlMs) {
      // Hashed: a state or a jti is a secret, and a key name is readable by whoever reads the store.
      const hash = createHash('sha256').update(`${kind} ${id}`).digest('base64url')
      const isFirst = await mark({ kind: 'used', id: `${kind}:${hash}` }, Math.max(1, Math.ceil(ttlMs)))
      if (!isFirst) {
        metrics.replaysRejected.labels({ kind }).value++
        // Whoever has begun a login, or has a token, can present it as often as they like; an ID token comes from the provider.
        const level = kind === 'id_token' ? 'warn' : 'debug'
        logger[level]({ event: 'replay_rejected', reason: kind }, 'something that may be used once was presented again')
      }
      return isFirst
    },
  }
}

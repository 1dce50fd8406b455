// A Redis that answers but takes no writes (full, read-only, or an ACL in the way). It is no outage: reads are right, and keep
// the circuit closed. But logins live on the replica that made them until it ends, so the operator has to hear of it.
import { redisFault, isRefusal, refusalKinds, type RedisFault } from '../store/redis/faults.ts'
import type { StoreMethod } from '../store/intercept.ts'
import type { Logger } from '../telemetry/logger.ts'
import { fromZero, type Counts } from '../telemetry/metrics.ts'

export interface Refusals {
  succeeded(method: StoreMethod | 'beat'): void
  failed(method: StoreMethod | 'beat', error: unknown): void
  /** Why writes are refused; undefined while they are taken. */
  fault(): RedisFault | undefined
}

// Withdrawals, refreshes, leases and beats begin with what a full server takes: that they succeed proves nothing about room.
const needRoom: ReadonlySet<StoreMethod | 'beat'> = new Set(['set', 'setUnlessMarked'])

export function createRefusals(logger: Logger, counts: Counts<'reason'>): Refusals {
  fromZero(
    counts,
    refusalKinds.map((reason) => ({ reason })),
  )
  let refusal: RedisFault | undefined
  return {
    succeeded(method) {
      if (refusal === undefined) return
      if (!needRoom.has(method) && !(method === 'beat' && refusal.kind !== 'oom')) return
      refusal = undefined
      logger.info({ event: 'redis_writes_accepted' }, 'Redis takes writes again')
    },
    failed(method, error) {
      if (method === 'get' || !isRefusal(error)) return
      const found = redisFault(error)
      counts.labels({ reason: found.kind }).value++
      if (refusal?.kind === found.kind) return
      refusal = found
      logger.warn(
        { event: 'redis_writes_refused', reason: found.kind, detail: found.message },
        'Redis takes no writes: what is missed waits in the journal',
      )
    },
    fault: () => refusal,
  }
}

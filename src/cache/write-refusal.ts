// A Redis that answers reads but takes no writes (full, read-only, or an ACL in the way). It is no outage: reads are right and
// keep the circuit closed. But logins live on the replica that made them until it ends, so the operator has to hear of it.
import type { Logger } from '../telemetry/logger.ts'
import { redisFault, type RedisFault, type RedisFaultKind } from '../store/redis/faults.ts'
import type { StoreMethod } from '../store/intercept.ts'

export interface WriteRefusal {
  succeeded(method: StoreMethod): void
  failed(method: StoreMethod, error: unknown): void
  /** Why writes are refused; undefined while they are taken. */
  fault(): RedisFault | undefined
}

// `revoke` deletes before it writes, which a full server allows: it proves nothing about room.
const writes: ReadonlySet<StoreMethod> = new Set(['set', 'add', 'replace', 'seed'])
const refusals: ReadonlySet<RedisFaultKind> = new Set(['oom', 'readonly', 'no_permission', 'write_refused'])

export function createWriteRefusal(logger: Logger): WriteRefusal {
  let refusal: RedisFault | undefined
  return {
    succeeded(method) {
      if (refusal === undefined || !writes.has(method)) return
      refusal = undefined
      logger.info({ event: 'redis_writes_accepted' }, 'Redis takes writes again')
    },
    failed(method, error) {
      if (!writes.has(method)) return
      const found = redisFault(error)
      if (!refusals.has(found.kind) || refusal?.kind === found.kind) return
      refusal = found
      logger.warn(
        { event: 'redis_writes_refused', reason: found.kind, detail: found.words },
        'Redis takes no writes: what is missed waits in the journal',
      )
    },
    fault: () => refusal,
  }
}

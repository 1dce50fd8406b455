import { createLogQuota } from '../telemetry/log-quota.ts'
import { minutes, type Clock } from '../time.ts'
import type { FailureLimit } from './door.ts'

const failuresPerMinute = 30

/** Wrong credentials per client address, on this replica. */
export function createFailureLimit(clock: Clock): FailureLimit {
  const mayFail = createLogQuota(failuresPerMinute, clock)
  return { take: (client) => Promise.resolve(mayFail(client) ? 0 : minutes(1)) }
}

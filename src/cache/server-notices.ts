// What an operator should know of the server that is in use: told once.
import type { ServerInfo } from '../store/redis/server-info.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Clock } from '../time.ts'

export interface ServerNotices {
  /** Never rejects. */
  look(): Promise<void>
}

const maxSkewMs = 5_000

export function createServerNotices(deps: {
  link: { serverInfo(): Promise<ServerInfo> }
  clock: Clock
  logger: Logger
}): ServerNotices {
  const { link, clock, logger } = deps

  function tell({ maxmemoryPolicy: policy, timeMs, uncheckable }: ServerInfo): void {
    const skewMs = timeMs === undefined ? 0 : clock() - timeMs
    if (Math.abs(skewMs) > maxSkewMs) {
      logger.warn(
        { event: 'clock_skew', reason: 'differs_from_redis', skewSeconds: Math.round(skewMs / 1_000) },
        `this machine's clock differs from Redis' by ${Math.round(skewMs / 1_000)} s: sessions and tokens would end at ` +
          'different times on different replicas. Synchronise the clocks (NTP).',
      )
    }
    if (policy !== undefined && policy !== 'noeviction') {
      logger.warn(
        { event: 'eviction_policy', reason: policy },
        `maxmemory-policy is ${policy}: Redis may evict revocation and replay marks when memory is short, and a logged-out ` +
          'session or a used token could pass again. Set maxmemory-policy noeviction and give it room (docs/redis.md).',
      )
    }
    if (uncheckable.length > 0) {
      logger.info(
        { event: 'redis_not_checked', reason: 'no_permission', commands: uncheckable },
        `the ACL forbids ${uncheckable.join(' and ')}: the eviction policy of Redis and its clock cannot be told`,
      )
    }
  }

  return { look: () => link.serverInfo().then(tell, () => undefined) }
}

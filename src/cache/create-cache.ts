// Which shared cache there is: this process's own memory, or Redis with all that belongs to it.
import type { Config } from '../config/config.ts'
import type { Runtime } from '../runtime.ts'
import { openRedis } from '../store/redis/link.ts'
import type { Cache } from './cache.ts'
import { createMemoryCache } from './memory-cache.ts'
import { createRedisCache } from './redis-cache.ts'

/** `scope`: names the deployment, so that nothing of another one is ever honoured. Throws ConfigInvalid. */
export function createCache(deps: { config: Config; scope: string; runtime: Runtime }): Cache {
  const { config, scope, runtime } = deps
  const { redis, session, memory } = config
  if (redis.mode === 'memory') {
    return createMemoryCache({ maxBytes: memory.maxBytes / 2, maxAgeMs: session.maxAgeMs, runtime })
  }
  const origin = runtime.randomBytes(9).toString('base64url')
  return createRedisCache({
    config,
    runtime,
    origin,
    scope,
    link: openRedis({ config: redis, origin, scope, sessionMaxAgeMs: session.maxAgeMs, runtime }),
    peerTransport: undefined,
    spool: undefined,
  })
}

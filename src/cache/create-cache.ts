// Which shared cache there is: this process's own memory, or Redis with all that belongs to it.
import type { Config } from '../config/config.ts'
import type { Runtime } from '../runtime.ts'
import { openRedis } from '../store/redis/link.ts'
import type { Cache } from './cache.ts'
import { createMemoryCache } from './memory-cache.ts'
import type { PeerTransport } from './peers.ts'
import { createRedisCache } from './redis-cache.ts'
import { clockMarginMs } from './shared-cache.ts'
import type { Spool } from './spool.ts'

export interface CacheParts {
  readonly config: Config
  /** Names the deployment, so that nothing of another one is ever honoured. */
  readonly scope: string
  /** Names this life of this process. */
  readonly origin: string
  /** Undefined: no second road. */
  readonly peerTransport?: PeerTransport | undefined
  /** Undefined: a withdrawal that nobody else has ends with this process. */
  readonly spool?: Spool | undefined
  readonly runtime: Runtime
}

/** Throws ConfigInvalid where there is nothing to connect to. */
export function createCache({ config, scope, origin, peerTransport, spool, runtime }: CacheParts): Cache {
  const { redis, session, memory } = config
  if (redis.mode === 'memory') {
    return createMemoryCache({ maxBytes: memory.maxBytes / 2, maxAgeMs: session.maxAgeMs, runtime })
  }
  const withdrawalLifeMs = session.maxAgeMs + clockMarginMs
  const link = openRedis({ config: redis, origin, scope, withdrawalLifeMs, runtime })
  return createRedisCache({ config, runtime, origin, scope, link, peerTransport, spool })
}

// What orchestrators and operators ask: /healthz in the shape that docs/redis.md lists, /livez without a look
// at anything, /readyz for reasons that another replica would not share.
import type { CacheHealth } from '../cache/health.ts'
import type { HttpResponse } from './http-response.ts'
import { json } from './http-response.ts'

export interface HealthSources {
  cache(): CacheHealth
  provider(): 'starting' | 'ready' | 'failing'
  /** `starting` until listening and configured, `draining` from the first stop signal on. */
  phase(): 'starting' | 'serving' | 'draining'
  /** Reverse-proxy mode: how each application fares. */
  upstreams?(): readonly object[]
}

export interface Health {
  healthz(): HttpResponse
  livez(): HttpResponse
  readyz(): HttpResponse
}

export function createHealth(sources: HealthSources): Health {
  return {
    healthz() {
      const cache = sources.cache()
      const isWell = cache.redis.connected && cache.redis.reason === undefined
      const troubled = cache.mode !== 'memory' && !isWell
      const phase = sources.phase()
      const status = phase === 'serving' ? (troubled ? 'degraded' : 'healthy') : 'unhealthy'
      // An application that is away is away for every replica, and no fault of ours: it changes no status.
      const upstreams = sources.upstreams?.()
      const body = { status, cache, provider: sources.provider(), phase, ...(upstreams && { upstreams }) }
      return json(status === 'unhealthy' ? 503 : 200, body)
    },

    livez: () => json(200, { status: 'alive' }),

    readyz() {
      const phase = sources.phase()
      const provider = sources.provider()
      const reason = phase !== 'serving' ? phase : provider === 'starting' ? 'provider_unknown' : undefined
      return reason === undefined ? json(200, { status: 'ready' }) : json(503, { status: 'not ready', reason })
    },
  }
}

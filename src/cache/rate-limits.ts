// How often a client network may do what anybody can do: begin a login, come back from one, see the sign-in page, load the frame of a
// logout, present a token that is none, knock at the admin's door. One count for all replicas, in one atomic step, of whoever has used up a tenth of it at one of them; this process's own
// while the store is away or slow, and beside it at all times, so that whoever is known to be limited costs no call. The room that asks
// says 429.
import { LRUCache } from 'lru-cache'
import type { RateLimitsConfig } from '../config/config.ts'
import { StoreUnavailable, StoreValueRejected } from '../errors.ts'
import type { Rate } from '../store/rate.ts'
import { createLogQuota } from '../telemetry/log-quota.ts'
import type { Logger } from '../telemetry/logger.ts'
import { fromZero, type Metrics } from '../telemetry/metrics.ts'
import { minutes, type Clock } from '../time.ts'
import { clientNetwork } from './client-network.ts'
import { createRateTable } from './rate-table.ts'
import type { SharedCache } from './shared-cache.ts'

const rateLimitNames = [
  'start',
  'callback',
  'sign_in',
  'logout_frame',
  'own_sessions',
  'bearer_failure',
  'admin',
] as const
type RateLimitName = (typeof rateLimitNames)[number]

export interface RateLimit {
  /**
   * Counts one for the client's network (IPv6: /64). How long (ms) until it may be done; 0: now. Waits for the store as any call of the
   * request does, and never throws.
   */
  take(clientAddress: string): Promise<number>
  /** The same as far as this process knows, and nothing is counted. For what counts only when it has failed. */
  waitMs(clientAddress: string): number
}

export interface RateLimits {
  readonly start: RateLimit
  readonly callback: RateLimit
  readonly signIn: RateLimit
  readonly logoutFrame: RateLimit
  readonly ownSessions: RateLimit
  readonly bearerFailure: RateLimit
  readonly admin: RateLimit
}

const windowMs = minutes(1)
/** Whoever is no further ahead than this is counted here only: a visitor who is sent to the provider costs the store nothing. */
const untoldMs = windowMs / 10
/** Networks whose hash is remembered: one that is forgotten is hashed again. */
const maxRemembered = 10_000

const none: RateLimit = { take: () => Promise.resolve(0), waitMs: () => 0 }

export function createRateLimits(deps: {
  cache: Pick<SharedCache, 'mode' | 'store' | 'outage'>
  /** Keyed, at least 16 bytes: an address is nobody's business, and nobody may choose with whom they share a cell. */
  hash: (text: string) => Buffer
  limits: RateLimitsConfig
  metrics: Pick<Metrics, 'rateLimited'>
  logger: Logger
  clock: Clock
}): RateLimits {
  const { cache, hash, limits, metrics, logger, clock } = deps
  const table = createRateTable(clock)
  const mayWarn = createLogQuota(1, clock)
  const hashes = new LRUCache<string, Buffer>({ max: maxRemembered })
  fromZero(
    metrics.rateLimited,
    rateLimitNames.map((limit) => ({ limit })),
  )

  function hashOf(text: string): Buffer {
    let known = hashes.get(text)
    if (known === undefined) hashes.set(text, (known = hash(text)))
    return known
  }

  function limit(name: RateLimitName, most: number): RateLimit {
    if (most === Infinity) return none
    const rate: Rate = { intervalMs: windowMs / most, windowMs }
    const limited = metrics.rateLimited.labels({ limit: name })
    const subjectOf = (address: string) => `${name} ${clientNetwork(address)}`

    async function sharedWaitMs(subject: Buffer): Promise<number> {
      if (cache.mode === 'memory' || cache.outage.isAway()) return 0
      try {
        const key = { kind: 'rate', id: `${name}:${subject.toString('base64url', 0, 16)}` } as const
        const waitMs = await cache.store.take(key, rate)
        return waitMs > 0 ? waitMs : 0
      } catch (error) {
        // What this process knows is all there is then. Nobody is kept from a login because Redis is in trouble.
        if (error instanceof StoreUnavailable || error instanceof StoreValueRejected) return 0
        throw error
      }
    }

    return {
      async take(address) {
        const subject = hashOf(subjectOf(address))
        let waitMs = table.take(subject, rate)
        if (waitMs === 0 && table.aheadMs(subject, rate) > untoldMs) {
          waitMs = await sharedWaitMs(subject)
          if (waitMs > 0) table.raise(subject, rate, waitMs)
        }
        if (waitMs === 0) return 0
        limited.value++
        if (mayWarn(name)) {
          const fields = { event: 'rate_limited', reason: name, network: clientNetwork(address) }
          logger.warn(fields, 'a client network does this too often, and is told to wait')
        }
        return waitMs
      },
      waitMs: (address) => table.waitMs(hashOf(subjectOf(address)), rate),
    }
  }

  return {
    start: limit('start', limits.loginsPerMinute),
    callback: limit('callback', limits.loginsPerMinute),
    signIn: limit('sign_in', limits.loginsPerMinute),
    logoutFrame: limit('logout_frame', limits.loginsPerMinute),
    ownSessions: limit('own_sessions', limits.loginsPerMinute),
    bearerFailure: limit('bearer_failure', limits.bearerFailuresPerMinute),
    admin: limit('admin', limits.adminPerMinute),
  }
}

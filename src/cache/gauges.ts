import type { Metrics } from '../telemetry/metrics.ts'
import type { Cache } from './cache.ts'

/** What can be asked of a cache at scrape time: the same names in every mode, so that a dashboard needs no cases. */
export function registerCacheGauges(metrics: Pick<Metrics, 'gauge'>, cache: Cache): void {
  const one = (value: number) => [{ labels: {}, value }]
  metrics.gauge('redis_connected', '1 while Redis is reached and in use.', [], () =>
    one(cache.health().redis.connected ? 1 : 0),
  )
  metrics.gauge('redis_pool_connections', 'Data connections; poolSize is their upper bound (max).', ['state'], () => {
    const { inUse, idle, max } = cache.pool()
    return [
      { labels: { state: 'in_use' }, value: inUse },
      { labels: { state: 'idle' }, value: idle },
      { labels: { state: 'max' }, value: max },
    ]
  })
  metrics.gauge('circuit_breaker_state', '1 for the state that the circuit breaker is in.', ['state'], () => {
    const { state: current } = cache.health().circuit_breaker
    return (['closed', 'open', 'half-open'] as const).map((state) => ({
      labels: { state },
      value: current === state ? 1 : 0,
    }))
  })
  metrics.gauge('circuit_breaker_failures', 'Consecutive infrastructure failures.', [], () =>
    one(cache.health().circuit_breaker.failures),
  )
  metrics.gauge('journal_entries', 'Writes that wait for Redis to come back.', [], () => one(cache.journal.size))
  metrics.gauge('revocation_horizon_seconds', 'How long ago every recorded withdrawal was known here.', [], () => {
    const { horizonAgeMs } = cache.coherence()
    return horizonAgeMs === undefined ? [] : one(horizonAgeMs / 1_000)
  })
  metrics.gauge('revocation_log_entries', 'Withdrawals known here and seen in the log.', [], () =>
    one(cache.coherence().logged),
  )
  metrics.gauge('revocations_unlogged', 'Withdrawals known here that the log is not known to have.', [], () =>
    one(cache.coherence().unlogged),
  )
  metrics.gauge('reseeding', '1 while near copies wait to be written back to a Redis that lost its data.', [], () =>
    one(cache.coherence().isReseeding ? 1 : 0),
  )
  metrics.gauge('peers', 'Replicas reached over the second road.', ['state'], () =>
    Object.entries(cache.coherence().peers).map(([state, value]) => ({ labels: { state }, value })),
  )
}

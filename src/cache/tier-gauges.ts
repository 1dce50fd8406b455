import type { Metrics } from '../telemetry/metrics.ts'
import type { Tier } from './tier.ts'

/** What can be asked of a tier at scrape time: the same names in every mode, so that a dashboard needs no cases. */
export function registerTierGauges(metrics: Pick<Metrics, 'gauge'>, tier: Tier): void {
  const one = (value: number) => [{ labels: {}, value }]
  metrics.gauge('redis_connected', '1 while Redis is reached and in use.', [], () =>
    one(tier.health().redis.connected ? 1 : 0),
  )
  metrics.gauge('redis_pool_connections', 'Data connections; poolSize is their upper bound (max).', ['state'], () => {
    const { inUse, idle, max } = tier.pool()
    return [
      { labels: { state: 'in_use' }, value: inUse },
      { labels: { state: 'idle' }, value: idle },
      { labels: { state: 'max' }, value: max },
    ]
  })
  metrics.gauge('circuit_breaker_state', '1 for the state that the circuit breaker is in.', ['state'], () => {
    const { state: current } = tier.health().circuit_breaker
    return (['closed', 'open', 'half-open'] as const).map((state) => ({
      labels: { state },
      value: current === state ? 1 : 0,
    }))
  })
  metrics.gauge('circuit_breaker_failures', 'Consecutive infrastructure failures.', [], () =>
    one(tier.health().circuit_breaker.failures),
  )
  metrics.gauge('journal_entries', 'Writes that wait for Redis to come back.', [], () => one(tier.journal.size))
}

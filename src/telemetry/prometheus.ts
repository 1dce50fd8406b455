// Metrics for Prometheus: names, labels and buckets. What is counted lives in plain fields of ours; prom-client
// sees it at scrape time only, because its own counters and histograms cost 0.2-0.5 us an update. The only importer of
// prom-client; what the numbers mean is up to the rooms that count.
import { collectDefaultMetrics, Registry, type Metric } from 'prom-client'
import { bounds, createHistogram, type Histogram } from './histogram.ts'
import type { Count, Counts, Durations, Metrics, Sample } from './metrics.ts'
import { createSeries, type SeriesSet } from './series.ts'

const prefix = 'foregate_'

interface Value {
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

interface Family {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  get(): { name: string; help: string; type: string; values: readonly Value[] }
}

/** `processMetrics`: also the process's own (CPU, memory, event loop, GC), which tests do without. */
export function createMetrics({ processMetrics }: { processMetrics: boolean }): Metrics {
  const registry = new Registry()
  if (processMetrics) collectDefaultMetrics({ register: registry })

  const expose = (type: Family['type'], name: string, help: string, values: () => readonly Value[]) => {
    const family: Family = { name, help, type, get: () => ({ name, help, type, values: values() }) }
    // A registry asks of a metric only what a Family has; prom-client's type names its own four classes.
    registry.registerMetric(family as unknown as Metric)
  }
  const counts = <Label extends string>(name: string, help: string, labelNames: readonly Label[]): Counts<Label> => {
    const series = createSeries<Count>(labelNames, () => ({ value: 0 }))
    expose('counter', prefix + name, help, () => series.all.map(({ labels, cell }) => ({ labels, value: cell.value })))
    return series
  }
  const durations = <Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    upperBounds: readonly number[],
  ): Durations<Label> => {
    const series = createSeries<Histogram>(labelNames, () => createHistogram(upperBounds))
    expose('histogram', prefix + name, help, () => histogramValues(prefix + name, series, upperBounds))
    return series
  }

  return {
    decisions: counts('auth_decisions_total', 'Answers of the decision endpoints.', ['contract', 'decision', 'reason']),
    authDuration: durations('auth_duration_seconds', 'Time to decide.', ['contract'], bounds.auth),
    logins: counts('logins_total', 'Logins that came back from the provider.', ['outcome', 'reason']),
    handovers: counts('handovers_total', 'Sessions that hosts of other domains asked the login host for.', [
      'outcome',
      'reason',
    ]),
    cacheRequests: counts('cache_requests_total', 'Reads of a cache tier.', ['kind', 'tier', 'result']),
    redisCommandDuration: durations('redis_command_duration_seconds', 'Redis round trips.', ['command'], bounds.redis),
    circuitTransitions: counts('circuit_breaker_transitions_total', 'Changes of the circuit breaker.', ['to']),
    invalidationLag: durations(
      'invalidation_lag_seconds',
      'From a write on one replica to its arrival on another.',
      [],
      bounds.lag,
    ),
    journalDropped: counts('journal_dropped_total', 'Writes lost because the journal was full.', []),
    storeRefusals: counts('store_refusals_total', 'Writes that Redis refused: it answers, and takes none.', ['reason']),
    ownDelays: counts('own_delays_total', 'Answers of Redis that this process had no time to look for.', []),
    historyChanges: counts(
      'history_changes_total',
      'The record of withdrawals was found to be another one: Redis lost or replaced its data.',
      [],
    ),
    standIns: counts('stand_ins_total', 'Requests for which something had to stand in for Redis.', [
      'ground',
      'result',
    ]),
    coherenceChecked: counts('coherence_checked_total', 'Near copies that were compared with Redis.', ['result']),
    replaysRejected: counts('replays_rejected_total', 'Second uses of something that is single use.', ['kind']),
    rateLimited: counts('rate_limited_total', 'Requests that were told to wait, by limit.', ['limit']),
    sessions: counts('sessions_total', 'What happened to sessions.', ['event']),
    signals: counts('signals_total', 'Logouts and security events that a provider told of.', [
      'kind',
      'outcome',
      'reason',
    ]),
    tokenRefreshes: counts('token_refreshes_total', 'Refreshes of tokens.', ['outcome']),
    streamsClosed: counts('streams_closed_total', 'Streams of reverse-proxy mode that Foregate closed.', ['reason']),
    adminRequests: counts('admin_requests_total', 'What operators asked of the admin port.', ['action', 'outcome']),
    providerRequests: durations(
      'provider_request_duration_seconds',
      'Requests to the provider.',
      ['operation', 'outcome'],
      bounds.provider,
    ),
    gauge(name, help, labelNames, read) {
      expose('gauge', prefix + name, help, () => gaugeValues(labelNames, read))
    },
    render: () => registry.metrics(),
    contentType: registry.contentType,
  }
}

function gaugeValues(labelNames: readonly string[], read: () => readonly Sample[]): readonly Value[] {
  let samples: readonly Sample[]
  try {
    samples = read()
  } catch {
    // One part that cannot say how it is must not blind the operator to all the others: its series goes missing.
    return []
  }
  return samples.map(({ labels, value }) => ({
    labels: Object.fromEntries(labelNames.map((name) => [name, labels[name] ?? ''])),
    value,
  }))
}

function histogramValues(name: string, series: SeriesSet<Histogram>, upperBounds: readonly number[]): Value[] {
  const values: Value[] = []
  for (const { labels, cell } of series.all) {
    let cumulative = 0
    for (const [index, count] of cell.counts.entries()) {
      cumulative += count
      const bound = upperBounds[index]
      const le = bound === undefined ? '+Inf' : String(bound)
      values.push({ metricName: `${name}_bucket`, labels: { ...labels, le }, value: cumulative })
    }
    values.push({ metricName: `${name}_sum`, labels, value: cell.sum() })
    values.push({ metricName: `${name}_count`, labels, value: cumulative })
  }
  return values
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bounds, createHistogram } from '../../src/telemetry/histogram.ts'
import { createMetrics } from '../../src/telemetry/prometheus.ts'
import { createSeries, maxSeries } from '../../src/telemetry/series.ts'
import { parseExposition } from './exposition.ts'

const scrape = async (metrics = createMetrics({ processMetrics: false })) => parseExposition(await metrics.render())

test('every metric of the contract is exposed under its name, with its type', async () => {
  const metrics = createMetrics({ processMetrics: false })
  const types = Object.fromEntries((await scrape(metrics)).families)
  assert.deepEqual(types, {
    foregate_admin_requests_total: 'counter',
    foregate_auth_decisions_total: 'counter',
    foregate_auth_duration_seconds: 'histogram',
    foregate_logins_total: 'counter',
    foregate_handovers_total: 'counter',
    foregate_cache_requests_total: 'counter',
    foregate_redis_command_duration_seconds: 'histogram',
    foregate_circuit_breaker_transitions_total: 'counter',
    foregate_invalidation_lag_seconds: 'histogram',
    foregate_journal_dropped_total: 'counter',
    foregate_store_refusals_total: 'counter',
    foregate_own_delays_total: 'counter',
    foregate_history_changes_total: 'counter',
    foregate_stand_ins_total: 'counter',
    foregate_coherence_checked_total: 'counter',
    foregate_replays_rejected_total: 'counter',
    foregate_rate_limited_total: 'counter',
    foregate_streams_closed_total: 'counter',
    foregate_sessions_total: 'counter',
    foregate_signals_total: 'counter',
    foregate_token_refreshes_total: 'counter',
    foregate_provider_request_duration_seconds: 'histogram',
  })
})

test('a count shows up under its labels with the value of its field', async () => {
  const metrics = createMetrics({ processMetrics: false })
  const allowed = metrics.decisions.labels({ contract: 'traefik', decision: 'allow', reason: 'session' })
  allowed.value++
  allowed.value++
  const { samples } = await scrape(metrics)
  assert.deepEqual(
    samples.filter(({ name }) => name === 'foregate_auth_decisions_total'),
    [
      {
        name: 'foregate_auth_decisions_total',
        labels: { contract: 'traefik', decision: 'allow', reason: 'session' },
        value: 2,
      },
    ],
  )
})

test('a metric without labels is exposed as 0 before anything was counted', async () => {
  const { samples } = await scrape()
  assert.equal(samples.find(({ name }) => name === 'foregate_journal_dropped_total')?.value, 0)
})

test('the same labels give the same cell, whatever the order they are named in', () => {
  const { cacheRequests } = createMetrics({ processMetrics: false })
  assert.equal(
    cacheRequests.labels({ kind: 'session', tier: 'l1', result: 'hit' }),
    cacheRequests.labels({ result: 'hit', tier: 'l1', kind: 'session' }),
  )
  assert.notEqual(
    cacheRequests.labels({ kind: 'session', tier: 'l1', result: 'hit' }),
    cacheRequests.labels({ kind: 'session', tier: 'l2', result: 'hit' }),
  )
})

test('the buckets of a duration are cumulative, end with +Inf and agree with its count and sum', async () => {
  const metrics = createMetrics({ processMetrics: false })
  const duration = metrics.providerRequests.labels({ operation: 'token', outcome: 'ok' })
  for (const seconds of [0.001, 0.005, 0.006, 3, 60]) duration.observe(seconds)
  const { samples } = await scrape(metrics)
  const own = samples.filter(({ labels }) => labels['operation'] === 'token')
  const buckets = own.filter(({ name }) => name === 'foregate_provider_request_duration_seconds_bucket')
  assert.deepEqual(
    buckets.map(({ labels, value }) => [labels['le'], value]),
    [
      ['0.005', 2],
      ['0.01', 3],
      ['0.025', 3],
      ['0.05', 3],
      ['0.1', 3],
      ['0.25', 3],
      ['0.5', 3],
      ['1', 3],
      ['2.5', 3],
      ['5', 4],
      ['10', 4],
      ['+Inf', 5],
    ],
  )
  const valueOf = (suffix: string) =>
    own.find(({ name }) => name === `foregate_provider_request_duration_seconds_${suffix}`)?.value
  assert.equal(valueOf('count'), 5)
  assert.ok(Math.abs((valueOf('sum') ?? 0) - 63.012) < 1e-9)
})

test('the buckets of every duration ascend', () => {
  for (const limits of Object.values(bounds)) {
    assert.deepEqual(
      [...limits],
      [...limits].sort((a, b) => a - b),
    )
    assert.equal(new Set(limits).size, limits.length)
  }
})

test('a negative or absurd duration counts as none: the sum stays a number', () => {
  const histogram = createHistogram([1])
  histogram.observe(-5)
  histogram.observe(Number.NaN)
  histogram.observe(2)
  assert.equal(histogram.sum(), 2)
  assert.deepEqual([...histogram.counts], [2, 1])
})

test('label values are escaped: backslash, quote and newline', async () => {
  const metrics = createMetrics({ processMetrics: false })
  const hostile = 'a"b\\c\nd} 1\nforged_total 7'
  metrics.sessions.labels({ event: hostile }).value = 3
  const { samples } = await scrape(metrics)
  assert.deepEqual(
    samples.find(({ name }) => name === 'foregate_sessions_total'),
    { name: 'foregate_sessions_total', labels: { event: hostile }, value: 3 },
  )
  assert.equal(
    samples.some(({ name }) => name === 'forged_total'),
    false,
  )
})

test('past the cap every new combination is counted as "other", and known ones go on', () => {
  const series = createSeries(['a', 'b'], () => ({ value: 0 }))
  const first = series.labels({ a: '0', b: '0' })
  for (let index = 1; index < maxSeries; index++) series.labels({ a: String(index % 7), b: String(index) })
  const other = series.labels({ a: 'new', b: 'x' })
  assert.equal(series.labels({ a: '0', b: 'also new' }), other)
  assert.equal(series.labels({ a: '0', b: '0' }), first)
  assert.equal(series.all.length, maxSeries + 1)
  assert.deepEqual(series.all.at(-1)?.labels, { a: 'other', b: 'other' })
})

test('a gauge is asked for its samples at each scrape', async () => {
  const metrics = createMetrics({ processMetrics: false })
  let entries = 1
  metrics.gauge('cache_entries', 'Entries of a tier.', ['tier'], () => [{ labels: { tier: 'l1' }, value: entries }])
  const read = async () => (await scrape(metrics)).samples.find(({ name }) => name === 'foregate_cache_entries')
  assert.deepEqual(await read(), { name: 'foregate_cache_entries', labels: { tier: 'l1' }, value: 1 })
  entries = 9
  assert.equal((await read())?.value, 9)
})

test('a gauge registered twice is an error', () => {
  const metrics = createMetrics({ processMetrics: false })
  metrics.gauge('redis_connected', 'x', [], () => [])
  assert.throws(() => metrics.gauge('redis_connected', 'x', [], () => []), /already been registered/)
  assert.throws(() => metrics.gauge('logins_total', 'x', [], () => []), /already been registered/)
})

test('a gauge that throws loses its own samples only', async () => {
  const metrics = createMetrics({ processMetrics: false })
  metrics.gauge('broken', 'x', [], () => {
    throw new Error('not connected')
  })
  const { samples, families } = await scrape(metrics)
  assert.equal(families.get('foregate_broken'), 'gauge')
  assert.equal(
    samples.some(({ name }) => name === 'foregate_broken'),
    false,
  )
  assert.ok(samples.some(({ name }) => name === 'foregate_journal_dropped_total'))
})

test("the process's own metrics come with processMetrics, and the exposition still parses", async () => {
  const { families } = await scrape(createMetrics({ processMetrics: true }))
  assert.equal(families.get('process_cpu_seconds_total'), 'counter')
  assert.equal(families.get('nodejs_eventloop_lag_seconds'), 'gauge')
})

test('two sets of metrics share nothing', async () => {
  const one = createMetrics({ processMetrics: false })
  createMetrics({ processMetrics: false }).sessions.labels({ event: 'created' }).value++
  assert.equal(
    (await scrape(one)).samples.some(({ name }) => name === 'foregate_sessions_total'),
    false,
  )
})

test('the content type is that of the text format', () => {
  assert.match(createMetrics({ processMetrics: false }).contentType, /^text\/plain; version=0\.0\.4/)
})

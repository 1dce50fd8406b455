import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import { createReplayDetection } from '../../src/cache/replay-detection.ts'
import { StoreUnavailable } from '../../src/errors.ts'
import { createMetrics } from '../../src/telemetry/prometheus.ts'
import { createFakeCache, type FakeCache } from '../fixtures/fake-cache.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'

function aReplica(whenAway: 'local' | 'closed' = 'local', time = fakeTime(), beside?: FakeCache) {
  const { clock } = time
  const cache = createFakeCache({ clock, ...(beside !== undefined && { beside }) })
  const metrics = createMetrics({ processMetrics: false })
  const logger = recordedLog()
  const local = createMemoryStore({ clock, maxBytes: 1_000_000 })
  const used = createReplayDetection({ cache, local, whenAway, metrics, logger, clock })
  return { used, cache, time, metrics, logger }
}

test('of all replicas one is first, whoever asks', async () => {
  const here = aReplica()
  const there = aReplica('local', here.time, here.cache)
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? here : there).used.first('flow', 'state', 1_000)),
  )
  assert.equal(answers.filter(Boolean).length, 1)
})

test('a second use is counted and logged by its kind, without what was used', async () => {
  const { used, metrics, logger } = aReplica()
  await used.first('id_token', 'very secret', 1_000)
  assert.equal(await used.first('id_token', 'very secret', 1_000), false)
  assert.equal(metrics.replaysRejected.labels({ kind: 'id_token' }).value, 1)
  assert.deepEqual(
    logger.lines.map(({ event, reason }) => [event, reason]),
    [['replay_rejected', 'id_token']],
  )
  assert.equal(JSON.stringify(logger.lines).includes('very secret'), false)
})

test('the same id of another kind is something else', async () => {
  const { used } = aReplica()
  assert.equal(await used.first('flow', 'x', 1_000), true)
  assert.equal(await used.first('id_token', 'x', 1_000), true)
})

test('a mark lasts as long as what it marks', async () => {
  const { used, time } = aReplica()
  await used.first('flow', 'x', 1_000)
  time.advance(999)
  assert.equal(await used.first('flow', 'x', 1_000), false)
  time.advance(3)
  assert.equal(await used.first('flow', 'x', 1_000), true)
})

test('outage.replay local: this process remembers, and tells the others when the store is back', async () => {
  const here = aReplica()
  const there = aReplica('local', here.time, here.cache)
  here.cache.goAway()
  assert.equal(await here.used.first('flow', 'x', 60_000), true)
  assert.equal(await here.used.first('flow', 'x', 60_000), false)
  await here.cache.comeBack()
  assert.equal(await here.used.first('flow', 'x', 60_000), false)
  assert.equal(await there.used.first('flow', 'x', 60_000), false)
})

test('outage.replay local: what was used counts also between the store’s return and the journal’s replay', async () => {
  const { used, cache } = aReplica()
  cache.goAway()
  await used.first('flow', 'x', 60_000)
  cache.store.down = false
  assert.equal(await used.first('flow', 'x', 60_000), false)
})

test('outage.replay closed: nobody is first while the store is away', async () => {
  const { used, cache } = aReplica('closed')
  cache.goAway()
  await assert.rejects(used.first('flow', 'x', 1_000), StoreUnavailable)
  await cache.comeBack()
  assert.equal(await used.first('flow', 'x', 1_000), true)
})

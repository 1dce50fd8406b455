import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRefusals } from '../../src/cache/refusals.ts'
import { createRoomProbe } from '../../src/cache/room-probe.ts'
import { createMetrics } from '../../src/telemetry/prometheus.ts'
import { failingWith } from '../fixtures/fake-store.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'

function aProbe() {
  const time = fakeTime()
  const logger = recordedLog()
  const refusals = createRefusals(logger, createMetrics({ processMetrics: false }).storeRefusals)
  const state = { isInUse: true, writes: 0, write: (): Promise<void> => Promise.resolve() }
  const probe = createRoomProbe({
    isInUse: () => state.isInUse,
    write() {
      state.writes++
      return state.write()
    },
    refusals,
    timer: time.timer,
  })
  probe.start()
  return { time, refusals, state, probe, said: logger.events }
}

test('a Redis that is full is heard of without a login, and that it has room again, too', async () => {
  const { time, refusals, state, said } = aProbe()
  await time.pass(5_000)
  assert.deepEqual([state.writes, said()], [1, []])
  state.write = () => Promise.reject(failingWith('oom')())
  await time.pass(20_000)
  assert.equal(refusals.fault()?.kind, 'oom')
  assert.deepEqual(said(), ['redis_writes_refused oom'])
  state.write = () => Promise.resolve()
  await time.pass(1_000)
  assert.deepEqual(said(), ['redis_writes_refused oom', 'redis_writes_accepted'])
})

test('that there is room again is seen a second after a refusal, wherever that came from', async () => {
  const { time, refusals, state, said } = aProbe()
  await time.pass(5_000)
  refusals.failed('set', failingWith('oom')())
  await time.pass(1_000)
  assert.deepEqual([state.writes, said()], [2, ['redis_writes_refused oom', 'redis_writes_accepted']])
})

test('a refusal that is not about room is not over because there is room', async () => {
  const { time, refusals, said } = aProbe()
  refusals.failed('setUnlessMarked', failingWith('no_permission')())
  await time.pass(5_000)
  assert.deepEqual(said(), ['redis_writes_refused no_permission'])
})

test('an ACL that forbids the probe, and no beat, does not write two lines each time', async () => {
  const { time, refusals, state, said } = aProbe()
  state.write = () => Promise.reject(failingWith('no_permission')())
  for (let probes = 0; probes < 3; probes++) {
    await time.pass(5_000)
    refusals.succeeded('beat')
  }
  assert.deepEqual([state.writes, said()], [3, []])
})

test('nothing is asked while Redis is away, nor after the end, and a silent Redis is asked once', async () => {
  const { time, state, probe } = aProbe()
  state.isInUse = false
  await time.pass(20_000)
  assert.equal(state.writes, 0)
  state.isInUse = true
  state.write = () => new Promise(() => {})
  await time.pass(20_000)
  assert.equal(state.writes, 1)
  probe.stop()
  await time.pass(20_000)
  assert.equal(state.writes, 1)
})

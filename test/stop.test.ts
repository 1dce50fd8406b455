import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stop } from '../src/stop.ts'
import { fakeTime } from './fixtures/fake-time.ts'

/** A stop with all its parts; what happens, in order, with the time (ms since the signal). */
function aStop(options: { drainDelayMs?: number; shutdownTimeoutMs?: number } = {}) {
  const time = fakeTime()
  const startedAt = time.stopwatch()
  const happened: string[] = []
  const note = (what: string) => void happened.push(`${time.stopwatch() - startedAt} ${what}`)
  const connections = Promise.withResolvers<void>()
  const work = Promise.withResolvers<void>()
  const log = (_fields: object, message: string) => note(message.split(':', 1)[0] ?? '')
  const stopped = stop({
    drainDelayMs: options.drainDelayMs ?? 5_000,
    shutdownTimeoutMs: options.shutdownTimeoutMs ?? 10_000,
    connections: {
      answerLast: () => note('answers are last'),
      close: () => {
        note('no new connections')
        return connections.promise
      },
      cut: () => {
        note('cut')
        return 1
      },
    },
    workDone: () => {
      note('no connections left')
      return work.promise
    },
    finish: () => {
      note('flush')
      return Promise.resolve()
    },
    timer: time.timer,
    logger: { debug: log, info: log, warn: log, error: log },
  })
  return { time, happened, connections, work, stopped }
}

test('it serves on for drainDelay, finishes connections, then work at the provider, then flushes (C1, C2)', async () => {
  const { time, happened, connections, work, stopped } = aStop()
  await time.pass(4_999)
  assert.deepEqual(happened, ['0 answers are last', '0 stopping'])
  await time.pass(1_001)
  connections.resolve()
  await time.pass(1_000)
  work.resolve()
  await time.pass(0)
  await stopped
  assert.deepEqual(happened.slice(2), [
    '5000 no new connections',
    '6000 no connections left',
    '7000 cut',
    '7000 flush',
    '7000 stopped',
  ])
})

for (const [name, done] of [
  ['a connection', 'none'],
  ['work at the provider', 'connections'],
] as const) {
  test(`${name} that does not end is waited for until shutdownTimeout, counted from the end of the drain`, async () => {
    const { time, happened, connections, stopped } = aStop({ drainDelayMs: 1_000, shutdownTimeoutMs: 3_000 })
    if (done === 'connections') connections.resolve()
    await time.pass(3_999)
    assert.ok(!happened.some((what) => what.endsWith('flush')), happened.join('\n'))
    await time.pass(1)
    await stopped
    assert.deepEqual(happened.slice(-4), [
      '4000 cut',
      '4000 stopped before all was finished',
      '4000 flush',
      '4000 stopped',
    ])
  })
}

test('without a drainDelay nothing is waited for where nothing is under way', async () => {
  const { time, happened, connections, work, stopped } = aStop({ drainDelayMs: 0 })
  connections.resolve()
  work.resolve()
  await stopped
  assert.equal(time.stopwatch() - 5_000, 0)
  assert.equal(happened.at(-1), '0 stopped')
})

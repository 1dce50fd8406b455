import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createStopwatch } from '../src/time.ts'

function aMachine() {
  const time = { monotonic: 1_000, wall: 1_800_000_000_000 }
  const stopwatch = createStopwatch(
    () => time.monotonic,
    () => time.wall,
  )
  const startedAt = stopwatch()
  const pass = (ms: number) => {
    time.monotonic += ms
    time.wall += ms
  }
  return { time, pass, elapsed: () => stopwatch() - startedAt }
}

test('a stopwatch goes with the monotonic clock', () => {
  const { pass, elapsed } = aMachine()
  pass(12_345)
  assert.equal(elapsed(), 12_345)
})

test('time that the monotonic clock did not see, in a suspend, is seen at once', () => {
  const { time, pass, elapsed } = aMachine()
  pass(1_000)
  time.wall += 3_600_000
  assert.equal(elapsed(), 3_601_000)
  pass(10_000)
  assert.equal(elapsed(), 3_611_000, 'once')
})

test('a wall clock that is set back, or drifts, changes nothing', () => {
  const { time, pass, elapsed } = aMachine()
  time.wall -= 3_600_000
  pass(1_000)
  assert.equal(elapsed(), 1_000)
  for (let step = 0; step < 20; step++) {
    time.wall += 900
    pass(250)
    assert.equal(elapsed(), 1_000 + (step + 1) * 250)
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createStopwatch } from '../src/time.ts'
import { fakeTime } from './fixtures/fake-time.ts'

function aMachine() {
  const time = fakeTime()
  const wall = { ahead: 0 }
  const stopwatch = createStopwatch(time.stopwatch, () => time.clock() + wall.ahead, time.timer)
  const startedAt = stopwatch()
  return { time, wall, elapsed: () => stopwatch() - startedAt }
}

test('a stopwatch goes with the monotonic clock', async () => {
  const { time, elapsed } = aMachine()
  await time.pass(12_345)
  assert.equal(elapsed(), 12_345)
})

test('time that the monotonic clock did not see, in a suspend, is seen within 250 ms', async () => {
  const { time, wall, elapsed } = aMachine()
  await time.pass(1_000)
  wall.ahead += 3_600_000
  await time.pass(250)
  assert.equal(elapsed(), 3_601_250)
  await time.pass(10_000)
  assert.equal(elapsed(), 3_611_250, 'once')
})

test('a wall clock that is set back, or drifts, changes nothing', async () => {
  const { time, wall, elapsed } = aMachine()
  wall.ahead -= 3_600_000
  await time.pass(1_000)
  for (let step = 0; step < 20; step++) {
    wall.ahead += 1_000
    await time.pass(250)
  }
  assert.equal(elapsed(), 6_000)
})

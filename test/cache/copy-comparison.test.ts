import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCopyComparison } from '../../src/cache/copy-comparison.ts'
import { unavailable } from '../fixtures/fake-store.ts'
import { fakeTime } from '../fixtures/fake-time.ts'

test('three copies a second are compared while copies may answer, whatever fails, and none after the end', async () => {
  const time = fakeTime()
  const state = { mayAnswer: true }
  const counts: number[] = []
  const comparison = createCopyComparison({
    mayAnswer: () => state.mayAnswer,
    compareSome(count) {
      counts.push(count)
      return unavailable()
    },
    timer: time.timer,
  })
  comparison.start()
  await time.pass(999)
  assert.deepEqual(counts, [])
  await time.pass(1_001)
  assert.deepEqual(counts, [3, 3])
  state.mayAnswer = false
  await time.pass(5_000)
  assert.deepEqual(counts, [3, 3])
  state.mayAnswer = true
  await time.pass(1_000)
  assert.deepEqual(counts, [3, 3, 3])
  comparison.stop()
  await time.pass(5_000)
  assert.deepEqual([counts.length, time.pending], [3, 0])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createChangeSignals } from '../../src/session/change-signals.ts'
import { fakeTime } from '../fixtures/fake-time.ts'

test('a change wakes everybody who waits for this session, at once, and nobody else', async () => {
  const time = fakeTime()
  const signals = createChangeSignals(time.timer)
  const woken: string[] = []
  const first = signals.next('a', 1_000).then(() => woken.push('first'))
  const second = signals.next('a', 1_000).then(() => woken.push('second'))
  const other = signals.next('b', 1_000).then(() => woken.push('other'))
  signals.raise('a')
  await Promise.all([first, second])
  assert.deepEqual(woken, ['first', 'second'])
  time.advance(1_000)
  await other
  assert.deepEqual(woken, ['first', 'second', 'other'])
})

test('a change that happened before is not waited for, and one that nobody waits for is forgotten', async () => {
  const time = fakeTime()
  const signals = createChangeSignals(time.timer)
  signals.raise('a')
  let woken = false
  const waiting = signals.next('a', 1_000).then(() => (woken = true))
  time.advance(999)
  await Promise.resolve()
  assert.equal(woken, false)
  time.advance(1)
  await waiting
})

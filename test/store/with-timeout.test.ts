import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withTimeout } from '../../src/store/with-timeout.ts'
import { fakeTime, settled } from '../fixtures/fake-time.ts'

/** A wait of 250 ms, what came of it, and the hands that end it. */
function aWait() {
  const time = fakeTime()
  const work = Promise.withResolvers<string>()
  let complaints = 0
  const late = (byOurselves: boolean) => {
    complaints++
    return new Error(byOurselves ? 'our own delay' : 'late')
  }
  let outcome: string | undefined
  withTimeout(work.promise, 250, time, late).then(
    (value) => (outcome = value),
    (error: unknown) => (outcome = String(error)),
  )
  return { time, work, outcome: () => outcome, complaints: () => complaints }
}

test('an answer in time is the answer, and leaves no timer behind', async () => {
  const { time, work, outcome } = aWait()
  await time.pass(249)
  work.resolve('answer')
  await settled()
  assert.equal(outcome(), 'answer')
  assert.equal(time.pending, 0)
})

test('a failure in time is the failure, and leaves no timer behind', async () => {
  const { time, work, outcome } = aWait()
  work.reject(new TypeError('no'))
  await settled()
  assert.equal(outcome(), 'TypeError: no')
  assert.equal(time.pending, 0)
})

test('when the time is over, the wait ends, and what comes later is dropped, also when it is a failure', async (t) => {
  const unhandled: unknown[] = []
  const hear = (error: unknown) => unhandled.push(error)
  process.on('unhandledRejection', hear)
  t.after(() => process.off('unhandledRejection', hear))
  const { time, work, outcome } = aWait()
  await time.pass(249)
  assert.equal(outcome(), undefined)
  await time.pass(1)
  assert.equal(outcome(), 'Error: late')
  work.reject(new Error('much later'))
  await settled()
  assert.equal(outcome(), 'Error: late')
  assert.deepEqual(unhandled, [])
})

test('an answer that lay in the socket when the timer fired was not late, and nobody is told that it was', async () => {
  const { time, work, outcome, complaints } = aWait()
  await time.stall(250, () => work.resolve('answer'))
  assert.equal(outcome(), 'answer')
  assert.equal(complaints(), 0)
})

test('a failure that lay in the socket is the failure', async () => {
  const { time, work, outcome, complaints } = aWait()
  await time.stall(3_000, () => work.reject(new TypeError('no')))
  assert.equal(outcome(), 'TypeError: no')
  assert.equal(complaints(), 0)
})

test('an answer that takes two turns to be read was not late either', async () => {
  const { time, work, outcome } = aWait()
  await time.stall(251, () => time.nextTurn(() => work.resolve('answer')))
  assert.equal(outcome(), 'answer')
})

const delays: [lateByMs: number, outcome: string][] = [
  [0, 'Error: late'],
  [40, 'Error: late'],
  [41, 'Error: our own delay'],
  [5_000, 'Error: our own delay'],
]
for (const [lateByMs, expected] of delays) {
  test(`a timer that fires ${lateByMs} ms late: ${expected}`, async () => {
    const { time, outcome } = aWait()
    await time.stall(250 + lateByMs)
    assert.equal(outcome(), expected)
  })
}

test('a stall that was over before the end of the wait says nothing', async () => {
  const { time, outcome } = aWait()
  await time.stall(240)
  await time.pass(10)
  assert.equal(outcome(), 'Error: late')
})

test('setting the wall clock is no delay', async () => {
  const { time, outcome } = aWait()
  time.setClock(3_600_000)
  await time.pass(250)
  assert.equal(outcome(), 'Error: late')
})

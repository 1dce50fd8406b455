import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRevocations } from '../../src/session/revocations.ts'

function atTime(start: number) {
  let now = start
  const revocations = createRevocations(() => now)
  return { revocations, at: (ms: number) => (now = ms) }
}

test('a revocation holds until the session would have ended anyway', () => {
  const { revocations, at } = atTime(0)
  revocations.mark('a', 1_000)
  at(999)
  assert.equal(revocations.has('a'), true)
  at(1_000)
  assert.equal(revocations.has('a'), false)
})

test('revoking twice never shortens', () => {
  const { revocations, at } = atTime(0)
  revocations.mark('a', 1_000)
  revocations.mark('a', 10)
  at(500)
  assert.equal(revocations.has('a'), true)
})

test('no number of other revocations pushes one out', () => {
  const { revocations } = atTime(0)
  revocations.mark('first', 1_000_000)
  for (let number = 0; number < 50_000; number++) revocations.mark(`s${number}`, 1_000_000)
  assert.equal(revocations.has('first'), true)
})

test('what has ended is forgotten at the next revocation, and is not given to a store again', () => {
  const { revocations, at } = atTime(0)
  revocations.mark('old', 1_000)
  revocations.mark('new', 500_000)
  at(1_000)
  assert.deepEqual([...revocations.live()], [['new', 500_000]])
  at(120_000)
  revocations.mark('newer', 500_000)
  assert.equal(revocations.size, 2)
})

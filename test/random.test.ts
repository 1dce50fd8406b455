import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRandomBytes } from '../src/random.ts'

test('no two pieces are alike, also across refills of the pool', () => {
  const random = createRandomBytes()
  const pieces = Array.from({ length: 2_000 }, () => random(16).toString('hex'))
  assert.equal(new Set(pieces).size, pieces.length)
})

test('every size is given in full: none, the whole pool, more than the pool', () => {
  const random = createRandomBytes()
  for (const size of [0, 1, 12, 4_095, 4_096, 4_097, 10_000]) {
    const bytes = random(size)
    assert.equal(bytes.length, size)
    if (size >= 12) assert.ok(bytes.some((byte) => byte !== 0))
  }
})

test('what was handed out stays as it was when the pool is refilled', () => {
  const random = createRandomBytes()
  const first = random(32)
  const before = first.toString('hex')
  for (let piece = 0; piece < 1_000; piece++) random(32)
  assert.equal(first.toString('hex'), before)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPatience } from '../../src/cache/patience.ts'

test('a request that has waited for a whole deadline waits no more, other requests do', async () => {
  const patience = createPatience()
  const seen = await Promise.all([
    patience.run(async () => {
      patience.exhaust()
      await Promise.resolve()
      return patience.isExhausted()
    }),
    patience.run(async () => {
      await Promise.resolve()
      return patience.isExhausted()
    }),
  ])
  assert.deepEqual(seen, [true, false])
})

test('outside of any request nothing is exhausted, whatever happens there', () => {
  const patience = createPatience()
  patience.exhaust()
  assert.equal(patience.isExhausted(), false)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRequestBudget } from '../../src/cache/request-budget.ts'

test('a request that has waited for a whole deadline waits no more, or hardly, other requests do', async () => {
  const budget = createRequestBudget()
  const seen = await Promise.all([
    budget.run(async () => {
      budget.exhaust()
      await Promise.resolve()
      return [budget.isExhausted(), budget.waitMs(250)]
    }),
    budget.run(async () => {
      await Promise.resolve()
      return [budget.isExhausted(), budget.waitMs(250)]
    }),
  ])
  assert.deepEqual(seen, [
    [true, 50],
    [false, 250],
  ])
})

test('outside of any request nothing is exhausted, whatever happens there', () => {
  const budget = createRequestBudget()
  budget.exhaust()
  assert.equal(budget.isExhausted(), false)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inBatches } from '../../src/session/batches.ts'

test('every item has its turn, never more than 64 at once, and none before the batch before it is done', async () => {
  let open = 0
  const most: number[] = []
  const done: number[] = []
  await inBatches(Array(150).keys(), async (item) => {
    most.push(++open)
    await Promise.resolve()
    open--
    done.push(item)
  })
  assert.equal(Math.max(...most), 64)
  assert.deepEqual(done, [...Array(150).keys()])
})

test('what fails ends it: the next batch is not begun', async () => {
  let begun = 0
  const failing = inBatches(Array(150).keys(), async (item) => {
    begun++
    if (item === 3) throw new Error('refused')
  })
  await assert.rejects(failing, /refused/)
  assert.equal(begun, 64)
})

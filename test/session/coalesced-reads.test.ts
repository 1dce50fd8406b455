import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreUnavailable } from '../../src/errors.ts'
import { createCoalescedReads } from '../../src/session/coalesced-reads.ts'
import { identityReadBytes } from '../../src/session/codec.ts'
import { gate, quiet } from './world.ts'

/** Reads over a store whose answers a test gives, one gate a read. */
function aReader() {
  const asked: { id: string; head: number | undefined; answer: ReturnType<typeof gate<Buffer | undefined>> }[] = []
  const reads = createCoalescedReads({
    get({ id }, head) {
      const answer = gate<Buffer | undefined>()
      asked.push({ id, head, answer })
      return answer.promise
    },
  })
  return { ...reads, asked }
}

const older = Buffer.from('older')
const newer = Buffer.from('newer')

test('whoever asks for the same at once waits for one read', async () => {
  const { read, asked } = aReader()
  const both = [read('a'), read('a')]
  assert.equal(asked.length, 1)
  asked[0]?.answer.open(newer)
  assert.deepEqual(await Promise.all(both), [newer, newer])
  void read('a')
  assert.equal(asked.length, 2, 'an answer that has come is no answer to who asks later')
})

test('the beginning is another read than the whole, and so is another session', () => {
  const { read, asked } = aReader()
  for (const [id, head] of [['a'], ['a', identityReadBytes], ['b']] as const) void read(id, head)
  assert.deepEqual(
    asked.map(({ id, head }) => [id, head]),
    [
      ['a', undefined],
      ['a', identityReadBytes],
      ['b', undefined],
    ],
  )
})

for (const head of [undefined, identityReadBytes]) {
  test(`an answer that a change has overtaken reaches nobody: who waits for it is given a new one (${head ?? 'whole'})`, async () => {
    const { read, overtake, asked } = aReader()
    const before = read('a', head)
    overtake('a')
    const after = read('a', head)
    assert.equal(asked.length, 2, 'who asks after the change does not wait for the answer of before')
    asked[0]?.answer.open(older)
    await quiet()
    assert.equal(asked.length, 2, 'the read of before waits for the one that is under way')
    asked[1]?.answer.open(newer)
    assert.equal(await after, newer)
    assert.equal(await before, newer)
  })
}

test('a failure is told to whoever waits, and the next one asks anew', async () => {
  const { read, asked } = aReader()
  const both = [read('a'), read('a')]
  asked[0]?.answer.fail(new StoreUnavailable('silent'))
  for (const one of both) await assert.rejects(one, StoreUnavailable)
  void read('a')
  assert.equal(asked.length, 2)
})

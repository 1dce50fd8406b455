import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createTrail, follows } from '../../src/cache/history.ts'
import { chainAfter } from '../../src/store/withdrawal-log.ts'
import type { BeatReply, LogEntry, Position } from '../../src/store/withdrawal-log.ts'

const from: Position = { n: 10, chain: 'aa' }
const entry = (id: string, n: number, floor = 5): LogEntry => ({ id, floor, n })
const [a, b] = [entry('a', 11), entry('b', 14)]
const afterA = { n: 11, chain: chainAfter('aa', a) }
const afterB = { n: 14, chain: chainAfter(afterA.chain, b) }
const reply = (head: Position, entries: readonly LogEntry[] | undefined): BeatReply => ({
  head,
  entries,
  members: [],
  serverTime: 0,
})

describe('the log follows from where it was read', () => {
  const table: [name: string, reply: BeatReply, steps: readonly Position[] | undefined][] = [
    ['when nothing was added', reply(from, []), []],
    ['when the entries lead to its head', reply(afterB, [a, b]), [afterA, afterB]],
    ['not when an entry is missing', reply(afterB, [b]), undefined],
    ['not when one came too many', reply(afterA, [a, b]), undefined],
    ['not in another order', reply(afterB, [b, a]), undefined],
    ['not with another floor', reply(afterA, [entry('a', 11, 6)]), undefined],
    ['not when another history came to the very same n', reply({ n: 10, chain: 'bb' }, []), undefined],
    [
      'not when it was rolled back, though it is the beginning of the same',
      reply({ n: 9, chain: 'aa' }, []),
      undefined,
    ],
    ['not when it was emptied', reply({ n: 0, chain: 'cc' }, []), undefined],
    ['not when there was too much for one answer: it has to be read', reply(afterB, undefined), undefined],
  ]
  for (const [name, it, steps] of table) test(name, () => assert.deepEqual(follows(from, it), steps))
})

describe('a trail', () => {
  test('knows the positions of its own history, by their chain', () => {
    const trail = createTrail()
    trail.startAt(from)
    trail.add(afterA)
    assert.equal(trail.includes(from), true)
    assert.equal(trail.includes(afterA), true)
    assert.equal(trail.includes({ n: 11, chain: 'another' }), false)
    assert.equal(trail.includes(afterB), false)
  })

  test('forgets all of it when another history begins', () => {
    const trail = createTrail()
    trail.startAt(from)
    trail.add(afterA)
    trail.startAt({ n: 3, chain: 'bb' })
    assert.equal(trail.includes(afterA), false)
    assert.equal(trail.includes({ n: 3, chain: 'bb' }), true)
  })

  test('keeps the latest two thousand', () => {
    const trail = createTrail()
    trail.startAt({ n: 0, chain: 'aa' })
    for (let n = 1; n <= 2_000; n++) trail.add({ n, chain: `c${n}` })
    assert.equal(trail.includes({ n: 0, chain: 'aa' }), false)
    assert.equal(trail.includes({ n: 1, chain: 'c1' }), true)
    assert.equal(trail.includes({ n: 2_000, chain: 'c2000' }), true)
  })
})

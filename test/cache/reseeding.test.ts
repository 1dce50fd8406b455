import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createTrail } from '../../src/cache/history.ts'
import { coverMs, isProven, missing, plan, verdict, without } from '../../src/cache/reseeding.ts'
import type { ReseedPlan } from '../../src/cache/reseeding.ts'
import type { Member, Position } from '../../src/store/withdrawal-log.ts'

const loss = { lostAt: 10_000, horizon: 9_500, serverTime: 1_000_000, now: 12_000, members: ['one', 'two'] }
const onTrail: Position = { n: 5, chain: 'aa' }
const trail = createTrail()
trail.startAt(onTrail)

describe('a plan to write back', () => {
  test('waits for whoever was there at the loss', () => {
    assert.deepEqual(plan(undefined, loss), {
      awaited: new Set(['one', 'two']),
      lostAt: 10_000,
      horizon: 9_500,
      serverTime: 1_000_000,
      since: 12_000,
    })
  })

  test('made again after another loss proves no more than before, waits for whoever was met since, and no longer', () => {
    const again = plan(plan(undefined, loss), {
      lostAt: 20_000,
      horizon: 19_900,
      serverTime: 1_010_000,
      now: 21_000,
      members: ['three'],
    })
    assert.deepEqual(again, {
      awaited: new Set(['one', 'two', 'three']),
      lostAt: 10_000,
      horizon: 9_500,
      serverTime: 1_010_000,
      since: 12_000,
    })
  })
})

describe('a replica that was there', () => {
  const waiting: ReseedPlan = { ...plan(undefined, loss), awaited: new Set(['one']) }
  const back: Member = { replica: 'one', at: 1_000_001, token: 3, position: onTrail, clean: true }
  const table: [name: string, members: Member[], isMissing: boolean][] = [
    ['is back once it posted a position of this history, with nothing to add', [back], false],
    ['is missing while it is not there', [], true],
    ['is missing while its record is from before the loss', [{ ...back, at: 1_000_000 }], true],
    ['is missing while it has something to add', [{ ...back, clean: false }], true],
    ['is missing before it has read anything', [{ ...back, position: undefined }], true],
    ['is missing while it stands in another history', [{ ...back, position: { n: 5, chain: 'bb' } }], true],
    ['is not replaced by somebody else', [{ ...back, replica: 'two' }], true],
  ]
  for (const [name, members, isMissing] of table) {
    test(name, () => {
      const reply = { head: onTrail, entries: [], members, serverTime: 1_000_100 }
      assert.deepEqual(missing(waiting, reply, trail), isMissing ? ['one'] : [])
    })
  }
})

describe('a copy is written back', () => {
  const table: [name: string, confirmedAt: number, horizon: number | undefined, isWritten: boolean][] = [
    ['if it was confirmed shortly before the loss', 10_000 - coverMs, undefined, true],
    ['not if it was last confirmed earlier', 10_000 - coverMs - 1, undefined, false],
    ['if it is old, and every withdrawal was known until shortly before the loss', 1, 10_000 - coverMs, true],
    ['not if neither reaches that far', 1, 10_000 - coverMs - 1, false],
    ['not if it is unknown of how much this process knew', 1, undefined, false],
  ]
  for (const [name, confirmedAt, horizon, isWritten] of table) {
    test(name, () => assert.equal(isProven({ ...plan(undefined, loss), horizon }, confirmedAt), isWritten))
  }
})

describe('what is to be done', () => {
  const table: [name: string, waitsFor: string[], waitedMs: number, is: ReturnType<typeof verdict>][] = [
    ['copies are written back once nobody is missing', [], 0, 'write'],
    ['copies are written back, however late the last one came', [], 60_000, 'write'],
    ['who is missing is waited for', ['two'], 9_999, 'wait'],
    ['an operator hears of it after ten seconds', ['two'], 10_000, 'wait-long'],
    ['nobody is waited for any longer than copies may live on', ['two'], 60_000, 'give-up'],
  ]
  for (const [name, waitsFor, waitedMs, is] of table) {
    test(name, () => {
      const planned = plan(undefined, loss)
      assert.equal(verdict(planned, waitsFor, { now: planned.since + waitedMs, awaitMembersMs: 60_000 }), is)
    })
  }

  test('a plan without somebody waits for the others, and is the very same where nobody is waited for less', () => {
    const planned = plan(undefined, loss)
    assert.deepEqual(without(planned, 'one'), { ...planned, awaited: new Set(['two']) })
    assert.equal(without(planned, 'three'), planned)
  })
})

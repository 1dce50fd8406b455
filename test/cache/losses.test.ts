// What an answered beat shows of losses, and who is waited for after an outage.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { settleMs } from '../../src/cache/availability.ts'
import { createTrail } from '../../src/cache/history.ts'
import { createLosses } from '../../src/cache/losses.ts'
import type { Loss } from '../../src/cache/reseeding.ts'
import type { BeatReply, Member, Position } from '../../src/store/withdrawal-log.ts'
import { fakeTime } from '../fixtures/fake-time.ts'

const head: Position = { n: 5, chain: 'aa' }

function aWorld() {
  const time = fakeTime()
  const trail = createTrail()
  trail.startAt(head)
  const lost: Loss[] = []
  const state = { unavailableSince: undefined as number | undefined, heard: 0, left: [] as string[] }
  const losses = createLosses({
    replica: 'one',
    trail,
    reseeder: {
      get isPlanned() {
        return lost.length > 0
      },
      lost: (loss) => lost.push(loss),
      memberLeft: (replica) => state.left.push(replica),
    },
    unavailableSince: () => state.unavailableSince,
    horizon: () => 4_000,
    onOthersHeard: () => state.heard++,
    stopwatch: time.stopwatch,
  })
  const member = (replica: string, token: number, agoMs = 0): Member => {
    return { replica, at: time.clock() - agoMs, token, position: head, clean: true }
  }
  const reply = (...members: Member[]): BeatReply => ({ head, entries: [], members, serverTime: time.clock() })
  const cutOff = () => {
    state.unavailableSince = time.stopwatch()
    losses.connectionLost()
  }
  return { time, losses, lost, state, member, reply, cutOff }
}

describe('a loss', () => {
  const table: [name: string, own: number | undefined, isAway: boolean, isLoss: boolean][] = [
    ['is a Redis that forgot our last beat', 6, true, true],
    ['is a Redis that does not know us', undefined, true, true],
    ['is none where our last beat is there', 7, true, false],
    ['is none where Redis took a beat whose answer we missed', 8, true, false],
    ['is of no interest while the store is in use: it was somebody’s wish', undefined, false, false],
  ]
  for (const [name, own, isAway, isLoss] of table) {
    test(name, () => {
      const { losses, lost, state, member, reply, time } = aWorld()
      losses.notice(reply(), 7)
      losses.met(reply(member('two', 3)))
      if (isAway) state.unavailableSince = time.stopwatch()
      losses.notice(reply(...(own === undefined ? [] : [member('one', own)])), 9)
      assert.deepEqual(
        lost.map(({ members, lostAt, horizon }) => [[...members], lostAt, horizon]),
        isLoss ? [[['two'], state.unavailableSince, 4_000]] : [],
      )
    })
  }

  test('is another history, and once more a connection that is lost before copies went back', () => {
    const { losses, lost, member, reply, cutOff } = aWorld()
    losses.notice(reply(), 7)
    cutOff()
    losses.historyChanged(reply())
    losses.notice(reply(member('one', 7)), 8)
    losses.notice(reply(member('one', 8)), 9)
    assert.equal(lost.length, 2)
  })
})

describe('the others', () => {
  test('are those that beat within the last three seconds', () => {
    const { losses, member, reply } = aWorld()
    losses.met(reply(member('one', 1), member('two', 1, 2_999), member('three', 1, 3_000)))
    assert.equal(losses.members, 1)
  })

  test('who were there before an outage are waited for until they have come, or long enough', () => {
    for (const comes of [true, false]) {
      const { losses, state, member, reply, cutOff, time } = aWorld()
      losses.met(reply(member('two', 1)))
      cutOff()
      losses.notice(reply(member('one', 1)), 2)
      losses.hear(reply())
      assert.deepEqual([losses.awaitsOthers, state.heard], [true, 0])
      time.advance(comes ? 1 : settleMs)
      losses.hear(comes ? reply(member('two', 2)) : reply())
      assert.deepEqual([losses.awaitsOthers, state.heard], [false, 1])
    }
  })

  test('who left in an orderly way are not waited for, neither here nor by who writes copies back', () => {
    const { losses, state, member, reply, cutOff } = aWorld()
    losses.met(reply(member('two', 1)))
    cutOff()
    losses.notice(reply(), 2)
    losses.memberLeft('two')
    losses.hear(reply())
    assert.deepEqual([losses.awaitsOthers, losses.members, state.left], [false, 0, ['two']])
  })

  test('who say that they are there are known before a beat knows it, until a beat that was sent since does not', () => {
    const { losses, member, reply } = aWorld()
    losses.notice(reply(), 7)
    losses.memberCame('two')
    assert.equal(losses.members, 1)
    // Answered by now, but asked before.
    losses.notice(reply(), 8)
    losses.met(reply())
    assert.equal(losses.members, 1)
    losses.notice(reply(), 9)
    losses.met(reply(member('three', 1)))
    assert.equal(losses.members, 1)
    losses.met(reply())
    assert.equal(losses.members, 0)
  })

  test('who said that they are there are waited for after an outage', () => {
    const { losses, lost, state, reply, cutOff } = aWorld()
    losses.notice(reply(), 7)
    losses.met(reply())
    losses.memberCame('two')
    cutOff()
    losses.notice(reply(), 8)
    assert.deepEqual([...(lost[0]?.members ?? [])], ['two'])
    losses.memberLeft('two')
    assert.deepEqual([losses.members, state.left], [0, ['two']])
  })
})

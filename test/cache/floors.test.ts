import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFloors } from '../../src/cache/floors.ts'
import { everyGeneration } from '../../src/store/withdrawal-log.ts'
import type { Withdrawal } from '../../src/store/withdrawal-log.ts'
import { fakeTime } from '../fixtures/fake-time.ts'

function someFloors(lifeMs = 10_000) {
  const time = fakeTime()
  const floors = createFloors({ ...time, lifeMs })
  const raised: Withdrawal[] = []
  const logged: string[] = []
  floors.onRaise((withdrawal) => raised.push(withdrawal))
  floors.onLogged((id) => logged.push(id))
  return { time, floors, raised, logged }
}

const ids = (withdrawals: readonly Withdrawal[]) => withdrawals.map(({ id }) => id)

describe('a floor', () => {
  test('is what may still be honoured: 0 while nothing was withdrawn', () => {
    const { floors } = someFloors()
    assert.equal(floors.of('a'), 0)
    assert.equal(floors.isEnded('a'), false)
    floors.raise({ id: 'a', floor: 5 }, false)
    assert.equal(floors.of('a'), 5)
    assert.equal(floors.isEnded('a'), false)
    floors.raise({ id: 'a', floor: everyGeneration }, false)
    assert.equal(floors.of('a'), everyGeneration)
    assert.equal(floors.isEnded('a'), true)
  })

  test('is raised, never lowered, and tells of each rise once', () => {
    const { floors, raised } = someFloors()
    assert.equal(floors.raise({ id: 'a', floor: 5 }, false), true)
    assert.equal(floors.raise({ id: 'a', floor: 4 }, true), false)
    assert.equal(floors.raise({ id: 'a', floor: 5 }, false), false)
    assert.equal(floors.raise({ id: 'a', floor: 6 }, true), true)
    assert.equal(floors.of('a'), 6)
    assert.deepEqual(raised, [
      { id: 'a', floor: 5 },
      { id: 'a', floor: 6 },
    ])
  })

  test('is known for as long as it is known here, whatever the wall clock says', async () => {
    const { time, floors } = someFloors()
    assert.equal(floors.knownForMs('a'), 0)
    floors.raise({ id: 'a', floor: 5 }, false)
    time.setClock(5_000)
    await time.pass(300)
    assert.equal(floors.knownForMs('a'), 300)
  })

  test('lasts as long as any session could, or as long as its own would have; the later end stays', async () => {
    const { time, floors } = someFloors()
    floors.raise({ id: 'unknown', floor: 5 }, true)
    floors.raise({ id: 'short', floor: 5 }, true, time.clock() + 100)
    floors.raise({ id: 'long', floor: 5 }, true, time.clock() + 5_000)
    floors.raise({ id: 'long', floor: 6 }, true, time.clock() + 100)
    await time.pass(200)
    assert.deepEqual(
      ['unknown', 'short', 'long'].map((id) => floors.of(id)),
      [5, 0, 6],
    )
    await time.pass(9_799)
    assert.deepEqual(
      ['unknown', 'short', 'long'].map((id) => floors.of(id)),
      [5, 0, 0],
    )
    await time.pass(1)
    assert.equal(floors.of('unknown'), 0)
  })
})

describe('a floor that the log has', () => {
  test('is not written again; one that it lacks is, with its end', () => {
    const { time, floors, logged } = someFloors()
    floors.raise({ id: 'read', floor: 5 }, true)
    floors.raise({ id: 'own', floor: 7 }, false, time.clock() + 300)
    assert.deepEqual(floors.unlogged(10), [{ id: 'own', floor: 7, expiresAt: time.clock() + 300 }])
    assert.equal(floors.unloggedCount, 1)
    assert.deepEqual([floors.isLogged('read'), floors.isLogged('own'), floors.isLogged('never')], [true, false, false])
    floors.raise({ id: 'own', floor: 7 }, true)
    assert.deepEqual(floors.unlogged(10), [])
    assert.equal(floors.isLogged('own'), true)
    assert.deepEqual(logged, ['read', 'own'])
  })

  test('is not the same when a lower one was read: ours has still to be written', () => {
    const { floors } = someFloors()
    floors.raise({ id: 'a', floor: 7 }, false)
    floors.raise({ id: 'a', floor: 5 }, true)
    assert.equal(floors.isLogged('a'), false)
    assert.deepEqual(ids(floors.unlogged(10)), ['a'])
  })

  test('and is raised by a note is unlogged again', () => {
    const { floors } = someFloors()
    floors.raise({ id: 'a', floor: 5 }, true)
    floors.raise({ id: 'a', floor: 7 }, false)
    assert.equal(floors.isLogged('a'), false)
    assert.equal(floors.unloggedCount, 1)
  })

  test('and is read at a higher place needs nothing of ours any more', () => {
    const { floors } = someFloors()
    floors.raise({ id: 'a', floor: 5 }, false)
    floors.raise({ id: 'a', floor: 7 }, true)
    assert.equal(floors.unloggedCount, 0)
  })

  test('is unknown to another log: everything is told anew, what is over excepted', async () => {
    const { time, floors } = someFloors()
    floors.raise({ id: 'a', floor: 5 }, true)
    floors.raise({ id: 'over', floor: 5 }, true, time.clock() + 10)
    floors.raise({ id: 'b', floor: 5 }, false)
    await time.pass(10)
    floors.nothingIsLogged()
    assert.equal(floors.isLogged('a'), false)
    assert.deepEqual(ids(floors.unlogged(10)).sort(), ['a', 'b'])
  })

  test('is written in portions', () => {
    const { floors } = someFloors()
    for (const id of ['a', 'b', 'c']) floors.raise({ id, floor: 5 }, false)
    assert.deepEqual(ids(floors.unlogged(2)), ['a', 'b'])
    floors.raise({ id: 'a', floor: 5 }, true)
    assert.deepEqual(ids(floors.unlogged(2)), ['b', 'c'])
  })

  test('is not waited for when its time is over before it was written', async () => {
    const { time, floors } = someFloors()
    floors.raise({ id: 'a', floor: 5 }, false, time.clock() + 10)
    await time.pass(10)
    assert.deepEqual(floors.unlogged(10), [])
    assert.equal(floors.unloggedCount, 0)
  })
})

test('of two ends of one floor the later one counts, in either order', () => {
  for (const ends of [
    [1_000, 5_000],
    [5_000, 1_000],
  ]) {
    const { time, floors } = someFloors()
    for (const end of ends) floors.raise({ id: 'a', floor: 5 }, false, time.clock() + end)
    assert.deepEqual(
      floors.all().map(({ expiresAt }) => expiresAt),
      [time.clock() + 5_000],
    )
    assert.equal(floors.of('a'), 5)
  }
})

test('a floor whose time is over is no news', () => {
  const { time, floors, raised } = someFloors()
  assert.equal(floors.raise({ id: 'a', floor: 5 }, true, time.clock()), false)
  assert.deepEqual([raised, floors.size, floors.learntAfter(0, 10).seq], [[], 0, 0])
})

describe('what a peer has not heard', () => {
  test('is told in the order of its learning, wherever it was learnt, from where the last answer ended', () => {
    const { time, floors } = someFloors()
    assert.deepEqual(floors.learntAfter(0, 10), { entries: [], seq: 0 })
    floors.raise({ id: 'a', floor: 5 }, false)
    floors.raise({ id: 'b', floor: 5 }, true)
    floors.raise({ id: 'c', floor: 5 }, false)
    const first = floors.learntAfter(0, 2)
    assert.deepEqual([ids(first.entries), first.seq], [['a', 'b'], 2])
    const second = floors.learntAfter(first.seq, 2)
    assert.deepEqual([ids(second.entries), second.seq], [['c'], 3])
    assert.deepEqual(floors.learntAfter(3, 2), { entries: [], seq: 3 })
    floors.raise({ id: 'a', floor: everyGeneration }, false)
    const expiresAt = time.clock() + 10_000
    assert.deepEqual(floors.learntAfter(3, 2), { entries: [{ id: 'a', floor: everyGeneration, expiresAt }], seq: 4 })
  })

  test('is not what is no news', () => {
    const { floors } = someFloors()
    floors.raise({ id: 'a', floor: 5 }, false)
    floors.raise({ id: 'a', floor: 5 }, true)
    floors.nothingIsLogged()
    assert.equal(floors.learntAfter(0, 10).seq, 1)
  })

  test('stays complete when what is over was forgotten', async () => {
    const { time, floors } = someFloors()
    for (let at = 0; at < 9_999; at++) floors.raise({ id: `old-${at}`, floor: 5 }, true, time.clock() + 10)
    await time.pass(10)
    // The ten thousandth sweeps those before it.
    floors.raise({ id: 'new', floor: 5 }, true)
    for (const seq of [0, 5_000]) {
      const told = floors.learntAfter(seq, 10)
      assert.deepEqual([ids(told.entries), told.seq], [['new'], 10_000])
    }
    floors.raise({ id: 'next', floor: 5 }, true)
    assert.deepEqual(ids(floors.learntAfter(10_000, 10).entries), ['next'])
  })
})

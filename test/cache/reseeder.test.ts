// The plan to write copies back, carried out: whom it waits for, what it tells, and when it is over.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTrail } from '../../src/cache/history.ts'
import { createReseeder } from '../../src/cache/reseeder.ts'
import type { BeatReply, Member, Position } from '../../src/store/withdrawal-log.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'

const head: Position = { n: 5, chain: 'aa' }

function aReseeder() {
  const time = fakeTime()
  const logger = recordedLog()
  const trail = createTrail()
  trail.startAt(head)
  const story: string[] = []
  const state = { isTaken: true }
  const reseeder = createReseeder({
    trail,
    awaitMembersMs: 60_000,
    async reseed(isProven) {
      story.push(`reseed ${isProven(0)} ${isProven(time.stopwatch())}`)
      return state.isTaken
    },
    dropUnproven: (since) => story.push(`drop ${since}`),
    stopwatch: time.stopwatch,
    logger,
  })
  const lose = (...members: string[]) => {
    const now = time.stopwatch()
    reseeder.lost({ members, lostAt: now, horizon: undefined, serverTime: time.clock(), now })
  }
  /** An answer in which these replicas have come to the new history. */
  const carryOut = (...back: string[]) => {
    time.advance(1)
    const members = back.map((replica): Member => ({
      replica,
      at: time.clock(),
      token: 1,
      position: head,
      clean: true,
    }))
    const reply: BeatReply = { head, entries: [], members, serverTime: time.clock() }
    return reseeder.carryOut(reply)
  }
  const said = () => logger.lines.map(({ level, event, reason }) => `${level} ${event} ${reason}`)
  return { reseeder, time, story, state, lose, carryOut, said }
}

test('without a loss there is nothing to do', async () => {
  const { reseeder, carryOut, story } = aReseeder()
  await carryOut()
  assert.deepEqual([reseeder.isPlanned, story], [false, []])
})

test('what is proven goes back once nobody is missing, again until all was taken', async () => {
  const { reseeder, carryOut, story, lose, state } = aReseeder()
  lose('two', 'three')
  await carryOut('two')
  assert.deepEqual(story, [])
  reseeder.memberLeft('three')
  state.isTaken = false
  await carryOut('two')
  assert.equal(reseeder.isPlanned, true)
  state.isTaken = true
  await carryOut('two')
  assert.deepEqual([reseeder.isPlanned, story], [false, ['reseed false true', 'reseed false true']])
})

test('who is waited for is told once, and after ten seconds as a warning', async () => {
  const { time, carryOut, lose, said } = aReseeder()
  lose('two', 'three')
  for (let beat = 0; beat < 3; beat++) await carryOut()
  await carryOut('two')
  assert.deepEqual(said(), Array(2).fill('info reseeding_waits replicas_missing'))
  time.advance(10_000)
  for (let beat = 0; beat < 3; beat++) await carryOut('two')
  assert.deepEqual(said().slice(2), ['warn reseeding_waits replicas_gone'])
})

test('who does not come back at all is given up, and the copies of before with them', async () => {
  const { reseeder, time, carryOut, lose, said, story } = aReseeder()
  const since = time.stopwatch()
  lose('two')
  time.advance(60_000)
  await carryOut()
  assert.deepEqual([reseeder.isPlanned, story], [false, [`drop ${since}`]])
  assert.deepEqual(said(), ['warn reseeding_given_up replicas_gone'])
})

test('a loss while copies are written back is not done with them', async () => {
  const { reseeder, carryOut, lose, story } = aReseeder()
  lose('two')
  const writing = carryOut('two')
  lose('three')
  await writing
  assert.deepEqual([reseeder.isPlanned, story.length], [true, 1])
})

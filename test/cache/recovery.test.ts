// Away and back, with everything that takes part played by the test.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { settleMs } from '../../src/cache/availability.ts'
import { createRecovery } from '../../src/cache/recovery.ts'
import { StoreUnavailable } from '../../src/errors.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'

function aRecovery() {
  const time = fakeTime()
  const logger = recordedLog()
  const story: string[] = []
  const state = {
    isReachable: true,
    isRead: true,
    awaitsOthers: false,
    isReseeding: false,
    isTaken: true,
    journal: 0,
    replay: () => Promise.resolve(),
  }
  const recovery = createRecovery({
    heartbeat: {
      async pull() {
        story.push('pull')
        return state.isRead
      },
      get awaitsOthers() {
        return state.awaitsOthers
      },
      get isReseeding() {
        return state.isReseeding
      },
    },
    journal: {
      async replay() {
        story.push('replay')
        await state.replay()
      },
      get size() {
        return state.journal
      },
    },
    isReachable: () => state.isReachable,
    async offerAgain(lostAt) {
      story.push(`offer what was written before ${lostAt}`)
      return state.isTaken
    },
    unconfirmAll: () => story.push('unconfirm'),
    onLost: () => story.push('lost'),
    onFirstUse: () => story.push('first use'),
    runtime: { ...time, logger },
  })
  const it = { recovery, time, story, state, said: () => logger.lines.map(({ event }) => event) }
  const become = (isReachable: boolean) => {
    state.isReachable = isReachable
    recovery.reconsider()
  }
  return { ...it, become }
}

async function inUse() {
  const it = aRecovery()
  it.recovery.reconsider()
  await it.time.pass(10_000)
  assert.equal(it.recovery.isWell(), true)
  it.story.length = 0
  return it
}

describe('the first contact', () => {
  test('comes into use once the log was read; nothing is offered, and a miss counts at once', async () => {
    const { recovery, story, time } = aRecovery()
    assert.deepEqual([recovery.isWell(), recovery.unavailableSince(), recovery.isUnsettled()], [false, 0, true])
    recovery.reconsider()
    await time.pass(0)
    assert.deepEqual(story, ['pull', 'replay', 'unconfirm', 'first use', 'pull'])
    assert.deepEqual([recovery.isWell(), recovery.unavailableSince(), recovery.isUnsettled()], [true, undefined, false])
  })
})

describe('a recovery', () => {
  test('has an order, and offers again what may have been lost with the connection', async () => {
    const { recovery, story, time, become } = await inUse()
    const lostAt = time.stopwatch()
    become(false)
    await time.pass(3_000)
    assert.equal(recovery.unavailableSince(), lostAt)
    become(true)
    await time.pass(0)
    const offer = `offer what was written before ${lostAt}`
    assert.deepEqual(story, ['lost', 'pull', 'replay', offer, 'unconfirm', 'pull'])
    assert.equal(recovery.isUnsettled(), true)
    await time.pass(settleMs)
    assert.equal(recovery.isUnsettled(), false)
  })

  test('that does not read the log is tried again after a quarter of a second, and it is one outage', async () => {
    const { recovery, story, time, state, become } = await inUse()
    const lostAt = time.stopwatch()
    become(false)
    state.isRead = false
    become(true)
    await time.pass(249)
    assert.deepEqual(story, ['lost', 'pull'])
    assert.equal(recovery.unavailableSince(), lostAt)
    state.isRead = true
    await time.pass(1)
    assert.equal(recovery.isWell(), true)
    assert.ok(story.includes(`offer what was written before ${lostAt}`))
  })

  test('that fails by a mistake of ours is told, and one that Redis breaks off is not', async () => {
    for (const [error, told] of [
      [new TypeError('ours'), ['store_recovered', 'recovery_failed', 'store_recovered']],
      [new StoreUnavailable('theirs'), ['store_recovered', 'store_recovered']],
    ] as const) {
      const { time, state, become, said } = await inUse()
      state.replay = () => {
        state.replay = () => Promise.resolve()
        return Promise.reject(error)
      }
      become(false)
      become(true)
      await time.pass(1_000)
      assert.deepEqual(said(), told)
    }
  })

  test('does not write before the others were heard; when they were, it is made up for at once', async () => {
    const { recovery, story, time, state, become } = await inUse()
    become(false)
    state.awaitsOthers = true
    become(true)
    await time.pass(2_500)
    assert.deepEqual(story, ['lost', 'pull', 'unconfirm', 'pull'])
    state.awaitsOthers = false
    recovery.replayNow()
    await time.pass(0)
    assert.deepEqual(story.slice(4, 5), ['replay'])
    assert.match(story[5] ?? '', /^offer/)
  })
})

describe('what is left', () => {
  test('is tried again each second until nothing is, also what was refused', async () => {
    const { story, time, state, become } = await inUse()
    become(false)
    state.isTaken = false
    become(true)
    await time.pass(2_000)
    state.isTaken = true
    story.length = 0
    await time.pass(10_000)
    assert.equal(story.length, 2)
    assert.match(story.join(), /^replay,offer/)
  })

  test('of one missed write is written after a second, and however many there are, once', async () => {
    const { recovery, story, time } = await inUse()
    recovery.replaySoon()
    recovery.replaySoon()
    await time.pass(999)
    assert.deepEqual(story, [])
    await time.pass(1)
    assert.deepEqual(story, ['replay'])
  })

  test('is not written while the store is away: the recovery does that', async () => {
    const { recovery, story, time, become } = await inUse()
    recovery.replaySoon()
    become(false)
    await time.pass(10_000)
    assert.deepEqual(story, ['lost'])
  })

  test('to be offered is the business of re-seeding where copies are written back', async () => {
    const { recovery, story, time, state, become } = await inUse()
    become(false)
    state.isReseeding = true
    become(true)
    await time.pass(2_000)
    assert.deepEqual(story, ['lost', 'pull', 'replay', 'unconfirm', 'pull'])

    state.isReseeding = false
    state.awaitsOthers = true
    story.length = 0
    become(false)
    become(true)
    await time.pass(100)
    recovery.leaveOffersToReseeding()
    state.awaitsOthers = false
    recovery.replayNow()
    await time.pass(2_000)
    assert.deepEqual(story, ['lost', 'pull', 'unconfirm', 'pull', 'replay', 'replay'])
  })
})

test('after the end nothing is begun any more', async () => {
  const { recovery, story, time, become } = await inUse()
  recovery.stop()
  recovery.replaySoon()
  become(false)
  become(true)
  await time.pass(10_000)
  assert.deepEqual([story, time.pending], [[], 0])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSessionStreams } from '../../src/http/session-streams.ts'
import type { Session } from '../../src/session/session.ts'
import type { Watcher } from '../../src/session/watch.ts'
import { days, seconds } from '../../src/time.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { aSession } from '../fixtures/session.ts'

/** `maxAgeMs`: of the rule. */
function aStream(maxAgeMs: number, authenticatedAgoMs = 0) {
  const time = fakeTime()
  const authenticated = (agoMs: number): Session => aSession({ authenticatedAt: time.clock() - agoMs })
  const ends: string[] = []
  const followed: { watcher?: Watcher; stops: number } = { stops: 0 }
  const sessions = {
    watch(_ticket: string, _passes: readonly string[], _session: Session, watcher: Watcher) {
      followed.watcher = watcher
      return { used: () => undefined, stop: () => void followed.stops++ }
    },
  }
  const watched = createSessionStreams({ sessions, ...time })('ticket', [], authenticated(authenticatedAgoMs), {
    goesOnUntil: ({ authenticatedAt = -Infinity }) => authenticatedAt + maxAgeMs,
    onEnd: (reason) => void ends.push(reason),
  })
  return { time, ends, followed, watched, change: (agoMs: number) => followed.watcher?.onChange(authenticated(agoMs)) }
}

test('a stream ends when its person’s login is no longer as recent as the rule asks, and not before', async () => {
  const { time, ends, followed } = aStream(seconds(300), seconds(100))
  await time.pass(seconds(199))
  assert.deepEqual([ends, followed.stops], [[], 0])
  await time.pass(seconds(1))
  assert.deepEqual([ends, followed.stops, time.pending], [['not_allowed'], 1, 0])
})

test('a newer login gives it more time, an older one ends it at once', async () => {
  const { time, ends, change } = aStream(seconds(300))
  await time.pass(seconds(200))
  change(0)
  await time.pass(seconds(299))
  assert.deepEqual(ends, [])
  change(seconds(301))
  assert.deepEqual([ends, time.pending], [['not_allowed'], 0])
})

test('an end is never told before the stream is known, however late it is', async () => {
  const { time, ends } = aStream(seconds(300), seconds(400))
  assert.deepEqual(ends, [])
  await time.pass(0)
  assert.deepEqual(ends, ['not_allowed'])
})

test('a month of maxAge is no moment to a timer that knows 24 days', async () => {
  const { time, ends } = aStream(days(30))
  await time.pass(days(30) - 1)
  assert.deepEqual(ends, [])
  await time.pass(1)
  assert.deepEqual(ends, ['not_allowed'])
})

test('whatever else ends it, and whoever closes it, leaves no timer behind', async () => {
  const [ended, closed, endless] = [aStream(seconds(300)), aStream(seconds(300)), aStream(Infinity)]
  ended.followed.watcher?.onEnd('revoked')
  closed.watched.stop()
  assert.deepEqual([ended.ends, ended.time.pending], [['revoked'], 0])
  assert.deepEqual([closed.ends, closed.followed.stops, closed.time.pending], [[], 1, 0])
  assert.equal(endless.time.pending, 0)
})

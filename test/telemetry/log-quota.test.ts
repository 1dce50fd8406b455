import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogQuota } from '../../src/telemetry/log-quota.ts'
import { fakeTime } from '../fixtures/fake-time.ts'

const minute = 60_000

test('each key may be told so many times a minute, and again in the next', () => {
  const time = fakeTime()
  const mayTell = createLogQuota(2, time.clock)
  const tell = () => ['a', 'a', 'a', 'b'].map(mayTell)
  assert.deepEqual(tell(), [true, true, false, true])
  time.advance(minute - 1)
  assert.deepEqual(tell(), [false, false, false, true])
  time.advance(1)
  assert.deepEqual(tell().slice(0, 3), [true, true, false])
})

test('a thousand keys at once are all that is told, and their minutes make room for others', () => {
  const time = fakeTime()
  const mayTell = createLogQuota(1, time.clock)
  const told = Array.from({ length: 1_100 }, (_, at) => mayTell(`name ${at}`)).filter(Boolean)
  assert.equal(told.length, 1_000)
  time.advance(minute)
  assert.equal(mayTell('another'), true)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Bearer } from '../../src/bearer/bearer.ts'
import type { TokenIdentity } from '../../src/bearer/verified-tokens.ts'
import { ProviderUnavailable, TokenRejected } from '../../src/errors.ts'
import { createTokenStreams } from '../../src/http/token-streams.ts'
import { seconds } from '../../src/time.ts'
import { fakeTime, startOfTest } from '../fixtures/fake-time.ts'

function aStream(endsInMs: number | undefined, verify: Bearer['verify'], goesOnUntil = () => Infinity) {
  const time = fakeTime()
  const identity: TokenIdentity = {
    subject: 'robot',
    issuer: 'https://id.example.com',
    claims: {},
    scopes: [],
    endsAt: endsInMs === undefined ? undefined : time.clock() + endsInMs,
  }
  const ends: string[] = []
  const follow = createTokenStreams({ bearer: { verify }, ...time })
  const watched = follow('Bearer x', identity, { goesOnUntil, onEnd: (reason) => void ends.push(reason) })
  return { time, identity, ends, watched }
}

test('a stream ends at its token’s own end, without a word of anybody', async () => {
  const stream = aStream(seconds(45), () => Promise.resolve(stream.identity))
  await stream.time.pass(seconds(44))
  assert.deepEqual(stream.ends, [])
  await stream.time.pass(seconds(1))
  assert.deepEqual(stream.ends, ['expired'])
  assert.equal(stream.time.pending, 0)
})

test('a token that no longer counts ends its stream within half a minute; neither proof nor single use is asked for again', async () => {
  let isGood = true
  const asked: boolean[] = []
  const stream = aStream(undefined, ({ goesOn }) => {
    asked.push(goesOn)
    return isGood ? Promise.resolve(stream.identity) : Promise.reject(new TokenRejected('token_inactive', 'no'))
  })
  await stream.time.pass(seconds(90))
  assert.deepEqual(stream.ends, [])
  isGood = false
  await stream.time.pass(seconds(30))
  assert.deepEqual(stream.ends, ['revoked'])
  assert.ok(asked.length >= 4 && asked.every((goesOn) => goesOn))
  assert.equal(stream.time.pending, 0)
})

test('one that no longer suffices ends it, too', async () => {
  const stream = aStream(
    undefined,
    () => Promise.resolve(stream.identity),
    () => -Infinity,
  )
  await stream.time.pass(seconds(30))
  assert.deepEqual(stream.ends, ['not_allowed'])
})

test('while nobody can be asked it goes on, and not past the token’s end', async () => {
  const stream = aStream(seconds(100), () => Promise.reject(new ProviderUnavailable('away')))
  await stream.time.pass(seconds(99))
  assert.deepEqual(stream.ends, [])
  await stream.time.pass(seconds(1))
  assert.deepEqual(stream.ends, ['expired'])
})

test('a stream that was closed is asked about no more', async () => {
  const stream = aStream(seconds(100), () => Promise.resolve(stream.identity))
  stream.watched.stop()
  await stream.time.pass(seconds(200))
  assert.deepEqual([stream.ends, stream.time.pending], [[], 0])
})

test('a login that is no longer as recent as its rule asks ends it at that moment', async () => {
  const stream = aStream(
    undefined,
    () => Promise.resolve(stream.identity),
    () => startOfTest + seconds(40),
  )
  await stream.time.pass(seconds(39))
  assert.deepEqual(stream.ends, [])
  await stream.time.pass(seconds(1))
  assert.deepEqual([stream.ends, stream.time.pending], [['not_allowed'], 0])
})

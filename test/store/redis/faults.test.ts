// What a network can do to the link, done by a proxy between it and a real Redis; and what a stopped or busy server does.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { redisFault } from '../../../src/store/redis/faults.ts'
import type { Key } from '../../../src/store/store.ts'
import type { RedisConfig } from '../../../src/config/config.ts'
import { startFaultProxy } from '../../fixtures/fault-proxy.ts'
import type { FaultProxy } from '../../fixtures/fault-proxy.ts'
import { eventually, redisConfig, redisMissing, startRedis } from '../../fixtures/redis.ts'
import type { RedisServer } from '../../fixtures/redis.ts'
import { expectUnavailable, liveLinkTo } from './link-under-test.ts'
import type { LinkUnderTest } from './link-under-test.ts'

const key: Key = { kind: 'session', id: 'abc' }
const value = Buffer.alloc(2_000, 'v')
const failedWith = (kind: string) => (error: unknown) => redisFault(error).kind === kind

describe('between the link and Redis', { skip: redisMissing }, () => {
  let server: RedisServer
  let proxy: FaultProxy
  let it: LinkUnderTest
  before(async () => {
    server = await startRedis()
  })
  after(() => server.close())

  /** Each fault has its own link: what one does to it must not help or hurt the next. */
  async function withLink(run: (since: number) => Promise<void>, changes: Partial<RedisConfig> = {}): Promise<void> {
    proxy = await startFaultProxy(server.address)
    const quick = { connectTimeoutMs: 300, readTimeoutMs: 150, writeTimeoutMs: 250 }
    it = await liveLinkTo(redisConfig({ address: proxy.address, ...quick, ...changes }))
    try {
      await it.link.store.set(key, value, 60_000)
      await run(it.story.length)
    } finally {
      it.link.close()
      await proxy.close()
    }
  }
  const works = async () => assert.deepEqual(await it.link.store.get(key), value)
  /** By itself, with both connections. */
  const isBack = () =>
    eventually(async () => {
      try {
        await works()
      } catch (error) {
        return expectUnavailable(error)
      }
      await it.hears()
      return true
    })

  test('refused: calls fail at once, each failed attempt is reported, and the link comes back by itself', () =>
    withLink(async (since) => {
      await proxy.become('refuse')
      proxy.cutAll()
      await it.happened('reset', since)
      await it.happened('refused', since)
      const { length: attempts } = it.story
      await assert.rejects(it.link.store.get(key), failedWith('refused'))
      assert.equal(it.story.length, attempts, 'it did not wait for the next attempt')
      assert.deepEqual(it.link.poolStats(), { size: 0, inUse: 0, idle: 0 })
      await proxy.become('pass')
      await isBack()
      const lines = it.log.filter(({ event }) => event === 'redis_lost')
      assert.deepEqual(
        lines.map(({ reason }) => reason),
        ['reset', 'refused'],
        'one line per change, not per attempt',
      )
    }))

  for (const [name, changes, call] of [
    ['readTimeout', { writeTimeoutMs: 2_000 }, () => it.link.store.get(key)],
    ['writeTimeout', { readTimeoutMs: 2_000 }, () => it.link.store.set(key, value, 60_000)],
  ] as const) {
    test(`black hole: ${name} holds as given, and the connection is given up`, () =>
      withLink(async (since) => {
        await proxy.become('blackhole')
        let startedAt = performance.now()
        let failed = await call().catch((error: unknown) => error)
        // On a machine so busy that this process was late, that is what it says; the next call has its own time.
        while (failedWith('own_delay')(failed) && performance.now() - startedAt < 10_000) {
          startedAt = performance.now()
          failed = await call().catch((error: unknown) => error)
        }
        assert.ok(failedWith('timeout')(failed), String(failed))
        const tookMs = performance.now() - startedAt
        // The other timeout is far away, and a busy machine answers late.
        assert.ok(tookMs >= 145 && tookMs < 1_500, `${tookMs} ms`)
        await assert.rejects(call(), { code: 'STORE_UNAVAILABLE' })
        await it.happened('timeout', since)
        await proxy.become('pass')
        await isBack()
      }, changes))
  }

  test('accepted but silent from the start of a connection: the handshake is given up too, and tried again', () =>
    withLink(async (since) => {
      await proxy.become('blackhole')
      proxy.cutAll()
      await eventually(() => it.story.slice(since).filter((what) => what === 'timeout').length >= 2)
      await proxy.become('pass')
      await isBack()
    }))

  test('reset in the middle of a reply: the calls in flight fail, no half value is ever given out', () =>
    withLink(async () => {
      await proxy.become('reset-mid-reply')
      const calls = await Promise.allSettled(Array.from({ length: 10 }, () => it.link.store.get(key)))
      assert.ok(calls.some(({ status }) => status === 'rejected'))
      for (const call of calls) if (call.status === 'fulfilled') assert.deepEqual(call.value, value)
      for (const call of calls) if (call.status === 'rejected') assert.ok(redisFault(call.reason).infrastructure)
      await isBack()
    }))

  test('cut after some bytes: as a reset', () =>
    withLink(async (since) => {
      await proxy.become({ cutAfterBytes: 5_000 })
      await Promise.allSettled([it.link.store.get(key), it.link.store.get(key), it.link.store.get(key)])
      await it.happened('reset', since)
      await proxy.become('pass')
      await isBack()
    }))

  test('50 ms late: correct answers', () =>
    withLink(async (since) => {
      await proxy.become({ delayMs: 50 })
      await works()
      assert.equal(it.story.length, since)
    }))

  test('later than readTimeout: a timeout, and no answer ever goes to the wrong call', () =>
    withLink(async () => {
      const other: Key = { kind: 'session', id: 'other' }
      await it.link.store.set(other, Buffer.from('other'), 60_000)
      await proxy.become({ delayMs: 200 })
      await assert.rejects(it.link.store.get(key), failedWith('timeout'))
      await proxy.become('pass')
      const answers = await Promise.allSettled([it.link.store.get(other), it.link.store.get(other)])
      for (const answer of answers) if (answer.status === 'fulfilled') assert.equal(answer.value?.toString(), 'other')
      await isBack()
    }))

  test('the subscription deaf, commands fine: a token stays out, and a new subscription is opened when asked', () =>
    withLink(async (since) => {
      await proxy.become('deaf-subscriptions')
      await it.beat()
      await it.beat()
      assert.deepEqual(it.tokens, [])
      assert.deepEqual(it.story.slice(since), [], 'nothing but the token tells')
      await works()
      await proxy.become('pass')
      it.link.resubscribe()
      await it.happened('live', since)
      assert.deepEqual(it.story.slice(since), ['dead', 'live'])
      await isBack()
    }))

  test('server stopped (SIGSTOP) and continued', () =>
    withLink(async (since) => {
      server.stop()
      try {
        await assert.rejects(it.link.store.get(key), failedWith('timeout'))
        await it.happened('timeout', since)
      } finally {
        server.cont()
      }
      await isBack()
    }))

  test('server paused (CLIENT PAUSE)', () =>
    withLink(async () => {
      await server.cli('CLIENT', 'PAUSE', '400')
      await assert.rejects(it.link.store.get(key), failedWith('timeout'))
      await isBack()
    }))

  test('a write that timed out is not sent again after the reconnect', () =>
    withLink(async () => {
      const once: Key = { kind: 'used', id: 'once' }
      await proxy.become('blackhole')
      await assert.rejects(it.link.store.add(once, Buffer.from('1'), 60_000), failedWith('timeout'))
      // What the hole held dies with the connections.
      proxy.cutAll()
      await proxy.become('pass')
      await isBack()
      assert.equal(await it.link.store.get(once), undefined)
    }))
})

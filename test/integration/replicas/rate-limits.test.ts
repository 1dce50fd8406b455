// Rate limits that replicas share, before a real Redis: one count for all of them, and each alone when Redis is gone.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createHttpClient } from '../../fixtures/http-client.ts'
import { browserHeaders } from '../../fixtures/in-process-app.ts'
import { redisMissing, startRedis, type RedisServer } from '../../fixtures/redis.ts'
import { startTestBed, type TestBed } from '../../fixtures/replicas.ts'

const perMinute = 6

describe('rate limits', { skip: redisMissing }, () => {
  let redis: RedisServer
  let bed: TestBed

  before(async () => {
    redis = await startRedis()
    const config = { rateLimit: { loginsPerMinute: perMinute } }
    bed = await startTestBed({ redis: { cacheMode: 'hybrid' }, through: redis.address, replicas: 2, config })
  })
  after(async () => {
    await bed?.close()
    await redis?.close()
  })

  const evenPaceMs = 60_000 / perMinute
  let another = 0

  /**
   * What each is answered, one after the other, at the replicas in turn. A machine so busy that one of them becomes due again meanwhile
   * says nothing: then another client asks.
   */
  async function asked(client: string, count: number, path = '/oauth2/start') {
    for (;;) {
      const startedAt = performance.now()
      const replies = await askedOnce(client, count, path)
      if (performance.now() - startedAt < evenPaceMs || count === 1) return replies
      client = `198.51.100.${++another}`
    }
  }
  async function askedOnce(client: string, count: number, path: string) {
    const replies = []
    for (let at = 0; at < count; at++) {
      const { port } = bed.replicas[at % 2]?.process ?? { port: 0 }
      const headers = { ...browserHeaders, host: 'app.test', 'x-forwarded-for': client }
      replies.push(await createHttpClient().send(`http://127.0.0.1:${port}${path}`, { headers }))
    }
    return replies
  }
  const statuses = async (...args: Parameters<typeof asked>) => (await asked(...args)).map(({ status }) => status)
  const times = (count: number, status: number) => Array.from({ length: count }, () => status)

  test('two replicas let through together what one would, for each client network', async () => {
    const replies = await asked('203.0.113.7', perMinute + 3)
    assert.deepEqual(
      replies.map(({ status }) => status),
      [...times(perMinute, 302), ...times(3, 429)],
    )
    const [limited] = replies.slice(-1)
    const wait = Number(limited?.headers['retry-after'])
    assert.ok(wait > 0 && wait <= 60 / perMinute, String(wait))
    assert.match(limited?.body ?? '', /Too many attempts/)
    assert.deepEqual(await statuses('203.0.113.8', perMinute), times(perMinute, 302))
    for (let at = 0; at < perMinute; at++) assert.deepEqual(await statuses(`2001:db8::${at}`, 1), [302])
    assert.deepEqual(await statuses('2001:db8::ffff', 1), [429], 'another address of the same /64')
    assert.deepEqual(await statuses('2001:db8:0:1::1', 1), [302])
  })

  test('callback and sign-in page have a count of their own', async () => {
    for (const [path, status] of [
      ['/oauth2/callback?code=a&state=b', 400],
      ['/oauth2/sign_in', 200],
    ] as const) {
      assert.deepEqual(await statuses('203.0.113.9', perMinute + 1, path), [...times(perMinute, status), 429], path)
    }
  })

  test('what lies in Redis ends by itself, and names nobody', async () => {
    const keys = (await redis.cli('KEYS', '*rate:*')).split('\n')
    assert.ok(keys.length > 0)
    for (const key of keys) {
      assert.match(key, /^traefikoidc:rate:(start|callback|sign_in):[\w-]{22}$/)
      const left = Number(await redis.cli('PTTL', key))
      assert.ok(left > 0 && left <= 60_001, `${key} ${left}`)
    }
  })

  test('with Redis gone each replica counts alone: logins go on, and are limited', async () => {
    await bed.allBecome('blackhole')
    assert.deepEqual(await statuses('203.0.113.10', 2 * perMinute + 2), [...times(2 * perMinute, 302), 429, 429])
    await bed.allBecome('pass')
  })
})

// `/oauth2/session` where replicas share sessions through a real Redis: looking changes nothing there, refreshing does for all.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createHttpClient } from '../../fixtures/http-client.ts'
import { scriptHeaders } from '../../fixtures/in-process-app.ts'
import { eventually, redisMissing, startRedis, type RedisServer } from '../../fixtures/redis.ts'
import { cookieHeader, startTestBed, type Person, type TestBed } from '../../fixtures/replicas.ts'

for (const cacheMode of ['hybrid', 'redis'] as const) {
  describe(`the session endpoint, ${cacheMode}`, { skip: redisMissing }, () => {
    let redis: RedisServer
    let bed: TestBed

    before(async () => {
      redis = await startRedis()
      const config = { sessionIdleTimeout: '10m' }
      bed = await startTestBed({ redis: { cacheMode }, through: redis.address, replicas: 2, config })
    })
    after(async () => {
      await bed?.close()
      await redis?.close()
    })

    async function send(method: string, person: Person, by: number): Promise<Record<string, unknown>> {
      const port = bed.replicas[by]?.process.port ?? 0
      const headers = { ...scriptHeaders, host: 'app.test', cookie: cookieHeader(person) }
      const reply = await createHttpClient().send(`http://127.0.0.1:${port}/oauth2/session`, { method, headers })
      assert.equal(reply.status, 200, reply.body)
      return reply.json() as Record<string, unknown>
    }

    test('looking puts no idle end off, at a replica that knew nothing of the session either', async () => {
      const person = await bed.logIn(0)
      const [key = ''] = (await redis.cli('KEYS', 'traefikoidc:session:*')).split('\n')
      const left = async () => Number(await redis.cli('PTTL', key))
      await redis.cli('PEXPIRE', key, '100000')
      for (const by of [1, 0, 1]) assert.equal((await send('GET', person, by))['loggedIn'], true)
      assert.ok((await left()) <= 100_000)
      // The one that did not make the session gives it its idle time at the first use.
      for (const replica of bed.replicas)
        assert.equal((await replica.ask({ cookie: cookieHeader(person) })).status, 200)
      await eventually(async () => (await left()) > 500_000)
    })

    test('a refresh at one replica is everybody’s', async () => {
      const person = await bed.logIn(0)
      const before = await send('GET', person, 1)
      const refreshed = await send('POST', person, 0)
      assert.equal(refreshed['refreshed'], true)
      assert.notEqual(refreshed['accessExpiresAt'], before['accessExpiresAt'])
      await eventually(async () => (await send('GET', person, 1))['accessExpiresAt'] === refreshed['accessExpiresAt'])
      assert.equal(bed.provider.reuses, 0)
    })

    test('who has logged out is nobody, everywhere', async () => {
      const person = await bed.logIn(0)
      assert.equal((await send('GET', person, 1))['loggedIn'], true)
      const cookie = cookieHeader(person)
      await bed.logOut(person, 0)
      const gone = {
        ...person,
        cookies: new Map(cookie.split('; ').map((pair) => pair.split('=', 2) as [string, string])),
      }
      await eventually(async () => (await send('GET', gone, 1))['loggedIn'] === false)
    })

    test('while Redis is away it says what is known, and a refresh comes later', async () => {
      const person = await bed.logIn(0)
      assert.equal((await send('GET', person, 0))['loggedIn'], true)
      await bed.allBecome('blackhole')
      assert.equal((await send('GET', person, 0))['loggedIn'], true)
      await eventually(async () => (await bed.replicas[0]?.health())?.status === 'degraded')
      const port = bed.replicas[0]?.process.port ?? 0
      const headers = { ...scriptHeaders, host: 'app.test', cookie: cookieHeader(person) }
      const reply = await createHttpClient().send(`http://127.0.0.1:${port}/oauth2/session`, {
        method: 'POST',
        headers,
      })
      assert.deepEqual([reply.status, /store_unavailable/.test(reply.body)], [503, true])
      await bed.allBecome('pass')
    })
  })
}

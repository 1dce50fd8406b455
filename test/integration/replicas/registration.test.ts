// Replicas as processes, with a real Redis, that register their client by themselves: once, and an outage makes no second one.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { eventually, redisMissing, startRedis, type RedisServer } from '../../fixtures/redis.ts'
import { cookieHeader, startTestBed, type TestBed } from '../../fixtures/replicas.ts'

const options = {
  clientID: undefined,
  clientSecret: undefined,
  dynamicClientRegistration: {
    enabled: true,
    initialAccessToken: 'Zt5-initial-access-token-8Qw',
    clientMetadata: { redirect_uris: ['http://app.test/oauth2/callback'] },
  },
}

describe('replicas that register themselves', { skip: redisMissing }, () => {
  let redis: RedisServer
  let bed: TestBed
  before(async () => {
    redis = await startRedis()
    bed = await startTestBed({
      redis: { cacheMode: 'hybrid' },
      through: redis.address,
      config: options,
      provider: { registers: true, initialAccessToken: 'Zt5-initial-access-token-8Qw' },
    })
  })
  after(async () => {
    await bed?.close()
    await redis?.close()
  })
  const ready = (index: number) =>
    eventually(async () => (await fetch(`${bed.replicas[index]?.process.url}/readyz`)).status === 200)

  test('three that start at once register one client, and a login by one counts with all', async () => {
    assert.equal(bed.provider.calls.registration, 1)
    for (const by of [0, 1, 2]) {
      const person = await bed.logIn(by)
      for (const replica of bed.replicas)
        assert.equal((await replica.ask({ cookie: cookieHeader(person) })).status, 200)
    }
  })

  test('while Redis is away people log in all the same, and nobody registers anything', async () => {
    await bed.allBecome('blackhole')
    await eventually(async () => !(await bed.replicas[0]?.health())?.cache.redis.connected)
    await bed.logIn(0)
    await bed.allBecome('pass')
    await eventually(async () => (await bed.replicas[0]?.health())?.cache.redis.connected === true)
    assert.equal(bed.provider.calls.registration, 1)
  })

  test('one that is killed and starts again finds it', async () => {
    const { restart } = await bed.killReplica(2)
    await restart()
    await ready(2)
    await bed.logIn(2)
    assert.equal(bed.provider.calls.registration, 1)
  })
})

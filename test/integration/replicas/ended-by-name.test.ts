// Logouts that the provider announces, to one of three real processes over a real Redis: everywhere at once, through an outage, and
// after everything was restarted.
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { createHttpClient } from '../../fixtures/http-client.ts'
import { quantile } from '../../fixtures/load.ts'
import { machineToItself } from '../../fixtures/machine.ts'
import { eventually, redisMissing, startRedis, type RedisServer } from '../../fixtures/redis.ts'
import {
  cookieHeader,
  isHealthy,
  isOpen,
  startTestBed,
  untilHealth,
  type Person,
  type TestBed,
  type TestBedOptions,
} from '../../fixtures/replicas.ts'

machineToItself()

type By = 'sid' | 'sub' | 'both'
const client = createHttpClient()

async function threeReplicas(
  t: TestContext,
  options: Partial<TestBedOptions> = {},
): Promise<{ redis: RedisServer; bed: TestBed }> {
  const redis = await startRedis()
  t.after(() => redis.close())
  const bed = await startTestBed({
    redis: { cacheMode: 'hybrid' },
    through: redis.address,
    ...options,
    config: { enableBackchannelLogout: true, ...options.config },
  })
  t.after(() => bed.close())
  return { redis, bed }
}

async function announce(bed: TestBed, by: number, claims: { sub?: string; sid?: string }): Promise<number> {
  const { status } = await client.send(`http://127.0.0.1:${bed.replicas[by]?.process.port}/oauth2/backchannel_logout`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ logout_token: await bed.provider.logoutToken(claims) }).toString(),
  })
  return status
}

const named = (by: By, name: string) => ({
  ...(by !== 'sid' && { sub: `sub-of-${name}` }),
  ...(by !== 'sub' && { sid: `sid-of-${name}` }),
})

/** So many sessions of one person, known to every replica. */
async function sessionsOf(bed: TestBed, name: string, count: number): Promise<Person[]> {
  const people: Person[] = []
  for (let at = 0; at < count; at++) {
    people.push(await bed.logIn(at, { sub: `sub-of-${name}`, sid: `sid-of-${name}` }))
  }
  for (const person of people) {
    for (const replica of bed.replicas) {
      assert.equal((await replica.ask({ cookie: cookieHeader(person) })).status, 200)
    }
  }
  return people
}

const statusesOf = async (bed: TestBed, people: readonly Person[]): Promise<number[]> =>
  Promise.all(
    people.flatMap((person) =>
      bed.replicas.map(async (replica) => (await replica.ask({ cookie: cookieHeader(person) })).status),
    ),
  )

const all = (statuses: readonly number[]) => [...new Set(statuses)]

describe('a logout that the provider announces to one of three replicas', { skip: redisMissing }, () => {
  test('ten sessions of one person are refused by all within 100 ms (p99), nobody else is', async (t) => {
    const { bed } = await threeReplicas(t)
    const [bystander] = await sessionsOf(bed, 'bystander', 1)
    const lags: number[] = []
    for (const by of ['sub', 'sid', 'both'] as const) {
      for (let round = 0; round < 3; round++) {
        const name = `${by}-${round}`
        const people = await sessionsOf(bed, name, 10)
        assert.equal(await announce(bed, round, named(by, name)), 200)
        const answeredAt = performance.now()
        lags.push(
          ...(await Promise.all(
            people.flatMap((person) =>
              bed.replicas.map(async (replica) => {
                for (;;) {
                  const answer = await replica.ask({ cookie: cookieHeader(person) })
                  if (answer.status === 401) return Math.max(0, answer.sentAt - answeredAt)
                  if (performance.now() - answeredAt > 5_000) return Infinity
                }
              }),
            ),
          )),
        )
      }
    }
    const p99 = quantile(lags, 0.99)
    t.diagnostic(`${lags.length} refusals: p50 ${quantile(lags, 0.5).toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`)
    assert.ok(p99 <= 100, `p99 ${p99} ms`)
    assert.deepEqual(all(await statusesOf(bed, [bystander as Person])), [200])
  })

  test('whoever was ended can log in again at once', async (t) => {
    const { bed } = await threeReplicas(t)
    await sessionsOf(bed, 'alice', 1)
    assert.equal(await announce(bed, 0, named('sub', 'alice')), 200)
    const again = await bed.logIn(1, { sub: 'sub-of-alice', sid: 'another' })
    assert.deepEqual(all(await statusesOf(bed, [again])), [200])
  })

  for (const returns of ['with its data', 'empty'] as const) {
    test(`while Redis is away, with a second road: refused by all, also after Redis is back ${returns}`, async (t) => {
      const { redis, bed } = await threeReplicas(t, { peers: true })
      const people = await sessionsOf(bed, 'alice', 3)
      const [other] = await sessionsOf(bed, 'bob', 1)
      await redis.kill()
      await untilHealth(bed.replicas, isOpen)
      assert.equal(await announce(bed, 1, named('both', 'alice')), 200)
      await eventually(async () => (await statusesOf(bed, people)).every((status) => status === 401), 1_000)
      await redis.restart({ empty: returns === 'empty' })

      await untilHealth(bed.replicas, isHealthy)
      assert.deepEqual(all(await statusesOf(bed, people)), [401])
      await eventually(async () => (await statusesOf(bed, [other as Person])).every((status) => status === 200))
    })
  }

  test('with nobody else to tell, the provider hears that it is not complete, and can try again', async (t) => {
    const { redis, bed } = await threeReplicas(t)
    const people = await sessionsOf(bed, 'alice', 1)
    await redis.kill()
    await untilHealth(bed.replicas, isOpen)
    assert.equal(await announce(bed, 0, named('sub', 'alice')), 503)
    assert.equal((await bed.replicas[0]?.ask({ cookie: cookieHeader(people[0] as Person) }))?.status, 401)
    await redis.restart()
    await untilHealth(bed.replicas, isHealthy)
    await eventually(async () => (await announce(bed, 0, named('sub', 'alice'))) === 200)
    await eventually(async () => (await statusesOf(bed, people)).every((status) => status === 401))
  })

  test('to a replica that its notes do not reach: it has heard when it is asked next', async (t) => {
    const { bed } = await threeReplicas(t)
    const people = await sessionsOf(bed, 'alice', 2)
    const [, deaf] = bed.replicas
    await deaf?.proxy?.become('blackhole')
    assert.equal(await announce(bed, 0, named('sub', 'alice')), 200)
    await deaf?.proxy?.become('pass')
    await eventually(async () => (await statusesOf(bed, people)).every((status) => status === 401), 5_000)
  })

  test('after Redis and all replicas were restarted it is still refused, with its passes', async (t) => {
    const { redis, bed } = await threeReplicas(t)
    const people = await sessionsOf(bed, 'alice', 2)
    assert.equal(await announce(bed, 2, named('sid', 'alice')), 200)
    await redis.cli('SAVE')
    await redis.restart()
    for (const index of [0, 1, 2]) await (await bed.killReplica(index)).restart()
    await untilHealth(bed.replicas, isHealthy)
    assert.deepEqual(all(await statusesOf(bed, people)), [401])
    await redis.kill()
    await untilHealth(bed.replicas, isOpen)
    assert.deepEqual(all(await statusesOf(bed, people)), [401])
  })
})

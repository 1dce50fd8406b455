// How long a session lives is one answer, whichever replica is asked: absolute age, idleness counted over all replicas, keys
// that are rolled over, and two replicas that write the same session. On the real clock, in seconds: Redis keeps the time.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { seconds } from '../../../src/time.ts'
import { machineToItself } from '../../fixtures/machine.ts'
import { eventually, redisMissing, startRedis, type RedisServer } from '../../fixtures/redis.ts'
import {
  cookieHeader,
  startTestBed,
  ticketOnly,
  type Person,
  type Replica,
  type TestBed,
} from '../../fixtures/replicas.ts'

const maxAgeMs = 4_000
const idleMs = 2_000
/** Idleness is kept to a fiftieth of the timeout, and a busy machine answers late. */
const lateMs = 3_000
const oldKey = 'vT4nQ8zL1xW6cR9mK3pF7bH2sJ5gD0yA'
const newKey = 'Zq2Xw5Er8Ty1Ui4Op7As0Df3Gh6Jk9Lm'

machineToItself()

/** Asks again and again, without a pause that would let the session idle, until `until` (ms, monotonic). */
async function keepUsing(replica: Replica, person: Person, until: number): Promise<void> {
  while (performance.now() < until) {
    assert.equal((await replica.ask({ cookie: cookieHeader(person) })).status, 200)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const idOf = (person: Person) => ticketOnly(person).split('=')[1]?.slice(0, 22)

/** When it ended in Redis, in ms after `since`: to ask a replica would be to use it. */
async function untilGone(redis: RedisServer, person: Person, since: number): Promise<number> {
  await eventually(async () => (await redis.cli('EXISTS', `traefikoidc:session:${idOf(person)}`)) === '0', 10_000)
  return performance.now() - since
}

for (const mode of ['hybrid', 'redis'] as const) {
  describe(`three replicas count one life, ${mode} mode`, { skip: redisMissing, concurrency: true }, () => {
    let redis: RedisServer
    let brief: TestBed
    let idle: TestBed

    before(async () => {
      redis = await startRedis()
      const ofMode = { cacheMode: mode, address: `127.0.0.1:${redis.address.port}` }
      brief = await startTestBed({ redis: ofMode, config: { sessionMaxAge: `${maxAgeMs}ms` } })
      idle = await startTestBed({ redis: ofMode, config: { sessionIdleTimeout: `${idleMs}ms` } })
    })

    after(async () => {
      await Promise.all([brief?.close(), idle?.close()])
      await redis?.close()
    })

    test('sessionMaxAge: however much it is used, a session ends on all replicas at the same moment', async () => {
      const startedAt = performance.now()
      const person = await brief.logIn()
      const bornBy = performance.now()
      const ends = await Promise.all(
        brief.replicas.map(async (replica) => {
          for (;;) {
            const answer = await replica.ask({ cookie: cookieHeader(person) })
            if (answer.status !== 200) return { status: answer.status, at: answer.sentAt + answer.tookMs }
            await new Promise((resolve) => setTimeout(resolve, 20))
          }
        }),
      )
      for (const { status, at } of ends) {
        assert.equal(status, 401)
        assert.ok(at - startedAt >= maxAgeMs, `ended after ${at - startedAt} ms`)
        assert.ok(at - bornBy < maxAgeMs + lateMs, `lived ${at - bornBy} ms`)
      }
      // No part of it outlives it.
      await untilGone(redis, person, bornBy)
    })

    test('sessionIdleTimeout: used at one replica only, it stays alive at the others, which never saw it since', async () => {
      const person = await idle.logIn()
      const [first, ...others] = idle.replicas
      assert.ok(first)
      for (const other of others) assert.equal((await other.ask({ cookie: cookieHeader(person) })).status, 200)
      const lastSightElsewhere = performance.now()
      await keepUsing(first, person, lastSightElsewhere + 1.5 * idleMs)
      for (const other of others) {
        const answer = await other.ask({ cookie: cookieHeader(person) })
        assert.equal(answer.status, 200)
        assert.equal(answer.user, `${person.name}@example.com`)
      }
    })

    test('sessionIdleTimeout: unused, it ends on all replicas, those that know it and the one that used it last', async () => {
      const person = await idle.logIn()
      for (const replica of idle.replicas) await replica.ask({ cookie: cookieHeader(person) })
      const [first] = idle.replicas
      assert.ok(first)
      // Its last use is on one replica only, well after the others saw it.
      await keepUsing(first, person, performance.now() + idleMs / 2)
      const lastUse = performance.now()
      const goneAfter = await untilGone(redis, person, lastUse)
      assert.ok(goneAfter >= idleMs * 0.9, `idle for ${goneAfter} ms only`)
      assert.ok(goneAfter < idleMs + lateMs, `alive after ${goneAfter} ms`)
      const answers = await Promise.all(idle.replicas.map((replica) => replica.ask({ cookie: cookieHeader(person) })))
      assert.deepEqual(
        answers.map(({ status }) => status),
        [401, 401, 401],
      )
    })

    test('sessionIdleTimeout: a request at another replica just before the end gives it a whole new life', async () => {
      const person = await idle.logIn()
      const since = performance.now()
      for (let round = 0; round < 2; round++) {
        // Each replica sees it once per round: none of them alone would keep it alive.
        for (const replica of idle.replicas) {
          const seenAt = performance.now()
          await eventually(() => performance.now() > seenAt + idleMs * 0.4)
          assert.equal((await replica.ask({ cookie: ticketOnly(person) })).status, 200)
        }
      }
      assert.ok(performance.now() - since > 2 * idleMs)
    })
  })

  describe(`one session written by two replicas at once, ${mode} mode`, { skip: redisMissing }, () => {
    const tokenLifeS = 3
    const graceS = 2
    let redis: RedisServer
    let bed: TestBed

    before(async () => {
      redis = await startRedis()
      bed = await startTestBed({
        redis: { cacheMode: mode, address: `127.0.0.1:${redis.address.port}` },
        config: { refreshGracePeriodSeconds: graceS },
        // Both calls succeed: only the write can tell them apart.
        provider: { accessTokenLifetime: tokenLifeS, rotatesRefreshToken: false },
      })
    })

    after(async () => {
      await bed?.close()
      await redis?.close()
    })

    const total = async (outcome: string) => {
      let sum = 0
      for (const replica of bed.replicas) sum += await replica.metric('foregate_token_refreshes_total', { outcome })
      return sum
    }

    test('two refreshes whose lease was lost: the first write stands, the second sees it, and all go on with one state', async () => {
      const person = await bed.logIn()
      const obtainedAt = Date.now()
      const [first, second] = bed.replicas
      assert.ok(first && second)
      for (const replica of bed.replicas) await replica.ask({ cookie: cookieHeader(person) })
      // Up to a second of jitter.
      await eventually(() => Date.now() > obtainedAt + seconds(tokenLifeS - graceS) + seconds(1) + 50)
      const gate = Promise.withResolvers<void>()
      bed.provider.fault('refresh', { gate: gate.promise, times: 2 })
      for (const replica of [first, second]) {
        const called = bed.provider.nextCall('refresh')
        assert.equal((await replica.ask({ cookie: cookieHeader(person) })).status, 200)
        await called
        await redis.cli('DEL', `traefikoidc:lease:${idOf(person)}`)
      }
      gate.resolve()
      await eventually(async () => (await total('overtaken')) === 1)
      assert.equal(await total('refreshed'), 1)
      // Login, and one refresh.
      assert.equal(await redis.cli('GETRANGE', `traefikoidc:session:${idOf(person)}`, '1', '4'), '\0\0\0\x02')
      await eventually(() => Date.now() > obtainedAt + seconds(tokenLifeS))
      for (const replica of bed.replicas) {
        const answer = await replica.ask({ cookie: cookieHeader(person) })
        assert.equal(answer.status, 200)
        assert.equal(answer.user, `${person.name}@example.com`)
      }
    })
  })

  describe(`keys rolled over among replicas, ${mode} mode`, { skip: redisMissing }, () => {
    let redis: RedisServer
    const beds: TestBed[] = []

    before(async () => {
      redis = await startRedis()
    })

    after(async () => {
      await Promise.all(beds.map((bed) => bed.close()))
      await redis?.close()
    })

    async function bedWith(sessionEncryptionKey: string | readonly string[]): Promise<TestBed> {
      const [first] = beds
      const bed = await startTestBed({
        replicas: 1,
        ...(first !== undefined && { beside: first }),
        redis: { cacheMode: mode, address: `127.0.0.1:${redis.address.port}` },
        config: { sessionEncryptionKey },
      })
      beds.push(bed)
      return bed
    }

    test('each step of old, [old, new], [new, old] reads the sessions of its neighbours; new alone asks for a login', async () => {
      // Opens what the next step will seal before anybody seals with it.
      const first = await bedWith(oldKey)
      const steps = [first, ...(await Promise.all([[oldKey, newKey], [newKey, oldKey], newKey].map(bedWith)))]
      const sealedBy = await Promise.all(steps.map((bed) => bed.logIn()))
      const readable = [
        [true, true, false, false],
        [true, true, true, true],
        [true, true, true, true],
        [false, false, true, true],
      ]
      for (const [at, reader] of steps.entries()) {
        for (const [by, person] of sealedBy.entries()) {
          const answer = await reader.replicas[0]?.ask({ cookie: ticketOnly(person) })
          const expected = readable[at]?.[by] === true ? 200 : 401
          assert.equal(answer?.status, expected, `step ${at} asked for a session of step ${by}`)
          if (expected === 200) assert.equal(answer?.user, `${person.name}@example.com`)
          // A reader without the key must not end what its neighbours can read.
          assert.deepEqual(answer?.setCookies, [])
        }
      }
      for (const [by, person] of sealedBy.entries()) {
        assert.equal((await steps[by]?.replicas[0]?.ask({ cookie: ticketOnly(person) }))?.status, 200)
      }
    })

    test('a logout during the roll-over is a logout for both', async () => {
      const [early, late] = await Promise.all([bedWith([oldKey, newKey]), bedWith([newKey, oldKey])])
      for (const [own, other] of [
        [early, late],
        [late, early],
      ] as const) {
        const person = await own.logIn()
        assert.equal((await other.replicas[0]?.ask({ cookie: ticketOnly(person) }))?.status, 200)
        await other.logOut(person)
        await eventually(
          async () => (await own.replicas[0]?.ask({ cookie: ticketOnly(person) }))?.status === 401,
          1_000,
        )
      }
    })
  })
}

// One refresh per session among all replicas, with a provider that rotates refresh tokens and ends the family when one is used
// twice; and what happens when the provider, or the replica that refreshes, is at fault.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { seconds } from '../../../src/time.ts'
import { machineToItself } from '../../fixtures/machine.ts'
import { eventually, redisMissing, startRedis, type RedisServer } from '../../fixtures/redis.ts'
import {
  cookieHeader,
  startTestBed,
  ticketOnly,
  type Answer,
  type Person,
  type Replica,
  type TestBed,
} from '../../fixtures/replicas.ts'

const tokenLifeS = 3
const graceS = 2
const maxJitterMs = seconds(1)

machineToItself()

for (const mode of ['hybrid', 'redis'] as const) {
  describe(`refresh among three replicas, ${mode} mode`, { skip: redisMissing }, () => {
    let redis: RedisServer
    let bed: TestBed
    let obtainedAt = 0

    before(async () => {
      redis = await startRedis()
      bed = await startTestBed({
        redis: { cacheMode: mode },
        through: redis.address,
        config: { refreshGracePeriodSeconds: graceS },
        provider: { accessTokenLifetime: tokenLifeS },
      })
    })

    after(async () => {
      await bed?.close()
      await redis?.close()
    })

    /** A person whom every replica knows. */
    async function known(): Promise<Person> {
      const person = await bed.logIn()
      obtainedAt = Date.now()
      for (const replica of bed.replicas) await replica.ask({ cookie: cookieHeader(person) })
      return person
    }
    /** The token lives, but each replica wants a new one. */
    const nearItsEnd = () => eventually(() => Date.now() > obtainedAt + seconds(tokenLifeS - graceS) + maxJitterMs + 50)
    const ended = () => eventually(() => Date.now() > obtainedAt + seconds(tokenLifeS) + 50)
    const storm = async (person: Person, replicas: readonly Replica[] = bed.replicas): Promise<Answer[]> =>
      (
        await Promise.all(
          replicas.map((replica) =>
            Promise.all(Array.from({ length: 100 }, () => replica.ask({ cookie: cookieHeader(person) }))),
          ),
        )
      ).flat()
    const statuses = (answers: readonly Answer[]) => [...new Set(answers.map(({ status }) => status))]
    const slowest = (answers: readonly Answer[]) => Math.max(...answers.map(({ tookMs }) => tookMs))
    const provider = () => bed.provider

    for (const [name, moment] of [
      ['while the old token lives', nearItsEnd],
      ['after the old token has ended', ended],
    ] as const) {
      test(`3 x 100 concurrent requests ${name}, again and again: one call each, no token used twice, nobody refused`, async () => {
        const person = await known()
        const before = provider().calls.refresh
        for (let round = 1; round <= (mode === 'hybrid' ? 5 : 2); round++) {
          await moment()
          const answers = await storm(person)
          assert.deepEqual(statuses(answers), [200])
          await eventually(() => provider().calls.refresh >= before + round, seconds(10))
          obtainedAt = Date.now()
          // A second call would come from a replica that did not see the result.
          assert.deepEqual(statuses(await storm(person)), [200])
          assert.equal(provider().calls.refresh, before + round)
        }
        assert.equal(provider().reuses, 0)
      })
    }

    test('what the refresh brought, new groups, is what every replica answers next', async () => {
      const person = await known()
      const { person: everybody } = provider()
      provider().person = { ...everybody, groups: ['admins', 'staff'] }
      try {
        await nearItsEnd()
        const before = provider().calls.refresh
        await bed.replicas[0]?.ask({ cookie: cookieHeader(person) })
        await eventually(() => provider().calls.refresh > before)
        await eventually(
          async () => (await bed.replicas[0]?.ask({ cookie: cookieHeader(person) }))?.groups !== undefined,
        )
        for (const replica of bed.replicas) {
          await eventually(
            async () => /admins/.test((await replica.ask({ cookie: cookieHeader(person) })).groups ?? ''),
            1_000,
          )
        }
      } finally {
        provider().person = everybody
      }
    })

    test('a token endpoint that takes long delays nobody while the old token lives', async () => {
      const person = await known()
      await nearItsEnd()
      const gate = Promise.withResolvers<void>()
      provider().fault('refresh', { gate: gate.promise, times: 1 })
      const before = provider().calls.refresh
      const answers = await storm(person)
      assert.deepEqual(statuses(answers), [200])
      assert.ok(slowest(answers) < 1_000, `${slowest(answers)} ms`)
      await eventually(() => provider().calls.refresh === before + 1)
      gate.resolve()
      provider().fault('refresh', undefined)
      await ended()
      assert.deepEqual(statuses(await storm(person)), [200])
      assert.equal(provider().reuses, 0)
    })

    for (const [name, fault] of [
      ['answers 503', { status: 503, body: { error: 'temporarily_unavailable' } }],
      ['hangs', { hang: true }],
    ] as const) {
      test(`a token endpoint that ${name} logs nobody out`, async () => {
        const person = await known()
        provider().fault('refresh', fault)
        try {
          await nearItsEnd()
          const early = await storm(person)
          assert.deepEqual(statuses(early), [200])
          assert.ok(slowest(early) < 1_000, `${slowest(early)} ms while the token lived`)
          await ended()
          assert.deepEqual(statuses(await storm(person)), [200])
        } finally {
          provider().fault('refresh', undefined)
        }
        // Once it is well again the session is refreshed, by one call.
        const failed = provider().calls.refresh
        await eventually(async () => {
          await bed.replicas[0]?.ask({ cookie: cookieHeader(person) })
          return provider().calls.refresh > failed
          // One that hangs is cut after 30 s, and its token may be spent: tried once more when the old one has ended.
        }, seconds(40))
        assert.deepEqual(statuses(await storm(person)), [200])
        assert.equal(provider().reuses, 0)
      })
    }

    test('a logout during a refresh wins, and the tokens that came too late are revoked', async () => {
      const person = await known()
      await nearItsEnd()
      const gate = Promise.withResolvers<void>()
      provider().fault('refresh', { gate: gate.promise, times: 1 })
      const called = provider().nextCall('refresh')
      await bed.replicas[0]?.ask({ cookie: cookieHeader(person) })
      await called
      await bed.logOut(person, 1)
      const revokedBefore = provider().revoked.length
      gate.resolve()
      await eventually(() => provider().revoked.length > revokedBefore)
      for (const replica of bed.replicas) {
        assert.equal((await replica.ask({ cookie: cookieHeader(person) })).status, 401)
      }
      const id = ticketOnly(person).split('=')[1]?.slice(0, 22)
      assert.equal(await redis.cli('EXISTS', `traefikoidc:session:${id}`), '0')
    })

    test('invalid_grant ends the session on every replica', async () => {
      const person = await known()
      provider().revokeRefreshTokens()
      await ended()
      assert.equal((await bed.replicas[0]?.ask({ cookie: cookieHeader(person) }))?.status, 401)
      for (const replica of bed.replicas) {
        await eventually(async () => (await replica.ask({ cookie: cookieHeader(person) })).status === 401, 500)
      }
    })

    test('the replica that refreshes is killed in the middle: another one does it, nobody is refused', async () => {
      const person = await known()
      await ended()
      provider().fault('refresh', { gate: new Promise(() => {}), times: 1 })
      const before = provider().calls.refresh
      const called = provider().nextCall('refresh')
      const [holder, ...others] = bed.replicas
      assert.ok(holder)
      const lost = holder.ask({ cookie: cookieHeader(person) })
      await called
      const waiting = storm(person, others)
      holder.process.kill('SIGKILL')
      assert.equal((await lost).status, 0)
      const answers = await waiting
      assert.deepEqual(statuses(answers), [200])
      assert.equal(provider().calls.refresh, before + 2)
      assert.equal(provider().reuses, 0)
    })
  })
}

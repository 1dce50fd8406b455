// The ways in which a review got in, or locked a person out, while something was broken (A2 to A9). Nothing of the inside is used
// here: processes, HTTP, cookies that a thief kept, a real Redis. The protocol's own rules have their tests in their rooms.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { eventually, redisMissing, startRedis, type RedisServer } from '../fixtures/redis.ts'
import {
  cookieHeader,
  isHealthy,
  startTestBed,
  ticketOnly,
  untilHealth,
  type Person,
  type Replica,
  type TestBed,
  type TestBedOptions,
} from '../fixtures/replicas.ts'

interface Deployment {
  readonly redis: RedisServer
  readonly bed: TestBed
}

async function deployment(t: TestContext, options: Partial<TestBedOptions> = {}): Promise<Deployment> {
  const redis = await startRedis()
  t.after(() => redis.close())
  const bed = await startTestBed({ redis: { cacheMode: 'hybrid' }, through: redis.address, replicas: 2, ...options })
  t.after(() => bed.close())
  await untilHealth(bed.replicas, isHealthy)
  return { redis, bed }
}

const one = (bed: TestBed, index: number): Replica => {
  const replica = bed.replicas[index]
  assert.ok(replica)
  return replica
}

const untilAway = (replicas: readonly Replica[]) => untilHealth(replicas, ({ cache }) => !cache.redis.connected)

const isIn = async (replica: Replica, cookie: string) => (await replica.ask({ cookie })).status === 200

/** At every replica, with both cookies and with the ticket alone, as a script and as a navigation. */
async function letIn(replicas: readonly Replica[], cookies: readonly string[]): Promise<number[]> {
  const asks = cookies.flatMap((cookie) => [false, true].map((navigation) => ({ cookie, navigation })))
  const answers = await Promise.all(
    replicas.flatMap((replica, index) => asks.map(async (ask) => ({ index, status: (await replica.ask(ask)).status }))),
  )
  return answers.filter(({ status }) => status === 200).map(({ index }) => index)
}

const nobody: Person = { name: 'nobody', cookies: new Map() }

/** Of its session, in Redis. */
const keyOf = (person: Person = nobody): string =>
  `traefikoidc:session:${/=([\w-]{22})/.exec(ticketOnly(person))?.[1] ?? ''}`

const kept = (person: Person): readonly string[] => [cookieHeader(person), ticketOnly(person)]

async function cut(replica: Replica): Promise<void> {
  await replica.proxy?.become('refuse')
  replica.proxy?.cutAll()
  await untilAway([replica])
}

async function cutAll(bed: TestBed): Promise<void> {
  for (const replica of bed.replicas) await cut(replica)
}

async function mendAll(bed: TestBed): Promise<void> {
  await bed.allBecome('pass')
  await untilHealth(bed.replicas, isHealthy)
}

/** Asks throughout the time in which a recovery has to be over. */
async function neverLetIn(replicas: readonly Replica[], cookies: readonly string[], forMs = 5_000): Promise<void> {
  const startedAt = performance.now()
  while (performance.now() - startedAt < forMs) assert.deepEqual(await letIn(replicas, cookies), [])
}

suite('what a review got in by', { skip: redisMissing, concurrency: false }, () => {
  test('a replica that starts while Redis is away lets nobody in who was logged out before (A2)', async (t) => {
    const { redis, bed } = await deployment(t, { replicas: 1 })
    const person = await bed.logIn()
    const old = kept(person)
    assert.equal((await bed.logOut(person)).status, 302)
    await redis.kill()
    const late = await bed.addReplica()
    assert.deepEqual(await letIn([late], old), [])
  })

  test('a replica whose link was down during a logout, and was mended before Redis went, has heard of it (A2)', async (t) => {
    const { redis, bed } = await deployment(t)
    const [person, staying] = [await bed.logIn(), await bed.logIn()]
    const old = kept(person)
    await cut(one(bed, 1))
    assert.equal((await bed.logOut(person)).status, 302)
    await mendAll(bed)
    await redis.kill()
    assert.deepEqual(await letIn(bed.replicas, old), [])
    await untilAway(bed.replicas)
    assert.deepEqual(await letIn(bed.replicas, old), [])
    for (const replica of bed.replicas) assert.ok(await isIn(replica, cookieHeader(staying)))
  })

  test('a replica that has just said no goes on saying it when Redis goes, wherever it had that from (A2)', async (t) => {
    const { redis, bed } = await deployment(t, { replicas: 1 })
    const people = [await bed.logIn(), await bed.logIn()]
    const old = people.flatMap((person) => kept(person))
    for (const person of people) assert.equal((await bed.logOut(person)).status, 302)
    const late = await bed.addReplica()
    await untilHealth([late], isHealthy)
    // Of one it is asked while Redis is there, of the other it is not.
    for (const cookie of old.slice(0, 2)) assert.equal((await late.ask({ cookie })).status, 401)
    await redis.kill()
    await untilAway([late])
    assert.deepEqual(await letIn([late], old), [])
  })

  test('what a refresh took away, a group or an address, comes back at no replica while Redis is away (A3)', async (t) => {
    const { redis, bed } = await deployment(t, {
      config: { allowedUserDomains: ['example.com'] },
      provider: { accessTokenLifetime: 4 },
    })
    const member = await bed.logIn(undefined, { groups: ['staff', 'admins'] })
    const mover = await bed.logIn()
    for (const replica of bed.replicas) await letIn([replica], [cookieHeader(member), cookieHeader(mover)])
    const isMember = (claims: Readonly<Record<string, unknown>>) => claims['sub'] === `sub-${member.name}`
    bed.provider.idToken = (draft) => ({
      ...draft,
      claims: {
        ...draft.claims,
        ...(isMember(draft.claims) ? { groups: ['staff'] } : { email: 'm@elsewhere.example' }),
      },
    })
    const first = one(bed, 0)
    await eventually(async () => (await first.ask({ cookie: cookieHeader(member) })).groups === 'staff')
    await eventually(async () => (await first.ask({ cookie: cookieHeader(mover) })).status === 403)
    await redis.kill()
    await untilAway(bed.replicas)
    for (const replica of bed.replicas) {
      const answer = await replica.ask({ cookie: cookieHeader(member) })
      assert.notEqual(answer.groups, 'staff,admins', `${answer.status}`)
      assert.equal(await isIn(replica, cookieHeader(mover)), false)
    }
  })

  test('a session opens no other deployment with the same key, whether Redis is there or not (A4)', async (t) => {
    const { redis, bed } = await deployment(t, { replicas: 1 })
    const other = async (options: Partial<TestBedOptions>) => {
      const another = await startTestBed({
        redis: { cacheMode: 'hybrid' },
        through: redis.address,
        replicas: 1,
        ...options,
      })
      t.after(() => another.close())
      return another
    }
    const others = [
      await other({}),
      await other({ beside: bed, config: { clientID: 'another-client' } }),
      await other({ beside: bed, redis: { cacheMode: 'hybrid', keyPrefix: 'another:' } }),
    ]
    const replicas = others.flatMap((another) => another.replicas)
    await untilHealth(replicas, isHealthy)
    const person = await bed.logIn()
    assert.deepEqual(await letIn(replicas, kept(person)), [])
    await redis.kill()
    await untilAway([...replicas, ...bed.replicas])
    assert.deepEqual(await letIn(replicas, kept(person)), [])
    assert.ok(await isIn(one(bed, 0), cookieHeader(person)), 'and its own goes on')
  })

  test('a Redis that is full takes a logout, which every replica obeys, and is no outage (A5)', async (t) => {
    const { redis, bed } = await deployment(t)
    const person = await bed.logIn()
    const old = kept(person)
    await letIn(bed.replicas, old)
    await redis.cli('CONFIG', 'SET', 'maxmemory', '1')
    // Refused writes: more than the circuit breaker allows failures.
    for (let count = 0; count < 10; count++) await bed.logIn(0)
    assert.equal((await bed.logOut(person)).status, 302)
    await eventually(async () => (await letIn(bed.replicas, old)).length === 0, 5_000)
    for (const replica of bed.replicas) {
      assert.equal((await replica.health()).cache.circuit_breaker.state, 'closed')
      assert.equal(await replica.metric('foregate_circuit_breaker_transitions_total', { to: 'open' }), 0)
    }
  })

  test('a copy whose owner missed a logout is not written into a Redis that came back empty (A6)', async (t) => {
    const { redis, bed } = await deployment(t)
    const person = await bed.logIn()
    const old = kept(person)
    await letIn(bed.replicas, old)
    const [first, second] = [one(bed, 0), one(bed, 1)]
    await cut(second)
    assert.equal((await bed.logOut(person)).status, 302)
    first.process.kill('SIGTERM')
    await first.process.exited
    await redis.kill()
    await redis.restart({ empty: true })
    await second.proxy?.become('pass')
    await eventually(async () => (await second.health()).cache.redis.connected)
    const fresh = await bed.addReplica()
    await neverLetIn([fresh], old)
  })

  for (const [name, road] of [
    ['with nobody else to tell', 'none'],
    ['with a spool', 'spool'],
    ['with a peer', 'peer'],
  ] as const) {
    test(`a logout in an outage, ${name}, then an orderly restart: what was answered as done is done (A7)`, async (t) => {
      const directory = await mkdtemp(join(tmpdir(), 'foregate-spool-'))
      t.after(() => rm(directory, { recursive: true, force: true }))
      const { bed } = await deployment(t, {
        peers: road === 'peer',
        replicas: road === 'peer' ? 2 : 1,
        ...(road === 'spool' && { config: { outage: { spoolDir: directory } } }),
      })
      const person = await bed.logIn()
      const old = kept(person)
      await letIn(bed.replicas, old)
      await cutAll(bed)
      const answer = await bed.logOut(person)
      assert.equal(answer.status === 302, road !== 'none', `${answer.status}`)
      const first = one(bed, 0)
      first.process.kill('SIGTERM')
      await first.process.exited
      const again = await bed.addReplica()
      const living = [...bed.replicas.slice(1, -1), again]
      for (const { proxy } of living) await proxy?.become('pass')
      await untilHealth(living, isHealthy)
      if (road !== 'none') assert.deepEqual(await letIn(living, old), [])
    })
  }

  test('keys of wrong types, of sessions of before or of during an outage, keep no replica from recovering (A8)', async (t) => {
    const { redis, bed } = await deployment(t, { replicas: 1 })
    const before = [await bed.logIn(0), await bed.logIn(0), await bed.logIn(0), await bed.logIn(0)]
    for (const person of before) await letIn(bed.replicas, [cookieHeader(person)])
    await cutAll(bed)
    const during = [await bed.logIn(0), await bed.logIn(0)]
    await redis.kill()
    await redis.restart({ empty: true })
    const [list, hash, sortedSet, whole] = before
    const [set, alsoWhole] = during
    await redis.cli('LPUSH', keyOf(list), 'x')
    await redis.cli('HSET', keyOf(hash), 'x', 'y')
    await redis.cli('ZADD', keyOf(sortedSet), '1', 'x')
    await redis.cli('SADD', keyOf(set), 'x')
    await mendAll(bed)
    for (const person of [whole, alsoWhole]) {
      for (const replica of bed.replicas) {
        await eventually(() => isIn(replica, ticketOnly(person ?? nobody)), 5_000)
      }
      await eventually(async () => (await redis.cli('EXISTS', keyOf(person))) === '1', 5_000)
    }
  })

  test('a login in an outage succeeds, whatever session the browser held before (A9)', async (t) => {
    const { bed } = await deployment(t, { replicas: 1 })
    const [gone, unknown] = [await bed.logIn(), await bed.logIn()]
    const held = [cookieHeader(gone), ticketOnly(gone), ticketOnly(unknown).replace(/.{65}$/, 'A'.repeat(65))]
    assert.equal((await bed.logOut(gone)).status, 302)
    await cutAll(bed)
    for (const cookies of held) {
      const { person, callback } = await bed.startLogin(0)
      for (const pair of cookies.split('; ')) {
        const at = pair.indexOf('=')
        person.cookies.set(pair.slice(0, at), pair.slice(at + 1))
      }
      const answer = await bed.finishLogin(person, callback, 0)
      assert.equal(answer.status, 302)
      assert.ok(await isIn(one(bed, 0), cookieHeader(person)))
    }
  })
})

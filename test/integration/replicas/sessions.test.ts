// Sessions across replicas: logged in at one is logged in at all, logged out at one is logged out at all, and what a request
// costs Redis. Against a real Redis, with three real processes.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { quantile } from '../../fixtures/load.ts'
import { machineToItself } from '../../fixtures/machine.ts'
import { eventually, redisMissing, startRedis, type RedisServer } from '../../fixtures/redis.ts'
import {
  cookieHeader,
  isHealthy,
  startTestBed,
  ticketOnly,
  untilHealth,
  type Person,
  type TestBed,
} from '../../fixtures/replicas.ts'

machineToItself()

/** Calls per command since CONFIG RESETSTAT. */
async function commandCalls(redis: RedisServer): Promise<Record<string, number>> {
  const info = await redis.cli('INFO', 'commandstats')
  return Object.fromEntries(
    [...info.matchAll(/^cmdstat_([\w|]+):calls=(\d+)/gm)].map(([, name, calls]) => [name, Number(calls)]),
  )
}

/** What beats, and this test itself, make of a server's statistics. */
const ofBeats = new Set(
  'evalsha eval time type hdel hget hgetall hset get set zcard zrevrange zrangebyscore pexpire exists info client|setname config|resetstat'.split(
    ' ',
  ),
)

async function bytesMoved(redis: RedisServer): Promise<number> {
  const info = await redis.cli('INFO', 'stats')
  const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1])
  return field('total_net_input_bytes') + field('total_net_output_bytes')
}

for (const mode of ['hybrid', 'redis'] as const) {
  describe(`three replicas, ${mode} mode`, { skip: redisMissing }, () => {
    let redis: RedisServer
    let bed: TestBed

    before(async () => {
      redis = await startRedis()
      bed = await startTestBed({ redis: { cacheMode: mode }, through: redis.address })
    })

    after(async () => {
      await bed?.close()
      await redis?.close()
    })

    const total = async (name: string, labels?: Record<string, string>) => {
      let sum = 0
      for (const replica of bed.replicas) sum += await replica.metric(name, labels)
      return sum
    }

    test('a login at one replica is a session at every other at once', async () => {
      for (let count = 0; count < 20; count++) {
        const person = await bed.logIn(count)
        for (const replica of bed.replicas) {
          const answer = await replica.ask({ cookie: ticketOnly(person) })
          assert.equal(answer.status, 200)
          assert.equal(answer.user, `${person.name}@example.com`)
        }
      }
    })

    test('1,000 requests of one session over three replicas: all let in, none taken for a replay', async () => {
      const person = await bed.logIn()
      for (let batch = 0; batch < 20; batch++) {
        const answers = await Promise.all(
          Array.from({ length: 50 }, async (_, index) =>
            bed.replicas[index % 3]?.ask({ cookie: cookieHeader(person) }),
          ),
        )
        assert.ok(answers.every((answer) => answer?.status === 200))
      }
      assert.equal(await total('foregate_replays_rejected_total'), 0)
    })

    test('one callback raced at three replicas makes one session', async () => {
      for (let count = 0; count < 5; count++) {
        const createdBefore = await total('foregate_sessions_total', { event: 'created' })
        const { person, callback } = await bed.startLogin(count)
        const cookie = cookieHeader(person)
        const answers = await Promise.all(
          bed.replicas.map((replica) => replica.ask({ navigation: true, path: callback, cookie })),
        )
        const tickets = answers.flatMap(({ setCookies }) => setCookies).filter((line) => /=[\w-]{65};/.test(line))
        assert.equal(tickets.length, 1)
        assert.deepEqual(
          answers.map(({ status }) => status).toSorted((a, b) => a - b),
          [302, 400, 400],
        )
        assert.equal(await total('foregate_sessions_total', { event: 'created' }), createdBefore + 1)
      }
    })

    test('a logout at one replica is heard by the others within 100 ms (p99 of 100)', async (t) => {
      const lags: number[] = []
      for (let count = 0; count < 50; count++) {
        const person = await bed.logIn(count)
        for (const replica of bed.replicas) await replica.ask({ cookie: ticketOnly(person) })
        await bed.logOut(person, 0)
        const answeredAt = performance.now()
        const heard = async (index: number) => {
          for (;;) {
            const answer = await bed.replicas[index]?.ask({ cookie: cookieHeader(person) })
            if (answer?.status === 401) return Math.max(0, answer.sentAt - answeredAt)
            if (performance.now() - answeredAt > 5_000) return Infinity
          }
        }
        lags.push(...(await Promise.all([heard(1), heard(2)])))
      }
      const p99 = quantile(lags, 0.99)
      t.diagnostic(`lag of a logout: p50 ${quantile(lags, 0.5).toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`)
      assert.ok(p99 <= 100, `p99 ${p99} ms`)
    })

    test(
      mode === 'hybrid'
        ? 'a hit costs Redis nothing: no command but the heartbeat'
        : 'a request costs one read and moves at most 1 KB',
      async (t) => {
        const person = await bed.logIn()
        const cookie = ticketOnly(person)
        for (const replica of bed.replicas) await replica.ask({ cookie })
        await redis.cli('CONFIG', 'RESETSTAT')
        const bytesBefore = await bytesMoved(redis)
        const requests = 600
        for (let count = 0; count < requests; count++) {
          assert.equal((await bed.replicas[count % 3]?.ask({ cookie }))?.status, 200)
        }
        const bytes = ((await bytesMoved(redis)) - bytesBefore) / requests
        const calls = await commandCalls(redis)
        const { publish: beats = 0, get = 0, getrange = 0, ...rest } = calls
        // Each beat reads the head of the log, and every second a few copies are compared with what is stored.
        const reads = get + getrange - beats
        t.diagnostic(`${requests} requests: ${reads} reads, ${bytes.toFixed(0)} bytes each; ${beats} beats`)
        for (const name of Object.keys(rest)) assert.ok(ofBeats.has(name), `${name} is no command of a beat`)
        assert.ok(mode === 'hybrid' ? reads < 60 : reads - requests < 10, `${reads} reads`)
        if (mode === 'redis') assert.ok(bytes <= 1_024, `${bytes} bytes`)
      },
    )

    test('every key has an end and a name that says what it is; no value shows a claim or a token', async () => {
      const person = await bed.logIn()
      await bed.logOut(await bed.logIn())
      const names = (await redis.cli('--scan')).split('\n').filter((name) => name !== '')
      assert.ok(names.length > 20)
      for (const name of names) {
        assert.match(
          name,
          /^traefikoidc:((session|about|sessions|revoked|used|token|metadata|jwks|client|lease):[\w:-]+|(revoked-log|revoked-head|members):\{[\w-]+\})$/,
        )
        const leftMs = Number(await redis.cli('PTTL', name))
        // Its end has come since it was found.
        if (leftMs === -2) continue
        assert.ok(leftMs > 0, `${name} has no end`)
        const type = await redis.cli('TYPE', name)
        const read = { zset: ['ZRANGE', name, '0', '-1'], hash: ['HGETALL', name] }[type] ?? ['GET', name]
        const value = await redis.cli(...read)
        for (const secret of ['example.com', 'sub-person', bed.provider.issuer, ticketOnly(person).slice(-43)]) {
          assert.ok(!`${name} ${value}`.includes(secret), `${name} shows ${secret}`)
        }
        // No shorter: random bytes may spell three characters.
        assert.doesNotMatch(value, /(at|rt)-[0-9a-f]{8}-|eyJ[\w-]{20,}\./)
      }
    })

    test('a value that is damaged, swapped, newer or of another type is a miss for its owner, and nobody else’s session', async () => {
      const people: Person[] = []
      for (let count = 0; count < 5; count++) people.push(await bed.logIn(count))
      const keyOf = (cookie: string) => `traefikoidc:session:${cookie.split('=')[1]?.slice(0, 22)}`
      const [damaged, swapped, newer, wrongType, well] = people.map((person) => ({
        person,
        key: keyOf(ticketOnly(person)),
      }))
      assert.ok(damaged && swapped && newer && wrongType && well)
      await redis.cli('SETRANGE', damaged.key, '40', 'xxxxxxxx')
      await redis.cli('COPY', well.key, swapped.key, 'REPLACE')
      await redis.cli('SETRANGE', newer.key, '0', '\u0063')
      await redis.cli('DEL', wrongType.key)
      await redis.cli('RPUSH', wrongType.key, 'a list')
      const reader = await bed.addReplica()
      try {
        for (const { person } of [damaged, swapped, newer, wrongType]) {
          // By the ticket alone, at a replica that has no copy: only Redis can answer.
          const answer = await reader.ask({ cookie: ticketOnly(person) })
          assert.equal(answer.status, 401)
          assert.equal(answer.user ?? '', '')
          assert.deepEqual(answer.setCookies, [])
        }
        assert.equal((await reader.ask({ cookie: ticketOnly(well.person) })).user, `${well.person.name}@example.com`)
        const warned = () => reader.process.lines.filter((line) => line.includes('"stored_value_unusable"'))
        const isWarned = (reason: string) => warned().some((line) => line.includes(`"${reason}"`))
        await eventually(() => ['does_not_open', 'unreadable', 'wrong_type'].every(isWarned), 2_000)
        assert.equal(warned().length, 3, 'each reason once')
        assert.ok((await reader.metric('foregate_cache_requests_total', { kind: 'session', result: 'error' })) >= 4)
      } finally {
        await redis.cli('DEL', wrongType.key)
      }
    })

    test('many requests that wait for a slow Redis are one read per key', async () => {
      const people: Person[] = []
      for (let count = 0; count < 10; count++) people.push(await bed.logIn(count))
      const fresh = await bed.addReplica()
      await redis.cli('CONFIG', 'RESETSTAT')
      const answers = await Promise.all(
        Array.from({ length: 1_000 }, async (_, index) => {
          const person = people[index % people.length]
          return person && fresh.ask({ cookie: ticketOnly(person) })
        }),
      )
      assert.ok(answers.every((answer) => answer?.status === 200))
      // Each beat reads the head of the log.
      const { get = 0, getrange = 0, publish: beats = 0 } = await commandCalls(redis)
      const reads = get + getrange - beats
      // A few copies are compared with what is stored meanwhile.
      const limit = mode === 'hybrid' ? people.length + 12 : answers.length / 2
      assert.ok(reads <= limit, `${reads} reads`)
    })

    test(
      'a logout replayed before a replica hears others again, after Redis restarted empty, is obeyed by it',
      { skip: mode === 'redis' && 'redis mode answers nothing from near copies' },
      async () => {
        const [first, second] = bed.replicas
        assert.ok(first?.proxy && second?.proxy)
        const person = await bed.logIn()
        for (const replica of bed.replicas) await replica.ask({ cookie: ticketOnly(person) })
        await redis.kill()
        await eventually(async () => (await first.health()).status === 'degraded')
        // Nobody else can know of it yet, and the person is told so.
        assert.equal((await bed.logOut(person, 0)).status, 503)
        await first.proxy.become('blackhole')
        await second.proxy.become('deaf-subscriptions')
        await redis.restart({ empty: true })
        const key = `traefikoidc:session:${ticketOnly(person).split('=')[1]?.slice(0, 22)}`
        // The second replica knows of no logout, and waits for the first one before it writes anything back.
        await eventually(async () => (await second.health()).status === 'healthy')
        const waits = (line: string) => line.includes('"reseeding_waits"')
        await eventually(() => second.process.lines.some(waits))
        await first.proxy.become('pass')
        const seeded = (line: string) => line.includes('"sessions_reseeded"')
        await eventually(() => second.process.lines.some(seeded))
        assert.equal(await redis.cli('EXISTS', key), '0')
        const live = (line: string) => line.includes('"redis_subscription_live"')
        const before = second.process.lines.filter(live).length
        await second.proxy.become('pass')
        await eventually(() => second.process.lines.filter(live).length > before)
        assert.equal((await second.ask({ cookie: ticketOnly(person) })).status, 401)
        await untilHealth(bed.replicas, isHealthy)
      },
    )

    test(
      'a storm of requests while Redis comes back empty reads each key once',
      { skip: mode === 'redis' && 'redis mode answers nothing from near copies' },
      async () => {
        const replicas = bed.replicas.slice(0, 3)
        const people = bed.people.filter((person) => person.leaving !== true).slice(0, 20)
        for (const person of people) for (const replica of replicas) await replica.ask({ cookie: cookieHeader(person) })
        await redis.kill()
        await eventually(async () => (await bed.replicas[0]?.health())?.status === 'degraded')
        const storm = () =>
          Promise.all(
            Array.from({ length: 500 }, async (_, index) => {
              const person = people[index % people.length]
              return person && replicas[index % 3]?.ask({ cookie: cookieHeader(person) })
            }),
          )
        const back = redis.restart({ empty: true })
        const statuses = new Set<number | undefined>()
        let requests = 0
        await eventually(async () => {
          const answers = await storm()
          requests += answers.length
          for (const answer of answers) statuses.add(answer?.status)
          const health = await Promise.all(replicas.map((replica) => replica.health()))
          return requests >= 2_000 && health.every(({ status }) => status === 'healthy')
        })
        await back
        assert.deepEqual([...statuses], [200])
        const { get = 0, publish: beats = 0 } = await commandCalls(redis)
        const reads = get - beats
        // Each replica may look once while it recovers, and once to confirm its copy.
        assert.ok(reads <= 2 * people.length * bed.replicas.length, `${reads} reads for ${requests} requests`)
      },
    )
  })
}

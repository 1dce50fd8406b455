// Whatever fails in Redis, nobody is refused wrongly and nobody waits: fault by fault, with three replicas under load against a
// real Redis. Prints the table and leaves it in build/.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createFaultTable, type Fault } from '../../fixtures/fault-table.ts'
import { startLoad } from '../../fixtures/load.ts'
import { machineToItself } from '../../fixtures/machine.ts'
import { eventually, redisMissing, startRedis, type RedisServer } from '../../fixtures/redis.ts'
import { cookieHeader, startTestBed, ticketOnly, type TestBed } from '../../fixtures/replicas.ts'

const table = createFaultTable()
machineToItself()

after(async () => {
  table.write()
  console.log(`\n${table.toString()}\n`)
})

for (const mode of ['hybrid', 'redis'] as const) {
  describe(`with one Redis, ${mode} mode`, { skip: redisMissing }, () => {
    let redis: RedisServer
    let bed: TestBed

    before(async () => {
      // So slow to load that a restart with data answers LOADING for a while.
      const slow = ['--key-load-delay', '5000', '--loading-process-events-interval-bytes', '1024']
      redis = await startRedis({ args: slow })
      bed = await startTestBed({ redis: { cacheMode: mode }, through: redis.address })
      await bed.logInMany(200)
    })

    after(async () => {
      await bed?.close()
      await redis?.close()
    })

    type Row = Omit<Fault, 'mode'>
    const network = (name: string, fault: Parameters<TestBed['allBecome']>[0], more: Partial<Row> = {}): Row => ({
      name,
      inject: () => bed.allBecome(fault),
      repair: () => bed.allBecome('pass'),
      outcome: 'open',
      ...more,
    })
    const cutInto = async (fault: Parameters<TestBed['allBecome']>[0]) => {
      await bed.allBecome(fault)
      for (const { proxy } of bed.replicas) proxy?.cutAll()
    }

    let restarting: Promise<void> | undefined
    let saidBefore = 0
    const both: Row[] = [
      {
        name: 'killed, restarted empty',
        inject: () => redis.kill(),
        repair: () => redis.restart({ empty: true }),
        outcome: 'open',
      },
      { name: 'paused (SIGSTOP)', inject: () => redis.stop(), repair: () => redis.cont(), outcome: 'open' },
      {
        name: 'restarted with data, slow to load (LOADING)',
        inject: () => void (restarting = redis.restart()),
        repair: () => restarting,
        outcome: 'lives',
      },
    ]
    const hybridOnly: Row[] = [
      network('refused', 'refuse', { inject: () => cutInto('refuse') }),
      network('black-holed', 'blackhole'),
      network('accepted but silent', 'blackhole', { inject: () => cutInto('blackhole') }),
      network('reset mid-reply, again and again', { cutAfterBytes: 40 }),
      {
        name: 'CLIENT PAUSE',
        inject: () => redis.cli('CLIENT', 'PAUSE', '6000', 'ALL'),
        // Nothing gets through, UNPAUSE neither: the first answer is the end of the pause.
        repair: () => redis.cli('PING'),
        outcome: 'open',
      },
      network('+50 ms', { delayMs: 50 }, { outcome: 'lives' }),
      network('+500 ms', { delayMs: 500 }),
      network('+5 s', { delayMs: 5_000 }),
      {
        name: 'out of memory (OOM)',
        inject: () => redis.cli('CONFIG', 'SET', 'maxmemory', '1'),
        repair: () => redis.cli('CONFIG', 'SET', 'maxmemory', '0'),
        outcome: 'lives',
      },
      {
        name: 'password changed (NOAUTH)',
        inject: async () => {
          await redis.cli('CONFIG', 'SET', 'requirepass', 'another')
          for (const type of ['normal', 'pubsub']) await redis.cli('-a', 'another', 'CLIENT', 'KILL', 'TYPE', type)
        },
        repair: () => redis.cli('-a', 'another', 'CONFIG', 'SET', 'requirepass', ''),
        outcome: 'open',
        during: () => named('auth_required'),
      },
      {
        name: 'permissions taken away (NOPERM)',
        inject: () => redis.cli('ACL', 'SETUSER', 'default', 'resetkeys', '~none:*'),
        repair: () => redis.cli('ACL', 'SETUSER', 'default', 'allkeys'),
        outcome: 'open',
        during: () => named('no_permission'),
      },
      {
        name: 'one replica partitioned, then back',
        inject: () => bed.replicas[2]?.proxy?.become('blackhole'),
        repair: () => bed.allBecome('pass'),
        outcome: 'open',
        at: [2],
      },
      {
        name: 'invalidation link of one replica dead, commands fine',
        inject: () => {
          saidBefore = bed.replicas[1]?.process.lines.length ?? 0
          return bed.replicas[1]?.proxy?.become('deaf-subscriptions')
        },
        repair: () => bed.allBecome('pass'),
        outcome: 'lives',
        async during() {
          const deaf = bed.replicas[1]
          const noticed = (line: string) => line.includes('"redis_subscription_lost"')
          await eventually(() => deaf?.process.lines.slice(saidBefore).some(noticed) === true)
          for (let count = 0; count < 20; count++) {
            const person = await bed.logIn(0)
            assert.equal((await deaf?.ask({ cookie: ticketOnly(person) }))?.status, 200)
            await bed.logOut(person, 0)
            assert.equal((await deaf?.ask({ cookie: cookieHeader(person) }))?.status, 401)
          }
        },
      },
    ]

    /** The operator is told why. */
    const named = async (reason: string) => {
      for (const replica of bed.replicas) {
        await eventually(async () => (await replica.health()).cache.redis.reason === reason, 5_000)
      }
    }
    for (const row of mode === 'hybrid' ? [...both, ...hybridOnly] : both) {
      test(`${row.name}: nobody is refused, nobody is let back in`, { timeout: 60_000 }, () =>
        table.run(bed, { ...row, mode }),
      )
    }

    test('a full Redis is told by replicas that nobody asks anything, and that it has room again, too', async () => {
      const allSay = async (reason: string | undefined) => {
        for (const replica of bed.replicas)
          await eventually(async () => (await replica.health()).cache.redis.reason === reason, 15_000)
      }
      await redis.cli('CONFIG', 'SET', 'maxmemory', '1')
      await allSay('oom')
      await redis.cli('CONFIG', 'SET', 'maxmemory', '0')
      await allSay(undefined)
    })

    if (mode === 'redis') return

    test('evicted sessions are still served from L1, and a logout ends them everywhere', async () => {
      const evicted = bed.people.find((person) => person.leaving !== true)
      assert.ok(evicted)
      for (const replica of bed.replicas) await replica.ask({ cookie: cookieHeader(evicted) })
      await redis.cli('DEL', `traefikoidc:session:${ticketOnly(evicted).split('=')[1]?.slice(0, 22)}`)
      for (const replica of bed.replicas)
        assert.equal((await replica.ask({ cookie: cookieHeader(evicted) })).status, 200)
      assert.equal((await bed.logOut(evicted, 0)).status, 302)
      for (const replica of bed.replicas) {
        await eventually(async () => (await replica.ask({ cookie: cookieHeader(evicted) })).status === 401, 1_000)
      }
      table.add({ name: 'keys evicted', mode, requests: 10 })
    })

    test('after FLUSHALL a session is served from L1 for at most 60 s, then asked to log in; no cookie is deleted', async () => {
      const known = bed.people.filter((person) => person.leaving !== true)
      for (const person of known)
        for (const replica of bed.replicas) await replica.ask({ cookie: cookieHeader(person) })
      await redis.cli('FLUSHALL')
      const flushedAt = performance.now()
      for (const person of known.slice(0, 50)) {
        for (const replica of bed.replicas)
          assert.equal((await replica.ask({ cookie: cookieHeader(person) })).status, 200)
      }
      const load = startLoad(bed, { maxRequests: 12_000, judge: () => false })
      try {
        await eventually(async () => {
          for (const person of known) {
            for (const replica of bed.replicas) {
              // By the ticket alone: the pass of a login during an outage stands in for longer.
              if ((await replica.ask({ cookie: ticketOnly(person) })).status !== 401) return false
            }
          }
          return true
        }, 62_000)
      } finally {
        const { before: all } = await load.stop()
        table.add({
          name: 'FLUSHALL (served from L1, then a miss)',
          mode,
          requests: all.requests,
          deletedCookies: all.deletedCookies,
          maxBeforeOpenMs: all.maxMs,
          agreedAfterMs: performance.now() - flushedAt,
        })
        assert.equal(all.deletedCookies, 0)
      }
    })
  })
}

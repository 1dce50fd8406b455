// The same as fault-table.test.ts where Redis itself has replicas: a failover by Sentinels, a Cluster that loses a primary; and a
// start without Redis.
import { after, before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { createFaultTable } from '../../fixtures/fault-table.ts'
import { startLoad } from '../../fixtures/load.ts'
import { machineToItself } from '../../fixtures/machine.ts'
import {
  eventually,
  freePort,
  redisMissing,
  startCluster,
  startRedis,
  startSentinel,
  type ClusterGroup,
  type RedisServer,
  type SentinelGroup,
} from '../../fixtures/redis.ts'
import {
  cookieHeader,
  isHealthy,
  startTestBed,
  ticketOnly,
  untilHealth,
  type TestBed,
} from '../../fixtures/replicas.ts'

const table = createFaultTable('fault-table-failover.md')
machineToItself()

after(async () => {
  table.write()
  console.log(`\n${table.toString()}\n`)
})

const names = (addresses: readonly { host: string; port: number }[]) =>
  addresses.map(({ host, port }) => `${host}:${port}`)

describe('with Sentinels', { skip: redisMissing }, () => {
  let group: SentinelGroup
  let bed: TestBed
  let killed: RedisServer | undefined

  before(async () => {
    group = await startSentinel()
    const sentinel = { masterName: group.masterName, addresses: names(group.sentinels) }
    bed = await startTestBed({ redis: { cacheMode: 'hybrid', sentinel } })
    await bed.logInMany(40)
  })

  after(async () => {
    await bed?.close()
    await group?.close()
  })

  test('a planned failover (READONLY): nobody is refused', { timeout: 60_000 }, () =>
    table.run(bed, {
      name: 'Sentinel failover, planned (READONLY)',
      mode: 'hybrid',
      inject: () => group.failover(),
      repair: () => undefined,
      outcome: 'lives',
    }),
  )

  test('the primary killed (kill -9): nobody is refused', { timeout: 60_000 }, () =>
    table.run(bed, {
      name: 'Sentinel failover, primary killed',
      mode: 'hybrid',
      async inject() {
        killed = await group.primary()
        await killed.kill()
      },
      // The Sentinels repair it.
      repair: () => eventually(async () => (await group.primary()) !== killed),
      outcome: 'lives',
    }),
  )
})

describe('with a Cluster', { skip: redisMissing }, () => {
  let group: ClusterGroup
  let bed: TestBed

  before(async () => {
    group = await startCluster()
    bed = await startTestBed({ redis: { cacheMode: 'hybrid', cluster: { addresses: names(group.addresses) } } })
    await bed.logInMany(40)
  })

  after(async () => {
    await bed?.close()
    await group?.close()
  })

  test('a primary killed: nobody is refused', { timeout: 60_000 }, () =>
    table.run(bed, {
      name: 'Cluster, a primary killed',
      mode: 'hybrid',
      inject: async () => (await group.ownerOf('{slot}')).kill(),
      repair: () =>
        eventually(async () => {
          const states = await Promise.all(
            group.servers.map((server) => server.cli('CLUSTER', 'INFO').catch(() => 'cluster_state:ok')),
          )
          return states.every((state) => state.includes('cluster_state:ok'))
        }),
      outcome: 'lives',
    }),
  )
})

describe('without Redis at the start', { skip: redisMissing }, () => {
  for (const mode of ['hybrid', 'redis'] as const) {
    test(`replicas start, let people in on every replica, and write it all down once Redis comes (${mode})`, async () => {
      const port = await freePort()
      const bed = await startTestBed({ redis: { cacheMode: mode, address: `127.0.0.1:${port}` } })
      let redis: RedisServer | undefined
      try {
        for (const replica of bed.replicas) assert.equal((await replica.health()).status, 'degraded')
        // Of logouts before its start a replica knows nothing: a pass counts where its session began 5 s after that, or later.
        const startedAt = performance.now()
        await eventually(() => performance.now() - startedAt > 5_500)
        await bed.logInMany(20)
        const load = startLoad(bed)
        await load.answered('before', 150)
        const [gone, ...staying] = bed.people
        assert.ok(gone)
        // Nobody else can know of it yet, and the person is told so.
        assert.equal((await bed.logOut(gone, 1)).status, 503)
        redis = await startRedis({ port })
        const cameAt = performance.now()
        load.phase = 'repaired'
        await untilHealth(bed.replicas, isHealthy)
        for (const person of staying) {
          for (const replica of bed.replicas) {
            await eventually(async () => (await replica.ask({ cookie: ticketOnly(person) })).status === 200, 5_000)
          }
        }
        for (const replica of bed.replicas) {
          await eventually(async () => (await replica.ask({ cookie: cookieHeader(gone) })).status === 401, 5_000)
        }
        const agreedAfterMs = performance.now() - cameAt
        const { before: apart, repaired } = await load.stop()
        table.add({
          name: 'start without Redis',
          mode,
          requests: apart.requests + repaired.requests,
          wrongDenials: apart.wrongDenials + repaired.wrongDenials,
          deletedCookies: apart.deletedCookies + repaired.deletedCookies,
          maxBeforeOpenMs: apart.maxMs,
          agreedAfterMs,
        })
        assert.equal(apart.wrongDenials + repaired.wrongDenials, 0)
        assert.equal(apart.deletedCookies + repaired.deletedCookies, 0)
        assert.ok(agreedAfterMs < 5_000, `agreed after ${agreedAfterMs} ms`)
      } finally {
        await bed.close()
        await redis?.close()
      }
    })
  }
})

// Pairs of faults: what was withdrawn (a logout, or a group that a refresh took away) shortly before or during an outage, and
// every outage that there is. Whoever keeps the old cookies, ticket and pass, tries them at every replica throughout. Counts wrong
// allows, and wrong denials of a bystander. Prints the table and leaves it in build/.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { machineToItself } from '../../fixtures/machine.ts'
import { eventually, redisMissing, startRedis, type RedisServer } from '../../fixtures/redis.ts'
import {
  cookieHeader,
  isDeletion,
  isHealthy,
  startTestBed,
  untilHealth,
  type Answer,
  type Person,
  type TestBed,
} from '../../fixtures/replicas.ts'

interface Outage {
  readonly name: string
  /** Before anybody logs out: what the server will come back with. */
  readonly prepare?: () => Promise<unknown>
  readonly inject: () => unknown
  readonly repair: () => unknown
  /** Replicas that find Redis away. Default: all. */
  readonly away?: readonly number[]
}

interface Row {
  readonly withdrawal: string
  readonly outage: string
  readonly peers: string
  readonly tries: number
  readonly wrongAllows: number
  readonly wrongDenials: number
  readonly deletedCookies: number
  readonly agreedAfterMs: number
}

type MutableRow = { -readonly [Field in keyof Row]: Row[Field] }

const rows: Row[] = []
const admins = { groups: ['staff', 'admins'] }
machineToItself()

after(async () => {
  const table = [
    '| withdrawn | outage | peers | tries | wrong allows | wrong denials | cookies deleted | agreed after |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows.map(
      (row) =>
        `| ${row.withdrawal} | ${row.outage} | ${row.peers} | ${row.tries} | ${row.wrongAllows} | ${row.wrongDenials} | ${row.deletedCookies} | ${row.agreedAfterMs.toFixed(0)} ms |`,
    ),
    '',
  ].join('\n')
  const directory = fileURLToPath(new URL('../../../build/', import.meta.url))
  mkdirSync(directory, { recursive: true })
  writeFileSync(`${directory}pairs-table.md`, table)
  console.log(`\n${table}`)
})

for (const peers of [false, true]) {
  describe(`a withdrawal and an outage, peers ${peers ? 'on' : 'off'}`, { skip: redisMissing }, () => {
    let redis: RedisServer
    let bed: TestBed
    let bystander: Person

    before(async () => {
      redis = await startRedis()
      bed = await startTestBed({
        redis: { cacheMode: 'hybrid' },
        through: redis.address,
        peers,
        config: { groupClaimName: 'groups' },
      })
      bystander = await bed.logIn()
    })

    after(async () => {
      await bed?.close()
      await redis?.close()
    })

    const network = (name: string, mode: Parameters<TestBed['allBecome']>[0]): Outage => ({
      name,
      inject: async () => {
        await bed.allBecome(mode)
        if (mode === 'refuse') for (const { proxy } of bed.replicas) proxy?.cutAll()
      },
      repair: () => bed.allBecome('pass'),
    })
    const outages: Outage[] = [
      { name: 'killed, back empty', inject: () => redis.kill(), repair: () => redis.restart({ empty: true }) },
      {
        name: 'killed, back with its data',
        inject: async () => {
          await redis.cli('SAVE')
          await redis.kill()
        },
        repair: () => redis.restart(),
      },
      {
        name: 'killed, back from an old snapshot',
        prepare: () => redis.cli('SAVE'),
        inject: () => redis.kill(),
        repair: () => redis.restart(),
      },
      { name: 'paused (SIGSTOP)', inject: () => redis.stop(), repair: () => redis.cont() },
      network('refused', 'refuse'),
      network('black-holed', 'blackhole'),
      network('+500 ms', { delayMs: 500 }),
      {
        name: 'out of memory (OOM)',
        inject: () => redis.cli('CONFIG', 'SET', 'maxmemory', '1'),
        repair: () => redis.cli('CONFIG', 'SET', 'maxmemory', '0'),
        away: [],
      },
      {
        name: 'one replica partitioned',
        inject: () => bed.replicas[1]?.proxy?.become('blackhole'),
        repair: () => bed.allBecome('pass'),
        away: [1],
      },
      {
        name: 'one replica deaf',
        inject: () => bed.replicas[1]?.proxy?.become('deaf-subscriptions'),
        repair: () => bed.allBecome('pass'),
        away: [],
      },
    ]

    const everywhere = (cookie: string): Promise<Answer[]> =>
      Promise.all(bed.replicas.map((replica) => replica.ask({ cookie })))

    /** A thief's tries and a bystander's requests, at all replicas, until `done` holds and at least `rounds` times. */
    async function tries(
      row: MutableRow,
      isLetIn: (answer: Answer) => boolean,
      old: string,
      rounds: number,
      at?: number,
    ) {
      for (let round = 0; round < rounds; round++) {
        const [stolen, honest] = await Promise.all([everywhere(old), everywhere(cookieHeader(bystander))])
        for (const [index, answer] of stolen.entries()) {
          if (at !== undefined && index !== at) continue
          row.tries++
          if (isLetIn(answer)) row.wrongAllows++
        }
        for (const answer of honest) {
          if (answer.status !== 200) row.wrongDenials++
          row.deletedCookies += answer.setCookies.filter((line) => isDeletion(line)).length
        }
      }
    }

    /** While it is not noticed, while it is, and after the repair. */
    async function triesThroughout(row: MutableRow, outage: Outage, isLetIn: (answer: Answer) => boolean, old: string) {
      await outage.inject()
      await tries(row, isLetIn, old, 20)
      const away = bed.replicas.filter((_, index) => outage.away?.includes(index) ?? true)
      await untilHealth(away, ({ cache }) => !cache.redis.connected)
      await tries(row, isLetIn, old, 40)
      await outage.repair()
      await tries(row, isLetIn, old, 40)
    }

    const begin = (withdrawal: string, outage: Outage) => ({
      withdrawal,
      outage: outage.name,
      peers: peers ? 'on' : 'off',
      tries: 0,
      wrongAllows: 0,
      wrongDenials: 0,
      deletedCookies: 0,
      agreedAfterMs: 0,
    })

    async function agree(
      row: { agreedAfterMs: number },
      isLetIn: (answer: Answer) => boolean,
      old: string,
    ): Promise<void> {
      const startedAt = performance.now()
      await eventually(async () => {
        const answers = await everywhere(old)
        return answers.every((answer) => !isLetIn(answer) && answer.status !== 503)
      }, 15_000)
      await untilHealth(bed.replicas, isHealthy, 15_000)
      row.agreedAfterMs = performance.now() - startedAt
      rows.push(row as Row)
      assert.deepEqual(
        { ...row, tries: undefined, agreedAfterMs: undefined },
        { ...row, tries: undefined, agreedAfterMs: undefined, wrongAllows: 0, wrongDenials: 0, deletedCookies: 0 },
      )
      assert.ok(row.agreedAfterMs < 5_000 + 1_000, `agreed only after ${row.agreedAfterMs.toFixed(0)} ms`)
    }

    const isIn = (answer: Answer) => answer.status === 200
    const hasOldRights = (answer: Answer) => answer.status === 200 && answer.groups?.includes('admins') === true

    for (const outage of outages) {
      test(`a logout, then ${outage.name}: the old cookies open nothing anywhere`, { timeout: 60_000 }, async () => {
        await untilHealth(bed.replicas, isHealthy, 15_000)
        const row = begin('logout before', outage)
        const person = await bed.logIn()
        const old = cookieHeader(person)
        await everywhere(old)
        await outage.prepare?.()
        assert.equal((await bed.logOut(person, 0)).status, 302)
        await eventually(async () => !(await everywhere(old)).some(isIn), 1_000)
        await triesThroughout(row, outage, isIn, old)
        await agree(row, isIn, old)
      })

      test(`${outage.name}, and a logout during it`, { timeout: 60_000 }, async () => {
        await untilHealth(bed.replicas, isHealthy, 15_000)
        const row = begin('logout during', outage)
        const person = await bed.logIn()
        const old = cookieHeader(person)
        await everywhere(old)
        await outage.prepare?.()
        await outage.inject()
        await tries(row, () => false, cookieHeader(bystander), 20)
        const answer = await bed.logOut(person, 0)
        const isDone = answer.status === 302
        assert.ok(isDone || answer.status === 503, `logout: ${answer.status}`)
        if (!isDone) assert.ok(!answer.setCookies.some((line) => isDeletion(line)))
        if (peers) {
          assert.ok(isDone, 'a peer took it')
          await eventually(async () => !(await everywhere(old)).some(isIn), 1_000)
        }
        await tries(row, isIn, old, 40, peers ? undefined : 0)
        // Somebody logs in meanwhile, and is let in everywhere.
        const came = await bed.logIn(1)
        for (const { status } of await everywhere(cookieHeader(came))) assert.equal(status, 200)
        await outage.repair()
        await agree(row, isIn, old)
      })

      test(
        `a group is taken away, then ${outage.name}: the old pass brings it back nowhere`,
        { timeout: 60_000 },
        async () => {
          await untilHealth(bed.replicas, isHealthy, 15_000)
          const row = begin('group before', outage)
          const { accessTokenLifetime } = bed.provider
          bed.provider.accessTokenLifetime = 4
          const person = await bed.logIn(undefined, admins)
          bed.provider.accessTokenLifetime = accessTokenLifetime
          const old = cookieHeader(person)
          await everywhere(old)
          await outage.prepare?.()
          const { idToken } = bed.provider
          bed.provider.idToken = (draft) => ({ ...draft, claims: { ...draft.claims, groups: ['staff'] } })
          try {
            await eventually(async () => {
              const answers = await everywhere(old)
              return answers.every((answer) => answer.status === 200 && !hasOldRights(answer))
            }, 10_000)
          } finally {
            bed.provider.idToken = idToken
          }
          await triesThroughout(row, outage, hasOldRights, old)
          await agree(row, hasOldRights, old)
        },
      )
    }

    if (!peers) return

    for (const back of ['empty', 'with its data', 'from an old snapshot'] as const) {
      test(
        `a logout of an outage outlives the replica that took it; Redis comes back ${back}`,
        { timeout: 60_000 },
        async () => {
          await untilHealth(bed.replicas, isHealthy, 15_000)
          const person = await bed.logIn()
          const old = cookieHeader(person)
          await everywhere(old)
          await redis.cli('SAVE')
          if (back === 'with its data') await redis.cli('SET', 'traefikoidc:used:something', '1', 'PX', '60000')
          await redis.kill()
          await eventually(async () => (await bed.replicas[0]?.health())?.status === 'degraded')
          assert.equal((await bed.logOut(person, 0)).status, 302)
          const killed = await bed.killReplica(0)
          const others = bed.replicas.slice(1)
          for (const replica of others) assert.notEqual((await replica.ask({ cookie: old })).status, 200)
          await redis.restart({ empty: back === 'empty' })
          await eventually(async () => {
            const answers = await Promise.all(others.map((replica) => replica.ask({ cookie: old })))
            assert.ok(!answers.some(isIn))
            return answers.every(({ status }) => status === 401)
          }, 15_000)
          await killed.restart()
          await untilHealth(bed.replicas, isHealthy, 15_000)
          for (const { status } of await everywhere(old)) assert.equal(status, 401)
        },
      )
    }
  })
}

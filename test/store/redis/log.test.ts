// The record of withdrawals on real servers: what nobody but Redis can do to it.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { redisFault } from '../../../src/store/redis/faults.ts'
import type { Key } from '../../../src/store/store.ts'
import { everyGeneration } from '../../../src/store/withdrawal-log.ts'
import type { Withdrawal } from '../../../src/store/withdrawal-log.ts'
import { hours } from '../../../src/time.ts'
import { eventually, redisConfig, redisMissing, startRedis, startSentinel } from '../../fixtures/redis.ts'
import type { RedisServer } from '../../fixtures/redis.ts'
import { createFakeLog } from '../../fixtures/fake-log.ts'
import { assertReadable, chainOver, logContract, readAll } from '../log-contract.ts'
import { expectUnavailable, linkTo, liveLinkTo } from './link-under-test.ts'
import type { LinkUnderTest } from './link-under-test.ts'

const refusedWith = (kind: string) => (error: unknown) => {
  assert.equal(Object(error).code, 'STORE_UNAVAILABLE')
  assert.equal(redisFault(error).kind, kind)
  return true
}
const a: Withdrawal = { id: 'a', floor: everyGeneration }
const b: Withdrawal = { id: 'b', floor: 5 }
const c: Withdrawal = { id: 'c', floor: everyGeneration }
const session: Key = { kind: 'session', id: 'x' }
const mark: Key = { kind: 'revoked', id: 'x' }
const [logKey, headKey, membersKey] = ['revoked-log', 'revoked-head', 'members'].map(
  (kind) => `traefikoidc:${kind}:{test}`,
) as [string, string, string]

logContract('memory, for tests', async () => ({ log: createFakeLog({ clock: Date.now }), close: () => {} }))

logContract(
  'Redis',
  async () => {
    const server = await startRedis()
    const { link } = await liveLinkTo(redisConfig({ address: server.address }))
    return {
      log: link.log,
      async close() {
        link.close()
        await server.close()
      },
    }
  },
  { skip: redisMissing },
)

describe('the record of withdrawals', { skip: redisMissing }, () => {
  let server: RedisServer
  let it: LinkUnderTest
  before(async () => {
    server = await startRedis()
    it = await liveLinkTo(redisConfig({ address: server.address }), { withdrawalLifeMs: hours(1) })
  })
  after(async () => {
    it?.link.close()
    await server?.close()
  })

  /** An empty server, these in its log, read up to the head. */
  async function having(...withdrawals: Withdrawal[]) {
    await server.cli('FLUSHALL')
    await it.link.log.append(withdrawals)
    const { head } = await it.beat()
    return head
  }

  test('has keys of one slot, named after the deployment, and each of them has an end', async () => {
    await having(a)
    assert.deepEqual((await server.cli('KEYS', '*')).split('\n').sort(), [membersKey, headKey, logKey])
    for (const key of [logKey, headKey, membersKey]) {
      const ttl = Number(await server.cli('PTTL', key))
      assert.ok(ttl > hours(24) && ttl <= hours(25), `${key}: ${ttl}`)
    }
  })

  test('of another deployment on the same server is another one', async (t) => {
    const other = await liveLinkTo(redisConfig({ address: server.address }), { scope: 'other' })
    t.after(() => other.link.close())
    const head = await having(a)
    await other.link.log.append([b])
    assert.deepEqual((await it.beat(head)).entries, [])
    assert.deepEqual(
      (await readAll(other.link.log)).map(({ id }) => id),
      ['b'],
    )
    assert.deepEqual((await other.beat()).members, [])
  })

  test('forgets what is older than any session, without a new history', async () => {
    const head = await having(a, b)
    // As if they had been written long ago.
    const long = head.n - hours(2)
    await server.cli('ZADD', logKey, String(long), 'a:4294967295', String(long + 1), 'b:5')
    await server.cli('SET', headKey, `${long + 1} ${head.chain} 2`)
    const aged = { n: long + 1, chain: head.chain }
    assert.deepEqual((await it.beat(aged)).head, aged)
    await it.link.log.append([c])
    const { entries, head: after } = await it.beat(aged)
    assert.deepEqual(
      entries?.map(({ id }) => id),
      ['c'],
    )
    assert.equal(after.chain, chainOver(aged.chain, [c]))
    assert.equal(await server.cli('ZCARD', logKey), '1')
    await assertReadable(it.link.log, [c])
  })

  test('stays the same history when everything in it was forgotten', async () => {
    const head = await having(a)
    const aged = { n: head.n - hours(2), chain: head.chain }
    await server.cli('ZADD', logKey, String(aged.n), 'a:4294967295')
    await server.cli('SET', headKey, `${aged.n} ${aged.chain} 1`)
    await it.link.log.append([])
    assert.equal(await server.cli('EXISTS', logKey), '0')
    assert.deepEqual((await it.beat(aged)).head, aged)
    assert.ok(Number(await server.cli('PTTL', headKey)) > 0)
    await assertReadable(it.link.log, [])
  })

  const losses: [what: string, commands: string[][], left: Withdrawal[]][] = [
    ['a head that was evicted', [['DEL', headKey]], [a, b]],
    ['a log that was evicted', [['DEL', logKey]], []],
    ['an entry that somebody took away', [['ZREM', logKey, 'a:4294967295']], [b]],
    ['an emptied server', [['FLUSHALL']], []],
    ['a head that is damaged', [['SET', headKey, 'nonsense']], [a, b]],
    ['a head that counts further than numbers go', [['SET', headKey, '99999999999999999999 ab 2']], [a, b]],
    [
      'a head of another type',
      [
        ['DEL', headKey],
        ['HSET', headKey, 'x', 'y'],
      ],
      [a, b],
    ],
    [
      'a log of another type',
      [
        ['DEL', logKey],
        ['SET', logKey, 'x'],
      ],
      [],
    ],
    ['an entry that nobody of ours wrote', [['ZADD', logKey, '12', 'not an entry']], [a, b]],
    ['an entry later than any time', [['ZADD', logKey, 'inf', 'x:1']], [a, b]],
    ['an entry earlier than any time', [['ZADD', logKey, '-inf', 'x:1']], [a, b]],
    ['an entry between two moments', [['ZADD', logKey, '9999999999999.5', 'x:1']], [a, b, { id: 'x', floor: 1 }]],
  ]
  for (const [what, commands, left] of losses) {
    test(`begins a new history with ${what}, and goes on`, async () => {
      const before = await having(a, b)
      for (const command of commands) await server.cli(...command)
      const { head } = await it.beat(before)
      assert.notEqual(head.chain, before.chain)
      assert.equal((await it.beat(before)).head.chain, head.chain, 'one new history, not one each time')
      await assertReadable(it.link.log, left)
    })

    test(`takes a withdrawal as the first thing after ${what}`, async () => {
      const before = await having(a, b)
      for (const command of commands) await server.cli(...command)
      await it.link.log.append([c])
      assert.notEqual((await it.beat()).head.chain, chainOver(before.chain, [c]))
      await assertReadable(it.link.log, [...left, c])
    })
  }

  test('goes on as it was with members that are of another type, or damaged', async () => {
    const before = await having(a)
    await server.cli('DEL', membersKey)
    await server.cli('SADD', membersKey, 'x')
    const reply = await it.beat(before)
    assert.deepEqual([reply.head, reply.entries, reply.members], [before, [], []])
    await server.cli('HSET', membersKey, 'damaged', 'x', 'also', '1 2 3 4 5', 'future', '99999999999999 1 - - 1')
    const { members } = await it.beat(before)
    assert.deepEqual(members.map(({ replica }) => replica).sort(), ['future', it.origin].sort())
    assert.deepEqual((await server.cli('HKEYS', membersKey)).split('\n').sort(), ['future', it.origin].sort())
    await server.cli('DEL', membersKey)
    await server.cli('SET', membersKey, 'x')
    await it.link.log.append([b])
    await assertReadable(it.link.log, [a, b])
  })

  test('forgets a member a minute after its last beat', async () => {
    const head = await having()
    const { serverTime } = await it.beat(head)
    await server.cli('HSET', membersKey, 'young', `${serverTime - 50_000} 1 - - 0`)
    await server.cli('HSET', membersKey, 'old', `${serverTime - 61_000} 9 ${head.n} ${head.chain} 1`)
    const { members } = await it.beat(head)
    assert.deepEqual(members.find(({ replica }) => replica === 'old')?.position, head, 'as it was before this beat')
    assert.deepEqual((await server.cli('HKEYS', membersKey)).split('\n').sort(), [it.origin, 'young'].sort())
  })

  test('is read to its end past a whole page of entries that nobody of ours wrote', async () => {
    await having(a, b)
    const damaged = Array.from({ length: 30 }, (_, at) => [String(1_000 + at), `damaged ${at}`]).flat()
    await server.cli('ZADD', logKey, ...damaged)
    assert.deepEqual(
      (await readAll(it.link.log, 10)).map(({ id }) => id),
      ['a', 'b'],
    )
    await assertReadable(it.link.log, [a, b])
  })

  test('has more than one entry a millisecond: the clock is caught up with later', async () => {
    const head = await having()
    const many = Array.from({ length: 300 }, (_, at) => ({ id: `many-${at}`, floor: 1 }))
    await it.link.log.append(many)
    const { entries = [], serverTime } = await it.beat(head)
    assert.equal(entries.length, 300)
    assert.equal((entries.at(-1)?.n ?? 0) - (entries[0]?.n ?? 0), 299)
    assert.ok((entries.at(-1)?.n ?? 0) < serverTime + 300)
  })
})

describe('a server that refuses', { skip: redisMissing }, () => {
  test('for want of memory takes beats and withdrawals all the same, also the very first', async (t) => {
    const server = await startRedis()
    const it = await liveLinkTo(redisConfig({ address: server.address }))
    t.after(async () => {
      it.link.close()
      await server.close()
    })
    await server.cli('CONFIG', 'SET', 'maxmemory', '1')
    await assert.rejects(it.link.store.set(session, Buffer.from('x'), 1_000), refusedWith('oom'))
    const { head } = await it.beat()
    await eventually(() => it.tokens.includes(1))
    await it.link.log.append([a])
    await it.link.store.withdraw({ kind: 'session', id: 'a' }, { kind: 'revoked', id: 'a' }, a.floor, 60_000, 'note')
    assert.deepEqual(
      (await it.beat(head)).entries?.map(({ id }) => id),
      ['a'],
    )
    await server.cli('FLUSHALL')
    await it.link.log.append([b])
    await assertReadable(it.link.log, [b])
  })

  test('because it is a replica: readonly', async (t) => {
    const primary = await startRedis()
    const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', String(primary.address.port)] })
    const [atPrimary, it] = await Promise.all(
      [primary, replica].map(({ address }) => liveLinkTo(redisConfig({ address }))),
    )
    assert.ok(atPrimary && it)
    t.after(async () => {
      for (const { link } of [atPrimary, it]) link.close()
      await Promise.all([replica.close(), primary.close()])
    })
    const since = it.story.length
    await assert.rejects(it.beat(), refusedWith('readonly'))
    // The connection is opened anew once: behind a name it may lead to the primary then.
    await it.happened('up', since)
    await assert.rejects(it.link.log.append([a]), refusedWith('readonly'))
    const { head } = await atPrimary.beat()
    await eventually(async () => (await replica.cli('EXISTS', headKey)) === '1')
    await assert.rejects(it.beat(head), refusedWith('readonly'), 'also where there is nothing to write but who beats')
    assert.deepEqual(it.tokens, [])
  })

  test('for want of replicas: write_refused', async (t) => {
    const server = await startRedis({ args: ['--min-replicas-to-write', '1'] })
    const it = await liveLinkTo(redisConfig({ address: server.address }))
    t.after(async () => {
      it.link.close()
      await server.close()
    })
    await assert.rejects(it.beat(), refusedWith('write_refused'))
    await assert.rejects(it.link.log.append([a]), refusedWith('write_refused'))
    await assert.rejects(it.announce('note'), refusedWith('write_refused'))
  })

  // Each of them is in the list of docs/redis.md, An ACL user.
  const everything = 'on >secret ~traefikoidc:* &traefikoidc:* +@all'
  const forbidden: [command: string, hits: ('beat' | 'append' | 'withdraw' | 'lose a right' | 'page' | 'leave')[]][] = [
    ['eval', ['beat', 'append', 'withdraw']],
    ['time', ['beat', 'append']],
    ['hdel', ['beat', 'append', 'leave']],
    ['zcard', ['beat', 'append']],
    ['get', ['beat', 'append', 'withdraw']],
    ['zremrangebyscore', ['beat', 'append']],
    ['zrevrange', ['beat', 'append']],
    ['hgetall', ['beat']],
    ['hset', ['beat']],
    ['pexpire', ['beat', 'append', 'withdraw']],
    ['publish', ['beat', 'withdraw']],
    ['set', ['beat', 'append', 'withdraw']],
    ['zscore', ['append']],
    ['zadd', ['append']],
    ['zrangebyscore', ['page']],
    ['pttl', ['withdraw']],
    ['exists', ['lose a right']],
    ['del', ['withdraw']],
  ]
  test('because of an ACL: no_permission, whichever command is missing, and nothing is deleted over it', async (t) => {
    const users = forbidden.map(([command]) => `no-${command} ${everything} -${command} -evalsha`)
    const server = await startRedis({ users })
    t.after(() => server.close())
    const good = await liveLinkTo(redisConfig({ address: server.address }))
    t.after(() => good.link.close())
    for (const [command, hits] of forbidden) {
      await server.cli('FLUSHALL')
      const options = { username: `no-${command}`, password: () => 'secret', address: server.address }
      const it = linkTo(redisConfig(options))
      t.after(() => it.link.close())
      await it.happened('up')
      const { log, store } = it.link
      const calls = {
        beat: () => it.beat(),
        append: () => log.append([a]),
        withdraw: () => it.announce('note'),
        'lose a right': () => store.withdraw(session, mark, 5, 60_000),
        page: () => log.page(0, 10),
        leave: () => log.leave('one'),
      }
      // Where there is nothing yet a new history has to be begun: that takes the most commands.
      for (const hit of hits)
        await assert.rejects(calls[hit](), refusedWith('no_permission'), `${hit} without ${command}`)
      await good.link.log.append([b])
      await good.link.store.withdraw(session, mark, 7, 60_000)
      const { head } = await good.beat()
      for (const hit of hits) await calls[hit]().catch(() => undefined)
      assert.equal((await good.link.store.get(mark))?.toString(), 'f7', `the mark stays, without ${command}`)
      const { entries, head: after } = await good.beat(head)
      assert.equal(after.chain, chainOver(head.chain, entries ?? []), `the history goes on, without ${command}`)
      assert.ok(
        (await readAll(good.link.log)).some(({ id }) => id === 'b'),
        `the log is there, without ${command}`,
      )
      it.link.close()
    }
  })

  test('because it is gone: as any other call', async (t) => {
    const server = await startRedis()
    const it = await liveLinkTo(redisConfig({ address: server.address }))
    t.after(() => it.link.close())
    const since = it.story.length
    await server.close()
    await it.happened('refused', since)
    await assert.rejects(it.beat(), refusedWith('refused'))
    await assert.rejects(it.link.log.page(0, 1), refusedWith('refused'))
  })
})

describe('a server that lost the last writes', { skip: redisMissing }, () => {
  test('by an old snapshot: another head, and each member finds an older record of itself', async (t) => {
    const server = await startRedis()
    const it = await liveLinkTo(redisConfig({ address: server.address }))
    t.after(async () => {
      it.link.close()
      await server.close()
    })
    await it.link.log.append([a])
    const { head } = await it.beat()
    await server.cli('SAVE')
    await it.link.log.append([b])
    const { head: later } = await it.beat(head)
    assert.equal(later.chain, chainOver(head.chain, [b]))
    const since = it.story.length
    await server.kill()
    await server.restart()
    await it.happened('up', since)
    const reply = await it.beat(later)
    assert.deepEqual([reply.head, reply.entries], [head, []])
    assert.equal(reply.members.find(({ replica }) => replica === it.origin)?.token, 1)
    // What comes next may have the very n that was lost: the chain tells.
    await it.link.log.append([c])
    const { entries = [], head: other } = await it.beat(later)
    assert.notEqual(other.chain, chainOver(later.chain, entries))
    await assertReadable(it.link.log, [a, c])
  })

  test('by a planned failover goes on with the history that its replica had', async (t) => {
    const group = await startSentinel({ replicas: 1, sentinels: 1 })
    const { masterName, sentinels: addresses } = group
    const sentinel = { masterName, addresses, username: undefined, password: undefined, enableTLS: false }
    const it = await liveLinkTo(redisConfig({ sentinel }))
    t.after(async () => {
      it.link.close()
      await group.close()
    })
    await it.link.log.append([a])
    const { head } = await it.beat()
    // A planned failover, too, loses what its replica has not heard yet.
    const [, replica] = group.servers
    await eventually(async () => (await replica?.cli('GET', headKey))?.startsWith(`${head.n} `) === true)
    await group.failover()
    const primary = await group.primary()
    const entry = 'b:5'
    // The old primary may take one more: it is written until the new one has it, as a replica does that missed it in the log.
    await eventually(async () => {
      const isTaken = await it.link.log.append([b]).then(() => true, expectUnavailable)
      return isTaken && (await primary.cli('ZSCORE', logKey, entry)) !== ''
    })
    const reply = await it.beat(head)
    assert.deepEqual(
      reply.entries?.map(({ id }) => id),
      ['b'],
    )
    assert.equal(reply.head.chain, chainOver(head.chain, [b]))
    await it.hears()
  })
})

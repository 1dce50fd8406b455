import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { redisFault } from '../../../src/store/redis/faults.ts'
import type { Key } from '../../../src/store/store.ts'
import { everyGeneration } from '../../../src/store/withdrawal-log.ts'
import { createAuthority } from '../../fixtures/certificates.ts'
import { eventually, redisConfig, redisMissing, startRedis } from '../../fixtures/redis.ts'
import type { RedisServer } from '../../fixtures/redis.ts'
import { linkTo, liveLinkTo, storeUnderTest } from './link-under-test.ts'
import { storeContract } from '../store-contract.ts'

const key: Key = { kind: 'session', id: 'abc' }
const mark: Key = { kind: 'revoked', id: 'abc' }
const value = Buffer.from('value')
const refusedWith = (kind: string) => (error: unknown) => redisFault(error).kind === kind

storeContract(
  'Redis',
  async () => {
    const server = await startRedis()
    return storeUnderTest(redisConfig({ address: server.address }), () => server.close())
  },
  { skip: redisMissing, realTime: true },
)

storeContract(
  'Redis over TLS with client certificates, database 3 and an ACL user',
  async () => {
    const authority = createAuthority()
    const [forServer, forClient] = [authority.issue('server'), authority.issue('client')]
    const server = await startRedis({
      tls: { certificate: forServer, caFile: authority.caFile, clientCertificates: true },
      users: ['foregate on >a-long-secret ~traefikoidc:* &traefikoidc:* +@all'],
    })
    const tls = {
      ca: authority.ca,
      cert: forClient.cert,
      key: forClient.key,
      serverName: 'localhost',
      skipVerify: false,
    }
    const credentials = { username: 'foregate', password: () => 'a-long-secret' }
    return storeUnderTest(redisConfig({ address: server.address, db: 3, tls, ...credentials }), async () => {
      await server.close()
      authority.close()
    })
  },
  { skip: redisMissing, realTime: true },
)

describe('the link to Redis', { skip: redisMissing }, () => {
  let server: RedisServer
  before(async () => {
    server = await startRedis()
  })
  after(() => server.close())

  test('names keys as the operator expects, and gives every one of them an end', async (t) => {
    const it = await liveLinkTo(redisConfig({ address: server.address }))
    t.after(() => it.link.close())
    await server.cli('FLUSHALL')
    const { store } = it.link
    await store.set(key, value, 60_000)
    await store.set({ kind: 'jwks', id: 't' }, value, 60_000)
    await store.add({ kind: 'used', id: 'jti' }, value, 60_000)
    const offered: Key = { kind: 'session', id: 'offered' }
    await store.setUnlessMarked(offered, value, 60_000, { mark: { kind: 'revoked', id: 'offered' }, generation: 1 })
    await store.compareAndSet(key, value, 60_000, value)
    await store.withdraw({ kind: 'session', id: 'gone' }, { kind: 'revoked', id: 'gone' }, everyGeneration, 60_000)
    const names = (await server.cli('KEYS', '*')).split('\n').sort()
    const expected = ['jwks:t', 'revoked:gone', 'session:abc', 'session:offered', 'used:jti']
    assert.deepEqual(
      names,
      expected.map((name) => `traefikoidc:${name}`),
    )
    for (const name of names) assert.ok(Number(await server.cli('PTTL', name)) > 50_000, name)
  })

  test('a value of another type is rejected, not misread', async (t) => {
    const { link } = await liveLinkTo(redisConfig({ address: server.address }))
    t.after(() => link.close())
    const list: Key = { kind: 'session', id: 'list' }
    await server.cli('LPUSH', 'traefikoidc:session:list', 'x')
    const rejected = { code: 'STORE_VALUE_REJECTED' }
    await assert.rejects(link.store.get(list), rejected)
    await assert.rejects(link.store.get(list, 4), rejected)
    await assert.rejects(link.store.compareAndSet(list, value, 60_000, value), rejected)
    await assert.rejects(link.store.compareAndDelete(list, value), rejected)
  })

  test('a mark of another type withdraws nobody’s logout: it makes room for it', async (t) => {
    const { link } = await liveLinkTo(redisConfig({ address: server.address }))
    t.after(() => link.close())
    for (const make of [
      ['LPUSH', 'x'],
      ['HSET', 'x', 'y'],
      ['SADD', 'x'],
    ]) {
      const [command = '', ...rest] = make
      await server.cli('DEL', 'traefikoidc:revoked:abc')
      await server.cli(command, 'traefikoidc:revoked:abc', ...rest)
      await link.store.set(key, value, 60_000)
      assert.equal(await link.store.withdraw(key, mark, everyGeneration, 60_000), true)
      assert.equal(await link.store.get(key), undefined)
      assert.equal((await link.store.get(mark))?.toString(), '1')
      assert.ok(Number(await server.cli('PTTL', 'traefikoidc:revoked:abc')) > 50_000)
    }
  })

  test('a session of another type is withdrawn with the rest', async (t) => {
    const { link } = await liveLinkTo(redisConfig({ address: server.address }))
    t.after(() => link.close())
    await server.cli('DEL', 'traefikoidc:session:abc')
    await server.cli('LPUSH', 'traefikoidc:session:abc', 'x')
    assert.equal(await link.store.withdraw(key, mark, everyGeneration, 60_000), true)
    assert.equal(await link.store.get(key), undefined)
  })

  test('announces on a channel under the key prefix, so that two installations share a server in peace', async (t) => {
    const one = await liveLinkTo(redisConfig({ address: server.address, keyPrefix: 'one:' }))
    const two = await liveLinkTo(redisConfig({ address: server.address, keyPrefix: 'two:' }))
    t.after(() => [one, two].forEach(({ link }) => link.close()))
    await one.announce('for one')
    await two.announce('for two')
    await eventually(() => two.notes.length > 0)
    await two.hears()
    assert.deepEqual(two.notes, ['for two'])
  })

  test('what is sent on the data connection comes back on the subscription, to its sender alone', async (t) => {
    const one = await liveLinkTo(redisConfig({ address: server.address }))
    const two = await liveLinkTo(redisConfig({ address: server.address }))
    t.after(() => [one, two].forEach(({ link }) => link.close()))
    await one.beat()
    await one.beat()
    await eventually(() => one.tokens.length === 2)
    assert.deepEqual(one.tokens, [1, 2])
    await two.hears()
    assert.deepEqual(one.tokens, [1, 2])
    assert.deepEqual(one.notes, [])
  })

  test('who comes is told to all, with its first beat and with no other', async (t) => {
    const one = await liveLinkTo(redisConfig({ address: server.address }))
    const two = await liveLinkTo(redisConfig({ address: server.address }))
    t.after(() => [one, two].forEach(({ link }) => link.close()))
    for (const token of [1, 2]) {
      await two.link.log.beat({ replica: 'newcomer', token, position: undefined, clean: true, hello: 'here' })
    }
    await one.hears()
    assert.deepEqual(one.notes, ['here'])
    await two.link.log.leave('newcomer')
    await two.link.log.beat({ replica: 'newcomer', token: 3, position: undefined, clean: true, hello: 'again' })
    await one.hears()
    assert.deepEqual(one.notes, ['here', 'again'])
  })

  test('a subscription that proved deaf is opened anew when asked, and what may be missed meanwhile is said', async (t) => {
    const it = await liveLinkTo(redisConfig({ address: server.address }))
    t.after(() => it.link.close())
    const since = it.story.length
    it.link.resubscribe()
    assert.deepEqual(it.story.slice(since), ['dead'])
    it.link.resubscribe()
    await it.happened('live', since)
    await it.hears()
    assert.deepEqual(it.story.slice(since), ['dead', 'live'])
  })

  test('opens a lost subscription anew, and says that notes were missed', async (t) => {
    const it = await liveLinkTo(redisConfig({ address: server.address }))
    t.after(() => it.link.close())
    const ids = (await server.cli('CLIENT', 'LIST', 'TYPE', 'pubsub')).match(/id=\d+/g) ?? []
    assert.equal(ids.length, 1)
    const since = it.story.length
    await server.cli('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await it.happened('live', since)
    await it.hears()
    assert.deepEqual(it.story.slice(since), ['dead', 'live'])
  })

  test('knows the run id, which tells a restart from a pause, and the eviction policy', async (t) => {
    const own = await startRedis({ args: ['--maxmemory', '50mb', '--maxmemory-policy', 'allkeys-lru'] })
    const it = await liveLinkTo(redisConfig({ address: own.address }))
    t.after(() => it.link.close())
    t.after(() => own.close())
    const first = await it.link.serverInfo()
    assert.equal(first.maxmemoryPolicy, 'allkeys-lru')
    assert.equal(first.maxmemory, 50 << 20)
    assert.equal(first.role, 'master')
    assert.match(first.version ?? '', /^\d+\.\d+/)
    assert.deepEqual(first.uncheckable, [])
    assert.ok(Math.abs((first.timeMs ?? 0) - Date.now()) < 5_000, 'the server says what time it is')
    const again = await it.link.serverInfo()
    assert.deepEqual({ ...again, timeMs: first.timeMs }, first)
    const since = it.story.length
    await own.restart()
    await it.happened('up', since)
    assert.notDeepEqual((await it.link.serverInfo()).runIds, first.runIds)
  })

  test('says what an ACL forbids it to check, and works on', async (t) => {
    const rules = 'on >secret ~traefikoidc:* &traefikoidc:* +@all'
    const own = await startRedis({ users: [`bare ${rules} -info -config`, `some ${rules} -config`] })
    t.after(() => own.close())
    for (const [username, uncheckable] of [
      ['bare', ['INFO', 'CONFIG']],
      ['some', []],
    ] as const) {
      const it = await liveLinkTo(redisConfig({ address: own.address, username, password: () => 'secret' }))
      t.after(() => it.link.close())
      assert.deepEqual((await it.link.serverInfo()).uncheckable, uncheckable)
      await it.announce('note')
      await eventually(() => it.notes.includes('note'))
    }
  })

  test('a write that the ACL forbids is named, and so is a channel', async (t) => {
    const users = ['keys on >secret ~other:* &* +@all', 'silent on >secret ~* resetchannels +@all']
    const own = await startRedis({ users })
    t.after(() => own.close())
    for (const username of ['keys', 'silent']) {
      const it = linkTo(redisConfig({ address: own.address, username, password: () => 'secret' }))
      t.after(() => it.link.close())
      await it.happened('up')
      await assert.rejects(it.announce('note'), refusedWith('no_permission'))
      await assert.rejects(it.announce('note'), { code: 'STORE_UNAVAILABLE' })
      await assert.rejects(it.beat(), refusedWith('no_permission'))
    }
  })

  test('counts its connections', async (t) => {
    const { link } = await liveLinkTo(redisConfig({ address: server.address }))
    t.after(() => link.close())
    assert.deepEqual(link.poolStats(), { size: 1, inUse: 0, idle: 1 })
    const pending = link.store.get(key)
    assert.deepEqual(link.poolStats(), { size: 1, inUse: 1, idle: 0 })
    await pending
  })

  test('is quiet and final once closed', async () => {
    const it = await liveLinkTo(redisConfig({ address: server.address }))
    const since = it.story.length
    it.link.close()
    await assert.rejects(it.link.store.get(key), { code: 'STORE_UNAVAILABLE' })
    assert.equal(it.link.status(), 'closed')
    assert.deepEqual(it.story.slice(since), ['dead'])
  })

  test('works on after the scripts were flushed (NOSCRIPT) and after a restart, with data and empty', async (t) => {
    const own = await startRedis()
    const it = await liveLinkTo(redisConfig({ address: own.address }))
    t.after(() => it.link.close())
    t.after(() => own.close())
    const { store } = it.link
    await store.set(key, value, 60_000)
    await it.announce('before')
    await own.cli('SCRIPT', 'FLUSH')
    assert.equal(await store.compareAndSet(key, Buffer.from('values'), 60_000, value), true)

    let since = it.story.length
    await own.restart()
    await Promise.all([it.happened('up', since), it.happened('live', since)])
    assert.equal((await store.get(key))?.toString(), 'values')
    await it.announce('after')
    await eventually(() => it.notes.length === 2)
    assert.deepEqual(it.notes, ['before', 'after'])

    since = it.story.length
    await own.restart({ empty: true })
    await it.happened('up', since)
    assert.equal(await store.get(key), undefined)
    assert.equal(await store.setUnlessMarked(key, value, 60_000, { mark, generation: 1 }), 'written')
  })

  test('starts with Redis absent, and finds it when it comes', async (t) => {
    const own = await startRedis()
    await own.kill()
    const it = linkTo(redisConfig({ address: own.address }))
    t.after(() => it.link.close())
    t.after(() => own.close())
    assert.equal((await it.link.firstContact)?.kind, 'refused')
    await assert.rejects(it.link.store.get(key), refusedWith('refused'))
    await own.restart()
    await Promise.all([it.happened('up'), it.happened('live')])
    assert.equal(await it.link.store.get(key), undefined)
    assert.equal(it.log.filter(({ event }) => event === 'redis_lost').length, 1, 'one line per change of state')
  })
})

describe('the password of Redis', { skip: redisMissing }, () => {
  test('is read again at each connect: a rotated one works without a restart', async (t) => {
    const server = await startRedis({ password: 'old-secret' })
    t.after(() => server.close())
    let password = 'old-secret'
    const it = await liveLinkTo(redisConfig({ address: server.address, password: () => password }))
    t.after(() => it.link.close())
    const cli = (...command: string[]) => server.cli('--no-auth-warning', '-a', password, ...command)
    await cli('CONFIG', 'SET', 'requirepass', 'new-secret')
    password = 'new-secret'
    const since = it.story.length
    await cli('CLIENT', 'KILL', 'TYPE', 'normal')
    await it.happened('up', since)
    await it.link.store.set(key, value, 1_000)
  })

  test('that is wrong for a while is named, retried, and works once it is right', async (t) => {
    const server = await startRedis({ password: 'right' })
    t.after(() => server.close())
    let password = 'wrong'
    const it = linkTo(redisConfig({ address: server.address, password: () => password }))
    t.after(() => it.link.close())
    await it.happened('wrong_password')
    assert.equal(it.link.fault()?.kind, 'wrong_password')
    password = 'right'
    await Promise.all([it.happened('up'), it.happened('live')])
    await it.link.store.set(key, value, 1_000)
  })

  test('whose file is away for a moment is the one read last', async (t) => {
    const server = await startRedis({ password: 'right' })
    t.after(() => server.close())
    let away = false
    const password = () => {
      if (away) throw new Error('ENOENT')
      return 'right'
    }
    const it = await liveLinkTo(redisConfig({ address: server.address, password }))
    t.after(() => it.link.close())
    away = true
    const since = it.story.length
    await server.cli('CLIENT', 'KILL', 'TYPE', 'normal')
    await it.happened('up', since)
    assert.equal(it.log.filter(({ event }) => event === 'redis_password_unreadable').length, 1)
  })

  test('never leaves through an error: the driver keeps the arguments of the failed command in it', async (t) => {
    const server = await startRedis({ password: 'right' })
    t.after(() => server.close())
    const it = linkTo(redisConfig({ address: server.address, password: () => 'a-wrong-secret' }))
    t.after(() => it.link.close())
    await it.happened('wrong_password')
    const error = await it.link.store.get(key).catch((caught: unknown) => caught)
    assert.ok(error instanceof Error && error.cause instanceof Error)
    const everything = JSON.stringify([it.log, ...[error, error.cause].map((e) => [e.stack, Object.entries(e)])])
    assert.ok(!everything.includes('a-wrong-secret'))
  })
})

describe('what Redis refuses is named', { skip: redisMissing }, () => {
  const authority = createAuthority()
  after(() => authority.close())
  const trusted = { ca: authority.ca, cert: undefined, key: undefined, serverName: undefined, skipVerify: false }
  const good = authority.issue('good')
  const named = authority.issue('named', { names: ['DNS:redis.example.com'] })
  const expired = authority.issue('expired', { expired: true })
  const { caFile } = authority

  const table = [
    ['no password where one is needed', 'auth_required', { password: 'secret' }, {}],
    ['a user that does not exist', 'wrong_password', {}, { username: 'nobody', password: () => 'x' }],
    ['a certificate for another name', 'tls_name', { tls: { certificate: named, caFile } }, { tls: trusted }],
    ['an expired certificate', 'tls_expired', { tls: { certificate: expired, caFile } }, { tls: trusted }],
    [
      'an authority that is not trusted',
      'tls_untrusted',
      { tls: { certificate: good, caFile } },
      { tls: { ...trusted, ca: undefined } },
    ],
    [
      'a missing client certificate',
      'tls_client_certificate',
      { tls: { certificate: good, caFile, clientCertificates: true } },
      { tls: trusted },
    ],
    ['plain words to a TLS port', 'tls_required', { tls: { certificate: good, caFile } }, {}],
    // Each side waits for the other to begin: nothing but the time tells.
    ['TLS to a plain port', 'tls_not_offered', {}, { tls: trusted, connectTimeoutMs: 300 }],
    ['one connection too many', 'max_clients', { args: ['--maxclients', '1'] }, {}],
  ] as const
  for (const [what, kind, server, client] of table) {
    test(`${what}: ${kind}`, async (t) => {
      const redis = await startRedis(server)
      t.after(() => redis.close())
      if (kind === 'max_clients') {
        const first = linkTo(redisConfig({ address: redis.address })).link
        t.after(() => first.close())
        await first.firstContact
      }
      const it = linkTo(redisConfig({ address: redis.address, ...client }))
      t.after(() => it.link.close())
      assert.equal((await it.link.firstContact)?.kind, kind)
      await assert.rejects(it.link.store.get(key), { code: 'STORE_UNAVAILABLE' })
    })
  }

  test('a certificate is not looked at when the operator says so', async (t) => {
    const redis = await startRedis({ tls: { certificate: expired, caFile } })
    t.after(() => redis.close())
    const it = linkTo(redisConfig({ address: redis.address, tls: { ...trusted, ca: undefined, skipVerify: true } }))
    t.after(() => it.link.close())
    assert.equal(await it.link.firstContact, undefined)
  })

  test('a host name that does not resolve: dns', async (t) => {
    const it = linkTo(redisConfig({ address: { host: 'redis.invalid', port: 6379 } }))
    t.after(() => it.link.close())
    assert.equal((await it.link.firstContact)?.kind, 'dns')
  })

  test('a full server: oom for writes, while reads, refreshes, leases and logouts go on', async (t) => {
    const redis = await startRedis()
    const it = await liveLinkTo(redisConfig({ address: redis.address }))
    t.after(() => it.link.close())
    t.after(() => redis.close())
    await it.link.store.set(key, value, 60_000)
    await redis.cli('CONFIG', 'SET', 'maxmemory', '1')
    await assert.rejects(it.link.store.set(key, value, 60_000), refusedWith('oom'))
    await assert.rejects(it.link.store.add({ kind: 'used', id: 'x' }, value, 60_000), refusedWith('oom'))
    assert.equal(await it.link.store.compareAndSet(key, value, 60_000, value, 'note'), true)
    assert.equal(await it.link.store.add({ kind: 'lease', id: 'x' }, value, 60_000, 'even-when-full'), true)
    assert.equal(await it.link.store.add({ kind: 'lease', id: 'x' }, value, 60_000, 'even-when-full'), false)
    await assert.rejects(
      it.link.store.setUnlessMarked({ kind: 'session', id: 'new' }, value, 60_000, { mark, generation: 1 }),
      refusedWith('oom'),
    )
    assert.deepEqual(await it.link.store.get(key), value)
    // Its script begins with a write that needs no memory, and Redis lets a script that has begun to write go on.
    for (const floor of [3, everyGeneration]) {
      assert.equal(await it.link.store.withdraw(key, mark, floor, 60_000, `below ${floor}`), true)
    }
    assert.equal((await it.link.store.get(mark))?.toString(), '1')
    assert.equal(await it.link.store.get(key), undefined)
    // Of the refresh, and of both withdrawals.
    await eventually(() => it.notes.length === 3)
  })

  test('a replica that only reads: readonly, also from within a script', async (t) => {
    const primary = await startRedis()
    const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', String(primary.address.port)] })
    t.after(() => Promise.all([replica.close(), primary.close()]))
    const it = await liveLinkTo(redisConfig({ address: replica.address }))
    t.after(() => it.link.close())
    const since = it.story.length
    await assert.rejects(it.announce('note'), refusedWith('readonly'))
    // Connects again: behind a name or a Sentinel that leads to the new primary.
    await it.happened('up', since)
  })

  test('a Cluster configured without a Cluster: not_cluster', async (t) => {
    const redis = await startRedis()
    t.after(() => redis.close())
    const it = linkTo(redisConfig({ cluster: { addresses: [redis.address] } }))
    t.after(() => it.link.close())
    assert.equal((await it.link.firstContact)?.kind, 'not_cluster')
  })
})

// Sentinels and Clusters behind TLS and credentials, as operators run them: each party with secrets of its own, and secrets
// that change while everything runs.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { redisFault } from '../../../src/store/redis/faults.ts'
import type { Key } from '../../../src/store/store.ts'
import { createAuthority } from '../../fixtures/certificates.ts'
import { eventually, redisConfig, redisMissing, startCluster, startRedis, startSentinel } from '../../fixtures/redis.ts'
import type { ClusterGroup, SentinelGroup } from '../../fixtures/redis.ts'
import { expectUnavailable, linkTo, liveLinkTo, storeUnderTest } from './link-under-test.ts'
import type { LinkUnderTest } from './link-under-test.ts'
import { storeContract } from '../store-contract.ts'

const key: Key = { kind: 'session', id: 'abc' }
const value = Buffer.from('value')
const grants = '~traefikoidc:* &traefikoidc:* +@all'

/** Both ways: a write over the data connection, and its note over the subscription. */
async function worksAgain(it: LinkUnderTest, note: string): Promise<void> {
  await eventually(() => it.link.store.set(key, value, 60_000).then(() => true, expectUnavailable))
  await it.hears()
  // A failover may close the connection once more.
  await eventually(() => it.announce(note).then(() => true, expectUnavailable))
  await eventually(() => it.notes.includes(note))
}

const authority = createAuthority()
after(() => authority.close())
const certificate = authority.issue('server')
const client = authority.issue('client')
const ofServer = { certificate, caFile: authority.caFile }
const tls = { ca: authority.ca, cert: undefined, key: undefined, serverName: undefined, skipVerify: false }

describe('Sentinels over TLS with credentials of their own', { skip: redisMissing }, () => {
  let group: SentinelGroup
  let watchersSecret = 'for-the-sentinels'
  before(async () => {
    group = await startSentinel({
      replicas: 1,
      sentinels: 2,
      servers: {
        tls: { ...ofServer, clientCertificates: true },
        password: 'of-the-servers',
        users: [`foregate on >for-the-servers ${grants}`],
      },
      watchers: {
        tls: ofServer,
        password: 'of-the-sentinels',
        users: ['watcher on >for-the-sentinels allchannels +@all'],
      },
    })
  })
  after(() => group?.close())

  const sentinel = (changes = {}) => ({
    masterName: group.masterName,
    addresses: group.sentinels,
    username: 'watcher',
    password: () => watchersSecret,
    enableTLS: true,
    ...changes,
  })
  const config = (changes = {}) =>
    redisConfig({
      username: 'foregate',
      password: () => 'for-the-servers',
      db: 3,
      tls: { ...tls, cert: client.cert, key: client.key },
      sentinel: sentinel(),
      ...changes,
    })

  storeContract(
    'Redis behind Sentinels, all over TLS with client certificates and ACL users, database 3',
    () => storeUnderTest(config(), async () => {}),
    { realTime: true },
  )

  test('the Sentinels’ default user needs no name', async (t) => {
    const it = await liveLinkTo(
      config({ sentinel: sentinel({ username: undefined, password: () => 'of-the-sentinels' }) }),
    )
    t.after(() => it.link.close())
    await it.link.store.set(key, value, 60_000)
    assert.equal(await (await group.primary()).cli('-n', '3', 'EXISTS', 'traefikoidc:session:abc'), '1')
  })

  const nobody = { username: undefined, password: undefined }
  const refusals = [
    ['no password for the Sentinels', 'auth_required', () => ({ sentinel: sentinel(nobody) })],
    ['a wrong one', 'wrong_password', () => ({ sentinel: sentinel({ password: () => 'wrong' }) })],
    ['that of the Sentinels for the servers', 'wrong_password', () => ({ password: () => watchersSecret })],
    [
      'an authority that nobody trusts',
      'tls_untrusted',
      () => ({ tls: { ...tls, ca: undefined, cert: client.cert, key: client.key } }),
    ],
  ] as const
  for (const [what, kind, changes] of refusals) {
    test(`${what}: ${kind}`, async (t) => {
      const it = linkTo(config(changes()))
      t.after(() => it.link.close())
      assert.equal((await it.link.firstContact)?.kind, kind)
      await assert.rejects(it.link.store.get(key), (error) => redisFault(error).kind === kind)
      // And again with each attempt: what the last one left behind must not hide it.
      await eventually(() => it.story.filter((what) => what !== 'dead').length >= 4)
      assert.deepEqual([...new Set(it.story)], [kind])
    })
  }

  test('no client certificate for the servers: named, and not taken for a mere reset again', async (t) => {
    const it = linkTo(config({ tls }))
    t.after(() => it.link.close())
    // The driver may notice that the connection is gone before it reads why.
    await it.happened('tls_client_certificate')
    const since = it.story.indexOf('tls_client_certificate')
    await eventually(() => it.story.length >= since + 4)
    assert.deepEqual([...new Set(it.story.slice(since))], ['tls_client_certificate'])
  })

  test('a failover is followed by data and subscription, with a Sentinel password that changed before it', async (t) => {
    const it = await liveLinkTo(config())
    t.after(() => it.link.close())
    await worksAgain(it, 'before')
    await group.tellSentinels('ACL', 'SETUSER', 'watcher', 'resetpass', '>rotated')
    watchersSecret = 'rotated'
    await group.failover()
    const primary = await group.primary()
    await worksAgain(it, 'after')
    assert.equal((await it.link.serverInfo()).role, 'master')
    assert.equal(await primary.cli('-n', '3', 'EXISTS', 'traefikoidc:session:abc'), '1')
  })
})

describe('a Cluster over TLS with an ACL user', { skip: redisMissing }, () => {
  let cluster: ClusterGroup
  let secret = 'first-secret'
  before(async () => {
    cluster = await startCluster({
      primaries: 3,
      replicas: 0,
      tls: ofServer,
      users: [`foregate on >first-secret ${grants}`],
    })
  })
  after(() => cluster?.close())

  const config = (changes = {}) =>
    redisConfig({
      cluster: { addresses: cluster.addresses },
      username: 'foregate',
      password: () => secret,
      tls,
      ...changes,
    })
  const spread = Array.from({ length: 12 }, (_, at): Key => ({ kind: 'session', id: `spread-${at}` }))

  storeContract('a Redis Cluster over TLS, as an ACL user', () => storeUnderTest(config(), async () => {}), {
    realTime: true,
  })

  const refusals = [
    ['a wrong password', 'wrong_password', { password: () => 'wrong' }],
    ['an authority that nobody trusts', 'tls_untrusted', { tls: { ...tls, ca: undefined } }],
    ['a name that is not in the certificates', 'tls_name', { tls: { ...tls, serverName: 'redis.example.com' } }],
  ] as const
  for (const [what, kind, changes] of refusals) {
    test(`${what}: ${kind}`, async (t) => {
      const it = linkTo(config(changes))
      t.after(() => it.link.close())
      assert.equal((await it.link.firstContact)?.kind, kind)
    })
  }

  test('a password rotated while it runs: open connections go on, new ones use the new secret, on every node', async (t) => {
    const it = await liveLinkTo(config())
    t.after(() => it.link.close())
    for (const each of spread) await it.link.store.set(each, value, 60_000)
    for (const { cli } of cluster.servers) await cli('ACL', 'SETUSER', 'foregate', 'resetpass', '>second-secret')
    secret = 'second-secret'
    for (const each of spread) assert.deepEqual(await it.link.store.get(each), value)
    const since = it.story.length
    for (const { cli } of cluster.servers) await cli('CLIENT', 'KILL', 'USER', 'foregate')
    await it.happened('live', since)
    await worksAgain(it, 'after')
    for (const each of spread) {
      await eventually(() =>
        it.link.store.get(each).then(
          (found) => found?.equals(value) === true,
          () => false,
        ),
      )
    }
    for (const { cli } of cluster.servers) {
      assert.match(await cli('CLIENT', 'LIST'), /name=foregate .*user=foregate/)
    }
    assert.deepEqual(
      it.log.filter(({ reason }) => reason === 'wrong_password'),
      [],
    )
  })
})

describe('a server that has data to load, or has lost its primary', { skip: redisMissing }, () => {
  test('LOADING: named, waited for, and everything is there once it is loaded', async (t) => {
    // Some seconds for what is stored below, and answers LOADING meanwhile.
    const slow = ['--key-load-delay', '3000', '--loading-process-events-interval-bytes', '1024']
    const redis = await startRedis({ args: [...slow, '--enable-debug-command', 'local'] })
    t.after(() => redis.close())
    await redis.cli('DEBUG', 'POPULATE', '300', 'traefikoidc:filler', '64')
    const it = await liveLinkTo(redisConfig({ address: redis.address }))
    t.after(() => it.link.close())
    await it.link.store.set(key, value, 60_000)
    const since = it.story.length
    const restarted = redis.restart()
    await it.happened('reset', since)
    const kinds = new Set<string>()
    await eventually(async () => {
      try {
        return (await it.link.store.get(key))?.equals(value) === true
      } catch (error) {
        kinds.add(redisFault(error).kind)
        return false
      }
    })
    await restarted
    t.diagnostic([...kinds].join(' '))
    assert.ok(kinds.has('loading'))
    await worksAgain(it, 'loaded')
  })

  test('MASTERDOWN: a replica that does not serve stale data says so, and works once its primary is back', async (t) => {
    const primary = await startRedis({ args: ['--repl-diskless-sync-delay', '0'] })
    const replicaOf = ['--replicaof', '127.0.0.1', String(primary.address.port), '--replica-serve-stale-data', 'no']
    const replica = await startRedis({ args: replicaOf })
    t.after(() => Promise.all([replica.close(), primary.close()]))
    await primary.cli('SET', 'traefikoidc:session:abc', 'value')
    await eventually(async () => (await replica.cli('GET', 'traefikoidc:session:abc')) === 'value')
    const connected = linkTo(redisConfig({ address: replica.address }))
    t.after(() => connected.link.close())
    await connected.happened('up')
    assert.deepEqual(await connected.link.store.get(key), value)
    // Nobody listens there.
    await replica.cli('REPLICAOF', '127.0.0.1', '1')
    await eventually(async () => (await replica.cli('INFO', 'replication')).includes('link_status:down'))
    await assert.rejects(connected.link.store.get(key), (error) => redisFault(error).kind === 'master_down')
    await assert.rejects(connected.link.store.set(key, value, 60_000), (error) => redisFault(error).infrastructure)
    const late = linkTo(redisConfig({ address: replica.address }))
    t.after(() => late.link.close())
    await late.link.firstContact
    await assert.rejects(late.link.store.get(key), (error) => redisFault(error).kind === 'master_down')
    await replica.cli('REPLICAOF', '127.0.0.1', String(primary.address.port))
    for (const { link } of [connected, late]) {
      await eventually(() =>
        link.store.get(key).then(
          (found) => found?.equals(value) === true,
          () => false,
        ),
      )
    }
  })
})

import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { after, before, describe, test } from 'node:test'
import type { Key } from '../../../src/store/store.ts'
import { eventually, redisConfig, redisMissing, startSentinel } from '../../fixtures/redis.ts'
import type { SentinelGroup } from '../../fixtures/redis.ts'
import { expectUnavailable, linkTo, liveLinkTo, storeUnderTest } from './link-under-test.ts'
import { storeContract } from '../store-contract.ts'

const key: Key = { kind: 'session', id: 'abc' }
const value = Buffer.from('value')

describe('behind Sentinels', { skip: redisMissing }, () => {
  let group: SentinelGroup
  before(async () => {
    group = await startSentinel()
  })
  after(() => group.close())

  const config = (changes = {}) =>
    redisConfig({
      sentinel: {
        masterName: group.masterName,
        addresses: group.sentinels,
        username: undefined,
        password: undefined,
        enableTLS: false,
      },
      ...changes,
    })

  storeContract('Redis behind Sentinels, database 2', () => storeUnderTest(config({ db: 2 }), async () => {}), {
    realTime: true,
  })

  test('the database is honoured', async (t) => {
    const { link } = await liveLinkTo(config({ db: 5 }))
    t.after(() => link.close())
    await link.store.set(key, value, 60_000)
    assert.equal(await (await group.primary()).cli('-n', '5', 'EXISTS', 'traefikoidc:session:abc'), '1')
  })

  test('a planned failover is followed: writes, reads and notes go on with the new primary', async (t) => {
    const it = await liveLinkTo(config())
    t.after(() => it.link.close())
    const next: Key = { kind: 'session', id: 'next' }
    await it.link.store.set(key, value, 60_000)
    await it.announce('before')
    // A planned failover, too, loses what its replicas have not heard yet.
    for (const { cli } of group.servers) {
      await eventually(async () => (await cli('EXISTS', 'traefikoidc:session:abc')) === '1')
    }
    await group.failover()
    const primary = await group.primary()
    // Until then writes may fail (READONLY, reset), and must say so; and the old primary may take one more, which is lost.
    await eventually(async () => {
      const isTaken = await it.link.store.set(next, value, 60_000).then(() => true, expectUnavailable)
      return isTaken && (await primary.cli('EXISTS', 'traefikoidc:session:next')) === '1'
    })
    assert.equal((await it.link.serverInfo()).role, 'master')
    assert.equal(await primary.cli('EXISTS', 'traefikoidc:session:abc'), '1')
    await it.hears()
    await it.announce('after')
    await eventually(() => it.notes.includes('after'))
  })

  test('the primary killed: a replica takes over, and the link finds it', async (t) => {
    const it = await liveLinkTo(config())
    t.after(() => it.link.close())
    const before = await group.primary()
    const runId = (await before.cli('INFO', 'server')).match(/run_id:(\w+)/)?.[1] ?? 'none'
    await before.kill()
    await eventually(async () => (await group.primary()) !== before)
    await eventually(() =>
      it.link.store.set(key, value, 60_000).then(
        () => true,
        () => false,
      ),
    )
    const { runIds } = await it.link.serverInfo()
    assert.equal(runIds.length, 1)
    assert.ok(!runIds.includes(runId))
    await it.hears()
  })

  test('a Sentinel that is away is not missed, and the driver does not write about it past the log', async (t) => {
    const complaints = t.mock.method(console, 'error', () => {})
    let attempts = 0
    const resetting = createServer((socket) => {
      attempts++
      socket.resetAndDestroy()
    })
    await new Promise<void>((resolve) => resetting.listen(0, '127.0.0.1', resolve))
    t.after(() => void resetting.close())
    const listening = resetting.address()
    assert.ok(typeof listening === 'object' && listening !== null)
    const away = { host: '127.0.0.1', port: listening.port }
    const { sentinel } = config()
    assert.ok(sentinel)
    const addresses = [...group.sentinels, away]
    const it = await liveLinkTo(config({ sentinel: { ...sentinel, addresses } }))
    t.after(() => it.link.close())
    // What listens for failovers tries each of them, again and again: for the data and for the subscription.
    await eventually(() => attempts >= 4)
    assert.deepEqual(
      complaints.mock.calls.map(({ arguments: said }) => said),
      [],
    )
  })

  test('Sentinels that do not know the name, and none at all, are named', async (t) => {
    const sentinel = { masterName: 'other', username: undefined, password: undefined, enableTLS: false }
    const unknown = linkTo(redisConfig({ sentinel: { ...sentinel, addresses: group.sentinels } }))
    t.after(() => unknown.link.close())
    assert.equal((await unknown.link.firstContact)?.kind, 'sentinel')
    const nobody = linkTo(redisConfig({ sentinel: { ...sentinel, addresses: [{ host: '127.0.0.1', port: 1 }] } }))
    t.after(() => nobody.link.close())
    assert.equal((await nobody.link.firstContact)?.kind, 'sentinel')
    await eventually(() => nobody.story.filter((what) => what === 'sentinel').length >= 3)
  })
})

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { redisFault } from '../../../src/store/redis/faults.ts'
import type { Key } from '../../../src/store/store.ts'
import { eventually, redisConfig, redisMissing, startCluster } from '../../fixtures/redis.ts'
import type { ClusterGroup } from '../../fixtures/redis.ts'
import { expectUnavailable, linkTo, liveLinkTo, storeUnderTest } from './link-under-test.ts'
import { logContract } from '../log-contract.ts'
import { storeContract } from '../store-contract.ts'

const value = Buffer.from('value')

describe('in a Cluster', { skip: redisMissing }, () => {
  let cluster: ClusterGroup
  before(async () => {
    cluster = await startCluster()
  })
  after(() => cluster.close())

  const config = () => redisConfig({ cluster: { addresses: cluster.addresses } })

  storeContract('a Redis Cluster', () => storeUnderTest(config(), async () => {}), { realTime: true })

  logContract('a Redis Cluster', async () => {
    const { link } = await liveLinkTo(config())
    return { log: link.log, close: () => link.close() }
  })

  test('the log of withdrawals, its head and its members share a slot, whatever the deployment is called', async (t) => {
    for (const scope of ['one', 'another_-1']) {
      const it = await liveLinkTo(config(), { scope })
      t.after(() => it.link.close())
      await it.link.log.append([{ id: 'a', floor: 5 }])
      await it.beat()
      await it.hears()
      const owner = await cluster.ownerOf(`traefikoidc:revoked-log:{${scope}}`)
      for (const kind of ['revoked-log', 'revoked-head', 'members']) {
        assert.equal(await owner.cli('EXISTS', `traefikoidc:${kind}:{${scope}}`), '1', kind)
      }
    }
  })

  test('a session and its mark share a slot, and keys spread over the primaries', async (t) => {
    const { link } = await liveLinkTo(config())
    t.after(() => link.close())
    const owners = new Set<unknown>()
    for (let at = 0; at < 12; at++) {
      const key: Key = { kind: 'session', id: `spread-${at}` }
      await link.store.setUnlessMarked(key, value, 60_000, { mark: { kind: 'revoked', id: key.id }, generation: 1 })
      const owner = await cluster.ownerOf(`traefikoidc:session:{${key.id}}`)
      assert.equal(await owner.cli('EXISTS', `traefikoidc:session:{${key.id}}`), '1')
      owners.add(owner)
    }
    assert.ok(owners.size > 1)
    assert.equal((await link.serverInfo()).runIds.length, 3)
    assert.equal(link.poolStats().size, 3)
  })

  test('a brace in the key prefix is refused: it would take over the choice of the slot', () => {
    const prefixed = redisConfig({ cluster: { addresses: cluster.addresses }, keyPrefix: 'my{app' })
    assert.throws(() => linkTo(prefixed), { code: 'CONFIG_INVALID' })
  })

  test('a standalone configuration that meets a Cluster is named', async (t) => {
    const it = linkTo(redisConfig({ address: cluster.addresses[0] }))
    t.after(() => it.link.close())
    await it.happened('up')
    const all = Array.from({ length: 20 }, (_, at) => it.link.store.get({ kind: 'session', id: `lost-${at}` }))
    const failed = (await Promise.allSettled(all)).flatMap((call) => (call.status === 'rejected' ? [call.reason] : []))
    assert.ok(failed.length > 0)
    for (const error of failed) assert.equal(redisFault(error).kind, 'is_cluster')
  })

  test('a primary killed: its replica takes over, keys and notes come through again', async (t) => {
    const it = await liveLinkTo(config())
    t.after(() => it.link.close())
    const key: Key = { kind: 'session', id: 'failover' }
    await it.link.store.set(key, value, 60_000)
    const owner = await cluster.ownerOf('traefikoidc:session:{failover}')
    await owner.kill()
    await eventually(() => it.link.store.get(key).then((found) => found?.equals(value) === true, expectUnavailable))
    await it.hears()
    await it.announce('after')
    await eventually(() => it.notes.includes('after'))
  })
})

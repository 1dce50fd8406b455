import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { createDocuments } from '../../src/cache/documents.ts'
import { createSealer } from '../../src/sealing.ts'
import { createMetrics } from '../../src/telemetry/prometheus.ts'
import { createFakeCache, type FakeCache } from '../fixtures/fake-cache.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { encryptionKey } from '../session/world.ts'

function aReplica(mode: FakeCache['mode'] = 'hybrid', time = fakeTime(), beside?: FakeCache) {
  const { clock } = time
  const cache = createFakeCache({ clock, mode, ...(beside !== undefined && { beside }) })
  const metrics = createMetrics({ processMetrics: false })
  const sealer = createSealer([encryptionKey], 'jwks', randomBytes)
  return { documents: createDocuments({ kind: 'jwks', cache, sealer, metrics, clock }), cache, time, metrics }
}

test('what one replica fetched the other one finds', async () => {
  const here = aReplica()
  const there = aReplica('hybrid', here.time, here.cache)
  await here.documents.set('a', '{"keys":[]}', 1_000)
  assert.equal(await there.documents.get('a'), '{"keys":[]}')
  assert.equal(there.metrics.cacheRequests.labels({ kind: 'jwks', tier: 'l2', result: 'hit' }).value, 1)
})

test('here it is found without asking, until its time is over', async () => {
  const { documents, cache, time } = aReplica()
  await documents.set('a', 'x', 1_000)
  cache.store.calls.length = 0
  assert.equal(await documents.get('a'), 'x')
  assert.deepEqual(cache.store.calls, [])
  time.advance(1_002)
  assert.equal(await documents.get('a'), undefined)
})

test('while the store is away memory serves, and nothing throws', async () => {
  const { documents, cache } = aReplica()
  cache.goAway()
  await documents.set('a', 'x', 1_000)
  assert.equal(await documents.get('a'), 'x')
  assert.equal(await documents.get('b'), undefined)
})

test('a document that somebody else wrote, or moved, is not there', async () => {
  const here = aReplica()
  await here.documents.set('a', '{"keys":["ours"]}', 1_000)
  const { memory } = here.cache.store
  const sealed = (await memory.get({ kind: 'jwks', id: 'a' })) ?? Buffer.alloc(0)
  await memory.set({ kind: 'jwks', id: 'b' }, sealed, 1_000)
  await memory.set({ kind: 'jwks', id: 'c' }, Buffer.from('{"keys":["theirs"]}'), 1_000)
  const there = aReplica('hybrid', here.time, here.cache)
  assert.equal(await there.documents.get('b'), undefined)
  assert.equal(await there.documents.get('c'), undefined)
  assert.equal(sealed.includes('ours'), false)
})

test('memory mode keeps them in one place only', async () => {
  const { documents, cache } = aReplica('memory')
  await documents.set('a', 'x', 1_000)
  assert.equal(await documents.get('a'), 'x')
  assert.deepEqual(cache.store.calls, [])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCoherenceCheck } from '../../src/session/coherence-check.ts'
import type { NearCache, NearSession } from '../../src/session/near-cache.ts'
import { unavailable } from '../fixtures/fake-store.ts'
import { aWorld, gate, hour, idOf, keyOf, look, minute, quiet } from './world.ts'

const results = ['same', 'newer', 'older', 'gone', 'changed'] as const

/** A replica with copies, and what its check counts. */
async function aWatched(logins = 1) {
  const world = aWorld()
  const tickets: string[] = []
  for (let number = 0; number < logins; number++) {
    tickets.push(await world.login({ expiresAt: world.time.clock() + hour }))
  }
  const [ticket = ''] = tickets
  const counted = () =>
    Object.fromEntries(
      results
        .map((result) => [result, world.metrics.coherenceChecked.labels({ result }).value] as const)
        .filter(([, count]) => count > 0),
    )
  world.cache.store.calls.length = 0
  return { ...world, ticket, tickets, counted, compare: (count: number) => world.cache.copies.compareSome(count) }
}

test('a copy that the store agrees with is the same', async () => {
  const { compare, counted } = await aWatched()
  await compare(5)
  assert.deepEqual(counted(), { same: 1 })
})

test('a copy that has lost its session is told from one that has another state', async () => {
  const { compare, counted, cache, ticket } = await aWatched()
  const real = (await cache.store.memory.get(keyOf(ticket))) ?? Buffer.alloc(0)
  await cache.store.memory.delete(keyOf(ticket))
  await compare(5)
  assert.deepEqual(counted(), { gone: 1 })
  await cache.store.memory.set(keyOf(ticket), Buffer.from('not a session at all'), hour)
  await compare(5)
  assert.deepEqual(counted(), { gone: 1, changed: 1 })
  const damaged = Buffer.from(real)
  damaged.writeUInt8(damaged.readUInt8(100) ^ 1, 100)
  await cache.store.memory.set(keyOf(ticket), damaged, hour)
  await compare(5)
  assert.deepEqual(counted(), { gone: 1, changed: 2 })
})

test('of two states it says which is newer', async () => {
  const { compare, counted, cache, ticket, time, sessions, replica, provider } = await aWatched()
  const before = (await cache.store.memory.get(keyOf(ticket))) ?? Buffer.alloc(0)
  // Another replica refreshes, and its note is lost.
  cache.hears = false
  const other = replica()
  time.advance(59 * minute)
  await look(other.sessions, ticket)
  await quiet()
  assert.equal(provider.refreshes.length, 1)
  await compare(5)
  assert.deepEqual(counted(), { older: 1 })
  cache.copies.changed(idOf(ticket), 2)
  assert.equal(await look(sessions, ticket), 'shared')
  await cache.store.memory.set(keyOf(ticket), before, hour)
  await compare(5)
  assert.deepEqual(counted(), { older: 1, newer: 1 })
})

test('copies that are not confirmed are not looked at, nor those that the journal still has to write', async () => {
  const { compare, counted, cache, login } = await aWatched(2)
  cache.copies.unconfirmAll()
  cache.store.once('set', unavailable)
  await login()
  cache.store.calls.length = 0
  await compare(5)
  assert.deepEqual(cache.store.calls, [])
  assert.deepEqual(counted(), {})
})

test('of what changed while the answer was on its way nothing is said', async () => {
  for (const meanwhile of [
    ({ cache, ticket }) => cache.copies.changed(idOf(ticket), 2),
    ({ cache, ticket }) => cache.hear({ what: 'withdrawn', id: idOf(ticket), number: 2 }),
  ] satisfies ((world: Awaited<ReturnType<typeof aWatched>>) => void)[]) {
    const world = await aWatched()
    const answer = gate()
    world.cache.store.once('get', async () => {
      await answer.promise
      return undefined
    })
    const checked = world.compare(1)
    meanwhile(world)
    answer.open()
    await checked
    assert.deepEqual(world.counted(), {})
  }
})

test('it goes round: a few at a time, each once before any of them again', async () => {
  const asked: string[] = []
  const copy = { isConfirmed: true, pending: undefined, value: Buffer.alloc(9), session: {} } as unknown as NearSession
  const copies = new Map(['a', 'b', 'c', 'd', 'e'].map((id) => [id, copy]))
  const compare = createCoherenceCheck({
    near: { entries: () => copies.entries(), get: (id: string) => copies.get(id) } as unknown as NearCache,
    store: {
      async get({ id }) {
        asked.push(id)
        return undefined
      },
    },
    checked: { labels: () => ({ value: 0 }) },
  })
  await compare(2)
  assert.deepEqual(asked, ['a', 'b'])
  copies.delete('c')
  await compare(2)
  assert.deepEqual(asked, ['a', 'b', 'd', 'e'])
  // The end of a round ends the check: however few there are, nobody is asked for twice at once.
  await compare(2)
  await compare(2)
  assert.deepEqual(asked, ['a', 'b', 'd', 'e', 'a', 'b'])
})

test('a store that is away ends the check, and is no result', async () => {
  const { compare, counted, cache } = await aWatched()
  cache.store.once('get', unavailable)
  await assert.rejects(compare(1), { code: 'STORE_UNAVAILABLE' })
  assert.deepEqual(counted(), {})
})

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { StoreValueRejected } from '../../src/errors.ts'
import { newTicket, type Ticket } from '../../src/session/ticket.ts'
import { everyGeneration } from '../../src/store/withdrawal-log.ts'
import { unavailable } from '../fixtures/fake-store.ts'
import { aStore, keyOf } from './session-store.ts'
import { hour } from './world.ts'

test('the latest state is what is stored, and is kept near', async () => {
  const { reader, put, full, near } = aStore()
  const ticket = newTicket(randomBytes)
  await put(ticket, full(ticket, { generation: 4 }))
  const latest = await reader.readLatest(ticket)
  assert.ok(typeof latest === 'object')
  assert.deepEqual([latest.session.generation, latest.tokens.refreshToken], [4, 'rt-4'])
  assert.equal(near.get(ticket.id)?.session.generation, 4)
})

const latest: [
  name: string,
  prepare: (world: ReturnType<typeof aStore>, ticket: Ticket) => unknown,
  is: 'ended' | 'awaited',
][] = [
  ['nothing is stored', () => undefined, 'ended'],
  ['nothing is stored, and a miss proves nothing', ({ cache }) => void (cache.missCountsFrom = Infinity), 'awaited'],
  ['it was withdrawn', ({ cache }, { id }) => cache.floors.raise({ id, floor: everyGeneration }, true), 'ended'],
  [
    'what is stored lies below its floor',
    async ({ cache, put, full }, ticket) => {
      cache.floors.raise({ id: ticket.id, floor: 2 }, true)
      await put(ticket, full(ticket))
    },
    'awaited',
  ],
  [
    'what is stored is not ours',
    ({ cache }, ticket) => cache.store.memory.set(keyOf(ticket), Buffer.from('x'), hour),
    'ended',
  ],
  [
    'the key holds another type',
    ({ cache }) => cache.store.once('get', () => Promise.reject(new StoreValueRejected('a list'))),
    'ended',
  ],
]
for (const [name, prepare, is] of latest) {
  test(`the latest state where ${name}: ${is}`, async () => {
    const world = aStore()
    const ticket = newTicket(randomBytes)
    await prepare(world, ticket)
    assert.equal(await world.reader.readLatest(ticket), is)
    assert.equal(world.near.get(ticket.id), undefined)
  })
}

test('the latest state of a login that the store has missed is the one in the journal', async () => {
  const { login, cache, reader } = aStore()
  cache.store.once('set', unavailable)
  const { ticket } = await login()
  const latest = await reader.readLatest(ticket)
  assert.ok(typeof latest === 'object' && latest.tokens.refreshToken === 'rt-1')
  assert.equal(await reader.readLatest({ ...ticket, secret: newTicket(randomBytes).secret }), 'ended')
})

test('the latest state is the one here, where the store went back to an older one: only it has the last refresh token', async () => {
  const { login, put, full, reader, near } = aStore()
  const { ticket } = await login({ generation: 3 })
  await put(ticket, full(ticket, { generation: 2 }))
  const latest = await reader.readLatest(ticket)
  assert.ok(typeof latest === 'object' && latest.tokens.refreshToken === 'rt-3')
  const guessed = { ...ticket, secret: newTicket(randomBytes).secret }
  assert.equal(await reader.readLatest(guessed), 'ended')
  assert.equal(near.get(ticket.id)?.session.generation, 3)
})

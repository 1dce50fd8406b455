import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generationOf } from '../../src/session/codec.ts'
import type { Session } from '../../src/session/session.ts'
import { unavailable } from '../fixtures/fake-store.ts'
import { aStore, keyOf } from './session-store.ts'

// --- writes that the store missed --------------------------------------------------------------------------------------------

test('the refresh of a login that waits in the journal waits there, too, in its place', async () => {
  const { login, cache, writer, full, stored, near } = aStore()
  cache.store.once('set', unavailable)
  const { ticket } = await login()
  const next = full(ticket, { generation: 2 })
  cache.store.calls.length = 0
  assert.equal(await writer.replace(ticket, full(ticket).session, next), true)
  assert.deepEqual([cache.journal.size, cache.store.calls], [1, []])
  await cache.journal.replay()
  assert.equal(await stored(ticket), 2)
  assert.equal(near.get(ticket.id)?.pending, undefined)
})

test('of several refreshes that the store missed the last one is written, over what lies there', async () => {
  const { login, cache, writer, full, stored, near } = aStore()
  const { ticket } = await login()
  for (const generation of [2, 3]) writer.keepForLater(ticket, full(ticket, { generation }))
  assert.deepEqual([cache.journal.size, near.get(ticket.id)?.pending, await stored(ticket)], [1, 'state', 1])
  await cache.journal.replay()
  assert.equal(await stored(ticket), 3)
  assert.deepEqual([cache.journal.size, near.get(ticket.id)?.pending], [0, undefined])
})

test('a refresh that is written leaves nothing of an earlier one in the journal', async () => {
  const { login, cache, writer, full, stored, near } = aStore()
  const { ticket } = await login()
  writer.keepForLater(ticket, full(ticket, { generation: 2 }))
  const { session } = full(ticket, { generation: 2 })
  assert.equal(await writer.replace(ticket, session, full(ticket, { generation: 3 })), true)
  assert.deepEqual([cache.journal.size, await stored(ticket)], [0, 3])
  assert.deepEqual([near.get(ticket.id)?.pending, near.get(ticket.id)?.session.generation], [undefined, 3])
})

test('a refresh in the journal does not overwrite what somebody else wrote: the store has to be asked', async () => {
  const { login, cache, writer, put, full, stored, near } = aStore()
  const { ticket } = await login()
  writer.keepForLater(ticket, full(ticket, { generation: 2 }))
  await put(ticket, full(ticket, { generation: 3 }))
  await cache.journal.replay()
  assert.equal(await stored(ticket), 3)
  assert.deepEqual([near.get(ticket.id)?.pending, near.get(ticket.id)?.isConfirmed], [undefined, false])
})

// --- what a refresh takes away --------------------------------------------------------------------------------------------

const identities: [name: string, claims: Session['claims'], floor: number][] = [
  ['that takes a group away', { sub: 'alice', groups: [] }, 2],
  ['that gives one', { sub: 'alice', groups: ['staff', 'admins'] }, 2],
  ['that says the same again', { sub: 'alice', groups: ['staff'] }, 0],
]
for (const [name, claims, floor] of identities) {
  const verb = floor > 0 ? 'withdraws the states of before' : 'withdraws nothing'
  const before = { sub: 'alice', groups: ['staff'] }

  test(`a state ${name} ${verb}, and is told before it is written`, async () => {
    const { writer, cache, login, full } = aStore()
    const { ticket } = await login({ claims: before })
    const floorsAtWrite: number[] = []
    cache.store.once('compareAndSet', (run) => {
      floorsAtWrite.push(cache.floors.of(ticket.id))
      return run()
    })
    const next = full(ticket, { claims, generation: 2 })
    assert.equal(await writer.replace(ticket, full(ticket, { claims: before }).session, next), true)
    assert.deepEqual(floorsAtWrite, [floor])
  })

  test(`a state ${name} ${verb}, also where the store misses it: its tokens are kept`, async () => {
    const { writer, cache, near, login, full } = aStore()
    const { ticket } = await login({ claims: before })
    cache.store.once('compareAndSet', unavailable)
    const next = full(ticket, { claims, generation: 2 })
    assert.equal(await writer.replace(ticket, full(ticket, { claims: before }).session, next), true)
    assert.equal(cache.floors.of(ticket.id), floor)
    assert.equal(near.get(ticket.id)?.pending, 'state')
    await cache.journal.replay()
    assert.equal(generationOf((await cache.store.memory.get(keyOf(ticket))) ?? Buffer.alloc(0)), 2)
  })
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreUnavailable, StoreValueRejected } from '../../src/errors.ts'
import type { Ticket } from '../../src/session/ticket.ts'
import { everyGeneration } from '../../src/store/withdrawal-log.ts'
import { failingWith, unavailable } from '../fixtures/fake-store.ts'
import { aStore, keyOf } from './session-store.ts'
import { hour, minute, quiet } from './world.ts'

const markOf = ({ id }: Ticket) => ({ kind: 'revoked' as const, id })
const all = () => true

// --- what was acknowledged shortly before a loss ---------------------------------------------------------------------------

test('what was acknowledged in the last 10 s before the loss is offered again, and nothing older', async () => {
  const { login, time, writeBack, lose, stored, stopwatch } = aStore()
  const old = await login()
  time.advance(1)
  const recent = await login()
  time.advance(9_999)
  const last = await login()
  const lostAt = stopwatch()
  // However long it takes to come back.
  time.advance(15_000)
  for (const { ticket } of [old, recent, last]) await lose(ticket)
  await writeBack.offerAgain(lostAt)
  assert.deepEqual(
    [await stored(old.ticket), await stored(recent.ticket), await stored(last.ticket)],
    [undefined, 1, 1],
  )
})

test('what the store has not lost, it is not given again', async () => {
  const { login, cache, writeBack, stopwatch } = aStore()
  await login()
  cache.store.calls.length = 0
  await writeBack.offerAgain(stopwatch())
  assert.deepEqual(cache.store.calls, ['setUnlessMarked session', 'get session'])
})

test('a refresh of the last seconds that the store has lost is offered again: over the state of before', async () => {
  const { login, time, writer, writeBack, full, put, stored, stopwatch } = aStore()
  const { ticket } = await login()
  const before = full(ticket)
  time.advance(minute)
  assert.equal(await writer.replace(ticket, before.session, full(ticket, { generation: 2 })), true)
  await put(ticket, before)
  await writeBack.offerAgain(stopwatch())
  assert.equal(await stored(ticket), 2)
})

test('a login that was written late, from the journal, counts from then on as acknowledged', async () => {
  const { login, time, cache, writeBack, lose, stored, stopwatch } = aStore()
  cache.store.once('set', unavailable)
  const { ticket, isWritten } = await login()
  assert.equal(isWritten, false)
  time.advance(minute)
  await cache.journal.replay()
  await lose(ticket)
  await writeBack.offerAgain(stopwatch())
  assert.equal(await stored(ticket), 1)
})

test('what the store refuses is told, so that it is offered once more', async () => {
  const { login, cache, writeBack, lose, stored, stopwatch } = aStore()
  const { ticket } = await login()
  await lose(ticket)
  cache.store.once('setUnlessMarked', () => Promise.reject(failingWith('oom')()))
  assert.equal(await writeBack.offerAgain(stopwatch()), false)
  assert.equal(await writeBack.offerAgain(stopwatch()), true)
  assert.equal(await stored(ticket), 1)
})

test('what was ended since is not offered again', async () => {
  const { login, writer, writeBack, stored, stopwatch } = aStore()
  const { ticket } = await login()
  await writer.end(ticket.id)
  await writeBack.offerAgain(stopwatch())
  assert.equal(await stored(ticket), undefined)
})

// --- re-seeding ------------------------------------------------------------------------------------------------------------

test('only what is proven goes back, and how many is told', async () => {
  const { login, time, writeBack, lose, stored, near } = aStore()
  const doubtful = await login()
  time.advance(1_000)
  const proven = await login()
  const since = near.get(proven.ticket.id)?.confirmedAt ?? 0
  for (const { ticket } of [doubtful, proven]) await lose(ticket)
  assert.deepEqual(await writeBack.reseed((confirmedAt) => confirmedAt >= since), { written: 1, isComplete: true })
  assert.deepEqual([await stored(doubtful.ticket), await stored(proven.ticket)], [undefined, 1])
})

test('a login that the journal holds is the journal’s to write', async () => {
  const { login, cache, writeBack, stored } = aStore()
  cache.store.once('set', unavailable)
  const { ticket } = await login()
  assert.deepEqual(await writeBack.reseed(all), { written: 0, isComplete: true })
  assert.equal(await stored(ticket), undefined)
  await cache.journal.replay()
  assert.equal(await stored(ticket), 1)
})

test('nothing below its floor goes back, whether this replica knows of it or only the store', async () => {
  const { login, cache, writeBack, lose, stored, near } = aStore()
  const [ended, overtaken, marked, atItsFloor] = [await login(), await login(), await login(), await login()]
  for (const { ticket } of [ended, overtaken, marked, atItsFloor]) await lose(ticket)
  const copies = [ended, overtaken].map(({ ticket }) => near.get(ticket.id))
  cache.floors.raise({ id: ended.ticket.id, floor: everyGeneration }, true)
  cache.floors.raise({ id: overtaken.ticket.id, floor: 2 }, true)
  cache.floors.raise({ id: atItsFloor.ticket.id, floor: 1 }, true)
  await cache.store.memory.set(markOf(marked.ticket), Buffer.from('f2'), hour)
  assert.ok(copies.every((copy) => copy !== undefined))
  assert.deepEqual(await writeBack.reseed(all), { written: 1, isComplete: true })
  const generations = [ended, overtaken, marked, atItsFloor].map(({ ticket }) => stored(ticket))
  assert.deepEqual(await Promise.all(generations), [undefined, undefined, undefined, 1])
  assert.equal(near.get(marked.ticket.id), undefined, 'the mark was seen: here it does not count any more either')
  assert.equal(cache.floors.of(marked.ticket.id), 2)
})

test('one key that cannot be written does not keep the others out', async () => {
  const { login, cache, writeBack, lose, stored } = aStore()
  const logins = [await login(), await login(), await login()]
  for (const { ticket } of logins) await lose(ticket)
  cache.store.once('setUnlessMarked', () => Promise.reject(new StoreValueRejected('a list is there')))
  assert.deepEqual(await writeBack.reseed(all), { written: 2, isComplete: true })
  assert.deepEqual(await Promise.all(logins.map(({ ticket }) => stored(ticket))), [undefined, 1, 1])
})

test('one that the store refuses does not keep the others out, and leaves something to do', async () => {
  const { login, cache, writeBack, lose, stored } = aStore()
  const logins = [await login(), await login(), await login()]
  for (const { ticket } of logins) await lose(ticket)
  cache.store.once('setUnlessMarked', () => Promise.reject(failingWith('oom')()))
  assert.deepEqual(await writeBack.reseed(all), { written: 2, isComplete: false })
  assert.deepEqual(await writeBack.reseed(all), { written: 1, isComplete: true })
  assert.deepEqual(await Promise.all(logins.map(({ ticket }) => stored(ticket))), [1, 1, 1])
})

test('a copy of which a newer state was heard does not go back: its refresh token is spent', async () => {
  const { login, near, writeBack, lose, stored } = aStore()
  const [overtaken, current] = [await login({ generation: 2 }), await login({ generation: 2 })]
  for (const { ticket } of [overtaken, current]) await lose(ticket)
  near.changed(overtaken.ticket.id, 3)
  near.changed(current.ticket.id, 2)
  near.unconfirmAll()
  assert.deepEqual(await writeBack.reseed(all), { written: 1, isComplete: true })
  assert.deepEqual([await stored(overtaken.ticket), await stored(current.ticket)], [undefined, 2])
})

test('a store that does not answer breaks it off, and it can be done again', async () => {
  const { login, cache, writeBack, lose, stored } = aStore()
  const { ticket } = await login()
  await lose(ticket)
  cache.store.once('setUnlessMarked', unavailable)
  await assert.rejects(writeBack.reseed(all), StoreUnavailable)
  assert.deepEqual(await writeBack.reseed(all), { written: 1, isComplete: true })
  assert.equal(await stored(ticket), 1)
})

test('an older state that lies there is overwritten, a newer one is taken note of, the same one left alone', async () => {
  const { login, writeBack, put, full, stored, near } = aStore()
  const [older, newer, same] = [
    await login({ generation: 3 }),
    await login({ generation: 3 }),
    await login({ generation: 3 }),
  ]
  await put(older.ticket, full(older.ticket, { generation: 2 }))
  await put(newer.ticket, full(newer.ticket, { generation: 4 }))
  assert.deepEqual(await writeBack.reseed(all), { written: 0, isComplete: true })
  assert.deepEqual(await Promise.all([older, newer, same].map(({ ticket }) => stored(ticket))), [3, 4, 3])
  assert.deepEqual(
    [older, newer, same].map(({ ticket }) => near.get(ticket.id)?.isConfirmed),
    [true, false, true],
  )
})

test('what somebody wrote between our look and our write stays', async () => {
  const { login, writeBack, put, full, stored, cache } = aStore()
  const { ticket } = await login({ generation: 3 })
  await put(ticket, full(ticket, { generation: 2 }))
  cache.store.once('compareAndSet', async (run) => {
    await put(ticket, full(ticket, { generation: 5 }))
    return run()
  })
  await writeBack.reseed(all)
  assert.equal(await stored(ticket), 5)
})

test('something else under a session’s key is left alone: damaged is not older', async () => {
  const { login, writeBack, cache } = aStore()
  const { ticket } = await login()
  const foreign = Buffer.from('not ours, and longer than a head')
  await cache.store.memory.set(keyOf(ticket), foreign, hour)
  assert.deepEqual(await writeBack.reseed(all), { written: 0, isComplete: true })
  assert.deepEqual(await cache.store.memory.get(keyOf(ticket)), foreign)
})

test('what has ended by itself does not go back; what goes back has only the idle time that was left', async () => {
  const { login, time, writeBack, lose, stored } = aStore(15 * minute)
  const over = await login({ expiresAt: time.clock() + 5 * minute })
  const idle = await login()
  time.advance(10 * minute)
  const used = await login()
  for (const { ticket } of [over, idle, used]) await lose(ticket)
  time.advance(4 * minute)
  assert.deepEqual(await writeBack.reseed(all), { written: 2, isComplete: true })
  assert.equal(await stored(over.ticket), undefined)
  // Idle for 14 of 15 minutes, and 10 s for how exactly that is kept.
  time.advance(minute + 10_001)
  assert.equal(await stored(idle.ticket), undefined)
  assert.equal(await stored(used.ticket), 1)
})

test('thousands go back, not all at once', async () => {
  const { login, cache, writeBack, lose } = aStore()
  for (let number = 0; number < 200; number++) await lose((await login()).ticket)
  let open = 0
  let most = 0
  for (let number = 0; number < 200; number++) {
    cache.store.once('setUnlessMarked', async (run) => {
      most = Math.max(most, ++open)
      await quiet()
      open--
      return run()
    })
  }
  assert.deepEqual(await writeBack.reseed(all), { written: 200, isComplete: true })
  assert.ok(most > 1 && most <= 64, `${most} at once`)
})

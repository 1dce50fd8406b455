import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { StoreUnavailable, StoreValueRejected } from '../../src/errors.ts'
import { createSealer } from '../../src/sealing.ts'
import { createSessionCodec, generationOf } from '../../src/session/codec.ts'
import { createSessionLifetimes } from '../../src/session/lifetimes.ts'
import { createNearCache } from '../../src/session/near-cache.ts'
import { createSessionStore } from '../../src/session/session-store.ts'
import type { FullSession, Session } from '../../src/session/session.ts'
import { newTicket, type Ticket } from '../../src/session/ticket.ts'
import { everyGeneration } from '../../src/store/withdrawal-log.ts'
import { createFakeCache } from '../fixtures/fake-cache.ts'
import { failingWith, unavailable } from '../fixtures/fake-store.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'
import { encryptionKey, hour, minute, quiet, runtimeOf } from './world.ts'

const keyOf = ({ id }: Ticket) => ({ kind: 'session' as const, id })
const markOf = ({ id }: Ticket) => ({ kind: 'revoked' as const, id })

function aStore(idleTimeoutMs?: number) {
  const time = fakeTime()
  const runtime = runtimeOf(time, recordedLog())
  const { clock, stopwatch } = runtime
  const cache = createFakeCache({ clock, stopwatch })
  const lifetimes = createSessionLifetimes(
    {
      maxAgeMs: 24 * hour,
      idleTimeoutMs,
      refreshGraceMs: minute,
      maxStaleMs: 10 * minute,
      passMaxAgeMs: 8 * hour,
      providerTimeoutMs: 5_000,
    },
    clock,
  )
  const near = createNearCache({
    limits: { maxItems: undefined, maxBytes: 10_000_000 },
    lifetimes,
    floorOf: cache.floors.of,
    shared: true,
    runtime,
  })
  cache.floors.onRaise(({ id, floor }) => near.deleteBelow(id, floor))
  const codec = createSessionCodec(createSealer([encryptionKey], 'session', randomBytes), 7 * 86_400_000)
  const sessionStore = createSessionStore({ cache, codec, near, lifetimes, clock, stopwatch })
  const full = (ticket: Ticket, overrides: Partial<Session> = {}): FullSession => {
    const generation = overrides.generation ?? 1
    const session: Session = {
      id: ticket.id,
      subject: 'alice',
      issuer: 'https://id.example.com',
      providerSessionId: undefined,
      claims: {},
      createdAt: clock(),
      expiresAt: clock() + 24 * hour,
      tokenExpiresAt: clock() + 2 * hour,
      refreshAt: clock() + 2 * hour,
      refreshable: true,
      ...overrides,
      generation,
    }
    return {
      session,
      tokens: { accessToken: `at-${generation}`, idToken: undefined, refreshToken: `rt-${generation}` },
    }
  }
  const login = async (overrides: Partial<Session> = {}) => {
    const ticket = newTicket(randomBytes)
    const isWritten = await sessionStore.create(ticket, full(ticket, overrides))
    return { ticket, isWritten }
  }
  const { memory } = cache.store
  return {
    time,
    cache,
    near,
    codec,
    sessionStore,
    full,
    login,
    stopwatch,
    /** The generation that lies in the shared store. */
    async stored(ticket: Ticket) {
      const value = await memory.get(keyOf(ticket))
      return value === undefined ? undefined : generationOf(value)
    },
    lose: (ticket: Ticket) => memory.delete(keyOf(ticket)),
    put: (ticket: Ticket, state: FullSession) => memory.set(keyOf(ticket), codec.encode(state, ticket), hour),
  }
}

const all = () => true

// --- what was acknowledged shortly before a loss ---------------------------------------------------------------------------

test('what was acknowledged in the last 10 s before the loss is offered again, and nothing older', async () => {
  const { login, time, sessionStore, lose, stored, stopwatch } = aStore()
  const old = await login()
  time.advance(1)
  const recent = await login()
  time.advance(9_999)
  const last = await login()
  const lostAt = stopwatch()
  // However long it takes to come back.
  time.advance(15_000)
  for (const { ticket } of [old, recent, last]) await lose(ticket)
  await sessionStore.offerAgain(lostAt)
  assert.deepEqual(
    [await stored(old.ticket), await stored(recent.ticket), await stored(last.ticket)],
    [undefined, 1, 1],
  )
})

test('what the store has not lost, it is not given again', async () => {
  const { login, cache, sessionStore, stopwatch } = aStore()
  await login()
  cache.store.calls.length = 0
  await sessionStore.offerAgain(stopwatch())
  assert.deepEqual(cache.store.calls, ['setUnlessMarked session', 'get session'])
})

test('a refresh of the last seconds that the store has lost is offered again: over the state of before', async () => {
  const { login, time, sessionStore, full, put, stored, stopwatch } = aStore()
  const { ticket } = await login()
  const before = full(ticket)
  time.advance(minute)
  assert.equal(await sessionStore.replace(ticket, before.session, full(ticket, { generation: 2 })), true)
  await put(ticket, before)
  await sessionStore.offerAgain(stopwatch())
  assert.equal(await stored(ticket), 2)
})

test('a login that was written late, from the journal, counts from then on as acknowledged', async () => {
  const { login, time, cache, sessionStore, lose, stored, stopwatch } = aStore()
  cache.store.once('set', unavailable)
  const { ticket, isWritten } = await login()
  assert.equal(isWritten, false)
  time.advance(minute)
  await cache.journal.replay()
  await lose(ticket)
  await sessionStore.offerAgain(stopwatch())
  assert.equal(await stored(ticket), 1)
})

test('what the store refuses is told, so that it is offered once more', async () => {
  const { login, cache, sessionStore, lose, stored, stopwatch } = aStore()
  const { ticket } = await login()
  await lose(ticket)
  cache.store.once('setUnlessMarked', () => Promise.reject(failingWith('oom')()))
  assert.equal(await sessionStore.offerAgain(stopwatch()), false)
  assert.equal(await sessionStore.offerAgain(stopwatch()), true)
  assert.equal(await stored(ticket), 1)
})

test('what was ended since is not offered again', async () => {
  const { login, sessionStore, stored, stopwatch } = aStore()
  const { ticket } = await login()
  await sessionStore.end(ticket.id)
  await sessionStore.offerAgain(stopwatch())
  assert.equal(await stored(ticket), undefined)
})

// --- re-seeding ------------------------------------------------------------------------------------------------------------

test('only what is proven goes back, and how many is told', async () => {
  const { login, time, sessionStore, lose, stored, near } = aStore()
  const doubtful = await login()
  time.advance(1_000)
  const proven = await login()
  const since = near.get(proven.ticket.id)?.confirmedAt ?? 0
  for (const { ticket } of [doubtful, proven]) await lose(ticket)
  assert.deepEqual(await sessionStore.reseed((confirmedAt) => confirmedAt >= since), { written: 1, isComplete: true })
  assert.deepEqual([await stored(doubtful.ticket), await stored(proven.ticket)], [undefined, 1])
})

test('a login that the journal holds is the journal’s to write', async () => {
  const { login, cache, sessionStore, stored } = aStore()
  cache.store.once('set', unavailable)
  const { ticket } = await login()
  assert.deepEqual(await sessionStore.reseed(all), { written: 0, isComplete: true })
  assert.equal(await stored(ticket), undefined)
  await cache.journal.replay()
  assert.equal(await stored(ticket), 1)
})

test('nothing below its floor goes back, whether this replica knows of it or only the store', async () => {
  const { login, cache, sessionStore, lose, stored, near } = aStore()
  const [ended, overtaken, marked, atItsFloor] = [await login(), await login(), await login(), await login()]
  for (const { ticket } of [ended, overtaken, marked, atItsFloor]) await lose(ticket)
  const copies = [ended, overtaken].map(({ ticket }) => near.get(ticket.id))
  cache.floors.raise({ id: ended.ticket.id, floor: everyGeneration }, true)
  cache.floors.raise({ id: overtaken.ticket.id, floor: 2 }, true)
  cache.floors.raise({ id: atItsFloor.ticket.id, floor: 1 }, true)
  await cache.store.memory.set(markOf(marked.ticket), Buffer.from('f2'), hour)
  assert.ok(copies.every((copy) => copy !== undefined))
  assert.deepEqual(await sessionStore.reseed(all), { written: 1, isComplete: true })
  const generations = [ended, overtaken, marked, atItsFloor].map(({ ticket }) => stored(ticket))
  assert.deepEqual(await Promise.all(generations), [undefined, undefined, undefined, 1])
  assert.equal(near.get(marked.ticket.id), undefined, 'the mark was seen: here it does not count any more either')
  assert.equal(cache.floors.of(marked.ticket.id), 2)
})

test('one key that cannot be written does not keep the others out', async () => {
  const { login, cache, sessionStore, lose, stored } = aStore()
  const logins = [await login(), await login(), await login()]
  for (const { ticket } of logins) await lose(ticket)
  cache.store.once('setUnlessMarked', () => Promise.reject(new StoreValueRejected('a list is there')))
  assert.deepEqual(await sessionStore.reseed(all), { written: 2, isComplete: true })
  assert.deepEqual(await Promise.all(logins.map(({ ticket }) => stored(ticket))), [undefined, 1, 1])
})

test('one that the store refuses does not keep the others out, and leaves something to do', async () => {
  const { login, cache, sessionStore, lose, stored } = aStore()
  const logins = [await login(), await login(), await login()]
  for (const { ticket } of logins) await lose(ticket)
  cache.store.once('setUnlessMarked', () => Promise.reject(failingWith('oom')()))
  assert.deepEqual(await sessionStore.reseed(all), { written: 2, isComplete: false })
  assert.deepEqual(await sessionStore.reseed(all), { written: 1, isComplete: true })
  assert.deepEqual(await Promise.all(logins.map(({ ticket }) => stored(ticket))), [1, 1, 1])
})

test('a copy of which a newer state was heard does not go back: its refresh token is spent', async () => {
  const { login, near, sessionStore, lose, stored } = aStore()
  const [overtaken, current] = [await login({ generation: 2 }), await login({ generation: 2 })]
  for (const { ticket } of [overtaken, current]) await lose(ticket)
  near.changed(overtaken.ticket.id, 3)
  near.changed(current.ticket.id, 2)
  near.unconfirmAll()
  assert.deepEqual(await sessionStore.reseed(all), { written: 1, isComplete: true })
  assert.deepEqual([await stored(overtaken.ticket), await stored(current.ticket)], [undefined, 2])
})

test('a store that does not answer breaks it off, and it can be done again', async () => {
  const { login, cache, sessionStore, lose, stored } = aStore()
  const { ticket } = await login()
  await lose(ticket)
  cache.store.once('setUnlessMarked', unavailable)
  await assert.rejects(sessionStore.reseed(all), StoreUnavailable)
  assert.deepEqual(await sessionStore.reseed(all), { written: 1, isComplete: true })
  assert.equal(await stored(ticket), 1)
})

test('an older state that lies there is overwritten, a newer one is taken note of, the same one left alone', async () => {
  const { login, sessionStore, put, full, stored, near } = aStore()
  const [older, newer, same] = [
    await login({ generation: 3 }),
    await login({ generation: 3 }),
    await login({ generation: 3 }),
  ]
  await put(older.ticket, full(older.ticket, { generation: 2 }))
  await put(newer.ticket, full(newer.ticket, { generation: 4 }))
  assert.deepEqual(await sessionStore.reseed(all), { written: 0, isComplete: true })
  assert.deepEqual(await Promise.all([older, newer, same].map(({ ticket }) => stored(ticket))), [3, 4, 3])
  assert.deepEqual(
    [older, newer, same].map(({ ticket }) => near.get(ticket.id)?.isConfirmed),
    [true, false, true],
  )
})

test('what somebody wrote between our look and our write stays', async () => {
  const { login, sessionStore, put, full, stored, cache } = aStore()
  const { ticket } = await login({ generation: 3 })
  await put(ticket, full(ticket, { generation: 2 }))
  cache.store.once('compareAndSet', async (run) => {
    await put(ticket, full(ticket, { generation: 5 }))
    return run()
  })
  await sessionStore.reseed(all)
  assert.equal(await stored(ticket), 5)
})

test('something else under a session’s key is left alone: damaged is not older', async () => {
  const { login, sessionStore, cache } = aStore()
  const { ticket } = await login()
  const foreign = Buffer.from('not ours, and longer than a head')
  await cache.store.memory.set(keyOf(ticket), foreign, hour)
  assert.deepEqual(await sessionStore.reseed(all), { written: 0, isComplete: true })
  assert.deepEqual(await cache.store.memory.get(keyOf(ticket)), foreign)
})

test('what has ended by itself does not go back; what goes back has only the idle time that was left', async () => {
  const { login, time, sessionStore, lose, stored } = aStore(15 * minute)
  const over = await login({ expiresAt: time.clock() + 5 * minute })
  const idle = await login()
  time.advance(10 * minute)
  const used = await login()
  for (const { ticket } of [over, idle, used]) await lose(ticket)
  time.advance(4 * minute)
  assert.deepEqual(await sessionStore.reseed(all), { written: 2, isComplete: true })
  assert.equal(await stored(over.ticket), undefined)
  // Idle for 14 of 15 minutes, and 10 s for how exactly that is kept.
  time.advance(minute + 10_001)
  assert.equal(await stored(idle.ticket), undefined)
  assert.equal(await stored(used.ticket), 1)
})

test('thousands go back, not all at once', async () => {
  const { login, cache, sessionStore, lose } = aStore()
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
  assert.deepEqual(await sessionStore.reseed(all), { written: 200, isComplete: true })
  assert.ok(most > 1 && most <= 64, `${most} at once`)
})

// --- the latest -------------------------------------------------------------------------------------------------------------

test('the latest state is what is stored, and is kept near', async () => {
  const { sessionStore, put, full, near } = aStore()
  const ticket = newTicket(randomBytes)
  await put(ticket, full(ticket, { generation: 4 }))
  const latest = await sessionStore.readLatest(ticket)
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
    assert.equal(await world.sessionStore.readLatest(ticket), is)
    assert.equal(world.near.get(ticket.id), undefined)
  })
}

test('the latest state of a login that the store has missed is the one in the journal', async () => {
  const { login, cache, sessionStore } = aStore()
  cache.store.once('set', unavailable)
  const { ticket } = await login()
  const latest = await sessionStore.readLatest(ticket)
  assert.ok(typeof latest === 'object' && latest.tokens.refreshToken === 'rt-1')
  assert.equal(await sessionStore.readLatest({ ...ticket, secret: newTicket(randomBytes).secret }), 'ended')
})

test('the latest state is the one here, where the store went back to an older one: only it has the last refresh token', async () => {
  const { login, put, full, sessionStore, near } = aStore()
  const { ticket } = await login({ generation: 3 })
  await put(ticket, full(ticket, { generation: 2 }))
  const latest = await sessionStore.readLatest(ticket)
  assert.ok(typeof latest === 'object' && latest.tokens.refreshToken === 'rt-3')
  const guessed = { ...ticket, secret: newTicket(randomBytes).secret }
  assert.equal(await sessionStore.readLatest(guessed), 'ended')
  assert.equal(near.get(ticket.id)?.session.generation, 3)
})

// --- writes that the store missed --------------------------------------------------------------------------------------------

test('the refresh of a login that waits in the journal waits there, too, in its place', async () => {
  const { login, cache, sessionStore, full, stored, near } = aStore()
  cache.store.once('set', unavailable)
  const { ticket } = await login()
  const next = full(ticket, { generation: 2 })
  cache.store.calls.length = 0
  assert.equal(await sessionStore.replace(ticket, full(ticket).session, next), true)
  assert.deepEqual([cache.journal.size, cache.store.calls], [1, []])
  await cache.journal.replay()
  assert.equal(await stored(ticket), 2)
  assert.equal(near.get(ticket.id)?.pending, undefined)
})

test('of several refreshes that the store missed the last one is written, over what lies there', async () => {
  const { login, cache, sessionStore, full, stored, near } = aStore()
  const { ticket } = await login()
  for (const generation of [2, 3]) sessionStore.keepForLater(ticket, full(ticket, { generation }))
  assert.deepEqual([cache.journal.size, near.get(ticket.id)?.pending, await stored(ticket)], [1, 'state', 1])
  await cache.journal.replay()
  assert.equal(await stored(ticket), 3)
  assert.deepEqual([cache.journal.size, near.get(ticket.id)?.pending], [0, undefined])
})

test('a refresh that is written leaves nothing of an earlier one in the journal', async () => {
  const { login, cache, sessionStore, full, stored, near } = aStore()
  const { ticket } = await login()
  sessionStore.keepForLater(ticket, full(ticket, { generation: 2 }))
  const { session } = full(ticket, { generation: 2 })
  assert.equal(await sessionStore.replace(ticket, session, full(ticket, { generation: 3 })), true)
  assert.deepEqual([cache.journal.size, await stored(ticket)], [0, 3])
  assert.deepEqual([near.get(ticket.id)?.pending, near.get(ticket.id)?.session.generation], [undefined, 3])
})

test('a refresh in the journal does not overwrite what somebody else wrote: the store has to be asked', async () => {
  const { login, cache, sessionStore, put, full, stored, near } = aStore()
  const { ticket } = await login()
  sessionStore.keepForLater(ticket, full(ticket, { generation: 2 }))
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
    const { sessionStore, cache, login, full } = aStore()
    const { ticket } = await login({ claims: before })
    const floorsAtWrite: number[] = []
    cache.store.once('compareAndSet', (run) => {
      floorsAtWrite.push(cache.floors.of(ticket.id))
      return run()
    })
    const next = full(ticket, { claims, generation: 2 })
    assert.equal(await sessionStore.replace(ticket, full(ticket, { claims: before }).session, next), true)
    assert.deepEqual(floorsAtWrite, [floor])
  })

  test(`a state ${name} ${verb}, also where the store misses it: its tokens are kept`, async () => {
    const { sessionStore, cache, near, login, full } = aStore()
    const { ticket } = await login({ claims: before })
    cache.store.once('compareAndSet', unavailable)
    const next = full(ticket, { claims, generation: 2 })
    assert.equal(await sessionStore.replace(ticket, full(ticket, { claims: before }).session, next), true)
    assert.equal(cache.floors.of(ticket.id), floor)
    assert.equal(near.get(ticket.id)?.pending, 'state')
    await cache.journal.replay()
    assert.equal(generationOf((await cache.store.memory.get(keyOf(ticket))) ?? Buffer.alloc(0)), 2)
  })
}

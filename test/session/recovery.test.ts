// The store is back, with or without what it had: what this process writes into it, what it does not, and what a miss means.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { RefreshRejected, StoreUnavailable } from '../../src/errors.ts'
import { newTicket, parseTicket, ticketValue } from '../../src/session/ticket.ts'
import { failingWith, unavailable } from '../fixtures/fake-store.ts'
import {
  aWorld,
  carried,
  hour,
  idOf,
  keyOf,
  look,
  minute,
  quiet,
  refreshGrant,
  sessionIn,
  type World,
} from './world.ts'

const markOf = (ticket: string) => ({ kind: 'revoked' as const, id: idOf(ticket) })

/** As after a restart without persistence, as far as this session is concerned. */
async function loseFromStore({ cache }: World, ticket: string): Promise<void> {
  cache.log.clear()
  for (const key of [keyOf(ticket), markOf(ticket)]) await cache.store.memory.delete(key)
}

// --- lost with the store's data -----------------------------------------------------------------------------------------

test('a store that restarted empty is given its sessions again: nobody notices', async () => {
  const world = aWorld()
  const ticket = await world.login()
  world.cache.goAway()
  await loseFromStore(world, ticket)
  await world.cache.comeBack({ restarted: true })
  assert.equal(await look(world.replica().sessions, ticket), 'shared')
})

test('only copies that were known to be good up to the loss go back: by their own confirmation, or by the horizon', async () => {
  for (const [horizonBehindMs, confirmedBeforeMs, found] of [
    [3_500, minute, 'shared'],
    [3_501, minute, 'unknown'],
    [minute, 3_500, 'shared'],
  ] as const) {
    const world = aWorld()
    const ticket = await world.login({ expiresAt: world.time.clock() + hour })
    world.time.advance(confirmedBeforeMs)
    world.cache.goAway()
    world.cache.horizon = world.runtime.stopwatch() - horizonBehindMs
    await loseFromStore(world, ticket)
    await world.cache.comeBack({ restarted: true })
    assert.equal(await look(world.replica().sessions, ticket), found, `${horizonBehindMs} ms, ${confirmedBeforeMs} ms`)
  }
})

test('a session that had ended by idleness does not come back from memory after a restart', async () => {
  const world = aWorld({ lifetimes: { idleTimeoutMs: 15 * minute, maxAgeMs: 8 * hour } })
  const ticket = await world.login({ expiresAt: world.time.clock() + 8 * hour })
  world.time.advance(16 * minute)
  world.cache.goAway()
  assert.equal(await look(world.sessions, ticket), 'STORE_UNAVAILABLE')
  await loseFromStore(world, ticket)
  await world.cache.comeBack({ restarted: true })
  assert.equal(await look(world.sessions, ticket), 'unknown')
})

test('a restart of the store gives nobody a second idle time', async () => {
  const world = aWorld({ lifetimes: { idleTimeoutMs: 15 * minute, maxAgeMs: 8 * hour } })
  const ticket = await world.login({ expiresAt: world.time.clock() + 8 * hour })
  world.time.advance(14 * minute)
  world.cache.goAway()
  await loseFromStore(world, ticket)
  await world.cache.comeBack({ restarted: true })
  world.time.advance(2 * minute)
  assert.equal(await look(world.sessions, ticket), 'unknown')
})

test('who is active during an outage is not idle, however long it lasts', async () => {
  const world = aWorld({ lifetimes: { idleTimeoutMs: 4 * minute, maxAgeMs: 8 * hour } })
  const ticket = await world.login({ expiresAt: world.time.clock() + 8 * hour })
  world.cache.goAway()
  for (let passed = 0; passed < 9; passed += 3) {
    world.time.advance(3 * minute)
    assert.equal(await look(world.sessions, ticket), 'near_stale')
  }
  await loseFromStore(world, ticket)
  await world.cache.comeBack({ restarted: true })
  assert.match(await look(world.sessions, ticket), /near|shared/)
})

test('what was logged out does not come back from another replica’s memory after a restart', async () => {
  const world = aWorld()
  const ticket = await world.login()
  const other = world.replica()
  await look(other.sessions, ticket)
  other.cache.hears = false
  other.cache.goAway()
  await world.sessions.end(ticket)
  // The store restarts empty: log, mark and all. This replica still knows, and says so before the other one writes.
  await loseFromStore(world, ticket)
  await world.cache.comeBack({ restarted: true })
  await other.cache.comeBack({ restarted: true })
  assert.equal(await look(other.sessions, ticket), 'revoked')
  assert.equal(await look(world.replica().sessions, ticket), 'revoked')
  assert.equal(await world.cache.store.memory.get(keyOf(ticket)), undefined)
})

test('a copy does not go back where a mark is, although nobody told this replica of the logout', async () => {
  const world = aWorld()
  const ticket = await world.login()
  world.cache.goAway()
  await loseFromStore(world, ticket)
  await world.cache.store.memory.set(markOf(ticket), Buffer.from('1'), hour)
  await world.cache.comeBack({ restarted: true, settleMs: 4_000 })
  assert.equal(await world.cache.store.memory.get(keyOf(ticket)), undefined)
  assert.equal(await look(world.sessions, ticket), 'revoked')
})

test('what was logged out does not come back with an old snapshot of the store', async () => {
  const world = aWorld()
  const ticket = await world.login()
  const snapshot = await world.cache.store.memory.get(keyOf(ticket))
  assert.ok(snapshot !== undefined)
  await world.sessions.end(ticket)
  world.cache.goAway()
  await loseFromStore(world, ticket)
  await world.cache.store.memory.set(keyOf(ticket), snapshot, hour)
  await world.cache.comeBack({ restarted: true })
  assert.equal(await look(world.replica().sessions, ticket), 'revoked')
  assert.equal(await world.cache.store.memory.get(keyOf(ticket)), undefined)
})

test('a session of an old snapshot is given its newer state again: its refresh token was rotated since', async () => {
  const world = aWorld()
  const ticket = await world.login()
  const snapshot = await world.cache.store.memory.get(keyOf(ticket))
  assert.ok(snapshot !== undefined)
  world.time.advance(hour)
  assert.equal(sessionIn(await world.sessions.find(ticket, undefined)).generation, 2)
  world.cache.goAway()
  await world.cache.store.memory.set(keyOf(ticket), snapshot, hour)
  await world.cache.comeBack({ restarted: true })
  assert.equal(sessionIn(await world.replica().sessions.find(ticket, undefined)).generation, 2)
})

test('a failover that lost a login of the last seconds is given it again; an older one that is gone was taken by somebody', async () => {
  const world = aWorld()
  const old = await world.login({ expiresAt: world.time.clock() + hour })
  world.time.advance(11_000)
  const recent = await world.login({ expiresAt: world.time.clock() + hour })
  world.cache.goAway()
  for (const ticket of [old, recent]) await world.cache.store.memory.delete(keyOf(ticket))
  await world.cache.comeBack()
  assert.equal(await look(world.replica().sessions, recent), 'shared')
  assert.equal(await look(world.replica().sessions, old), 'unknown')
})

// --- what a miss means ----------------------------------------------------------------------------------------------------

test('while the others may still be writing back what they know, a miss is not yet a miss', async () => {
  const world = aWorld()
  const ticket = await world.login()
  world.time.advance(11_000)
  world.cache.goAway()
  await world.cache.store.memory.delete(keyOf(ticket))
  await world.cache.comeBack({ settleMs: 4_000 })
  assert.equal(await look(world.sessions, ticket), 'near_stale')
  world.time.advance(4_000)
  assert.equal(await look(world.sessions, ticket), 'unknown')
})

test('while others are awaited before copies go back, a miss is not yet a miss, and what is known here goes on', async () => {
  const world = aWorld()
  const begun = await world.sessions.begin(world.grant({ expiresAt: world.time.clock() + hour }))
  const other = world.replica()
  for (const { cache } of [world, other]) cache.goAway()
  await loseFromStore(world, begun.ticket)
  for (const { cache } of [world, other]) await cache.comeBack({ restarted: true, awaitsOthers: true })
  world.time.advance(minute)
  assert.equal(await look(world.sessions, begun.ticket), 'near_stale')
  assert.equal(await look(other.sessions, begun.ticket, begun.pass), 'pass')
  await world.cache.othersAreBack()
  await other.cache.othersAreBack()
  assert.equal(await look(world.sessions, begun.ticket), 'shared')
  assert.equal(await look(other.sessions, begun.ticket, begun.pass), 'shared')
})

test('where the others never came back, nobody vouches for what is near: it does not go back, and does not count', async () => {
  const world = aWorld()
  const before = await world.login({ expiresAt: world.time.clock() + hour })
  world.time.advance(1_000)
  world.cache.goAway()
  await loseFromStore(world, before)
  const during = await world.login({ expiresAt: world.time.clock() + hour })
  await world.cache.comeBack({ restarted: true, awaitsOthers: true })
  world.time.advance(10 * minute)
  assert.equal(await look(world.sessions, before), 'near_stale')
  world.cache.othersAreGone()
  assert.equal(await look(world.sessions, before), 'unknown')
  assert.equal(await look(world.sessions, during), 'shared')
  assert.equal(await world.cache.store.memory.get(keyOf(before)), undefined)
})

test('copies that a full store refuses go back later; until then a miss proves nothing', async () => {
  const world = aWorld()
  const ticket = await world.login({ expiresAt: world.time.clock() + hour })
  world.cache.goAway()
  await loseFromStore(world, ticket)
  world.cache.store.once('setUnlessMarked', () => Promise.reject(failingWith('oom')()))
  await world.cache.comeBack({ restarted: true })
  assert.equal(await look(world.sessions, ticket), 'near_stale')
  await world.cache.othersAreBack()
  assert.equal(await look(world.sessions, ticket), 'shared')
})

test('a session that was logged out unheard does not live on in that time: the log was read first', async () => {
  const world = aWorld()
  const ticket = await world.login()
  const other = world.replica()
  await look(other.sessions, ticket)
  other.cache.hears = false
  other.cache.goAway()
  await world.sessions.end(ticket)
  await other.cache.comeBack({ settleMs: 4_000 })
  assert.equal(await look(other.sessions, ticket), 'revoked')
})

test('after a partition copies have to be confirmed; a login that the store has not seen yet goes on by what is here', async () => {
  const { sessions, login, cache } = aWorld()
  const known = await login()
  cache.store.once('set', unavailable)
  const pending = await login()
  cache.copies.unconfirmAll()
  assert.equal(sessions.near(known), undefined)
  assert.equal(sessions.near(pending), undefined)
  assert.equal(await look(sessions, known), 'shared')
  assert.equal(await look(sessions, pending), 'near_stale')
  await cache.journal.replay()
  assert.equal(await look(sessions, pending), 'shared')
})

test('a login that is still in the journal of the replica where it was made counts by its pass on the others', async () => {
  const world = aWorld()
  world.cache.store.once('set', unavailable)
  const begun = await world.sessions.begin(world.grant({ expiresAt: world.time.clock() + hour }))
  const other = world.replica()
  assert.equal(await look(other.sessions, begun.ticket, begun.pass), 'pass')
  world.time.advance(10 * minute)
  assert.equal(await look(other.sessions, begun.ticket, begun.pass), 'unknown', 'but not for longer than maxStale')
})

test('a logout of a login that lies in another replica’s journal is recorded, however long ago that was', async () => {
  const world = aWorld()
  world.cache.store.once('set', unavailable)
  const begun = await world.sessions.begin(world.grant({ expiresAt: world.time.clock() + hour }))
  const other = world.replica()
  world.time.advance(10 * minute)
  assert.equal(await other.sessions.end(begun.ticket), undefined, 'a ticket alone proves nothing')
  const ended = await other.sessions.end(begun.ticket, undefined, carried(begun.pass))
  assert.equal(ended?.isKept, true)
  await world.cache.journal.replay()
  assert.equal(await world.cache.store.memory.get(keyOf(begun.ticket)), undefined)
  assert.equal(await look(world.sessions, begun.ticket, begun.pass), 'revoked')
})

test('a session that FLUSHALL or eviction took ends within 60 seconds', async () => {
  const { sessions, login, time, cache } = aWorld()
  const ticket = await login({ expiresAt: time.clock() + hour })
  await cache.store.memory.delete(keyOf(ticket))
  time.advance(30_000)
  assert.notEqual(sessions.near(ticket), undefined)
  await quiet()
  assert.equal(await look(sessions, ticket), 'unknown')
})

test('a copy that could not be confirmed for 60 seconds does not answer by itself', async () => {
  const { sessions, login, time, cache } = aWorld()
  const ticket = await login({ expiresAt: time.clock() + hour })
  time.advance(30_000)
  cache.store.once('get', () => Promise.reject(new StoreUnavailable('late')))
  assert.notEqual(sessions.near(ticket), undefined)
  await quiet()
  time.advance(30_000)
  assert.equal(sessions.near(ticket), undefined)
  assert.equal(await look(sessions, ticket), 'shared')
})

test('nothing is kept of whoever has no session', async () => {
  const { sessions, cache } = aWorld()
  for (let visitor = 0; visitor < 100; visitor++) await look(sessions, ticketValue(newTicket(randomBytes)))
  assert.equal(sessions.nearSize, 0)
  assert.equal(cache.floors.size, 0)
  assert.deepEqual(new Set(cache.store.calls), new Set(['get session']))
  assert.equal(parseTicket(''), undefined)
})

// --- what was withdrawn ------------------------------------------------------------------------------------------------------

test('a state below a floor that is known is not let in: for 5 s its newer state is on its way, then it is gone', async () => {
  const world = aWorld()
  const ticket = await world.login({ expiresAt: world.time.clock() + hour })
  const other = world.replica()
  await look(other.sessions, ticket)
  other.cache.hear({ what: 'withdrawn', id: idOf(ticket), number: 2 })
  assert.equal(other.sessions.near(ticket), undefined)
  const first = look(other.sessions, ticket)
  await quiet()
  // It follows within milliseconds, as a rule: so long it is waited for.
  world.time.advance(100)
  assert.equal(await first, 'STORE_UNAVAILABLE')
  world.time.advance(4_899)
  assert.equal(await look(other.sessions, ticket), 'STORE_UNAVAILABLE')
  world.time.advance(1)
  assert.equal(await look(other.sessions, ticket), 'ended')
})

test('while a miss proves nothing, nor does a state below its floor: theirs, with rights that nobody here knows', async () => {
  const world = aWorld()
  const ticket = await world.login({ expiresAt: world.time.clock() + hour })
  world.cache.hear({ what: 'withdrawn', id: idOf(ticket), number: 2 })
  world.time.advance(5_000)
  world.cache.missCountsFrom = world.runtime.stopwatch() + 1_000
  const found = await world.sessions.find(ticket, undefined)
  assert.deepEqual([found.kind, found.kind === 'unproven' && found.session?.id], ['unproven', idOf(ticket)])
  world.time.advance(1_000)
  assert.equal(await look(world.sessions, ticket), 'ended')
})

test('the newer state that a floor announced counts as soon as it is there', async () => {
  const world = aWorld()
  const ticket = await world.login()
  const other = world.replica()
  other.cache.hear({ what: 'withdrawn', id: idOf(ticket), number: 2 })
  world.time.advance(1_000)
  assert.equal(await look(other.sessions, ticket), 'STORE_UNAVAILABLE')
  world.time.advance(4 * minute)
  await look(world.sessions, ticket)
  await quiet()
  assert.equal(sessionIn(await other.sessions.find(ticket, undefined)).generation, 2)
})

test('a read that a withdrawal overtook is made again: the answer of before does not count', async () => {
  const world = aWorld()
  const ticket = await world.login()
  const other = world.replica()
  other.cache.store.once('get', async (run) => {
    const before = await run()
    await world.sessions.end(ticket)
    return before
  })
  assert.equal(await look(other.sessions, ticket), 'unknown')
  assert.equal(other.sessions.near(ticket), undefined)
})

test('a login in the journal is not written once it was withdrawn, nor is a state that another one has replaced', async () => {
  const world = aWorld()
  const { cache, time, provider } = world
  const ticket = await world.login()
  cache.store.once('compareAndSet', unavailable)
  time.advance(4 * minute)
  await look(world.sessions, ticket)
  await quiet()
  assert.equal(cache.journal.size, 1)
  // Another replica refreshed, too, before it heard of ours; that one took a group away.
  cache.hear({ what: 'withdrawn', id: idOf(ticket), number: 3 })
  cache.store.once('set', unavailable)
  const withdrawn = await world.login()
  cache.hear({ what: 'withdrawn', id: idOf(withdrawn), number: 0xffff_ffff })
  cache.store.calls.length = 0
  await cache.journal.replay()
  assert.equal(cache.journal.size, 0)
  assert.deepEqual(cache.store.calls, [])
  assert.equal(provider.refreshes.length, 1)
})

test('where a refresh that took a group could not be written, this replica goes on with what it knows, also in redis mode', async () => {
  for (const mode of ['hybrid', 'redis'] as const) {
    const world = aWorld({ mode })
    const { cache, time, provider } = world
    const ticket = await world.login()
    provider.onRefresh = async () => ({
      ...refreshGrant(time.clock() + hour),
      claims: { iss: 'i', sub: 'alice', groups: [] },
    })
    const unwritten = world.replica({ mode })
    cache.store.once('compareAndSet', unavailable)
    time.advance(6 * minute)
    assert.equal(sessionIn(await world.sessions.find(ticket, undefined)).generation, 2)
    assert.equal(cache.floors.of(idOf(ticket)), 2)
    assert.equal(sessionIn(await world.sessions.find(ticket, undefined)).generation, 2)
    await cache.journal.replay()
    assert.deepEqual(sessionIn(await unwritten.sessions.find(ticket, undefined)).claims['groups'], [])
  }
})

/** Its provider ends a session whose refresh token it sees twice. */
function rotating({ provider, time }: World): void {
  const used = new Set<string>()
  provider.onRefresh = async ({ refreshToken = '' }) => {
    if (used.has(refreshToken)) throw new RefreshRejected('invalid_grant', 'reused')
    used.add(refreshToken)
    return refreshGrant(time.clock() + 5 * minute, used.size)
  }
}

test('while others are waited for no refresh token is used: the one who is gone may have used it', async () => {
  const gone = aWorld()
  rotating(gone)
  const { time, cache, sessions, provider } = gone
  const begun = await sessions.begin(gone.grant())
  const left = gone.replica()
  const old = await cache.store.memory.get(keyOf(begun.ticket))
  time.advance(4 * minute)
  await look(sessions, begun.ticket)
  await quiet()
  time.advance(30 * minute)
  left.cache.goAway()
  // Back with a snapshot of before.
  await cache.store.memory.set(keyOf(begun.ticket), old ?? Buffer.alloc(0), 20 * hour)
  await left.cache.comeBack({ restarted: true, awaitsOthers: true })
  assert.equal(await look(left.sessions, begun.ticket, begun.pass), 'rights_too_old')
  assert.deepEqual([provider.refreshes.length, left.cache.floors.isEnded(idOf(begun.ticket))], [1, false])
})

test('a failover lost a refresh: who heard of it does not use the token before, and its owner offers it again', async () => {
  for (const settleMs of [4_000, 0]) {
    const owner = aWorld()
    rotating(owner)
    const { time, cache, sessions } = owner
    const begun = await sessions.begin(owner.grant())
    const other = owner.replica()
    await look(other.sessions, begun.ticket)
    const old = await cache.store.memory.get(keyOf(begun.ticket))
    time.advance(4 * minute)
    await look(sessions, begun.ticket)
    await quiet()
    other.cache.goAway()
    cache.goAway()
    await cache.store.memory.set(keyOf(begun.ticket), old ?? Buffer.alloc(0), 20 * hour)
    time.advance(2_000)
    await other.cache.comeBack({ settleMs })
    await look(other.sessions, begun.ticket, begun.pass)
    await quiet()
    await cache.comeBack({ settleMs })
    assert.equal(other.cache.floors.isEnded(idOf(begun.ticket)), false)
    assert.equal(sessionIn(await sessions.find(begun.ticket, carried(begun.pass))).generation, 2)
  }
})

test('below the floor of a lost right while others are waited for: to the provider, however long that takes', async () => {
  const world = aWorld()
  const { time, provider, cache } = world
  const claims = { iss: 'https://id.example.com', sub: 'alice' }
  const begun = await world.sessions.begin(world.grant({ claims: { ...claims, groups: ['staff', 'admins'] } }))
  const old = await cache.store.memory.get(keyOf(begun.ticket))
  const left = world.replica()
  provider.onRefresh = async () => ({ ...refreshGrant(time.clock() + hour), claims: { ...claims, groups: ['staff'] } })
  time.advance(4 * minute)
  await look(world.sessions, begun.ticket)
  await quiet()
  left.cache.goAway()
  await cache.store.memory.set(keyOf(begun.ticket), old ?? Buffer.alloc(0), 20 * hour)
  await left.cache.comeBack({ restarted: true, awaitsOthers: true })
  for (let waited = 0; waited < 9; waited++) {
    time.advance(minute)
    assert.equal(await look(left.sessions, begun.ticket, begun.pass), 'superseded')
    assert.equal(await look(left.sessions, begun.ticket), 'superseded', 'by the ticket alone')
  }
})

test('a Redis that takes no writes: who comes back after their rights’ end goes to the provider, as when it is away', async () => {
  for (const kind of ['readonly', 'no_permission', 'write_refused'] as const) {
    const { sessions, cache, time, grant } = aWorld()
    const begun = await sessions.begin(grant())
    time.advance(16 * minute)
    cache.store.once('add', () => Promise.reject(failingWith(kind)()))
    assert.equal(await look(sessions, begun.ticket, begun.pass), 'rights_too_old', kind)
  }
})

test('a miss that proves nothing says so: neither out, nor in', async () => {
  const { sessions, cache, login } = aWorld()
  const ticket = await login()
  cache.goAway()
  await cache.store.memory.delete(keyOf(ticket))
  await cache.comeBack({ settleMs: 4_000 })
  const stranger = ticketValue(newTicket(randomBytes))
  assert.equal(await look(sessions, stranger), 'unsettled')
})

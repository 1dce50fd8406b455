// The store is away: who goes on, who logs in, who is out. The conditions under which anything stands in for it, one by one, are
// in fallback.test.ts.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { newTicket, ticketValue } from '../../src/session/ticket.ts'
import { failingWith, unavailable } from '../fixtures/fake-store.ts'
import { aWorld, carried, hour, idOf, keyOf, look, minute, quiet, refreshGrant, sessionIn } from './world.ts'

/** What the next refresh says of Alice. */
const inGroups = (expiresAt: number, groups: readonly string[], number = 1) => ({
  ...refreshGrant(expiresAt, number),
  claims: { iss: 'https://id.example.com', sub: 'alice', groups: [...groups] },
})

test('a known session goes on until its token’s end plus maxStale, however long the outage; then it is “later”', async () => {
  const { sessions, login, time, cache } = aWorld()
  const short = await login()
  const long = await login({ expiresAt: time.clock() + 7 * hour })
  cache.goAway()
  assert.equal(await look(sessions, short), 'near_stale')
  time.advance(15 * minute - 1)
  assert.equal(await look(sessions, short), 'near_stale')
  time.advance(1)
  assert.equal(await look(sessions, short), 'STORE_UNAVAILABLE')
  time.advance(6 * hour)
  assert.equal(await look(sessions, long), 'near_stale')
})

test('where its rights are too old a pass says whose it is, and lets nobody in', async () => {
  const { sessions, cache, time, grant, login } = aWorld()
  const begun = await sessions.begin(grant())
  cache.goAway()
  time.advance(15 * minute)
  const found = await sessions.find(begun.ticket, carried(begun.pass))
  assert.deepEqual(found, { kind: 'unproven', reason: 'rights_too_old', session: begun.session })
  assert.equal(sessions.near(begun.ticket), undefined)
  const another = await login()
  time.advance(15 * minute)
  assert.equal(await look(sessions, another, begun.pass), 'STORE_UNAVAILABLE', 'somebody else’s pass')
})

test('a replica that has no copy honours the pass, and only with its ticket', async () => {
  const world = aWorld()
  const begun = await world.sessions.begin(world.grant())
  const other = world.replica()
  other.cache.goAway()
  assert.equal(await look(other.sessions, begun.ticket, begun.pass), 'pass')
  assert.equal(await look(other.sessions, begun.ticket), 'STORE_UNAVAILABLE')
  const stranger = ticketValue(newTicket(randomBytes))
  assert.equal(await look(other.sessions, stranger, begun.pass), 'STORE_UNAVAILABLE')
})

test('a replica that has lost touch for longer than passMaxAge lets nobody in, and turns nobody away', async () => {
  const world = aWorld()
  const other = world.replica()
  other.cache.goAway()
  world.time.advance(8 * hour)
  const begun = await world.sessions.begin(world.grant())
  assert.equal(await look(other.sessions, begun.ticket, begun.pass), 'pass')
  world.time.advance(1)
  assert.equal(await look(other.sessions, begun.ticket, begun.pass), 'horizon_too_old')
  // A peer knows more, and tells.
  other.cache.horizon = world.runtime.stopwatch()
  assert.equal(await look(other.sessions, begun.ticket, begun.pass), 'pass')
})

test('a replica that started in the outage honours passes of those who logged in after that, and of nobody else (A2)', async () => {
  const world = aWorld()
  const before = await world.sessions.begin(world.grant())
  world.cache.goAway()
  const blind = world.replica({ blind: true })
  const atItsStart = await world.sessions.begin(world.grant())
  world.time.advance(5_000)
  const after = await world.sessions.begin(world.grant())
  assert.equal(await look(blind.sessions, before.ticket, before.pass), 'blind')
  assert.equal(await look(blind.sessions, atItsStart.ticket, atItsStart.pass), 'blind', 'clocks differ')
  assert.equal(await look(blind.sessions, after.ticket, after.pass), 'pass')
})

test('while the store answers, a pass alone lets nobody in', async () => {
  const world = aWorld()
  const begun = await world.sessions.begin(world.grant())
  await world.cache.store.memory.delete(keyOf(begun.ticket))
  assert.equal(await look(world.replica().sessions, begun.ticket, begun.pass), 'unknown')
})

test('a logout here beats the pass', async () => {
  const { sessions, cache, grant } = aWorld()
  const begun = await sessions.begin(grant())
  cache.goAway()
  await sessions.end(begun.ticket)
  assert.equal(await look(sessions, begun.ticket, begun.pass), 'revoked')
})

test('a group that a refresh elsewhere took away is gone in an outage, too: neither copy nor pass of before counts (A3)', async () => {
  const world = aWorld()
  const { time, provider } = world
  const begun = await world.sessions.begin(
    world.grant({ claims: { iss: 'i', sub: 'alice', groups: ['staff', 'admins'] } }),
  )
  const [withCopy, withoutCopy] = [world.replica(), world.replica()]
  await look(withCopy.sessions, begun.ticket)
  provider.onRefresh = async () => inGroups(time.clock() + hour, ['staff'])
  time.advance(4 * minute)
  await look(world.sessions, begun.ticket)
  await quiet()
  for (const { cache } of [world, withCopy, withoutCopy]) cache.goAway()
  // Still logged in: the provider can say with which rights.
  assert.equal(await look(withCopy.sessions, begun.ticket, begun.pass), 'superseded')
  assert.equal(await look(withoutCopy.sessions, begun.ticket, begun.pass), 'superseded')
  const found = await world.sessions.find(begun.ticket, carried(begun.pass))
  assert.ok(found.kind === 'found' && found.from === 'near_stale')
  assert.deepEqual(found.session.claims['groups'], ['staff'])
  const renewed = world.sessions.passFor(found.session, begun.ticket)
  assert.equal(await look(withoutCopy.sessions, begun.ticket, renewed), 'pass', 'the pass that says less counts')
})

test('groups in another order are the same groups: the passes of before stay good', async () => {
  const world = aWorld()
  const claims = { iss: 'https://id.example.com', sub: 'alice', groups: ['staff', 'admins'] }
  const begun = await world.sessions.begin(world.grant({ claims }))
  const other = world.replica()
  world.provider.onRefresh = async () => inGroups(world.time.clock() + hour, ['admins', 'staff'])
  world.time.advance(4 * minute)
  await look(world.sessions, begun.ticket)
  await quiet()
  assert.equal(sessionIn(await world.sessions.find(begun.ticket, undefined)).generation, 2)
  other.cache.goAway()
  assert.equal(await look(other.sessions, begun.ticket, begun.pass), 'pass')
})

test('a refresh that changes nothing of the identity leaves the passes of before as good as they were', async () => {
  const world = aWorld()
  const begun = await world.sessions.begin(world.grant())
  const other = world.replica()
  world.time.advance(4 * minute)
  await look(world.sessions, begun.ticket)
  await quiet()
  assert.equal(sessionIn(await world.sessions.find(begun.ticket, undefined)).generation, 2)
  other.cache.goAway()
  assert.equal(await look(other.sessions, begun.ticket, begun.pass), 'pass')
})

test('a copy that another replica has overtaken still serves in an outage: better old than out', async () => {
  const world = aWorld()
  const ticket = await world.login()
  world.cache.hear({ what: 'changed', id: idOf(ticket), number: 2 })
  assert.equal(world.sessions.near(ticket), undefined)
  world.cache.goAway()
  assert.equal(await look(world.sessions, ticket), 'near_stale')
})

test('nobody can go on with a session that has ended during the outage, by copy or by pass', async () => {
  const { sessions, grant, time, cache } = aWorld({ lifetimes: { maxAgeMs: 8 * minute } })
  const begun = await sessions.begin(grant())
  cache.goAway()
  time.advance(8 * minute)
  assert.equal(await look(sessions, begun.ticket), 'STORE_UNAVAILABLE')
  assert.equal(await look(sessions, begun.ticket, begun.pass), 'STORE_UNAVAILABLE')
})

test('one slow answer of the store ends nobody’s session', async () => {
  const world = aWorld({ mode: 'redis' })
  const ticket = await world.login()
  world.cache.store.once('get', unavailable)
  assert.equal(await look(world.sessions, ticket), 'near_stale')
  assert.equal(await look(world.sessions, ticket), 'shared')
})

test('an answer that this process was too late for lets nothing stand in: that says nothing of the store (A1)', async () => {
  const world = aWorld({ mode: 'redis' })
  const begun = await world.sessions.begin(world.grant())
  world.cache.store.once('get', () => Promise.reject(failingWith('own_delay')()))
  assert.equal(await look(world.sessions, begun.ticket, begun.pass), 'STORE_UNAVAILABLE')
  world.cache.store.once('get', () => Promise.reject(failingWith('timeout')()))
  assert.equal(await look(world.sessions, begun.ticket, begun.pass), 'near_stale')
})

test('who logs in while the store is away is logged in here, and everywhere when it is back', async () => {
  const world = aWorld()
  world.cache.goAway()
  const ticket = await world.login()
  assert.equal(await look(world.sessions, ticket), 'near_stale')
  world.time.advance(11 * minute)
  assert.equal(await look(world.sessions, ticket), 'near_stale')
  await world.cache.comeBack()
  assert.equal(await look(world.replica().sessions, ticket), 'shared')
})

test('who logs in here and out elsewhere while the store is away is logged out here, although nobody said so', async () => {
  const world = aWorld()
  world.cache.goAway()
  const begun = await world.sessions.begin(world.grant())
  // Another replica ended it (it had the pass) and was back first; the log has lost it, the mark is there.
  await world.cache.store.memory.set({ kind: 'revoked', id: idOf(begun.ticket) }, Buffer.from('1'), hour)
  await world.cache.comeBack({ settleMs: 4_000 })
  assert.equal(await look(world.sessions, begun.ticket, begun.pass), 'revoked')
  assert.equal(await look(world.replica().sessions, begun.ticket), 'unknown')
  world.cache.goAway()
  assert.equal(await look(world.sessions, begun.ticket, begun.pass), 'revoked')
})

test('who logs in and out while the store is away is logged out when it is back', async () => {
  const world = aWorld()
  world.cache.goAway()
  const ticket = await world.login()
  await world.sessions.end(ticket)
  await world.cache.comeBack()
  assert.equal(await look(world.sessions, ticket), 'revoked')
  assert.equal(await look(world.replica().sessions, ticket), 'revoked')
  assert.equal(await world.cache.store.memory.get(keyOf(ticket)), undefined)
})

test('a refresh is not tried while the store is away: two replicas would spend the same token', async () => {
  const { sessions, login, time, provider, cache } = aWorld()
  const ticket = await login()
  cache.goAway()
  time.advance(6 * minute)
  assert.equal(await look(sessions, ticket), 'near_stale')
  await quiet()
  assert.equal(provider.refreshes.length, 0)
})

test('a guess at a known session’s secret finds nothing, drops no copy and fills no log', async () => {
  const world = aWorld({ mode: 'redis' })
  const ticket = await world.login()
  const guess = idOf(ticket) + (await world.login()).slice(22)
  const before = world.log.lines.length
  assert.equal(await look(world.sessions, guess), 'unknown')
  assert.equal(world.log.lines.length, before)
  world.cache.goAway()
  assert.equal(await look(world.sessions, guess), 'STORE_UNAVAILABLE')
  assert.equal(await look(world.sessions, ticket), 'near_stale', 'the copy is still there')
})

test('a pass is renewed for its ticket only, and by a copy only: never by itself, nor for a secret that somebody made up', async () => {
  const world = aWorld()
  const begun = await world.sessions.begin(world.grant())
  const found = sessionIn(await world.sessions.find(begun.ticket, undefined))
  const planted = idOf(begun.ticket) + newTicket(randomBytes).secret
  assert.equal(world.sessions.passFor(found, planted), undefined)
  assert.notEqual(world.sessions.passFor(found, begun.ticket), undefined)
  const other = world.replica()
  other.cache.goAway()
  const byPass = sessionIn(await other.sessions.find(begun.ticket, carried(begun.pass)))
  assert.equal(other.sessions.passFor(byPass, begun.ticket), undefined)
})

test('in an outage a planted pass does not hide the good one, wherever it stands (B5)', async () => {
  const world = aWorld()
  const begun = await world.sessions.begin(world.grant())
  const pass = begun.pass ?? ''
  const planted = (await world.sessions.begin(world.grant())).pass ?? ''
  for (const passes of [
    ['x', pass],
    [pass, 'x'],
    ['x', planted, pass],
  ]) {
    const other = world.replica()
    other.cache.goAway()
    const found = await other.sessions.find(begun.ticket, passes)
    assert.ok(found.kind === 'found' && found.from === 'pass')
  }
})

test('a pass is known as good, with its state, by its own ticket only', async () => {
  const { sessions, grant, login } = aWorld()
  const begun = await sessions.begin(grant())
  assert.equal(sessions.generationOfPass(begun.pass ?? '', begun.ticket), 1)
  assert.equal(sessions.generationOfPass(begun.pass ?? '', await login()), undefined)
  assert.equal(sessions.generationOfPass('x', begun.ticket), undefined)
  assert.equal(sessions.generationOfPass(begun.pass ?? '', 'x'), undefined)
})

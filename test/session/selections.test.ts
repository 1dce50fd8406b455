// Many sessions, listed and ended together.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LoginRejected } from '../../src/errors.ts'
import type { Selection } from '../../src/session/selection.ts'
import { parseSweep } from '../../src/session/sweeps.ts'
import { aWorld, carried, hour, idOf, look, minute, quiet, type World } from './world.ts'

const issuer = 'https://id.example.com'
const secondNow = (world: World) => Math.floor(world.time.clock() / 1_000)
const claimsOf = (sub: string, sid = `sid-of-${sub}`) => ({ iss: issuer, sub, sid, email: `${sub}@example.com` })
const login = (world: World, sub: string, sid?: string) => world.login({ claims: claimsOf(sub, sid) })

const ofAlice = (world: World): Record<string, Selection> => ({
  subject: { by: 'subject', issuer, subject: 'alice', issuedAt: secondNow(world) },
  'provider session': { by: 'sid', issuer, sid: 'sid-of-alice', issuedAt: secondNow(world) },
  'provider session and subject': {
    by: 'sid',
    issuer,
    sid: 'sid-of-alice',
    subject: 'alice',
    issuedAt: secondNow(world),
  },
  person: { by: 'person', issuer, subject: 'alice' },
  user: { by: 'user', user: 'ALICE@example.com' },
})

for (const by of Object.keys(ofAlice(aWorld()))) {
  describe(`who is ended by ${by}`, () => {
    const select = (world: World): Selection => ofAlice(world)[by] as Selection

    test('is out at once, here and at every other replica, and nobody else is', async () => {
      const world = aWorld()
      const other = world.replica()
      const [one, two, bob] = [await login(world, 'alice'), await login(other, 'alice'), await login(world, 'bob')]
      for (const ticket of [one, two, bob])
        assert.equal(await look(other.sessions, ticket), ticket === one || ticket === bob ? 'shared' : 'near')
      assert.deepEqual(await world.sessions.endSelected(select(world)), { ended: 2, isKept: true })
      for (const { sessions } of [world, other]) {
        for (const ticket of [one, two]) assert.equal(await look(sessions, ticket), 'revoked')
        assert.notEqual(await look(sessions, bob), 'revoked')
      }
      assert.equal(await world.cache.store.memory.get({ kind: 'session', id: idOf(one) }), undefined)
      assert.equal(await world.cache.store.memory.get({ kind: 'session', id: idOf(two) }), undefined)
    })

    test('can log in again, at once', async () => {
      const world = aWorld()
      await login(world, 'alice')
      await world.sessions.endSelected(select(world))
      world.time.advance(1)
      const again = await world.login({ claims: claimsOf('alice', 'sid-new') })
      assert.equal(await look(world.sessions, again), 'near')
      assert.equal(await look(world.replica().sessions, again), 'shared')
    })

    test('is out at a replica that has not heard of it and reads the store', async () => {
      const world = aWorld()
      const deaf = world.replica({ mode: 'redis' })
      const ticket = await login(world, 'alice')
      deaf.cache.hears = false
      await world.sessions.endSelected(select(world))
      assert.equal(await look(deaf.sessions, ticket), 'unknown')
    })

    test('does not come back by a pass while the store is away, nor out of a journal', async () => {
      const world = aWorld()
      world.cache.secondRoad = 'peers'
      const other = world.replica()
      other.cache.secondRoad = 'peers'
      for (const { cache } of [world, other]) cache.goAway()
      const begun = await other.sessions.begin(other.grant({ claims: claimsOf('alice') }))
      assert.equal(await look(world.sessions, begun.ticket, begun.pass), 'pass')
      // Nobody can list it: it lies in a journal, and in the browser's pass.
      const { isKept } = await world.sessions.endSelected(select(world))
      assert.equal(isKept, true)
      for (const { sessions } of [world, other]) assert.equal(await look(sessions, begun.ticket, begun.pass), 'revoked')
      await other.cache.comeBack()
      await world.cache.comeBack()
      for (const { sessions } of [world, other]) assert.equal(await look(sessions, begun.ticket, begun.pass), 'revoked')
      assert.equal(await world.cache.store.memory.get({ kind: 'session', id: idOf(begun.ticket) }), undefined)
    })

    test('does not come back with a store that lost everything, nor with a replica that starts anew', async () => {
      const world = aWorld()
      const other = world.replica()
      const begun = await world.sessions.begin(world.grant({ claims: claimsOf('alice') }))
      assert.equal(await look(other.sessions, begun.ticket), 'shared')
      other.cache.goAway()
      await world.sessions.endSelected(select(world))
      await other.cache.comeBack()
      assert.equal(await look(other.sessions, begun.ticket, begun.pass), 'revoked')
      const late = world.replica()
      assert.equal(await look(late.sessions, begun.ticket, begun.pass), 'revoked')
    })

    test('where nobody else takes it, the answer says so, and asked again it says when that is mended', async () => {
      const world = aWorld()
      await login(world, 'alice')
      world.cache.goAway()
      assert.equal((await world.sessions.endSelected(select(world))).isKept, false)
      await world.cache.comeBack()
      assert.equal((await world.sessions.endSelected(select(world))).isKept, true)
    })
  })
}

test('a logout that the provider announces leaves alone whose ID token is younger', async () => {
  const world = aWorld()
  const before = secondNow(world)
  world.time.advance(5_000)
  const ticket = await login(world, 'alice')
  for (const selection of [
    { by: 'subject', issuer, subject: 'alice', issuedAt: before },
    { by: 'sid', issuer, sid: 'sid-of-alice', issuedAt: before },
  ] as const) {
    assert.equal((await world.sessions.endSelected(selection)).ended, 0)
    assert.equal(await look(world.sessions, ticket), 'near')
  }
})

test('it is the provider’s clock that says which is younger', async () => {
  const world = aWorld()
  const providerSecond = secondNow(world) + 120
  const ticket = await world.login({ claims: claimsOf('alice'), idTokenIssuedAt: providerSecond * 1_000 })
  await world.sessions.endSelected({ by: 'subject', issuer, subject: 'alice', issuedAt: providerSecond - 1 })
  assert.equal(await look(world.sessions, ticket), 'near')
  await world.sessions.endSelected({ by: 'subject', issuer, subject: 'alice', issuedAt: providerSecond })
  assert.equal(await look(world.sessions, ticket), 'revoked')
})

for (const selection of ['subject', 'provider session', 'provider session and subject'] as const) {
  test(`a logout by ${selection} that comes before the login is complete ends that login`, async () => {
    const world = aWorld()
    const startedAt = world.time.clock()
    const idTokenIssuedAt = secondNow(world) * 1_000
    world.time.advance(300)
    await world.sessions.endSelected(ofAlice(world)[selection] as Selection)
    world.time.advance(200)
    await assert.rejects(
      world.replica().sessions.begin(world.grant({ claims: claimsOf('alice'), idTokenIssuedAt }), { startedAt }),
      (error) => error instanceof LoginRejected && error.reason === 'ended_meanwhile',
    )
  })
}

test('provider session and subject of different people end nobody', async () => {
  const world = aWorld()
  const [alice, bob] = [await login(world, 'alice'), await login(world, 'bob')]
  await world.sessions.endSelected({
    by: 'sid',
    issuer,
    sid: 'sid-of-alice',
    subject: 'bob',
    issuedAt: secondNow(world),
  })
  assert.equal(await look(world.sessions, alice), 'near')
  assert.equal(await look(world.sessions, bob), 'near')
})

test('everybody is ended without a list, also whom nobody has near', async () => {
  const world = aWorld()
  const tickets = [await login(world, 'alice'), await login(world.replica(), 'bob')]
  const until = world.time.clock()
  world.time.advance(1)
  const younger = await login(world, 'carol')
  assert.equal((await world.sessions.endSelected({ by: 'everybody', until })).isKept, true)
  for (const { sessions } of [world, world.replica()]) {
    for (const ticket of tickets) assert.equal(await look(sessions, ticket), 'revoked')
    assert.notEqual(await look(sessions, younger), 'revoked')
    const { entries } = await sessions.list('all', { limit: 10 })
    assert.deepEqual(
      entries.map(({ id }) => id),
      [idOf(younger)],
    )
    // What is stored of it lies there until its end.
    for (const ticket of tickets) assert.equal(await sessions.listed(idOf(ticket)), undefined)
  }
})

test('what is recorded of it names nobody', async () => {
  const world = aWorld()
  await login(world, 'alice')
  for (const selection of Object.values(ofAlice(world))) await world.sessions.endSelected(selection)
  const sweeps = [...world.cache.log.keys()].filter((id) => parseSweep(id) !== undefined)
  assert.ok(sweeps.length >= 5)
  for (const id of sweeps) assert.doesNotMatch(id, /alice|example/)
})

describe('the list of sessions', () => {
  const list = async (world: World, selection: Parameters<World['sessions']['list']>[0], page = { limit: 10 }) =>
    (await world.sessions.list(selection, page)).entries

  test('names those of somebody, whoever took their logins, and no others', async () => {
    const world = aWorld()
    const other = world.replica()
    const origin = { startedAt: world.time.clock(), network: '192.0.2.0/24', browser: 'Firefox on Linux' }
    const one = await world.sessions.begin(world.grant({ claims: claimsOf('alice') }), origin)
    world.time.advance(minute)
    const two = await login(other, 'alice', 'sid-2')
    await login(other, 'bob')
    const found = await list(other, { by: 'person', issuer, subject: 'alice' })
    assert.deepEqual(
      found.map(({ id }) => id),
      [one.session.id, idOf(two)],
    )
    const { createdAt, expiresAt } = one.session
    assert.deepEqual(found[0], {
      id: one.session.id,
      issuer,
      subject: 'alice',
      user: 'alice@example.com',
      providerSessionId: 'sid-of-alice',
      after: undefined,
      createdAt,
      issuedAt: createdAt,
      expiresAt,
      lastSeenAt: createdAt,
      network: '192.0.2.0/24',
      browser: 'Firefox on Linux',
    })
    assert.deepEqual(await list(world, { by: 'user', user: 'ALICE@EXAMPLE.COM' }), found)
    assert.equal((await list(world, { by: 'sid', issuer, sid: 'sid-2', issuedAt: 0 })).length, 1)
    assert.equal((await list(world, 'all')).length, 3)
  })

  test('holds nothing that has ended, however it ended', async () => {
    const world = aWorld()
    const [out, revoked, expired] = [
      await login(world, 'alice'),
      await login(world, 'alice'),
      await login(world, 'alice'),
    ]
    await world.sessions.end(out)
    assert.equal(
      await world.sessions.endListed((await list(world, 'all')).find(({ id }) => id === idOf(revoked))!),
      true,
    )
    assert.equal(await look(world.sessions, revoked), 'revoked')
    assert.deepEqual(
      (await list(world, 'all')).map(({ id }) => id),
      [idOf(expired)],
    )
    await world.cache.store.memory.delete({ kind: 'session', id: idOf(expired) })
    assert.deepEqual(await list(world, 'all'), [])
    assert.equal(await world.sessions.listed(idOf(expired)), undefined)
  })

  test('says when somebody was last seen, to five minutes, and costs a request nothing until then', async () => {
    const world = aWorld()
    const ticket = await world.login({ claims: claimsOf('alice'), expiresAt: world.time.clock() + 10 * hour })
    const begun = world.time.clock()
    world.time.advance(4 * minute)
    await look(world.sessions, ticket)
    await quiet()
    assert.equal((await world.sessions.listed(idOf(ticket)))?.lastSeenAt, begun)
    world.time.advance(minute)
    await look(world.sessions, ticket)
    await quiet()
    assert.equal((await world.sessions.listed(idOf(ticket)))?.lastSeenAt, begun + 5 * minute)
  })

  test('lists whoever is in use again, where the store lost what it knew of them', async () => {
    const world = aWorld()
    const ticket = await world.login({ claims: claimsOf('alice'), expiresAt: world.time.clock() + 10 * hour })
    await world.cache.store.memory.delete({ kind: 'about', id: idOf(ticket) })
    assert.deepEqual(await list(world, 'all'), [])
    world.time.advance(5 * minute)
    await look(world.sessions, ticket)
    await quiet()
    assert.equal((await list(world, 'all')).length, 1)
  })

  test('lists again who was written back to a store that lost everything', async () => {
    const world = aWorld()
    const ticket = await login(world, 'alice')
    assert.equal(await look(world.sessions, ticket), 'near')
    world.cache.goAway()
    for (const kind of ['session', 'about'] as const) await world.cache.store.memory.delete({ kind, id: idOf(ticket) })
    await world.cache.comeBack({ restarted: true })
    await quiet()
    assert.deepEqual(
      (await list(world, { by: 'person', issuer, subject: 'alice' })).map(({ id }) => id),
      [idOf(ticket)],
    )
  })

  test('a login in an outage is listed once it is written', async () => {
    const world = aWorld()
    world.cache.goAway()
    const ticket = await login(world, 'alice')
    await assert.rejects(list(world, 'all'))
    await world.cache.comeBack()
    assert.deepEqual(
      (await list(world, 'all')).map(({ id }) => id),
      [idOf(ticket)],
    )
  })

  test('comes in pages', async () => {
    const world = aWorld()
    const all: string[] = []
    for (let at = 0; at < 7; at++) {
      all.push(idOf(await login(world, `p${at}`)))
      world.time.advance(1_000)
    }
    const seen: string[] = []
    for (let skip: number | undefined = 0; skip !== undefined;) {
      const page: Awaited<ReturnType<World['sessions']['list']>> = await world.sessions.list('all', { limit: 3, skip })
      seen.push(...page.entries.map(({ id }) => id))
      skip = page.next
    }
    assert.deepEqual(seen, all)
  })

  test('what lies there instead of what is told about a session is no reason to fail', async () => {
    const world = aWorld()
    const ticket = await login(world, 'alice')
    for (const damage of ['x', '', '\u0001'.repeat(60)]) {
      await world.cache.store.memory.set({ kind: 'about', id: idOf(ticket) }, Buffer.from(damage || '\0'), hour)
      assert.equal(await world.sessions.listed(idOf(ticket)), undefined)
    }
    assert.equal(await look(world.sessions, ticket), 'near')
  })
})

describe('the most sessions of one user', () => {
  test('a login beyond it ends the oldest, everywhere', async () => {
    const world = aWorld({ maxPerUser: 2 })
    const other = world.replica()
    const tickets: string[] = []
    for (let at = 0; at < 4; at++) {
      tickets.push(await login(at % 2 === 0 ? world : other, 'alice', `sid-${at}`))
      world.time.advance(1_000)
    }
    const bob = await login(world, 'bob')
    for (const { sessions } of [world, other]) {
      const answers = await Promise.all(tickets.map((ticket) => look(sessions, ticket)))
      assert.deepEqual(
        answers.map((answer) => answer === 'revoked'),
        [true, true, false, false],
      )
      assert.notEqual(await look(sessions, bob), 'revoked')
    }
  })

  test('sessions that have ended do not count', async () => {
    const world = aWorld({ maxPerUser: 2 })
    const [one, two] = [await login(world, 'alice'), await login(world, 'alice')]
    await world.sessions.end(one)
    const three = await login(world, 'alice')
    for (const ticket of [two, three]) assert.equal(await look(world.sessions, ticket), 'near')
  })

  test('a store that is away keeps nobody from logging in', async () => {
    const world = aWorld({ maxPerUser: 1 })
    world.cache.goAway()
    const begun = await world.sessions.begin(world.grant({ claims: claimsOf('alice') }))
    assert.equal(await look(world.sessions, begun.ticket, carried(begun.pass)[0]), 'near_stale')
  })
})

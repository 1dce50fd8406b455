import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { AnswerLost, ProviderUnavailable, RefreshRejected, StoreValueRejected } from '../../src/errors.ts'
import { newTicket, ticketValue } from '../../src/session/ticket.ts'
import { unavailable } from '../fixtures/fake-store.ts'
import { aWorld, carried, gate, hour, idOf, keyOf, look, minute, quiet, refreshGrant, sessionIn } from './world.ts'

const away = () => Promise.reject(new ProviderUnavailable('away'))
const notRefreshable = { tokens: { accessToken: 'at', idToken: undefined, refreshToken: undefined } }

// --- finding ----------------------------------------------------------------------------------------------------------

for (const mode of ['memory', 'redis', 'hybrid'] as const) {
  test(`${mode}: who has logged in is found, with their identity`, async () => {
    const { sessions, login } = aWorld({ mode })
    const ticket = await login()
    const session = sessionIn(await sessions.find(ticket, undefined))
    assert.equal(session.subject, 'alice')
    assert.equal(session.providerSessionId, 'sid-1')
    assert.deepEqual(session.claims['groups'], ['staff'])
    assert.deepEqual(await sessions.tokens(ticket), { accessToken: 'at-0', idToken: 'id-0', refreshToken: 'rt-0' })
  })

  test(`${mode}: a made-up ticket finds nobody, nor does a real id with another secret`, async () => {
    const { sessions, login } = aWorld({ mode })
    const ticket = await login()
    const stranger = ticketValue(newTicket(randomBytes))
    assert.equal(await look(sessions, stranger), 'unknown')
    assert.equal(await look(sessions, ticket.slice(0, 22) + stranger.slice(22)), 'unknown')
    assert.equal(await look(sessions, 'nonsense'), 'malformed')
    assert.equal(sessions.near(ticket.slice(0, 22) + stranger.slice(22)), undefined)
  })

  test(`${mode}: the owner of a session is not disturbed by a wrong secret for it`, async () => {
    const { sessions, login } = aWorld({ mode })
    const ticket = await login()
    await look(sessions, ticket.slice(0, 22) + ticketValue(newTicket(randomBytes)).slice(22))
    assert.match(await look(sessions, ticket), /near|shared/)
  })
}

test('no two logins have an id or a secret in common', async () => {
  const { login } = aWorld()
  const [a, b] = [await login(), await login()]
  assert.notEqual(a.slice(0, 22), b.slice(0, 22))
  assert.notEqual(a.slice(22), b.slice(22))
})

test('another replica finds the session, and from then on by itself', async () => {
  const world = aWorld()
  const ticket = await world.login()
  const other = world.replica()
  assert.equal(await look(other.sessions, ticket), 'shared')
  assert.equal(await look(other.sessions, ticket), 'near')
})

test('one read per session, however many requests wait for it', async () => {
  const world = aWorld()
  const ticket = await world.login()
  const other = world.replica()
  await Promise.all(Array.from({ length: 1_000 }, () => other.sessions.find(ticket, undefined)))
  assert.deepEqual(other.cache.store.calls, ['get session'])
})

test('redis mode asks the store for every request', async () => {
  const world = aWorld({ mode: 'redis' })
  const ticket = await world.login()
  world.cache.store.calls.length = 0
  for (let request = 0; request < 3; request++) assert.equal(await look(world.sessions, ticket), 'shared')
  assert.deepEqual(world.cache.store.calls, ['get session', 'get session', 'get session'])
})

const damages: [name: string, reason: string, value: (real: Buffer) => Buffer][] = [
  ['corrupt', 'does_not_open', (real) => Buffer.concat([real.subarray(0, 40), Buffer.from('x'), real.subarray(41)])],
  ['cut short', 'unreadable', (real) => real.subarray(0, 20)],
  ['of a newer version', 'unreadable', (real) => Buffer.concat([Buffer.from([3]), real.subarray(1)])],
  ['not ours at all', 'unreadable', () => Buffer.from('hello')],
]
for (const [name, reason, damage] of damages) {
  test(`a stored value that is ${name} is an absence with a warning and a count, never an error`, async () => {
    const world = aWorld()
    const ticket = await world.login()
    const real = await world.cache.store.memory.get(keyOf(ticket))
    await world.cache.store.memory.set(keyOf(ticket), damage(real ?? Buffer.alloc(0)), hour)
    const other = world.replica()
    assert.equal(await look(other.sessions, ticket), 'unknown')
    assert.deepEqual(world.log.events(), [`stored_value_unusable ${reason}`])
    assert.equal(other.metrics.cacheRequests.labels({ kind: 'session', tier: 'l2', result: 'error' }).value, 1)
  })
}

test('a stored value moved to another id is nobody else’s session', async () => {
  const world = aWorld()
  const [alice, bob] = [await world.login(), await world.login()]
  const stolen = await world.cache.store.memory.get(keyOf(alice))
  await world.cache.store.memory.set(keyOf(bob), stolen ?? Buffer.alloc(0), hour)
  assert.equal(await look(world.replica().sessions, bob), 'unknown')
})

test('guesses at the secret of one’s own session fill no log, and hide no damage (B12)', async () => {
  const world = aWorld()
  const [mine, damaged] = [await world.login(), await world.login()]
  await world.cache.store.memory.set(keyOf(damaged), Buffer.from('hello'), hour)
  // It has no copy, so that only the store can answer.
  const other = world.replica()
  for (let guess = 0; guess < 20; guess++) {
    assert.equal(await look(other.sessions, idOf(mine) + newTicket(randomBytes).secret), 'unknown')
  }
  assert.deepEqual(world.log.events(), ['stored_value_unusable does_not_open'])
  assert.equal(other.metrics.cacheRequests.labels({ kind: 'session', tier: 'l2', result: 'error' }).value, 20)
  for (let request = 0; request < 20; request++) await look(other.sessions, damaged)
  assert.deepEqual(world.log.events().slice(1), ['stored_value_unusable unreadable'])
  world.time.advance(minute)
  await look(other.sessions, damaged)
  assert.equal(world.log.lines.length, 3, 'told again while it lasts')
  assert.equal(await look(other.sessions, mine), 'shared')
})

test('a session that goes between two reads of it is an absence like any other', async () => {
  const world = aWorld({ mode: 'redis' })
  const claims = { ...world.grant().claims, about: 'x'.repeat(1_000) }
  const { ticket, session } = await world.sessions.begin(world.grant({ claims }))
  const { memory } = world.cache.store
  // Another replica has refreshed it: the head is a new one, so that all of it is read, and by then it has gone.
  const head = (await memory.get(keyOf(ticket), 896)) ?? Buffer.alloc(0)
  head.writeUInt32BE(session.generation + 1, 1)
  world.cache.store.once('get', async () => {
    await memory.delete(keyOf(ticket))
    return head
  })
  assert.equal(await look(world.sessions, ticket), 'unknown')
  assert.deepEqual(world.log.events(), [])
})

test('a value of a wrong type is an absence', async () => {
  const world = aWorld()
  const ticket = await world.login()
  const other = world.replica()
  other.cache.store.once('get', () => Promise.reject(new StoreValueRejected('a list')))
  assert.equal(await look(other.sessions, ticket), 'unknown')
  assert.deepEqual(
    world.log.lines.map(({ event, reason }) => [event, reason]),
    [['stored_value_unusable', 'wrong_type']],
  )
})

// --- how long it lives --------------------------------------------------------------------------------------------------

for (const mode of ['memory', 'redis', 'hybrid'] as const) {
  test(`${mode}: a session ends absolutely after sessionMaxAge, refreshed and used or not`, async () => {
    const { sessions, login, time, provider } = aWorld({ mode, lifetimes: { maxAgeMs: hour } })
    provider.onRefresh = () => Promise.resolve(refreshGrant(time.clock() + 24 * hour))
    const ticket = await login({ expiresAt: time.clock() + 5 * minute })
    for (let passed = 0; passed < 59; passed++) {
      time.advance(minute)
      assert.match(await look(sessions, ticket), /near|shared/, `after ${passed + 1} minutes`)
      await quiet()
    }
    time.advance(minute)
    assert.match(await look(sessions, ticket), /expired|unknown/)
    assert.equal(sessions.near(ticket), undefined)
  })

  test(`${mode}: a session that cannot be refreshed ends with its token`, async () => {
    const { sessions, login, time } = aWorld({ mode })
    const ticket = await login(notRefreshable)
    time.advance(5 * minute - 1)
    assert.match(await look(sessions, ticket), /near|shared/)
    time.advance(2)
    assert.match(await look(sessions, ticket), /expired|unknown/)
  })

  test(`${mode}: a session idle for longer than sessionIdleTimeout ends; one that is used does not`, async () => {
    const { sessions, login, time } = aWorld({ mode, lifetimes: { idleTimeoutMs: 10 * minute, refreshGraceMs: 0 } })
    const used = await login({ expiresAt: time.clock() + 24 * hour })
    const idle = await login({ expiresAt: time.clock() + 24 * hour })
    for (let passed = 0; passed < 30; passed++) {
      time.advance(minute)
      assert.match(await look(sessions, used), /near|shared/, `after ${passed + 1} minutes`)
      await quiet()
    }
    assert.match(await look(sessions, idle), /expired|unknown/)
    // 10 s: how exactly idleness is kept.
    time.advance(10 * minute + 11_000)
    assert.match(await look(sessions, used), /expired|unknown/)
  })
}

test('use on one replica keeps the session from being idle on another', async () => {
  const world = aWorld({ lifetimes: { idleTimeoutMs: 10 * minute, refreshGraceMs: 0 } })
  const ticket = await world.login({ expiresAt: world.time.clock() + 24 * hour })
  const other = world.replica()
  for (let passed = 0; passed < 20; passed++) {
    world.time.advance(minute)
    assert.match(await look(other.sessions, ticket), /near|shared/)
    await quiet()
  }
  assert.equal(await look(world.sessions, ticket), 'shared')
})

test('a replica that reads a session just before its idle end keeps it alive from that request on', async () => {
  const world = aWorld({ lifetimes: { idleTimeoutMs: 10 * minute, refreshGraceMs: 0 } })
  const ticket = await world.login({ expiresAt: world.time.clock() + 24 * hour })
  world.time.advance(10 * minute - 2_000)
  const other = world.replica()
  assert.equal(await look(other.sessions, ticket), 'shared')
  await quiet()
  // 13 s later: the 10 s grain past the first idle end is over, and only a touch at that request can have saved it.
  world.time.advance(13_000)
  assert.equal(await look(other.sessions, ticket), 'near')
  await quiet()
  assert.match(await look(other.sessions, ticket), /near|shared/)
})

test('idleness costs one write per 10 seconds, not one per request', async () => {
  const { sessions, login, time, cache } = aWorld({ lifetimes: { idleTimeoutMs: 10 * minute, refreshGraceMs: 0 } })
  const ticket = await login({ expiresAt: time.clock() + 24 * hour })
  for (let request = 0; request < 100; request++) {
    time.advance(200)
    await look(sessions, ticket)
  }
  assert.equal(cache.store.calls.filter((call) => call.startsWith('touch')).length, 2)
})

// --- refresh --------------------------------------------------------------------------------------------------------------

test('within refreshGracePeriodSeconds of the token’s end it is refreshed in the background: nobody waits', async () => {
  const { sessions, login, time, provider } = aWorld({ mode: 'memory' })
  const ticket = await login()
  const answer = gate<ReturnType<typeof refreshGrant>>()
  provider.onRefresh = () => answer.promise
  time.advance(4 * minute - 1)
  assert.equal(await look(sessions, ticket), 'near')
  assert.equal(provider.refreshes.length, 0)
  time.advance(1)
  assert.notEqual(sessions.near(ticket), undefined)
  await quiet()
  assert.equal(provider.refreshes.length, 1)
  assert.notEqual(sessions.near(ticket), undefined)
  answer.open(refreshGrant(time.clock() + 5 * minute, 1))
  await quiet()
  assert.deepEqual((await sessions.tokens(ticket))?.refreshToken, 'rt-1')
  assert.equal(provider.refreshes.length, 1)
})

test('the refresh is put off by a jitter of less than a second', async () => {
  const { sessions, login, time, provider } = aWorld({ mode: 'memory', random: 0.999 })
  const ticket = await login()
  time.advance(4 * minute + 998)
  sessions.near(ticket)
  await quiet()
  assert.equal(provider.refreshes.length, 0)
  time.advance(2)
  sessions.near(ticket)
  await quiet()
  assert.equal(provider.refreshes.length, 1)
})

test('a grace longer than the token lives does not refresh at each request', async () => {
  const { sessions, login, time, provider } = aWorld({ mode: 'memory', lifetimes: { refreshGraceMs: 10 * minute } })
  provider.onRefresh = () => Promise.resolve(refreshGrant(time.clock() + 5 * minute))
  const ticket = await login()
  for (let request = 0; request < 100; request++) {
    time.advance(1_000)
    sessions.near(ticket)
    await quiet()
  }
  assert.equal(provider.refreshes.length, 0)
  time.advance(50_000)
  sessions.near(ticket)
  await quiet()
  assert.equal(provider.refreshes.length, 1)
})

test('once the token has ended, all wait for one refresh and use its result', async () => {
  const { sessions, login, time, provider } = aWorld()
  const ticket = await login()
  time.advance(6 * minute)
  const all = await Promise.all(Array.from({ length: 100 }, () => sessions.find(ticket, undefined)))
  assert.equal(provider.refreshes.length, 1)
  assert.ok(all.every((found) => found.kind === 'found' && found.session.generation === 2))
})

test('three replicas with a hundred requests each make one call with each refresh token', async () => {
  const world = aWorld()
  const ticket = await world.login()
  const replicas = [world, world.replica(), world.replica()]
  world.time.advance(6 * minute)
  const answer = gate<ReturnType<typeof refreshGrant>>()
  world.provider.onRefresh = () => answer.promise
  const all = replicas.flatMap(({ sessions }) => Array.from({ length: 100 }, () => look(sessions, ticket)))
  await quiet()
  answer.open(refreshGrant(world.time.clock() + 5 * minute))
  assert.deepEqual(new Set(await Promise.all(all)), new Set(['shared']))
  assert.deepEqual(
    world.provider.refreshes.map(({ refreshToken }) => refreshToken),
    ['rt-0'],
  )
})

test('new groups take effect with the refresh, here and on the other replicas', async () => {
  const world = aWorld()
  const { time, provider } = world
  const ticket = await world.login()
  const other = world.replica()
  await look(other.sessions, ticket)
  provider.onRefresh = async () => ({
    ...refreshGrant(time.clock() + 5 * minute),
    claims: { iss: 'https://id.example.com', sub: 'alice', groups: ['admins'] },
  })
  time.advance(4 * minute)
  await look(world.sessions, ticket)
  await quiet()
  assert.deepEqual(world.sessions.near(ticket)?.claims['groups'], ['admins'])
  assert.equal(other.sessions.near(ticket), undefined, 'a copy known to be outdated does not answer')
  assert.deepEqual(sessionIn(await other.sessions.find(ticket, undefined)).claims['groups'], ['admins'])
})

test('a failed refresh is tried again after 1, 2, 4, ... seconds, and nobody notices while the token lives', async () => {
  const { sessions, login, time, provider } = aWorld()
  const startedAt = time.clock()
  const ticket = await login()
  const calls: number[] = []
  provider.onRefresh = () => {
    calls.push((time.clock() - startedAt) / 1_000)
    return away()
  }
  for (let second = 1; second < 300; second++) {
    time.advance(1_000)
    assert.notEqual(sessions.near(ticket), undefined, `after ${second} s`)
    await quiet()
  }
  assert.deepEqual(calls, [240, 241, 243, 247, 255, 271])
})

test('a hundred requests that wait for one failed refresh are one failure: it is tried again a second later', async () => {
  const { sessions, login, time, provider } = aWorld()
  const ticket = await login()
  time.advance(6 * minute)
  provider.onRefresh = away
  const all = await Promise.all(Array.from({ length: 100 }, () => look(sessions, ticket)))
  assert.deepEqual(new Set(all), new Set(['stale']))
  assert.equal(provider.refreshes.length, 1)
  time.advance(1_001)
  provider.onRefresh = () => Promise.resolve(refreshGrant(time.clock() + 5 * minute))
  // And this time nobody waits for it.
  assert.equal(await look(sessions, ticket), 'stale')
  await quiet()
  assert.notEqual(sessions.near(ticket), undefined)
})

test('while the provider is away a session goes on until the token’s end plus maxStale; then it is “later”, not “logged out”', async () => {
  const { sessions, login, time, provider } = aWorld()
  const ticket = await login()
  provider.onRefresh = away
  time.advance(5 * minute)
  assert.equal(await look(sessions, ticket), 'stale')
  time.advance(10 * minute - 1)
  assert.equal(await look(sessions, ticket), 'stale')
  time.advance(1)
  assert.equal(await look(sessions, ticket), 'PROVIDER_UNAVAILABLE')
  time.advance(minute)
  provider.onRefresh = () => Promise.resolve(refreshGrant(time.clock() + 5 * minute))
  assert.equal(await look(sessions, ticket), 'shared')
})

test('a provider that gives tokens which have ended already: no longer than their end plus maxStale', async () => {
  const { sessions, login, time, provider } = aWorld()
  const ticket = await login()
  time.advance(6 * minute)
  provider.onRefresh = () => Promise.resolve(refreshGrant(time.clock() - 10 * minute + 1))
  assert.equal(await look(sessions, ticket), 'stale')
  const another = await login()
  time.advance(6 * minute)
  provider.onRefresh = () => Promise.resolve(refreshGrant(time.clock() - 10 * minute))
  assert.equal(await look(sessions, another), 'PROVIDER_UNAVAILABLE')
})

test('within its back-off nobody waits for a provider that hangs', async () => {
  const { sessions, login, time, provider } = aWorld()
  const ticket = await login()
  provider.onRefresh = away
  time.advance(5 * minute)
  await look(sessions, ticket)
  provider.onRefresh = () => new Promise(() => undefined)
  assert.equal(await look(sessions, ticket), 'stale')
})

for (const mode of ['memory', 'redis', 'hybrid'] as const) {
  test(`${mode}: a provider that gives no new tokens ends the session with its token, on every replica, and is asked once (E1)`, async () => {
    const world = aWorld({ mode })
    const { sessions, provider, time } = world
    const ticket = await world.login()
    const others = mode === 'memory' ? [] : [world.replica().sessions, world.replica().sessions]
    for (const other of others) await look(other, ticket)
    provider.onRefresh = () => Promise.reject(new RefreshRejected('refresh_refused', 'invalid_request'))
    for (let second = 4 * 60; second < 5 * 60; second++) {
      time.advance(second === 240 ? 4 * minute : 1_000)
      for (const one of [sessions, ...others]) {
        assert.match(await look(one, ticket), /near|shared/, `after ${second} s`)
        await quiet()
      }
    }
    assert.equal((await sessions.tokens(ticket))?.refreshToken, undefined)
    time.advance(1_000)
    for (let request = 0; request < 20; request++) {
      for (const one of [sessions, ...others]) assert.match(await look(one, ticket), /expired|unknown/)
    }
    assert.equal(provider.refreshes.length, 1)
  })
}

test('refused after its token had ended it is over at once, on every replica, also in what the browser carries (E1)', async () => {
  const world = aWorld()
  const { ticket, pass } = await world.sessions.begin(world.grant())
  const other = world.replica()
  await look(other.sessions, ticket)
  world.provider.onRefresh = () => Promise.reject(new RefreshRejected('invalid_grant', 'no'))
  world.time.advance(5 * minute)
  assert.equal(await look(world.sessions, ticket), 'revoked')
  assert.equal(await look(world.sessions, ticket, pass), 'revoked')
  assert.equal(await look(other.sessions, ticket, pass), 'revoked')
  assert.equal(world.provider.refreshes.length, 1)
})

test('a session that the provider no longer prolongs does not outlive its token by a pass of before (E1)', async () => {
  const world = aWorld()
  const { ticket, pass } = await world.sessions.begin(world.grant())
  world.provider.onRefresh = () => Promise.reject(new RefreshRejected('refresh_refused', 'no'))
  world.time.advance(4 * minute)
  await look(world.sessions, ticket)
  await quiet()
  world.cache.goAway()
  world.time.advance(minute)
  assert.equal(await look(world.sessions, ticket, pass), 'superseded')
})

test('past maxStale a provider that is away is asked when the back-off has passed, not with each request (E1)', async () => {
  const { sessions, login, time, provider } = aWorld()
  const ticket = await login()
  provider.onRefresh = away
  time.advance(20 * minute)
  for (let request = 0; request < 20; request++) assert.equal(await look(sessions, ticket), 'PROVIDER_UNAVAILABLE')
  assert.equal(provider.refreshes.length, 1)
  time.advance(1_001)
  for (let request = 0; request < 20; request++) assert.equal(await look(sessions, ticket), 'PROVIDER_UNAVAILABLE')
  assert.equal(provider.refreshes.length, 2)
})

test('a provider that gives tokens which have ended already is asked once a second, not with each request (E1)', async () => {
  const { sessions, login, time, provider } = aWorld()
  const ticket = await login()
  provider.onRefresh = () => Promise.resolve(refreshGrant(time.clock() - 20 * minute))
  time.advance(20 * minute)
  for (let request = 0; request < 20; request++) assert.equal(await look(sessions, ticket), 'PROVIDER_UNAVAILABLE')
  assert.equal(provider.refreshes.length, 1)
})

const lost = () => Promise.reject(new AnswerLost('refresh: no answer'))

for (const mode of ['memory', 'redis', 'hybrid'] as const) {
  test(`${mode}: a refresh whose answer was lost is not repeated before the token ends, by no replica, and then once (E2)`, async () => {
    const world = aWorld({ mode })
    const { provider, time } = world
    const ticket = await world.login()
    const all = [world.sessions, ...(mode === 'memory' ? [] : [world.replica().sessions, world.replica().sessions])]
    for (const one of all) await look(one, ticket)
    provider.onRefresh = lost
    time.advance(4 * minute)
    for (let second = 240; second < 300; second++) {
      for (const one of all) assert.match(await look(one, ticket), /near|shared/, `after ${second} s`)
      await quiet()
      time.advance(1_000)
    }
    assert.equal(provider.refreshes.length, 1)
    for (let second = 300; second < 899; second += 1) {
      if (second < 320 || second % 60 === 0) for (const one of all) assert.equal(await look(one, ticket), 'stale')
      await quiet()
      time.advance(1_000)
    }
    assert.equal(provider.refreshes.length, 2)
    assert.deepEqual(new Set(provider.refreshes.map(({ refreshToken }) => refreshToken)), new Set(['rt-0']))
    time.advance(10_000)
    for (const one of all) assert.match(await look(one, ticket), /ended|revoked/)
    assert.equal(provider.refreshes.length, 2)
  })
}

test('a refresh that is tried again after a lost answer brings the session back to its course (E2)', async () => {
  const world = aWorld()
  const { sessions, provider, time } = world
  const ticket = await world.login()
  provider.onRefresh = lost
  time.advance(4 * minute)
  await look(sessions, ticket)
  await quiet()
  time.advance(minute)
  provider.onRefresh = () => Promise.resolve(refreshGrant(time.clock() + 5 * minute))
  assert.equal(await look(sessions, ticket), 'stale')
  await quiet()
  assert.equal(await look(sessions, ticket), 'near')
  const found = await sessions.find(ticket, undefined)
  assert.equal(sessionIn(found).lostAnswers, undefined)
})

test('where the token was spent indeed, the second try says so, and it is a login (E2)', async () => {
  const world = aWorld()
  const ticket = await world.login()
  world.provider.onRefresh = lost
  world.time.advance(4 * minute)
  await look(world.sessions, ticket)
  await quiet()
  world.provider.onRefresh = () => Promise.reject(new RefreshRejected('invalid_grant', 'used twice'))
  world.time.advance(minute)
  await look(world.sessions, ticket)
  await quiet()
  assert.equal(await look(world.sessions, ticket), 'revoked')
  assert.equal(world.provider.refreshes.length, 2)
})

test('nobody waits longer than providerTimeout for a refresh that takes its time, and those who come later not at all (E2)', async () => {
  const { sessions, login, time, provider } = aWorld()
  const ticket = await login()
  const answer = gate<ReturnType<typeof refreshGrant>>()
  provider.onRefresh = () => answer.promise
  time.advance(5 * minute)
  const first = look(sessions, ticket)
  await quiet()
  time.advance(3_000)
  const second = look(sessions, ticket)
  await quiet()
  time.advance(2_000)
  assert.deepEqual([await first, await second], ['stale', 'stale'])
  assert.equal(await look(sessions, ticket), 'stale')
  time.advance(20_000)
  answer.open(refreshGrant(time.clock() + 5 * minute))
  await quiet()
  assert.equal(await look(sessions, ticket), 'near')
  assert.equal(provider.refreshes.length, 1)
})

test('a call that a replica has under way is repeated by no other, however long it takes (E2)', async () => {
  const world = aWorld()
  const { provider, time } = world
  const ticket = await world.login()
  const other = world.replica()
  await look(other.sessions, ticket)
  provider.onRefresh = () => new Promise(() => undefined)
  time.advance(4 * minute)
  await look(world.sessions, ticket)
  await quiet()
  assert.equal(provider.refreshes.length, 1)
  for (let second = 240; second < 299; second++) {
    assert.match(await look(other.sessions, ticket), /near|shared/, `after ${second} s`)
    await quiet()
    time.advance(1_000)
  }
  assert.equal(provider.refreshes.length, 1)
})

test('a refresh whose write the store misses keeps its tokens, and writes them when the store is back', async () => {
  const world = aWorld()
  const ticket = await world.login()
  const answer = gate<ReturnType<typeof refreshGrant>>()
  world.provider.onRefresh = () => answer.promise
  world.time.advance(4 * minute)
  await look(world.sessions, ticket)
  await quiet()
  world.cache.goAway()
  answer.open(refreshGrant(world.time.clock() + 5 * minute, 1))
  await quiet()
  assert.equal(await look(world.sessions, ticket), 'near_stale')
  assert.equal((await world.sessions.tokens(ticket))?.refreshToken, 'rt-1')
  await world.cache.comeBack()
  const other = world.replica()
  assert.equal((await other.sessions.tokens(ticket))?.refreshToken, 'rt-1')
})

test('a failover that lost our last write gets it back: only we have the rotated refresh token', async () => {
  const world = aWorld({ mode: 'redis' })
  const ticket = await world.login()
  const before = await world.cache.store.memory.get(keyOf(ticket))
  world.time.advance(6 * minute)
  assert.equal(await look(world.sessions, ticket), 'shared')
  await world.cache.store.memory.set(keyOf(ticket), before ?? Buffer.alloc(0), hour)
  assert.equal(sessionIn(await world.sessions.find(ticket, undefined)).generation, 2)
  await quiet()
  assert.equal((await world.replica().sessions.tokens(ticket))?.refreshToken, 'rt-1')
})

// --- logout ---------------------------------------------------------------------------------------------------------------

for (const mode of ['memory', 'redis', 'hybrid'] as const) {
  test(`${mode}: a logout ends the session at once, gives the tokens back, and ends nothing else`, async () => {
    const { sessions, login } = aWorld({ mode })
    const [ticket, another] = [await login(), await login()]
    const ended = await sessions.end(ticket)
    assert.deepEqual([ended?.full?.tokens.refreshToken, ended?.isKept], ['rt-0', true])
    assert.equal(sessions.near(ticket), undefined)
    assert.equal(await look(sessions, ticket), 'revoked')
    assert.match(await look(sessions, another), /near|shared/)
    assert.deepEqual(await sessions.end(ticket), { full: undefined, isKept: true }, 'and again')
  })
}

test('a logout ends the session on the other replicas', async () => {
  const world = aWorld()
  const ticket = await world.login()
  const other = world.replica()
  await look(other.sessions, ticket)
  await world.sessions.end(ticket)
  assert.equal(other.sessions.near(ticket), undefined)
  assert.equal(await look(other.sessions, ticket), 'revoked')
})

test('an id without its secret logs nobody out', async () => {
  const world = aWorld()
  const ticket = await world.login()
  const forged = ticket.slice(0, 22) + ticketValue(newTicket(randomBytes)).slice(22)
  assert.equal(await world.sessions.end(forged), undefined)
  assert.equal(await world.replica().sessions.end(forged), undefined)
  assert.equal(await look(world.sessions, ticket), 'near')
})

test('a session whose stored value was evicted is logged out all the same, here and where a copy lives', async () => {
  const world = aWorld()
  const ticket = await world.login()
  const other = world.replica()
  await look(other.sessions, ticket)
  await world.cache.store.memory.delete(keyOf(ticket))
  assert.equal((await world.sessions.end(ticket))?.full?.tokens.refreshToken, 'rt-0')
  assert.equal(await look(world.sessions, ticket), 'revoked')
  assert.equal(await look(other.sessions, ticket), 'revoked')
})

test('a confirmation that was under way when the session ended does not bring it back', async () => {
  const { sessions, login, time, cache } = aWorld()
  const ticket = await login({ expiresAt: time.clock() + hour })
  const answered = gate()
  cache.store.once('get', async (run) => {
    const value = await run()
    await answered.promise
    return value
  })
  time.advance(31_000)
  assert.notEqual(sessions.near(ticket), undefined, 'confirmed in the background')
  await sessions.end(ticket)
  answered.open()
  await quiet()
  assert.equal(sessions.near(ticket), undefined)
  assert.equal(await look(sessions, ticket), 'revoked')
})

test('a logout during an outage beats a refresh that was under way', async () => {
  const { sessions, login, time, cache, provider } = aWorld()
  const ticket = await login()
  const answer = gate<ReturnType<typeof refreshGrant>>()
  provider.onRefresh = () => answer.promise
  time.advance(4 * minute)
  await look(sessions, ticket)
  await quiet()
  cache.goAway()
  await sessions.end(ticket)
  answer.open(refreshGrant(time.clock() + 5 * minute))
  await quiet()
  assert.equal(await look(sessions, ticket), 'revoked')
  await cache.comeBack()
  assert.equal(sessions.near(ticket), undefined)
  assert.equal(await look(sessions, ticket), 'revoked')
})

test('a logout while the store is away holds here at once, and everywhere when the store is back', async () => {
  const world = aWorld()
  const ticket = await world.login()
  const other = world.replica()
  await look(other.sessions, ticket)
  world.cache.goAway()
  await world.sessions.end(ticket)
  assert.equal(await look(world.sessions, ticket), 'revoked')
  await world.cache.comeBack()
  assert.equal(await look(other.sessions, ticket), 'revoked')
  assert.equal(await look(world.replica().sessions, ticket), 'revoked')
})

test('while the store is away a made-up ticket logs nobody out and leaves nothing behind', async () => {
  const world = aWorld()
  const ticket = await world.login()
  const forged = ticket.slice(0, 22) + ticketValue(newTicket(randomBytes)).slice(22)
  const stranger = world.replica()
  stranger.cache.goAway()
  await assert.rejects(stranger.sessions.end(forged), { code: 'STORE_UNAVAILABLE' })
  await assert.rejects(stranger.sessions.end(ticketValue(newTicket(randomBytes))), { code: 'STORE_UNAVAILABLE' })
  assert.deepEqual([stranger.cache.journal.size, stranger.cache.floors.size], [0, 0])
  await stranger.cache.comeBack()
  assert.equal(await look(stranger.sessions, ticket), 'shared')
})

test('a logout on a replica that knows the session by its pass alone holds', async () => {
  const world = aWorld()
  const begun = await world.sessions.begin(world.grant())
  const other = world.replica()
  other.cache.goAway()
  const found = await other.sessions.find(begun.ticket, carried(begun.pass))
  assert.ok(found.kind === 'found' && found.from === 'pass')
  await other.sessions.end(begun.ticket, found.session)
  assert.equal(await look(other.sessions, begun.ticket, begun.pass), 'revoked')
  await other.cache.comeBack()
  assert.equal(await look(world.sessions, begun.ticket), 'revoked')
})

test('a logout elsewhere of a login that the store has not seen yet: it is not written afterwards', async () => {
  const world = aWorld()
  world.cache.store.once('set', unavailable)
  const begun = await world.sessions.begin(world.grant())
  const other = world.replica()
  const found = await other.sessions.find(begun.ticket, carried(begun.pass))
  assert.ok(found.kind === 'found' && found.from === 'pass')
  world.cache.hears = false
  await other.sessions.end(begun.ticket, found.session)
  await world.cache.journal.replay()
  assert.equal(await world.cache.store.memory.get(keyOf(begun.ticket)), undefined)
  assert.equal(await look(world.replica().sessions, begun.ticket, begun.pass), 'revoked')
  // Nobody said so here, but the mark was seen when the login was to be written.
  assert.equal(await look(world.sessions, begun.ticket, begun.pass), 'revoked')
  world.cache.goAway()
  assert.equal(await look(world.sessions, begun.ticket, begun.pass), 'revoked')
})

test('a logout that nobody else took says so; asked again, it says whether that has changed', async () => {
  const world = aWorld()
  const ticket = await world.login()
  world.cache.goAway()
  const ended = await world.sessions.end(ticket)
  assert.deepEqual([ended?.isKept, ended?.full?.tokens.refreshToken], [false, 'rt-0'])
  assert.equal(await look(world.sessions, ticket), 'revoked', 'here it holds all the same')
  assert.deepEqual(await world.sessions.end(ticket), { full: undefined, isKept: false })
  await world.cache.comeBack()
  assert.deepEqual(await world.sessions.end(ticket), { full: undefined, isKept: true })
})

test('a logout that a peer took while the store is away is kept, and holds there at once', async () => {
  const world = aWorld()
  const ticket = await world.login()
  const other = world.replica()
  await look(other.sessions, ticket)
  for (const { cache } of [world, other]) cache.goAway()
  world.cache.secondRoad = 'peers'
  assert.equal((await world.sessions.end(ticket))?.isKept, true)
  assert.equal(await look(other.sessions, ticket), 'revoked')
})

test('a logout that only the spool took is kept, although no other replica knows of it yet', async () => {
  const world = aWorld()
  const ticket = await world.login()
  const other = world.replica()
  await look(other.sessions, ticket)
  for (const { cache } of [world, other]) cache.goAway()
  world.cache.secondRoad = 'spool'
  assert.equal((await world.sessions.end(ticket))?.isKept, true)
  assert.equal(await look(other.sessions, ticket), 'near_stale')
  await world.cache.comeBack()
  assert.equal(await look(other.sessions, ticket), 'revoked')
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProviderUnavailable, RefreshRejected } from '../../src/errors.ts'
import { sweepId } from '../../src/session/sweeps.ts'
import { everyGeneration } from '../../src/store/withdrawal-log.ts'
import type { Session } from '../../src/session/session.ts'
import { failingWith } from '../fixtures/fake-store.ts'
import { aWorld, hour, keyOf, minute, quiet, refreshGrant, sessionIn, type World } from './world.ts'

/** Keeps a connection open under a session, and writes down what it hears. */
async function open({ sessions, time }: World, ticket: string) {
  const session = sessionIn(await sessions.find(ticket))
  const heard: { changes: Session[]; end: string | undefined; endedAt: number } = {
    changes: [],
    end: undefined,
    endedAt: 0,
  }
  const watched = sessions.watch(ticket, [], session, {
    onChange: (newer) => void heard.changes.push(newer),
    onEnd(reason) {
      assert.equal(heard.end, undefined, 'told once')
      heard.end = reason
      heard.endedAt = time.clock()
    },
  })
  await quiet()
  return { session, watched, heard }
}

/** Time goes by in steps in which everything else can happen. */
async function pass({ time }: World, ms: number, stepMs = 1_000): Promise<void> {
  for (let left = ms; left > 0; left -= stepMs) {
    await time.pass(Math.min(stepMs, left))
    await quiet()
  }
}

const groupsAre = (world: World, groups: readonly string[]) => {
  world.provider.onRefresh = () =>
    Promise.resolve({
      ...refreshGrant(world.time.clock() + 5 * minute, world.provider.refreshes.length),
      claims: { iss: 'https://id.example.com', sub: 'alice', groups: [...groups] },
    })
}

for (const mode of ['memory', 'redis', 'hybrid'] as const) {
  test(`${mode}: a logout is heard at once, by those who keep that session open and by nobody else`, async () => {
    const world = aWorld({ mode })
    const [mine, others] = [await world.login(), await world.login()]
    const first = await open(world, mine)
    const second = await open(world, mine)
    const another = await open(world, others)
    await world.sessions.end(mine)
    await quiet()
    assert.deepEqual([first.heard.end, second.heard.end, another.heard.end], ['revoked', 'revoked', undefined])
  })

  test(`${mode}: a session that is merely kept open idles out, refreshes or not, and is no longer kept by it`, async () => {
    const world = aWorld({ mode, lifetimes: { idleTimeoutMs: 10 * minute } })
    const ticket = await world.login()
    const { heard } = await open(world, ticket)
    const startedAt = world.time.clock()
    await pass(world, 9 * minute)
    assert.equal(heard.end, undefined)
    assert.ok(world.provider.refreshes.length > 0, 'its rights are kept up meanwhile')
    await pass(world, 2 * minute)
    assert.equal(heard.end, 'idle')
    const idleMs = heard.endedAt - startedAt
    // 10 s: how exactly idleness is kept.
    assert.ok(idleMs >= 10 * minute && idleMs <= 10 * minute + 11_000, `${idleMs}`)
    assert.equal((await world.sessions.find(ticket)).kind, 'absent')
  })

  test(`${mode}: what its person does over an open connection keeps a session from idling out`, async () => {
    const world = aWorld({ mode, lifetimes: { idleTimeoutMs: 10 * minute } })
    const { heard, watched } = await open(world, await world.login())
    for (let count = 0; count < 4; count++) {
      await pass(world, 8 * minute)
      watched.used()
      await quiet()
    }
    assert.equal(heard.end, undefined)
    await pass(world, 11 * minute)
    assert.equal(heard.end, 'idle')
  })

  test(`${mode}: a right that a refresh took away is heard of with the state that counts`, async () => {
    const world = aWorld({ mode })
    const { heard, session } = await open(world, await world.login())
    groupsAre(world, [])
    await pass(world, 4 * minute + 31_000)
    assert.deepEqual(heard.changes.at(-1)?.claims['groups'], [])
    assert.equal(heard.changes.at(-1)?.generation, session.generation + 1)
    assert.equal(heard.end, undefined)
  })
}

test('a logout at another replica is heard at once', async () => {
  const world = aWorld()
  const there = world.replica()
  const ticket = await world.login()
  const { heard } = await open(there, ticket)
  await world.sessions.end(ticket)
  await quiet()
  assert.equal(heard.end, 'revoked')
})

for (const nearLimits of [undefined, { maxItems: 1, maxBytes: 10_000_000 }]) {
  const kept = nearLimits === undefined ? 'is near' : 'has no copy here any more'
  test(`a person whose sessions all end at another replica loses what is open under one that ${kept}, and nobody else does`, async () => {
    const world = aWorld()
    const there = world.replica({ ...(nearLimits && { nearLimits }) })
    const { issuer, subject, heard } = await open(there, await world.login()).then(({ session, ...rest }) => ({
      ...session,
      ...rest,
    }))
    const bob = { iss: 'https://id.example.com', sub: 'bob', sid: 'sid-2' }
    const other = await open(there, await world.login({ claims: bob }))
    await world.sessions.endSelected({ by: 'person', issuer, subject })
    await quiet()
    assert.deepEqual([heard.end, other.heard.end], ['revoked', undefined])
  })
}

test('where everybody’s sessions end, so does what is open under one that has no copy here', async () => {
  const world = aWorld()
  const there = world.replica({ nearLimits: { maxItems: 1, maxBytes: 10_000_000 } })
  const first = await open(there, await world.login())
  const second = await open(there, await world.login())
  // As the log or a peer brings it: one withdrawal, and no word of any session by itself.
  there.cache.floors.raise(
    { id: sweepId({ by: 'everybody', until: world.time.clock() }), floor: everyGeneration },
    true,
  )
  await quiet()
  assert.deepEqual([first.heard.end, second.heard.end], ['revoked', 'revoked'])
})

test('a session that was ended while its connection was being opened is heard of, too', async () => {
  const world = aWorld()
  const ticket = await world.login()
  const session = sessionIn(await world.sessions.find(ticket))
  await world.sessions.end(ticket)
  const ends: string[] = []
  world.sessions.watch(ticket, [], session, { onChange: () => undefined, onEnd: (reason) => void ends.push(reason) })
  assert.deepEqual(ends, [], 'not before whoever watches knows that they do')
  await quiet()
  assert.deepEqual(ends, ['revoked'])
})

test('use at another replica keeps a session from idling out under a connection here', async () => {
  const world = aWorld({ lifetimes: { idleTimeoutMs: 10 * minute, refreshGraceMs: 0 } })
  const there = world.replica()
  const ticket = await world.login({ expiresAt: world.time.clock() + 24 * hour })
  const { heard } = await open(world, ticket)
  for (let count = 0; count < 3; count++) {
    await pass(world, 8 * minute)
    await there.sessions.find(ticket)
    await quiet()
  }
  assert.equal(heard.end, undefined)
  await pass(world, 11 * minute)
  assert.equal(heard.end, 'idle')
})

test('a refresh for a connection here does not shorten what use at another replica gave', async () => {
  const world = aWorld({ lifetimes: { idleTimeoutMs: 10 * minute } })
  const there = world.replica()
  const ticket = await world.login()
  const { heard } = await open(world, ticket)
  await pass(world, 4 * minute - 2_000)
  await there.sessions.find(ticket)
  await pass(world, 7 * minute)
  assert.ok(world.provider.refreshes.length > 0)
  assert.equal(heard.end, undefined)
  assert.equal((await there.sessions.find(ticket)).kind, 'found')
})

test('the end of a session’s time is kept to the second', async () => {
  const world = aWorld({ lifetimes: { maxAgeMs: 3 * hour } })
  const { heard, session } = await open(world, await world.login())
  const short = await open(
    world,
    await world.login({ tokens: { accessToken: 'at', idToken: 'id', refreshToken: undefined } }),
  )
  await pass(world, 4 * minute)
  assert.equal(short.heard.end, undefined)
  await pass(world, 2 * minute)
  assert.equal(short.heard.end, 'expired')
  assert.ok(short.heard.endedAt - short.session.tokenExpiresAt <= 1_000)
  await pass(world, 3 * hour, 10_000)
  assert.equal(heard.end, 'expired')
  assert.ok(heard.endedAt - session.expiresAt <= 1_000)
})

test('a session that the provider ends, ends for whoever keeps it open; a failure of the provider’s ends nothing', async () => {
  const world = aWorld()
  const { heard } = await open(world, await world.login())
  world.provider.onRefresh = () => Promise.reject(new ProviderUnavailable('away'))
  await pass(world, 6 * minute)
  assert.equal(heard.end, undefined)
  world.provider.onRefresh = () => Promise.reject(new RefreshRejected('invalid_grant', 'no'))
  await pass(world, 2 * minute)
  assert.equal(heard.end, 'revoked')
})

test('what the store has lost is noticed within a minute', async () => {
  const world = aWorld()
  const ticket = await world.login()
  const { heard } = await open(world, ticket)
  await world.cache.store.delete(keyOf(ticket))
  await pass(world, 61_000)
  assert.equal(heard.end, 'ended')
})

test('an outage of the store closes nothing for as long as rights last, and a logout in it is heard', async () => {
  const world = aWorld()
  const [ticket, leaving] = [await world.login(), await world.login()]
  const one = await open(world, ticket)
  const other = await open(world, leaving)
  world.cache.goAway()
  await pass(world, 14 * minute, 10_000)
  assert.equal(one.heard.end, undefined)
  await world.sessions.end(leaving)
  await quiet()
  assert.equal(other.heard.end, 'revoked')
  // The token's end, and maxStale.
  await pass(world, minute + 1_000)
  assert.equal(one.heard.end, 'unproven')
})

test('answers that fail one by one close nothing, and are asked for again', async () => {
  const world = aWorld({ mode: 'redis' })
  const { heard } = await open(world, await world.login())
  world.cache.store.mode = failingWith('timeout')
  await pass(world, 2 * minute)
  assert.equal(heard.end, undefined)
  world.cache.store.mode = 'pass'
  await pass(world, minute)
  assert.equal(heard.end, undefined)
})

test('what nobody keeps open any more is not looked at', async () => {
  const world = aWorld({ lifetimes: { idleTimeoutMs: 10 * minute } })
  const ticket = await world.login()
  const before = world.time.pending
  const { watched, heard } = await open(world, ticket)
  const another = await open(world, ticket)
  watched.stop()
  await pass(world, minute)
  assert.ok(world.time.pending > before)
  another.watched.stop()
  await quiet()
  assert.equal(world.time.pending, before)
  await world.sessions.end(ticket)
  await quiet()
  assert.equal(heard.end, undefined)
})

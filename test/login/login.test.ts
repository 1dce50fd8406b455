import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProviderUnavailable } from '../../src/errors.ts'
import { flowLifetimeMs } from '../../src/login/flow.ts'
import type { HeldSession, LoginEnd, StartRequest } from '../../src/login/login.ts'
import type { FlowCookies } from '../../src/login/slots.ts'
import { outcomeOf } from '../oidc/setup.ts'
import { carried, hour, look, minute, sessionIn, type World } from '../session/world.ts'
import { aLoginWorld, type LoginWorld } from './world.ts'

/** A browser that keeps its flow cookies. */
function aBrowser(world: LoginWorld) {
  const flows = new Map<number, string>()
  const cookies = (): FlowCookies => [...flows]
  return {
    flows,
    cookies,
    async start(overrides: Partial<StartRequest> = {}): Promise<string> {
      const begun = await world.logins.start({
        redirectURI: 'https://app.example.com/oauth2/callback',
        provider: undefined,
        returnTo: 'https://app.example.com/wanted',
        flows: cookies(),
        prompt: undefined,
        again: false,
        ...overrides,
      })
      flows.set(begun.flow.slot, begun.flow.value)
      return `state=${world.asked.at(-1)?.state}&code=c`
    },
    /** Keeps the flow's cookie: the test decides what becomes of it. */
    callback: (query: string, current?: HeldSession, logins = world.logins, previous = current) =>
      logins.complete({ query, provider: undefined, flows: cookies(), current, previous }),
  }
}

async function currentOf(world: World, end: LoginEnd) {
  assert.equal(end.kind, 'logged-in')
  if (end.kind !== 'logged-in') throw new Error('not logged in')
  const { ticket } = end.newSession
  return { ticket, session: sessionIn(await world.sessions.find(ticket, undefined)) }
}

test('a login ends where the person wanted to go, with what its own flow remembers', async () => {
  const world = aLoginWorld()
  const browser = aBrowser(world)
  const query = await browser.start()
  const end = await browser.callback(query)
  assert.equal(end.returnTo, 'https://app.example.com/wanted')
  const [request, callback] = [world.asked[0], world.redeemed[0]]
  assert.deepEqual(
    [callback?.nonce, callback?.codeVerifier, callback?.state, callback?.query, callback?.redirectURI],
    [request?.nonce, request?.codeVerifier, request?.state, query, 'https://app.example.com/oauth2/callback'],
  )
  assert.equal(sessionIn(await world.sessions.find((await currentOf(world, end)).ticket, undefined)).subject, 'alice')
})

test('a browser keeps at most five flows: the oldest goes', async () => {
  const world = aLoginWorld()
  const browser = aBrowser(world)
  const queries: string[] = []
  for (let tab = 0; tab < 8; tab++) {
    world.time.advance(1)
    queries.push(await browser.start())
  }
  assert.equal(browser.flows.size, 5)
  for (const [tab, query] of queries.entries()) {
    assert.equal(await outcomeOf(browser.callback(query)), tab < 3 ? 'state_unknown' : 'ok', `tab ${tab}`)
  }
})

const refused: [name: string, query: (good: string) => string, reason: string][] = [
  ['without a state', () => 'code=c', 'state_missing'],
  ['with an empty state', () => 'state=&code=c', 'state_missing'],
  ['with two states', (good) => `${good}&state=x`, 'parameter_repeated'],
  ['with a state of nobody', () => `state=${'0'.repeat(17)}.${'a'.repeat(43)}&code=c`, 'state_unknown'],
  ['with nonsense for a state', () => 'state=x&code=c', 'state_unknown'],
  ['with the state’s secret changed', (good) => good.replace(/.&code/, '!&code'), 'state_unknown'],
  [
    'with another secret behind its flow’s id',
    (good) => good.replace(/\.[\w-]{43}/, `.${'a'.repeat(43)}`),
    'state_unknown',
  ],
]
for (const [name, queryOf, reason] of refused) {
  test(`a callback ${name} is refused before anything is redeemed`, async () => {
    const world = aLoginWorld()
    const browser = aBrowser(world)
    const good = await browser.start()
    assert.equal(await outcomeOf(browser.callback(queryOf(good))), reason)
    assert.equal(world.redeemed.length, 0)
  })
}

test('a callback of more than 8 KB is refused before any of it is read, and its login can still be completed', async () => {
  const world = aLoginWorld()
  const browser = aBrowser(world)
  const query = await browser.start()
  const long = `${query}&x=${'x'.repeat(8 * 1024)}`
  assert.equal(await outcomeOf(browser.callback(long)), 'parameter_too_long')
  assert.equal(world.logins.trace(long, browser.cookies()), undefined)
  assert.equal(world.redeemed.length, 0)
  assert.equal(await outcomeOf(browser.callback(query)), 'ok')
})

test('what claims somebody brings is noticed of a login that is complete and whole, and of no other (C13)', async () => {
  const world = aLoginWorld()
  const browser = aBrowser(world)
  const whole = world.answer
  const query = await browser.start()
  await browser.callback(query)
  assert.equal(world.noticed[0]?.['sub'], 'alice')
  world.answer = async (callback) => ({ ...(await whole(callback)), isHalfKnown: true })
  await browser.callback(await browser.start())
  world.answer = async (callback) => ({ ...(await whole(callback)), idTokenKey: 'once' })
  await browser.callback(await browser.start())
  assert.equal(world.noticed.length, 2)
  for (const again of [query, 'state=x&code=c', await browser.start()]) {
    assert.notEqual(await outcomeOf(browser.callback(again)), 'ok')
  }
  assert.equal(world.noticed.length, 2)
})

for (const [name, outcome, refuse] of [
  ['whose ID token was used before', 'id_token_replayed', () => ({ idTokenKey: 'once' })],
  ['whose session cannot be begun', 'TypeError', () => ({ claims: undefined as never })],
] as const) {
  test(`the tokens of a login ${name} are revoked`, async () => {
    const world = aLoginWorld()
    const whole = world.answer
    const browser = aBrowser(world)
    world.answer = async (callback) => ({ ...(await whole(callback)), idTokenKey: 'once' })
    await browser.callback(await browser.start())
    assert.deepEqual(world.provider.revoked, [])
    world.answer = async (callback) => ({ ...(await whole(callback)), ...refuse() })
    const refused = browser.callback(await browser.start())
    assert.equal(await outcomeOf(refused).catch((error: Error) => error.name), outcome)
    assert.equal(world.provider.revoked.length, 1)
  })
}

test('login CSRF: a callback that another browser began is refused', async () => {
  const world = aLoginWorld()
  const attackers = await aBrowser(world).start()
  const victim = aBrowser(world)
  await victim.start()
  assert.equal(await outcomeOf(victim.callback(attackers)), 'state_unknown')
  assert.equal(world.redeemed.length, 0)
})

test('a flow’s cookie proves nothing for another flow, in whichever slot it is', async () => {
  const world = aLoginWorld()
  const browser = aBrowser(world)
  const query = await browser.start()
  const [other] = [...browser.flows.values()]
  world.time.advance(1)
  const next = await browser.start()
  for (const slot of browser.flows.keys()) browser.flows.set(slot, other ?? '')
  assert.equal(await outcomeOf(browser.callback(next)), 'state_unknown')
  assert.equal(await outcomeOf(browser.callback(query)), 'ok')
})

test('a flow that took longer than 15 minutes is refused', async () => {
  const world = aLoginWorld()
  const browser = aBrowser(world)
  const query = await browser.start()
  world.time.advance(flowLifetimeMs)
  assert.equal(await outcomeOf(browser.callback(query)), 'state_unknown')
})

test('a callback is good once, on whichever replica', async () => {
  const world = aLoginWorld()
  const browser = aBrowser(world)
  const query = await browser.start()
  await browser.callback(query)
  assert.equal(await outcomeOf(browser.callback(query)), 'state_reused')
  assert.equal(await outcomeOf(browser.callback(query, undefined, world.another())), 'state_reused')
  assert.equal(world.redeemed.length, 1)
  assert.equal(world.metrics.replaysRejected.labels({ kind: 'flow' }).value, 2)
})

test('of a hundred simultaneous callbacks of one flow, one is redeemed', async () => {
  const world = aLoginWorld()
  const browser = aBrowser(world)
  const query = await browser.start()
  const outcomes = await Promise.all(Array.from({ length: 100 }, () => outcomeOf(browser.callback(query))))
  assert.equal(outcomes.filter((outcome) => outcome === 'ok').length, 1)
  assert.equal(world.redeemed.length, 1)
})

test('an ID token is good for one login, whoever presents it', async () => {
  const world = aLoginWorld()
  world.answer = async () => world.grant({ idTokenKey: 'always the same' })
  const [mine, yours] = [aBrowser(world), aBrowser(world)]
  assert.equal(await outcomeOf(mine.callback(await mine.start())), 'ok')
  assert.equal(await outcomeOf(yours.callback(await yours.start())), 'id_token_replayed')
  const lenient = world.another({ disableReplayDetection: true })
  assert.equal(await outcomeOf(yours.callback(await yours.start(), undefined, lenient)), 'ok')
})

test('a late tab with a session goes where it wanted to, without another login', async () => {
  const world = aLoginWorld()
  const browser = aBrowser(world)
  const [first, late] = [await browser.start(), await browser.start({ returnTo: 'https://app.example.com/late' })]
  world.time.advance(1)
  const current = await currentOf(world, await browser.callback(first))
  const end = await browser.callback(late, current)
  assert.deepEqual([end.kind, end.returnTo], ['already', 'https://app.example.com/late'])
  assert.equal(world.redeemed.length, 1)
})

test('a session of another provider is no reason to cut a login short', async () => {
  const world = aLoginWorld()
  const browser = aBrowser(world)
  const query = await browser.start()
  const theirs = await currentOf(world, await browser.callback(await browser.start()))
  const elsewhere = { ...theirs, session: { ...theirs.session, provider: 'another' } }
  assert.equal((await browser.callback(query, elsewhere)).kind, 'logged-in')
})

test('a used or lost flow with a session goes where it wanted to, an unknown one home', async () => {
  const world = aLoginWorld()
  const browser = aBrowser(world)
  const query = await browser.start()
  const current = await currentOf(world, await browser.callback(query))
  assert.equal((await browser.callback(query, current)).kind, 'already')
  browser.flows.clear()
  const wanted = 'https://app.example.com/wanted'
  assert.deepEqual(await browser.callback(query, current), { kind: 'already', returnTo: wanted })
  assert.deepEqual(await browser.callback('state=x', current), { kind: 'already', returnTo: undefined })
  assert.deepEqual(await browser.callback('', current), { kind: 'already', returnTo: undefined })
})

test('a login that begins while a session exists replaces it: the old one is dead', async () => {
  const world = aLoginWorld()
  const browser = aBrowser(world)
  const current = await currentOf(world, await browser.callback(await browser.start()))
  world.time.advance(1_000)
  const next = await currentOf(world, await browser.callback(await browser.start(), current))
  assert.notEqual(next.ticket.slice(0, 22), current.ticket.slice(0, 22))
  assert.notEqual(next.ticket.slice(22), current.ticket.slice(22))
  assert.equal(await look(world.sessions, current.ticket), 'revoked')
})

test('who asks for another account is not cut short by the session they have', async () => {
  const world = aLoginWorld()
  const browser = aBrowser(world)
  const [switching, other] = [await browser.start({ prompt: 'select_account' }), await browser.start()]
  assert.equal(world.asked[0]?.prompt, 'select_account')
  assert.equal(world.asked[1]?.prompt, undefined)
  const current = await currentOf(world, await browser.callback(other))
  assert.equal((await browser.callback(switching, current)).kind, 'logged-in')
  assert.equal(await look(world.sessions, current.ticket), 'revoked')
})

test('who is sent for another authentication is not cut short by the session they have, and what it is for comes along', async () => {
  const world = aLoginWorld()
  const browser = aBrowser(world)
  const stepUp = { acr: ['gold'], maxAgeMs: 60_000 }
  const [stepping, other] = [await browser.start({ stepUp }), await browser.start()]
  assert.deepEqual([world.asked[0]?.stepUp, world.asked[1]?.stepUp], [stepUp, undefined])
  const startedAt = world.time.clock()
  const current = await currentOf(world, await browser.callback(other))
  assert.equal((await browser.callback(stepping, current)).kind, 'logged-in')
  assert.deepEqual(
    world.redeemed.map((callback) => callback.stepUp),
    [undefined, stepUp],
  )
  assert.equal(world.redeemed[1]?.startedAt, startedAt)
})

test('a login that the provider fails keeps the session that is there', async () => {
  const world = aLoginWorld()
  const browser = aBrowser(world)
  const current = await currentOf(world, await browser.callback(await browser.start()))
  world.answer = () => Promise.reject(new ProviderUnavailable('away'))
  world.time.advance(1_000)
  assert.equal(await outcomeOf(browser.callback(await browser.start(), current)), 'PROVIDER_UNAVAILABLE')
  assert.match(await look(world.sessions, current.ticket), /near|shared/)
})

test('where a person wanted to go is known without the cookie, and whether it is theirs is told beside it (B5)', async () => {
  const world = aLoginWorld()
  const browser = aBrowser(world)
  const query = await browser.start()
  const slots = [...browser.flows.keys()]
  const trace = { returnTo: 'https://app.example.com/wanted', stepUp: undefined, again: false }
  assert.deepEqual(world.logins.trace(query, browser.cookies()), { ...trace, isHeld: true, slots })
  assert.deepEqual(world.logins.trace(query, []), { ...trace, isHeld: false, slots: [] })
  assert.equal(world.logins.trace('', browser.cookies()), undefined)
  assert.equal(world.logins.trace('state=x', browser.cookies()), undefined)
  world.time.advance(flowLifetimeMs)
  assert.equal(world.logins.trace(query, browser.cookies())?.isHeld, false, 'late')
})

test('while the store is away logins go on by this process’s memory, and are single use all the same', async () => {
  const world = aLoginWorld()
  const browser = aBrowser(world)
  world.cache.goAway()
  const query = await browser.start()
  assert.equal(await outcomeOf(browser.callback(query)), 'ok')
  assert.equal(await outcomeOf(browser.callback(query)), 'state_reused')
  await world.cache.comeBack()
  assert.equal(await outcomeOf(browser.callback(query)), 'state_reused')
  assert.equal(await outcomeOf(browser.callback(query, undefined, world.another())), 'state_reused')
})

test('with outage.replay closed nobody logs in while the store is away', async () => {
  const world = aLoginWorld({ whenAway: 'closed' })
  const browser = aBrowser(world)
  world.cache.goAway()
  assert.equal(await outcomeOf(browser.callback(await browser.start())), 'STORE_UNAVAILABLE')
  assert.equal(world.redeemed.length, 0)
})

test('the login of somebody whose session cannot be believed now ends that session, as if it had been', async () => {
  const world = aLoginWorld()
  const browser = aBrowser(world)
  const current = await currentOf(world, await browser.callback(await browser.start()))
  world.cache.goAway()
  world.time.advance(hour + 10 * minute)
  const pass = world.sessions.passFor(current.session, current.ticket)
  const unproven = await world.sessions.find(current.ticket, carried(pass))
  assert.ok(unproven.kind === 'unproven' && unproven.session !== undefined)
  const previous = { ticket: current.ticket, session: unproven.session }
  const end = await browser.callback(await browser.start(), undefined, world.logins, previous)
  assert.equal(end.kind, 'logged-in')
  assert.equal(await look(world.sessions, current.ticket, pass), 'revoked')
  await world.cache.comeBack()
  assert.equal(await look(world.replica().sessions, current.ticket), 'revoked')
})

test('a session that cannot be believed does not stand in for a login: nobody is “already” logged in by it', async () => {
  const world = aLoginWorld()
  const browser = aBrowser(world)
  const query = await browser.start()
  const previous = await currentOf(world, await browser.callback(query))
  assert.equal(await outcomeOf(browser.callback(query, undefined, world.logins, previous)), 'state_reused')
  browser.flows.clear()
  assert.equal(await outcomeOf(browser.callback(query, undefined, world.logins, previous)), 'state_unknown')
  assert.match(await look(world.sessions, previous.ticket), /near|shared/, 'and it is not ended for nothing')
})

// A refresh is one call, nobody waits while the token lives, and nobody is logged out because something else failed.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { scriptHeaders, startTestApp, type TestApp } from '../../fixtures/in-process-app.ts'

const person = { sub: 'alice', email: 'alice@example.com', groups: ['staff'] }

/** A session whose access token lives for 300 s, refreshed 60 s before it ends. */
async function aSession(t: TestContext, config: Record<string, unknown> = {}) {
  const app = await startTestApp(t, { config: { providerTimeout: '1s', ...config } })
  app.provider.person = person
  const cookie = await app.login()
  const ask = (uri = '/') => app.ask('traefik', { uri, cookie, headers: scriptHeaders })
  return { app, cookie, ask }
}

const outcomes = (app: TestApp, outcome: string) => app.metric(`foregate_token_refreshes_total{outcome="${outcome}"}`)

/** Until the refresh under way has ended, as the metric tells. */
async function refreshed(app: TestApp, outcome = 'refreshed'): Promise<void> {
  while ((await outcomes(app, outcome)) === 0) await new Promise((resolve) => setImmediate(resolve))
}

for (const [when, passedMs] of [
  ['about to expire', 242_000],
  ['expired', 301_000],
] as const) {
  test(`100 concurrent requests on a session whose token is ${when}: one provider call, no one is refused`, async (t) => {
    const { app, ask } = await aSession(t)
    app.advance(passedMs)
    const replies = await Promise.all(Array.from({ length: 100 }, () => ask()))
    assert.deepEqual(new Set(replies.map(({ status }) => status)), new Set([200]))
    await refreshed(app)
    assert.equal(app.provider.calls.refresh, 1)
    assert.equal(app.provider.reuses, 0)
    assert.equal((await ask()).status, 200)
    assert.equal(app.provider.calls.refresh, 1)
  })
}

test('while the old token lives nobody waits for the refresh', async (t) => {
  const { app, ask } = await aSession(t)
  app.provider.fault('refresh', { hang: true })
  app.advance(242_000)
  const asked = app.provider.nextCall('refresh')
  assert.equal((await ask()).status, 200)
  await asked
  // The provider holds its answer back, and every one of these has its own.
  for (let request = 0; request < 20; request++) assert.equal((await ask()).status, 200)
  assert.equal(app.provider.calls.refresh, 1)
})

const faults = [
  { status: 503 },
  { status: 500, body: 'oops' },
  { status: 200, body: 'not json' },
  { status: 403, body: '<html>blocked' },
  { status: 404, body: { error: 'not_found' } },
  { status: 401, body: { error: 'invalid_client' } },
  { status: 400, body: { error: 'temporarily_unavailable' } },
]
for (const fault of faults) {
  test(`a token endpoint that answers ${JSON.stringify(fault)} logs nobody out, before the token's end and after`, async (t) => {
    const { app, ask } = await aSession(t)
    app.provider.fault('refresh', fault)
    app.advance(242_000)
    assert.equal((await ask()).status, 200)
    await refreshed(app, 'failed')
    app.advance(100_000)
    assert.equal((await ask()).status, 200, 'the token has ended, the provider is at fault')
    assert.equal((await ask()).status, 200)
    while ((await outcomes(app, 'failed')) < 2) await new Promise((resolve) => setImmediate(resolve))
    app.provider.fault('refresh', undefined)
    app.advance(61_000)
    assert.equal((await ask()).status, 200)
    await refreshed(app)
  })
}

test('a call that was cut is not repeated while the token lives, then once, and in the end it is a login (E2)', async (t) => {
  const { app, ask } = await aSession(t)
  app.provider.fault('refresh', { drop: true })
  app.advance(242_000)
  assert.equal((await ask()).status, 200)
  await refreshed(app, 'failed')
  app.advance(50_000)
  for (let request = 0; request < 20; request++) assert.equal((await ask()).status, 200)
  assert.equal(app.provider.calls.refresh, 1)
  app.advance(10_000)
  assert.equal((await ask()).status, 200)
  while ((await outcomes(app, 'failed')) < 2) await new Promise((resolve) => setImmediate(resolve))
  app.provider.fault('refresh', undefined)
  app.advance(500_000)
  for (let request = 0; request < 20; request++) assert.equal((await ask()).status, 200)
  assert.equal(app.provider.calls.refresh, 2)
  app.advance(200_000)
  assert.equal((await ask()).status, 401)
  assert.equal(app.provider.calls.refresh, 2)
  assert.equal(app.provider.reuses, 0)
})

test('a provider that rotates and then takes its time is waited for, in the background: no token is used twice (E2)', async (t) => {
  const { app, ask } = await aSession(t, { providerTimeout: '200ms' })
  const gate = Promise.withResolvers<void>()
  app.provider.tokenResponse = async (body) => (await gate.promise, body)
  app.advance(242_000)
  const asked = app.provider.nextCall('refresh')
  assert.equal((await ask()).status, 200)
  await asked
  app.advance(60_000)
  // The token has ended: they wait for providerTimeout, and no longer.
  assert.equal((await ask()).status, 200)
  gate.resolve()
  await refreshed(app)
  assert.equal((await ask()).status, 200)
  assert.deepEqual([app.provider.calls.refresh, app.provider.reuses], [1, 0])
})

const refusals = [
  {
    status: 400,
    body: { error: 'invalid_request', error_description: 'Refresh token is invalid or has already been claimed' },
  },
  { status: 400, body: { error: 'invalid_grant' } },
  { status: 400, body: { error: 'unauthorized_client' } },
  { status: 403, body: { error: 'invalid_grant' } },
]
for (const fault of refusals) {
  test(`a refresh that is refused with ${fault.status} ${fault.body.error}: the session lives to its token's end, then it is a login (E1)`, async (t) => {
    const { app, ask } = await aSession(t)
    app.provider.fault('refresh', fault)
    app.advance(242_000)
    assert.equal((await ask()).status, 200)
    await refreshed(app, 'rejected')
    app.advance(57_000)
    for (let request = 0; request < 20; request++) assert.equal((await ask()).status, 200)
    app.advance(2_000)
    for (let request = 0; request < 20; request++) assert.equal((await ask()).status, 401)
    assert.equal(app.provider.calls.refresh, 1)
  })
}

test('a secret that was changed at the provider sends nobody away, and all is well when it is mended (E1)', async (t) => {
  const { app, ask } = await aSession(t)
  app.provider.fault('refresh', { status: 401, body: { error: 'invalid_client' } })
  app.advance(301_000)
  for (let request = 0; request < 20; request++) assert.equal((await ask()).status, 200)
  app.advance(700_000)
  for (let request = 0; request < 20; request++) assert.equal((await ask()).status, 503)
  assert.ok(app.provider.calls.refresh <= 3, `${app.provider.calls.refresh} calls`)
  app.provider.fault('refresh', undefined)
  app.advance(61_000)
  assert.equal((await ask()).status, 200)
})

for (const idToken of ['', null]) {
  test(`a refresh whose id_token is ${JSON.stringify(idToken)} is no news: the session and its groups go on (C7)`, async (t) => {
    const { app, ask } = await aSession(t)
    app.provider.tokenResponse = (body) => ({ ...body, id_token: idToken })
    app.advance(301_000)
    const reply = await ask()
    assert.deepEqual([reply.status, reply.headers['x-auth-request-groups']], [200, 'staff'])
  })
}

test('past the token’s end plus maxStale it is 503, the cookie is kept, and all is well when the provider is back', async (t) => {
  const { app, ask } = await aSession(t)
  app.provider.fault('refresh', { status: 503 })
  app.advance(300_000 + 10 * 60_000 + 1_000)
  const reply = await ask()
  assert.equal(reply.status, 503)
  assert.ok(Number(reply.headers['retry-after']) > 0)
  assert.deepEqual(reply.setCookies, [])
  app.provider.fault('refresh', undefined)
  app.advance(1_001)
  assert.equal((await ask()).status, 200)
})

test('invalid_grant ends the session', async (t) => {
  const { app, ask } = await aSession(t)
  app.provider.revokeRefreshTokens()
  app.advance(301_000)
  assert.equal((await ask()).status, 401)
  assert.equal((await ask()).status, 401)
  assert.equal(app.provider.calls.refresh, 1)
  assert.equal(app.handed.find(({ event }) => event === 'session_ended')?.reason, 'invalid_grant')
})

test('refreshed groups take effect at once: one that was lost locks out, one that was won lets in', async (t) => {
  const { app, ask } = await aSession(t, {
    rules: [
      { path: '/staff', policy: 'login', require: { groups: ['staff'] } },
      { path: '/admin', policy: 'login', require: { groups: ['admins'] } },
    ],
  })
  assert.deepEqual([(await ask('/staff')).status, (await ask('/admin')).status], [200, 403])
  app.provider.idToken = (draft) => ({ ...draft, claims: { ...draft.claims, groups: ['admins'] } })
  app.advance(301_000)
  assert.deepEqual([(await ask('/staff')).status, (await ask('/admin')).status], [403, 200])
  assert.equal((await ask('/')).headers['x-auth-request-groups'], 'admins')
})

test('a refresh that names no groups any more takes them away', async (t) => {
  const { app, ask } = await aSession(t)
  app.provider.idToken = ({ claims: { groups: _gone, ...claims }, ...draft }) => ({ ...draft, claims })
  app.provider.userInfo = { sub: 'alice', email: 'alice@example.com' }
  app.advance(301_000)
  assert.equal((await ask()).headers['x-auth-request-groups'], '')
})

test('a refresh without an ID token keeps the identity', async (t) => {
  const { app, ask } = await aSession(t)
  app.provider.issuesIdTokenOnRefresh = false
  app.advance(301_000)
  const reply = await ask()
  assert.equal(reply.status, 200)
  assert.equal(reply.headers['x-auth-request-groups'], 'staff')
})

test('a refresh that is about somebody else ends the session, with a warning', async (t) => {
  const { app, ask } = await aSession(t)
  app.provider.idToken = (draft) => ({ ...draft, claims: { ...draft.claims, sub: 'mallory' } })
  app.advance(301_000)
  assert.equal((await ask()).status, 401)
  const line = app.handed.find(({ event }) => event === 'session_ended')
  assert.deepEqual([line?.level, line?.reason], ['warn', 'subject_changed'])
})

test('a provider that does not rotate refresh tokens is fine', async (t) => {
  const { app, ask } = await aSession(t)
  app.provider.rotatesRefreshToken = false
  for (let round = 1; round <= 3; round++) {
    app.advance(301_000)
    assert.equal((await ask()).status, 200)
    assert.equal(app.provider.calls.refresh, round)
  }
})

test('without a refresh token the session ends with its access token', async (t) => {
  const app = await startTestApp(t, { provider: { issuesRefreshToken: false } })
  const cookie = await app.login()
  const ask = () => app.ask('traefik', { cookie, headers: scriptHeaders })
  app.advance(299_000)
  assert.equal((await ask()).status, 200)
  app.advance(2_000)
  assert.equal((await ask()).status, 401)
  assert.equal(app.provider.calls.refresh, 0)
})

test('sessionMaxAge is absolute, however often it is refreshed', async (t) => {
  const { app, ask } = await aSession(t, { sessionMaxAge: '20m' })
  for (let minutes = 5; minutes < 20; minutes += 5) {
    app.advance(5 * 60_000 - 1_000)
    assert.equal((await ask()).status, 200, `after ${minutes} minutes`)
  }
  app.advance(5 * 60_000 + 5_000)
  assert.equal((await ask()).status, 401)
})

test('sessionIdleTimeout ends a session that nobody uses, and no other', async (t) => {
  const { app, ask } = await aSession(t, { sessionIdleTimeout: '10m' })
  for (let round = 0; round < 4; round++) {
    app.advance(9 * 60_000)
    assert.equal((await ask()).status, 200)
  }
  app.advance(10 * 60_000 + 11_000)
  assert.equal((await ask()).status, 401)
})

test('a header with a token has the refreshed one', async (t) => {
  const { app, ask } = await aSession(t, { headers: [{ name: 'X-Token', value: '{{.AccessToken}}' }] })
  const before = (await ask()).headers['x-token']
  assert.match(String(before), /^at-/)
  app.advance(301_000)
  const later = (await ask()).headers['x-token']
  assert.match(String(later), /^at-/)
  assert.notEqual(later, before)
})

test('a login that UserInfo had failed is whole after a refresh, though that brings no ID token (B8)', async (t) => {
  const rules = [{ path: '/mail', require: { domains: ['example.com'] } }]
  const app = await startTestApp(t, { config: { rules }, provider: { issuesIdTokenOnRefresh: false } })
  app.provider.person = { sub: 'alice', email: 'alice@example.com' }
  app.provider.userInfo = { sub: 'alice', email_verified: true }
  app.provider.fault('userinfo', { status: 500, times: 1 })
  const cookie = await app.login()
  const ask = (uri: string) => app.ask('traefik', { uri, cookie, headers: scriptHeaders })
  assert.equal((await ask('/mail')).status, 403)
  for (const round of [1, 2]) {
    app.advance(301_000)
    assert.equal((await ask('/')).status, 200)
    assert.equal((await ask('/mail')).status, 200)
    assert.equal(app.provider.calls.refresh, round)
    assert.equal(app.provider.calls.userinfo, 2, 'what is whole is not asked for again')
  }
})

test('the tokens of a login that is refused are revoked, and the person does not wait for it', async (t) => {
  const app = await startTestApp(t, { config: { requireVerifiedEmail: true } })
  app.provider.person = { sub: 'alice', email: 'alice@example.com', email_verified: false }
  await assert.rejects(app.login(), /no login: 403/)
  while (app.provider.revoked.length < 2) await new Promise((resolve) => setImmediate(resolve))
})

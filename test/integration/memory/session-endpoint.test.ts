// `/oauth2/session`: what a single-page application asks about its session.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { createHttpClient } from '../../fixtures/http-client.ts'
import { scriptHeaders, sessionCookie, startTestApp, type TestApp } from '../../fixtures/in-process-app.ts'

const page = 'https://spa.example.com'

async function anApp(t: TestContext, config: Record<string, unknown> = {}, accessTokenLifetime = 300) {
  const cors = { allowedOrigins: [page] }
  const app = await startTestApp(t, { config: { cors, ...config }, provider: { accessTokenLifetime } })
  const cookie = await app.login()
  const send = (method: string, headers: Record<string, string> = {}) =>
    createHttpClient().send(`${app.url}/oauth2/session`, { method, headers: { ...scriptHeaders, cookie, ...headers } })
  const look = async (headers?: Record<string, string>) =>
    (await send('GET', headers)).json() as Record<string, unknown>
  const isLoggedIn = async () => (await app.ask('traefik', { cookie, headers: scriptHeaders })).status === 200
  return { app, cookie, send, look, isLoggedIn }
}

const secondsFromNow = (app: TestApp, iso: unknown) => Math.round((Date.parse(String(iso)) - app.clock()) / 1_000)

test('it says who is logged in, until when, and when the tokens are new; never a token', async (t) => {
  const { app, send, cookie } = await anApp(t)
  app.provider.person = {
    sub: 'alice',
    email: 'alice@example.com',
    acr: 'gold',
    auth_time: Math.floor(app.clock() / 1e3),
  }
  const reply = await send('GET', { cookie: await app.login() })
  assert.deepEqual([reply.status, reply.headers['cache-control']], [200, 'no-store'])
  const said = reply.json() as Record<string, unknown>
  assert.deepEqual(Object.keys(said), [
    'loggedIn',
    'user',
    'expiresAt',
    'accessExpiresAt',
    'refreshable',
    'refreshesAt',
    'acr',
    'authenticatedAt',
  ])
  assert.deepEqual([said['loggedIn'], said['user'], said['acr']], [true, 'alice@example.com', 'gold'])
  assert.equal(secondsFromNow(app, said['expiresAt']), 86_400)
  assert.equal(secondsFromNow(app, said['accessExpiresAt']), 300)
  assert.equal(secondsFromNow(app, said['refreshesAt']), 240)
  for (const secret of ['at-', 'rt-', 'eyJ', cookie.slice(-43)])
    assert.equal(reply.body.includes(secret), false, secret)
})

test('a session that cannot be refreshed ends with its access token, and it says so', async (t) => {
  const { app, send } = await anApp(t)
  app.provider.issuesRefreshToken = false
  const said = (await send('GET', { cookie: await app.login() })).json() as Record<string, unknown>
  assert.deepEqual([said['refreshable'], 'refreshesAt' in said], [false, false])
  assert.equal(secondsFromNow(app, said['expiresAt']), 300)
})

test('nobody is logged in: it says so, and where to log in', async (t) => {
  const { app, look } = await anApp(t, { allowedRedirectHosts: ['spa.example.com'] })
  for (const cookie of ['', `${sessionCookie}=made-up`, `${sessionCookie}=${'A'.repeat(65)}`]) {
    const said = await look({ cookie, referer: `${page}/reports?y=1` })
    assert.deepEqual(Object.keys(said), ['loggedIn', 'login_url'])
    assert.equal(said['loggedIn'], false)
    const login = new URL(String(said['login_url']))
    assert.deepEqual([login.pathname, login.searchParams.get('rd')], ['/oauth2/start', `${page}/reports?y=1`])
  }
  const foreign = await look({ cookie: '', referer: 'https://evil.example/' })
  assert.equal(new URL(String(foreign['login_url'])).searchParams.get('rd'), `${app.url}/`)
})

test('a POST refreshes now, once in ten seconds, and whoever asks at once shares one call', async (t) => {
  const { app, send, look } = await anApp(t)
  app.advance(30_000)
  const before = await look()
  const replies = await Promise.all(Array.from({ length: 5 }, () => send('POST', { origin: page })))
  assert.deepEqual(new Set(replies.map(({ status }) => status)), new Set([200]))
  assert.equal(app.provider.calls.refresh, 1)
  const said = replies[0]?.json() as Record<string, unknown>
  assert.equal(said['refreshed'], true)
  assert.equal(secondsFromNow(app, said['accessExpiresAt']), 300)
  assert.notEqual(said['accessExpiresAt'], before['accessExpiresAt'])
  assert.equal(((await send('POST', { origin: page })).json() as Record<string, unknown>)['refreshed'], false)
  assert.equal(app.provider.calls.refresh, 1)
  app.advance(10_000)
  assert.equal(((await send('POST', { origin: page })).json() as Record<string, unknown>)['refreshed'], true)
  assert.deepEqual([app.provider.calls.refresh, app.provider.reuses], [2, 0])
})

const askers: [name: string, headers: Record<string, string>, status: number][] = [
  ['the very origin', { 'sec-fetch-site': 'same-origin' }, 200],
  ['a listed origin', { origin: page, 'sec-fetch-site': 'cross-site' }, 200],
  ['another site', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }, 403],
  ['a sandboxed frame', { origin: 'null', 'sec-fetch-site': 'cross-site' }, 403],
  ['another host of the site', { origin: 'http://other.127.0.0.1', 'sec-fetch-site': 'same-site' }, 403],
  ['a form without a word of where it is', { 'sec-fetch-site': 'cross-site' }, 403],
]
for (const [name, headers, status] of askers) {
  test(`a refresh that ${name} asks for: ${status}`, async (t) => {
    const { app, send } = await anApp(t)
    assert.equal((await send('POST', headers)).status, status)
    assert.equal(app.provider.calls.refresh, status === 200 ? 1 : 0)
  })
}

test('a provider that is away: the refresh is put off, and nobody is logged out', async (t) => {
  const { app, send, isLoggedIn, look } = await anApp(t)
  app.provider.fault('refresh', { status: 503 })
  const refused = await send('POST', { origin: page })
  assert.deepEqual([refused.status, refused.headers['retry-after']], [503, '5'])
  assert.equal((refused.json() as Record<string, unknown>)['error'], 'provider_unavailable')
  assert.deepEqual([await isLoggedIn(), (await look())['loggedIn']], [true, true])
  app.advance(500)
  assert.equal((await send('POST', { origin: page })).status, 503)
  assert.equal(app.provider.calls.refresh, 1, 'not asked again before its back-off has passed')
})

test('an answer that was lost is not asked for again with a token that may be spent', async (t) => {
  const { app, send } = await anApp(t)
  app.provider.fault('refresh', { drop: true, stall: true })
  assert.equal((await send('POST', { origin: page })).status, 503)
  app.provider.fault('refresh', undefined)
  app.advance(30_000)
  assert.equal((await send('POST', { origin: page })).status, 503)
  assert.deepEqual([app.provider.calls.refresh, app.provider.reuses], [1, 0])
})

test('a refresh that the provider refuses for good ends the session with its token: nothing else changes now', async (t) => {
  const { app, send, isLoggedIn } = await anApp(t)
  app.provider.revokeRefreshTokens()
  const reply = await send('POST', { origin: page })
  assert.equal(reply.status, 200)
  const said = reply.json() as Record<string, unknown>
  assert.deepEqual([said['refreshed'], said['refreshable']], [false, false])
  assert.equal(await isLoggedIn(), true)
})

for (const [method, tokenSeconds, lives] of [
  ['GET', 3_600, false],
  // Past the access token's end, too, where any other request would wait for a refresh.
  ['GET', 300, false],
  ['POST', 300, true],
] as const) {
  test(`looking is no use of a session, refreshing is: ${method} each minute, tokens of ${tokenSeconds} s`, async (t) => {
    const { app, send, isLoggedIn } = await anApp(t, { sessionIdleTimeout: '10m' }, tokenSeconds)
    for (let minute = 0; minute < 9; minute++) {
      app.advance(59_000)
      assert.equal((await send(method, { origin: page })).status, 200)
    }
    if (method === 'GET') assert.equal(app.provider.calls.refresh, 0)
    app.advance(80_000)
    assert.equal(await isLoggedIn(), lives)
  })
}

test('past its access token’s end a session that can be refreshed is still one', async (t) => {
  const { app, look, isLoggedIn } = await anApp(t)
  app.advance(3_600_000)
  assert.equal((await look())['loggedIn'], true)
  assert.equal(app.provider.calls.refresh, 0)
  assert.equal(await isLoggedIn(), true)
  assert.equal(app.provider.calls.refresh, 1)
})

test('a session that has ended is none', async (t) => {
  const { app, cookie, look } = await anApp(t)
  const headers = { ...scriptHeaders, cookie, origin: app.url }
  assert.ok((await createHttpClient().send(`${app.url}/oauth2/logout`, { method: 'POST', headers })).status < 400)
  assert.equal((await look())['loggedIn'], false)
})

test('through a middleware alone it is never an answer that lets somebody in', async (t) => {
  const { app, cookie } = await anApp(t)
  for (const method of ['GET', 'POST', 'OPTIONS']) {
    const headers = { ...scriptHeaders, origin: page, 'access-control-request-method': 'GET' }
    const reply = await app.ask('traefik', { uri: '/oauth2/session', method, cookie, headers })
    assert.ok(reply.status >= 400, `${method} ${reply.status}`)
  }
})

// Rules that ask how, and how recently, a person has authenticated (`require.acr`, `require.maxAge`): what a browser, a script and
// each kind of proxy are told, and what becomes of the session.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import type { Contract } from '../../../src/config/contracts.ts'
import { createHttpClient, type Reply } from '../../fixtures/http-client.ts'
import {
  appOrigin,
  browserHeaders,
  scriptHeaders,
  sessionCookie,
  startTestApp,
  type TestApp,
} from '../../fixtures/in-process-app.ts'

const minutes = 60_000
const rules = [
  { path: '/admin', require: { acr: ['gold', 'platinum'] } },
  { path: '/pay', require: { maxAge: '5m' } },
  { path: '/safe', require: { acr: ['gold'], maxAge: '5m' } },
  { path: '/staff', require: { groups: ['staff'], acr: ['gold'] } },
]

/** What the provider says of whoever comes next. */
function authenticated(app: TestApp, claims: Record<string, unknown>): void {
  app.provider.person = { sub: 'alice', email: 'alice@example.com', ...claims }
}
const seconds = (app: TestApp) => Math.floor(app.clock() / 1_000)

async function anApp(t: TestContext, config: Record<string, unknown> = {}) {
  const app = await startTestApp(t, { config: { rules, ...config } })
  authenticated(app, {})
  const cookie = await app.login()
  const visit = (uri: string, by = cookie, contract: Contract = 'traefik') =>
    app.ask(contract, { uri, cookie: by, headers: browserHeaders })
  const call = (uri: string, by = cookie) => app.ask('traefik', { uri, cookie: by, headers: scriptHeaders })
  return { app, cookie, visit, call }
}

const queryOf = ({ headers }: Reply) => new URL(headers.location ?? '').searchParams

/** From the redirect to the provider to its callback's answer; `cookie` is the browser's afterwards. */
async function tripFrom(app: TestApp, answer: Reply, cookie: string): Promise<{ back: Reply; cookie: string }> {
  const client = createHttpClient()
  const atProvider = await client.send(answer.headers.location ?? '', { headers: browserHeaders })
  const { pathname, search } = new URL(atProvider.headers.location ?? '')
  const jar = [cookie, ...answer.setCookies.map((line) => line.split(';', 1)[0] ?? '')].join('; ')
  const back = await app.ask('traefik', { uri: pathname + search, cookie: jar, headers: browserHeaders })
  const ticket = back.setCookies.find((line) => line.startsWith(`${sessionCookie}=`))?.split(';', 1)[0]
  return { back, cookie: ticket ?? cookie }
}

test('a person is sent for the authentication that a rule asks for, comes back with it, and the session of before has ended', async (t) => {
  const { app, cookie, visit } = await anApp(t)
  assert.equal((await visit('/')).status, 200)
  const sent = await visit('/admin?tab=1')
  assert.equal(sent.status, 302)
  assert.deepEqual([queryOf(sent).get('acr_values'), queryOf(sent).get('max_age')], ['gold platinum', null])
  authenticated(app, { acr: 'gold' })
  const trip = await tripFrom(app, sent, cookie)
  assert.deepEqual([trip.back.status, trip.back.headers.location], [302, `${appOrigin}/admin?tab=1`])
  assert.equal((await visit('/admin', trip.cookie)).status, 200)
  assert.equal((await visit('/', cookie)).status, 302, 'the old ticket is worth nothing')
  assert.equal(
    await app.metric('foregate_auth_decisions_total{contract="traefik",decision="login",reason="step_up"}'),
    1,
  )
})

test('a script is told what to ask for (RFC 9470), and where', async (t) => {
  const { call } = await anApp(t)
  const refused = await call('/safe/1')
  assert.equal(refused.status, 401)
  assert.equal(
    refused.headers['www-authenticate'],
    'Bearer realm="foregate", error="insufficient_user_authentication", ' +
      'error_description="Another authentication is needed here", acr_values="gold", max_age="300"',
  )
  const body = refused.json() as Record<string, string>
  assert.deepEqual(
    [body['error'], body['acr_values'], body['max_age']],
    ['insufficient_user_authentication', 'gold', '300'],
  )
  const login = new URL(body['login_url'] ?? '')
  assert.equal(login.searchParams.get('acr_values'), 'gold')
  assert.equal(login.searchParams.get('max_age'), '300')
})

test('a login is recent for maxAge and no longer, on a copy that has answered before, too', async (t) => {
  const { app, cookie, visit, call } = await anApp(t)
  const sent = await visit('/pay')
  assert.equal(queryOf(sent).get('max_age'), '300')
  authenticated(app, { auth_time: seconds(app) })
  const trip = await tripFrom(app, sent, cookie)
  assert.equal((await visit('/pay', trip.cookie)).status, 200)
  app.advance(5 * minutes - 3_000)
  assert.equal((await call('/pay', trip.cookie)).status, 200)
  app.advance(3_000)
  assert.equal((await call('/pay', trip.cookie)).status, 401)
  assert.equal((await visit('/pay', trip.cookie)).status, 302)
  assert.equal((await visit('/', trip.cookie)).status, 200, 'where nothing is asked nothing has changed')
})

test('a first login that was recent enough is not repeated', async (t) => {
  const { app, visit } = await anApp(t)
  authenticated(app, { auth_time: seconds(app) })
  assert.equal((await visit('/pay', await app.login())).status, 200)
})

const unable: [name: string, path: string, claims: Record<string, unknown>, code: string][] = [
  ['knows no acr', '/admin', {}, 'id_token_acr'],
  ['says another acr', '/admin', { acr: 'silver' }, 'id_token_acr'],
  ['sends no auth_time', '/pay', {}, 'id_token_auth_time'],
]
for (const [name, path, claims, code] of unable) {
  test(`a provider that ${name}: a page says so, nobody goes in circles, and the session stays as it was`, async (t) => {
    const { app, cookie, visit } = await anApp(t)
    authenticated(app, claims)
    const trip = await tripFrom(app, await visit(path), cookie)
    assert.equal(trip.back.status, 403)
    assert.match(trip.back.body, new RegExp(`${code} \\(403\\)`))
    assert.match(trip.back.body, /You are still signed in to the rest/)
    const again = /href="([^"]+\/oauth2\/start[^"]+)"/.exec(trip.back.body)?.[1]?.replaceAll('&#38;', '&') ?? ''
    const wanted = new URL(again).searchParams
    assert.equal(wanted.get(path === '/pay' ? 'max_age' : 'acr_values'), path === '/pay' ? '300' : 'gold platinum')
    assert.equal(trip.cookie, cookie)
    assert.equal((await visit('/')).status, 200)
    const line = app.handed.find(({ event }) => event === 'login_refused')
    assert.equal(line?.['reason'], code)
  })
}

test('a provider that ignores max_age: a page says so', async (t) => {
  const { app, cookie, visit } = await anApp(t)
  authenticated(app, { auth_time: seconds(app) - 400 })
  const trip = await tripFrom(app, await visit('/pay'), cookie)
  assert.deepEqual([trip.back.status, /id_token_auth_time \(403\)/.test(trip.back.body)], [403, true])
})

test('whoever may not come here anyway is refused, and not sent to authenticate', async (t) => {
  const { visit } = await anApp(t)
  const refused = await visit('/staff')
  assert.deepEqual([refused.status, /group_not_allowed/.test(refused.body)], [403, true])
})

test('somebody else who authenticates has logged in, and the other’s session has ended', async (t) => {
  const { app, cookie, visit } = await anApp(t)
  const sent = await visit('/admin')
  app.provider.person = { sub: 'bob', email: 'bob@example.com', acr: 'gold' }
  const trip = await tripFrom(app, sent, cookie)
  const answer = await visit('/admin', trip.cookie)
  assert.deepEqual([answer.status, answer.headers['x-auth-request-user']], [200, 'bob@example.com'])
  assert.equal((await visit('/', cookie)).status, 302)
})

test('a proxy that relays no answers is given our start, which sends the person for the same', async (t) => {
  const { app, cookie, visit } = await anApp(t)
  for (const contract of ['nginx', 'oauth2-proxy', 'haproxy', 'envoy'] as const) {
    const answer = await visit('/safe', cookie, contract)
    const mayRefuseOnly = contract === 'nginx' || contract === 'oauth2-proxy'
    assert.equal(answer.status, mayRefuseOnly ? 401 : 302, contract)
    const { pathname, search, searchParams } = new URL(answer.headers.location ?? '')
    assert.deepEqual([pathname, searchParams.get('rd')], ['/oauth2/start', `${appOrigin}/safe`], contract)
    const started = await createHttpClient().send(app.url + pathname + search, { headers: browserHeaders })
    assert.deepEqual([queryOf(started).get('acr_values'), queryOf(started).get('max_age')], ['gold', '300'], contract)
  }
})

const links: [query: string, acrValues: string | null, maxAge: string | null][] = [
  ['acr_values=gold+bronze', 'gold', null],
  ['acr_values=bronze', null, null],
  ['acr_values=__proto__&max_age=300', null, '300'],
  ['max_age=0', null, null],
  ['max_age=-1', null, null],
  ['max_age=1e9', null, null],
  ['max_age=99999999999999999999', null, null],
  ['acr_values=gold%26scope%3Dadmin', null, null],
]
for (const [query, acrValues, maxAge] of links) {
  test(`a link to our start with ${query} asks the provider for no more than a rule could`, async (t) => {
    const { app } = await anApp(t)
    const started = await createHttpClient().send(`${app.url}/oauth2/start?${query}`, { headers: browserHeaders })
    assert.deepEqual([queryOf(started).get('acr_values'), queryOf(started).get('max_age')], [acrValues, maxAge])
  })
}

test('a refresh makes no login newer, unless the ID token says so', async (t) => {
  const { app, visit, call } = await anApp(t)
  authenticated(app, { auth_time: seconds(app), acr: 'gold' })
  const cookie = await app.login()
  assert.equal((await visit('/safe', cookie)).status, 200)
  // Once without a word of the login, once with the same: neither is news.
  for (const [passedMs, claims] of [
    [242_000, { auth_time: undefined, acr: undefined }],
    [62_000, {}],
  ] as const) {
    app.provider.idToken = (draft) => ({ ...draft, claims: { ...draft.claims, ...claims } })
    const before = await app.metric('foregate_token_refreshes_total{outcome="refreshed"}')
    app.advance(passedMs)
    await call('/', cookie)
    if (passedMs > 100_000)
      while ((await app.metric('foregate_token_refreshes_total{outcome="refreshed"}')) === before)
        await new Promise((resolve) => setImmediate(resolve))
  }
  assert.equal((await call('/safe', cookie)).status, 401, 'five minutes and four seconds after the login')
})

test('a refreshed ID token that says less of the login takes that away', async (t) => {
  const { app, call } = await anApp(t)
  authenticated(app, { acr: 'gold' })
  const cookie = await app.login()
  assert.equal((await call('/admin', cookie)).status, 200)
  app.provider.idToken = (draft) => ({ ...draft, claims: { ...draft.claims, acr: 'silver' } })
  app.advance(242_000)
  await call('/', cookie)
  while ((await app.metric('foregate_token_refreshes_total{outcome="refreshed"}')) === 0)
    await new Promise((resolve) => setImmediate(resolve))
  assert.equal((await call('/admin', cookie)).status, 401)
})

test('a spelling that two rules could mean is open to who meets both, and closed where nobody can', async (t) => {
  const { app, cookie, visit } = await anApp(t, {
    rules: [
      { path: '/Vault', require: { acr: ['gold'] } },
      { path: '/vault', require: { acr: ['gold', 'silver'], maxAge: '5m' } },
      { path: '/Hall', require: { acr: ['gold'] } },
      { path: '/hall', require: { acr: ['silver'] } },
    ],
  })
  const sent = await visit('/vault')
  assert.deepEqual([queryOf(sent).get('acr_values'), queryOf(sent).get('max_age')], ['gold', '300'])
  authenticated(app, { acr: 'gold', auth_time: seconds(app) })
  const trip = await tripFrom(app, sent, cookie)
  assert.equal((await visit('/vault', trip.cookie)).status, 200)
  const closed = await visit('/hall', trip.cookie)
  assert.deepEqual([closed.status, /insufficient_user_authentication/.test(closed.body)], [403, true])
})

test('in reverse-proxy mode nothing reaches the application before the person has authenticated as its rule asks', async (t) => {
  let reached = 0
  const server = createServer((_request, response) => response.end(String(++reached)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const app = await startTestApp(t, { config: { upstreams: [{ url, rules: [{ require: { acr: ['gold'] } }] }] } })
  authenticated(app, {})
  const client = createHttpClient()
  await app.login(client)
  const script = await client.send(`${app.url}/x`, { headers: scriptHeaders })
  assert.match(script.headers['www-authenticate'] ?? '', /insufficient_user_authentication.*acr_values="gold"/)
  const page = await client.send(`${app.url}/x`, { headers: browserHeaders })
  assert.deepEqual([page.status, queryOf(page).get('acr_values'), reached], [302, 'gold', 0])
  authenticated(app, { acr: 'gold' })
  const back = await client.navigate(`${app.url}/x`)
  assert.deepEqual([back.status, back.body], [200, '1'])
})

test('in reverse-proxy mode a stream ends when the login of its person is no longer as recent as its rule asks', async (t) => {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: first\n\n')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.closeAllConnections())
  t.after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const app = await startTestApp(t, { config: { upstreams: [{ url, rules: [{ require: { maxAge: '5m' } }] }] } })
  authenticated(app, { auth_time: seconds(app) - 298 })
  const client = createHttpClient()
  const cookie = await app.login(client)
  const stream = connect(app.port, '127.0.0.1').setEncoding('latin1')
  let received = ''
  stream.on('data', (chunk: string) => (received += chunk))
  stream.write(`GET /events HTTP/1.1\r\nHost: 127.0.0.1:${app.port}\r\nCookie: ${cookie}\r\nConnection: close\r\n\r\n`)
  await once(stream, 'close', { signal: AbortSignal.timeout(10_000) })
  assert.match(received, /^HTTP\/1.1 200 [^]*first[^]*0\r\n\r\n$/)
  const counted = await (await fetch(`${app.operatorURL}/metrics`)).text()
  assert.match(counted, /streams_closed_total\{reason="not_allowed"\} 1/)
})

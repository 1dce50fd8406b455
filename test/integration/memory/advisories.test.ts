// Published holes of our neighbours that concern what is here, each over a real port. Those that are a matter of one function
// have their named test in test/access, test/http/return-url.test.ts or test/http/cookies.test.ts.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { contractNames } from '../../../src/config/contracts.ts'
import { createHttpClient } from '../../fixtures/http-client.ts'
import {
  appHost,
  browserHeaders,
  scriptHeaders,
  sendRaw,
  sessionCookie,
  startTestApp,
  subrequest,
} from '../../fixtures/in-process-app.ts'

const app = await startTestApp(
  { after },
  {
    config: {
      excludedURLs: ['/public', '/healthy'],
      rules: [{ path: '/admin', policy: 'login', require: { groups: ['admins'] } }],
    },
  },
)
const cookie = await app.login()
const isAllowed = (status: number) => status === 200 || status === 202

async function callbackOf(client = createHttpClient()) {
  const started = await app.begin(client)
  const atProvider = await client.send(started.headers.location ?? '', { headers: browserHeaders })
  return { client, callback: atProvider.headers.location ?? '' }
}

test('bitly CVE-2017-1000069: a callback with a foreign state, another browser’s cookie or a used state is refused before it is redeemed', async () => {
  const attacker = await callbackOf()
  const victim = await callbackOf()
  const before = app.provider.calls.token
  assert.equal((await victim.client.send(attacker.callback, { headers: browserHeaders })).status, 400)
  const foreign = new URL(victim.callback)
  foreign.searchParams.set('state', new URL(attacker.callback).searchParams.get('state') ?? '')
  assert.equal((await victim.client.send(foreign.href, { headers: browserHeaders })).status, 400)
  const flows = victim.client.cookies.header(new URL(app.url)) ?? ''
  assert.equal(app.provider.calls.token, before)
  await victim.client.send(victim.callback, { headers: browserHeaders })
  const replay = await createHttpClient().send(victim.callback, { headers: { ...browserHeaders, cookie: flows } })
  assert.equal(replay.status, 400)
  assert.equal(app.provider.calls.token, before + 1)
})

const tricks = [
  'https://evil.example',
  '//evil.example',
  '/\\evil.example',
  '/%5cevil.example',
  '/\\/evil.example',
  '/%09/evil.example',
  '/%0a/evil.example',
  '/./\\evil.example',
  '/../\\evil.example',
  '/.%2f/evil.example',
]
test('bitly CVE-2017-1000070, oauth2-proxy CVE-2020-5233, -11053, -4037, mod_auth_openidc CVE-2019-14857: no rd leads away, at the start or at the logout', async () => {
  for (const rd of tricks) {
    const query = `?${new URLSearchParams({ rd }).toString()}`
    const client = createHttpClient()
    const started = await client.send(`${app.url}/oauth2/start${query}`, { headers: browserHeaders })
    const atProvider = await client.send(started.headers.location ?? '', { headers: browserHeaders })
    const back = await client.send(atProvider.headers.location ?? '', { headers: browserHeaders })
    assert.equal(new URL(back.headers.location ?? '').origin, app.url, rd)
    const out = await client.send(`${app.url}/oauth2/logout${query}`, { headers: browserHeaders })
    const goal = new URL(out.headers.location ?? '').searchParams.get('post_logout_redirect_uri') ?? ''
    assert.equal(new URL(goal).origin, app.url, rd)
  }
})

test('oauth2-proxy CVE-2021-21411: an option that limits access limits it (groups at /oauth2/auth, rules, users)', async (t) => {
  const limited = await startTestApp(t, { config: { allowedUsers: ['bob@example.com'] } })
  const session = await limited.login()
  for (const contract of contractNames) {
    assert.equal((await limited.ask(contract, { cookie: session, headers: scriptHeaders })).status, 403, contract)
  }
  const { headers } = subrequest('oauth2-proxy', { method: 'GET', uri: '/', host: appHost, scheme: 'http' })
  const groups = await createHttpClient().send(`${app.url}/oauth2/auth?allowed_groups=admins`, {
    headers: { ...headers, cookie },
  })
  assert.equal(groups.status, 403)
})

test('oauth2-proxy CVE-2025-54576: a query that looks like a public path opens nothing', async () => {
  for (const contract of contractNames) {
    for (const uri of ['/private?x=/public', '/private?/public', '/?/public']) {
      assert.equal((await app.ask(contract, { uri, headers: scriptHeaders })).status, 401, `${contract} ${uri}`)
    }
  }
})

test('oauth2-proxy CVE-2025-64484, Traefik CVE-2026-54763: X_Forwarded_User and other spellings are never echoed', async () => {
  const names = [
    'X_Forwarded_User',
    'x-forwarded_user',
    'X_Auth_Request_Email',
    'x.auth.request.user',
    'X-FORWARDED-USER',
  ]
  for (const contract of contractNames) {
    const headers = Object.fromEntries(names.map((name) => [name, 'root']))
    const { rawHeaders } = await app.ask(contract, { uri: '/public', headers })
    assert.equal(rawHeaders.includes('root'), false)
    assert.equal(
      rawHeaders.some((text) => /_/.test(text) && /user|email/i.test(text)),
      false,
    )
  }
})

test('oauth2-proxy CVE-2026-34454, express-openid-connect CVE-2022-24794: a new login never continues a session that was there, nor does the sign-in page', async () => {
  const client = createHttpClient()
  const first = await app.login(client)
  const page = await client.send(`${app.url}/oauth2/sign_in`, { headers: browserHeaders })
  assert.deepEqual(page.setCookies, [])
  app.advance(1_000)
  const second = await app.login(client)
  const parts = (pair: string) => [pair.slice(sessionCookie.length + 1, -43), pair.slice(-43)]
  for (const [at, part] of parts(first).entries()) assert.notEqual(part, parts(second)[at])
  assert.equal((await app.ask('traefik', { cookie: first, headers: scriptHeaders })).status, 401)
})

test('a session id planted in the browser before the login is worth nothing after it', async () => {
  const planted = `${sessionCookie}=${'A'.repeat(65)}`
  const { client, callback } = await callbackOf()
  const flows = client.cookies.header(new URL(app.url)) ?? ''
  const back = await client.send(callback, { headers: { ...browserHeaders, cookie: `${planted}; ${flows}` } })
  assert.equal(back.status, 302)
  assert.notEqual(client.cookies.get(sessionCookie), 'A'.repeat(65))
  assert.equal((await app.ask('traefik', { cookie: planted, headers: scriptHeaders })).status, 401)
})

test('oauth2-proxy CVE-2026-34457: no User-Agent is let in', async () => {
  for (const agent of ['GoogleHC/1.0', 'kube-probe/1.30', 'ELB-HealthChecker/2.0', 'Googlebot']) {
    for (const contract of contractNames) {
      const headers = { ...scriptHeaders, 'user-agent': agent }
      assert.equal((await app.ask(contract, { headers })).status, 401, `${contract} ${agent}`)
    }
  }
})

test('oauth2-proxy CVE-2026-40575, -76835: forwarded headers of a peer that was not configured open no public page', async (t) => {
  const strict = await startTestApp(t, { config: { trustedProxies: ['10.0.0.0/8'], excludedURLs: ['/public'] } })
  for (const contract of contractNames) {
    assert.equal((await strict.ask(contract, { uri: '/public', headers: scriptHeaders })).status, 403, contract)
  }
})

test('oauth2-proxy CVE-2026-40575: behind nginx a client’s X-Forwarded-Uri selects nothing', async () => {
  const headers = { ...scriptHeaders, 'x-forwarded-uri': '/public', 'x-forwarded-host': 'app.example.com' }
  assert.equal((await app.ask('nginx', { uri: '/private', headers })).status, 401)
})

test('oauth2-proxy CVE-2026-41059: # and %23 do not widen a public path', async () => {
  for (const uri of ['/public#/../private', '/public%23/x', '/public/x#y']) {
    assert.ok(!isAllowed((await app.ask('traefik', { uri, headers: scriptHeaders })).status), uri)
  }
})

test('authentik GHSA-5wcc-hf24-rf5h: headers that this contract’s proxy does not set are not read, and our own prefix is not public', async () => {
  const headers = { ...scriptHeaders, 'x-original-uri': '/public', 'x-original-url-path': '/public' }
  assert.equal((await app.ask('nginx', { uri: '/private', headers })).status, 401)
  const none = await createHttpClient().send(`${app.url}/auth/nginx`, { headers: { 'x-original-uri': '/public' } })
  assert.equal(none.status, 403)
  for (const contract of contractNames) {
    const { status } = await app.ask(contract, { uri: '/oauth2/x/../../private', headers: scriptHeaders })
    assert.ok(!isAllowed(status), `${contract}: ${status}`)
  }
})

test('authentik CVE-2026-25748: a malformed cookie is nobody, never a 200 without a name', async () => {
  const malformed = [
    '=',
    ';',
    '%',
    sessionCookie,
    `${sessionCookie}=`,
    `${sessionCookie}="`,
    `${sessionCookie}=%`,
    '\x80\xff',
    'a'.repeat(9_000),
    `${sessionCookie}=${'%00'.repeat(20)}`,
  ]
  for (const contract of ['traefik', 'caddy', 'nginx'] as const) {
    for (const value of malformed) {
      const { status } = await app.ask(contract, { cookie: value, headers: scriptHeaders })
      assert.equal(status, 401, `${contract} ${JSON.stringify(value.slice(0, 30))}`)
    }
  }
})

test('authentik CVE-2023-36456: X-Forwarded-For changes nobody’s decision', async () => {
  for (const value of ['127.0.0.1', '::1', '10.0.0.1, 127.0.0.1', 'x', ',', '127.0.0.1'.repeat(500)]) {
    const headers = { ...scriptHeaders, 'x-forwarded-for': value, 'x-real-ip': '127.0.0.1' }
    assert.equal((await app.ask('traefik', { headers })).status, 401)
  }
})

test('Authelia CVE-2021-32637: a malformed URI is refused under nginx, never let through', async () => {
  for (const url of [
    'http://app.example.com/ private',
    'http://app.example.com/\x01',
    '/private',
    'app.example.com/',
    'http:///x',
    'http://app.example.com\\@evil/',
    '',
    ':',
  ]) {
    const request = `GET /auth/nginx HTTP/1.1\r\nhost: x\r\nx-original-url: ${url}\r\nx-original-method: GET\r\nconnection: close\r\n\r\n`
    const { status } = await sendRaw(app.port, request)
    assert.ok(status === 403 || status === 400 || status === 401, `${JSON.stringify(url)}: ${status}`)
  }
})

test('Authelia CVE-2026-48794: an upper-case host matches no public rule', async (t) => {
  const perHost = await startTestApp(t, { config: { rules: [{ host: 'open.example.com', policy: 'public' }] } })
  assert.equal((await perHost.ask('traefik', { host: 'open.example.com' })).status, 200)
  assert.equal((await perHost.ask('traefik', { host: 'OPEN.example.com', headers: scriptHeaders })).status, 401)
})

test('Oathkeeper CVE-2026-33494, Traefik CVE-2026-48020: path traversal under a public prefix is refused', async () => {
  for (const uri of [
    '/public/../admin',
    '/public/%2e%2e/admin',
    '/public/..%2fadmin',
    '/public/..;/admin',
    '/public\\..\\admin',
  ]) {
    for (const contract of contractNames) {
      const asked = { uri, headers: scriptHeaders }
      assert.ok(!isAllowed((await app.ask(contract, asked)).status), `${contract} ${uri} anonymous`)
      assert.equal((await app.ask(contract, { ...asked, cookie })).status, 403, `${contract} ${uri} with a session`)
    }
  }
})

test('Oathkeeper: //x is not read as a host', async () => {
  assert.ok(!isAllowed((await app.ask('traefik', { uri: '//public', headers: scriptHeaders })).status))
  assert.ok(!isAllowed((await app.ask('nginx', { uri: '//public', headers: scriptHeaders })).status))
})

test('Pomerium CVE-2024-39315: no page of ours shows a token', async () => {
  const reply = await createHttpClient().send(`${app.url}/oauth2/userinfo`, { headers: { cookie } })
  assert.deepEqual(Object.keys(reply.json() as object).toSorted(), [
    'email',
    'expiry',
    'groups',
    'preferredUsername',
    'user',
  ])
})

test('Pomerium CVE-2021-41230: refreshed claims are what is decided by', async (t) => {
  const rules = [{ path: '/', policy: 'login', require: { groups: ['staff'] } }]
  const changing = await startTestApp(t, { config: { rules } })
  changing.provider.person = { sub: 'alice', email: 'alice@example.com', groups: ['staff'] }
  const session = await changing.login()
  assert.equal((await changing.ask('traefik', { cookie: session })).status, 200)
  changing.provider.idToken = (draft) => ({ ...draft, claims: { ...draft.claims, groups: [] } })
  changing.advance(301_000)
  assert.equal((await changing.ask('traefik', { cookie: session, headers: scriptHeaders })).status, 403)
})

test('mod_auth_openidc CVE-2021-32785, -2023-28625: no flood of cookies ends the process or lets anybody in', async () => {
  const flood = Array.from({ length: 300 }, (_, index) => `foregate_flow_${index}=x; ${sessionCookie}=${index}`).join(
    '; ',
  )
  assert.equal((await app.ask('traefik', { cookie: flood, headers: scriptHeaders })).status, 401)
  const reply = await createHttpClient().send(`${app.url}/oauth2/callback?state=x`, { headers: { cookie: flood } })
  assert.equal(reply.status, 400)
  assert.equal((await app.ask('traefik', { cookie })).status, 200)
})

test('mod_auth_openidc CVE-2024-24814, GHSA-wcvh: an empty or odd POST to any path of ours is answered and ends nothing', async () => {
  for (const path of [
    '/oauth2/callback',
    '/oauth2/logout',
    '/oauth2/start',
    '/oauth2/userinfo',
    '/auth',
    '/oauth2/auth',
    '/oauth2/',
  ]) {
    for (const type of ['application/x-www-form-urlencoded', 'application/json', ';;']) {
      const headers = { 'content-type': type }
      const { status } = await createHttpClient().send(`${app.url}${path}`, { method: 'POST', headers, body: '' })
      assert.ok((status >= 400 && status < 500) || (path === '/oauth2/logout' && status === 200), `${path}: ${status}`)
    }
  }
})

test('mod_auth_openidc CVE-2017-6059: what a provider or an attacker writes into the error is not shown', async () => {
  const { client, callback } = await callbackOf()
  const url = new URL(callback)
  url.searchParams.delete('code')
  url.searchParams.set('error', '<img src=x onerror=alert(1)>')
  url.searchParams.set('error_description', 'Please call 555-0100')
  const { body } = await client.send(url.href, { headers: browserHeaders })
  assert.equal(body.includes('<img'), false)
  assert.equal(body.includes('555-0100'), false)
})

test('Envoy CVE-2022-29226: a session that the provider does not vouch for any more is not let in on its cookie alone', async (t) => {
  const strict = await startTestApp(t)
  const session = await strict.login()
  strict.provider.revokeRefreshTokens()
  strict.advance(301_000)
  assert.equal((await strict.ask('envoy', { cookie: session, headers: scriptHeaders })).status, 401)
})

test('caddy-security CVE-2024-21499: X-Forwarded-Proto and -Host of strangers do not decide where a login comes back', async (t) => {
  const strict = await startTestApp(t, { config: { trustedProxies: ['10.0.0.0/8'] } })
  const reply = await createHttpClient().send(`${strict.url}/oauth2/start`, {
    headers: { ...browserHeaders, 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' },
  })
  const asked = new URL(reply.headers.location ?? '').searchParams.get('redirect_uri')
  assert.equal(asked, `${strict.url}/oauth2/callback`)
})

test('caddy-security CVE-2024-21493: a logout ends the session at the server, not only in the browser', async () => {
  const client = createHttpClient()
  const session = await app.login(client)
  await client.send(`${app.url}/oauth2/logout`, { headers: browserHeaders })
  assert.equal((await app.ask('traefik', { cookie: session, headers: scriptHeaders })).status, 401)
})

test('lua-resty-openidc: an ID token without a usable signature never counts, also from the token endpoint', async (t) => {
  t.after(() => void (app.provider.idToken = (draft) => draft))
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  app.provider.idToken = ({ claims }) => `${encode({ alg: 'none' })}.${encode(claims)}.`
  const { client, callback } = await callbackOf()
  assert.equal((await client.send(callback, { headers: browserHeaders })).status, 403)
  assert.equal(client.cookies.get(sessionCookie), undefined)
})

test('fastify CVE-2026-84428, -107832: header names in any case are the same header', async () => {
  const request = (name: string) =>
    sendRaw(
      app.port,
      `GET /auth/traefik HTTP/1.1\r\nHOST: x\r\n${name}: /private\r\nX-FORWARDED-PROTO: http\r\nx-Forwarded-HOST: app.example.com\r\nX-forwarded-method: GET\r\nX-Forwarded-Uri: /public\r\nconnection: close\r\n\r\n`,
    )
  for (const name of ['x-forwarded-uri', 'X-FORWARDED-URI']) assert.equal((await request(name)).status, 400, name)
})

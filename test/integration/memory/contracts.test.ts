// What each kind of proxy gets, for each kind of person.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { contractNames } from '../../../src/config/contracts.ts'
import { createHttpClient, type Reply } from '../../fixtures/http-client.ts'
import {
  appHost,
  appOrigin,
  browserHeaders,
  scriptHeaders,
  startTestApp,
  subrequest,
} from '../../fixtures/in-process-app.ts'

const app = await startTestApp(
  { after },
  {
    config: {
      excludedURLs: ['/public'],
      rules: [
        { path: '/admin', policy: 'login', require: { groups: ['admins'] } },
        { path: '/never', policy: 'deny' },
      ],
      headers: [{ name: 'X-Name', value: '{{.Claims.name}}' }],
    },
  },
)
app.provider.person = { sub: 'alice', email: 'alice@example.com', name: 'Alice', groups: ['staff'] }
const cookie = await app.login()

const identityHeaders = [
  'x-auth-request-user',
  'x-auth-request-email',
  'x-auth-request-groups',
  'x-auth-request-preferred-username',
  'x-forwarded-user',
  'x-name',
]
const identityOf = (reply: Reply) => Object.fromEntries(identityHeaders.map((name) => [name, reply.headers[name]]))
const startURL = (uri: string) => `${appOrigin}/oauth2/start?${new URLSearchParams({ rd: appOrigin + uri }).toString()}`

for (const contract of contractNames) {
  const allowed = contract === 'oauth2-proxy' ? 202 : 200

  test(`${contract}: who is logged in passes, with every identity header, no body and no cookie`, async () => {
    const reply = await app.ask(contract, { uri: '/page?q=1', cookie, headers: browserHeaders })
    assert.equal(reply.status, allowed)
    assert.equal(reply.body, '')
    assert.deepEqual(reply.setCookies, [])
    assert.deepEqual(identityOf(reply), {
      'x-auth-request-user': contract === 'oauth2-proxy' ? 'alice' : 'alice@example.com',
      'x-auth-request-email': 'alice@example.com',
      'x-auth-request-groups': 'staff',
      'x-auth-request-preferred-username': '',
      'x-forwarded-user': 'alice@example.com',
      'x-name': 'Alice',
    })
  })

  test(`${contract}: a public page passes without a session, every identity header present and empty`, async () => {
    const reply = await app.ask(contract, { uri: '/public/x', headers: browserHeaders })
    assert.equal(reply.status, allowed)
    assert.deepEqual(identityOf(reply), Object.fromEntries(identityHeaders.map((name) => [name, ''])))
    assert.deepEqual(reply.setCookies, [])
  })

  test(`${contract}: a public page passes with a damaged cookie, as nobody`, async () => {
    const reply = await app.ask(contract, { uri: '/public/x', cookie: `${cookie}x` })
    assert.equal(reply.status, allowed)
    assert.equal(reply.headers['x-auth-request-user'], '')
  })

  test(`${contract}: identity headers that the client sent never come back`, async () => {
    const spoofed = Object.fromEntries([...identityHeaders, 'authorization'].map((name) => [name, 'root@example.com']))
    for (const [uri, session] of [
      ['/public/x', undefined],
      ['/page', cookie],
    ] as const) {
      const reply = await app.ask(contract, { uri, cookie: session, headers: spoofed })
      assert.equal(reply.status, allowed)
      assert.equal(
        reply.rawHeaders.some((value) => value.includes('root@example.com')),
        false,
      )
    }
  })

  test(`${contract}: a program without a session gets 401 with the address of the login`, async () => {
    const reply = await app.ask(contract, { uri: '/api', headers: { ...scriptHeaders, referer: `${appOrigin}/page` } })
    assert.equal(reply.status, 401)
    assert.match(reply.headers['www-authenticate'] ?? '', /^Bearer/)
    const { error, login_url: loginURL } = reply.json() as { error: string; login_url: string }
    assert.equal(error, 'login_required')
    assert.match(loginURL, /^http:\/\/app\.example\.com\/oauth2\/start\?rd=/)
    assert.deepEqual(reply.setCookies, [])
    assert.equal(reply.headers['cache-control'], 'no-store')
  })

  test(`${contract}: a POST by a program gets 401 as well`, async () => {
    const reply = await app.ask(contract, { uri: '/api', method: 'POST', headers: scriptHeaders })
    assert.equal(reply.status, 401)
  })

  test(`${contract}: who may not pass gets 403: a page that says who they are, or JSON`, async () => {
    const page = await app.ask(contract, { uri: '/admin', cookie, headers: browserHeaders })
    assert.equal(page.status, 403)
    assert.match(page.headers['content-type'] ?? '', /^text\/html/)
    assert.match(page.body, /alice@example\.com/)
    assert.match(page.body, /prompt=select_account/)
    const json = await app.ask(contract, { uri: '/admin', cookie, headers: scriptHeaders })
    assert.equal(json.status, 403)
    assert.deepEqual(
      { ...(json.json() as object), request_id: '' },
      { error: 'forbidden', reason: 'group_not_allowed', request_id: '' },
    )
  })

  test(`${contract}: a rule that denies is 403 for everybody`, async () => {
    for (const session of [undefined, cookie]) {
      assert.equal((await app.ask(contract, { uri: '/never/x', cookie: session, headers: browserHeaders })).status, 403)
    }
  })

  test(`${contract}: HEAD is answered like GET`, async () => {
    assert.equal((await app.ask(contract, { as: 'HEAD', cookie, uri: '/page' })).status, allowed)
    const refused = await app.ask(contract, { as: 'HEAD', uri: '/page', headers: scriptHeaders })
    assert.equal(refused.status, 401)
    assert.equal(refused.body, '')
  })

  test(`${contract}: none of our own paths is ever let through`, async () => {
    const own = [
      'start',
      'sign_in',
      'sign_out',
      'signed_out',
      'callback',
      'logout',
      'userinfo',
      'sessions',
      'auth',
      'nowhere',
      '../page',
    ]
    for (const path of own) {
      for (const session of [undefined, cookie]) {
        for (const headers of [browserHeaders, scriptHeaders]) {
          // A logout would end the session that the other tests use.
          const wanted = session !== undefined && (path === 'logout' || path === 'sign_out')
          const asked = { uri: `/oauth2/${path}`, headers, cookie: session, method: wanted ? 'HEAD' : 'GET' }
          const { status } = await app.ask(contract, asked)
          assert.ok(status < 200 || status > 299, `${path}: ${status}`)
        }
      }
    }
  })

  test(`${contract}: ws and wss are http and https`, async () => {
    for (const scheme of ['ws', 'wss']) {
      assert.equal((await app.ask(contract, { cookie, scheme })).status, allowed, scheme)
    }
  })

  test(`${contract}: a scheme of another kind is refused`, async () => {
    const { status } = await app.ask(contract, { cookie, scheme: 'ftp' })
    assert.ok(status === 400 || status === 403, String(status))
  })
}

for (const contract of ['traefik', 'caddy'] as const) {
  for (const [method, status] of [
    ['GET', 302],
    ['HEAD', 302],
    ['POST', 303],
  ] as const) {
    test(`${contract}: a navigation by ${method} without a session is sent to the provider at once (${status})`, async () => {
      const reply = await app.ask(contract, { method, uri: '/page?q=%2F', headers: browserHeaders })
      assert.equal(reply.status, status)
      assert.ok(reply.headers.location?.startsWith(`${app.provider.issuer}/authorize?`))
      assert.equal(reply.setCookies.length, 1)
      assert.match(reply.setCookies[0] ?? '', /^foregate_flow_\S+=\S+; Max-Age=900; Path=\/; HttpOnly; SameSite=Lax$/)
      const asked = new URL(reply.headers.location ?? '').searchParams
      assert.equal(asked.get('redirect_uri'), `${appOrigin}/oauth2/callback`)
      assert.equal(asked.get('code_challenge_method'), 'S256')
      assert.equal(asked.get('response_type'), 'code')
    })
  }

  test(`${contract}: an old browser that only says Accept: text/html is a navigation, XMLHttpRequest is not`, async () => {
    assert.equal((await app.ask(contract, { headers: { accept: 'text/html' } })).status, 302)
    const xhr = { accept: 'text/html', 'x-requested-with': 'XMLHttpRequest' }
    assert.equal((await app.ask(contract, { headers: xhr })).status, 401)
  })

  test(`${contract}: start, callback and logout work through the middleware, and the missing are 404`, async () => {
    const start = await app.ask(contract, { uri: '/oauth2/start?rd=%2Fx', headers: browserHeaders })
    assert.equal(start.status, 302)
    assert.ok(start.headers.location?.startsWith(app.provider.issuer))
    const logout = await app.ask(contract, { uri: '/oauth2/logout', headers: browserHeaders })
    assert.equal(logout.status, 302)
    const page = await app.ask(contract, { uri: '/oauth2/sign_in', headers: browserHeaders })
    assert.equal(page.status, 403, 'a page, and never 2xx')
    assert.match(page.headers['content-type'] ?? '', /^text\/html/)
    assert.equal((await app.ask(contract, { uri: '/oauth2/userinfo', cookie })).status, 404)
    assert.equal((await app.ask(contract, { uri: '/oauth2/nowhere' })).status, 404)
  })
}

for (const contract of ['haproxy', 'envoy'] as const) {
  test(`${contract}: a navigation without a session is sent to our own start, which sets the cookie`, async () => {
    const reply = await app.ask(contract, { uri: '/page?q=1', headers: browserHeaders })
    assert.equal(reply.status, 302)
    assert.equal(reply.headers.location, startURL('/page?q=1'))
    assert.deepEqual(reply.setCookies, [])
    assert.equal((await app.ask(contract, { method: 'POST', headers: browserHeaders })).status, 303)
  })
}

for (const contract of ['nginx', 'oauth2-proxy'] as const) {
  test(`${contract}: a navigation without a session is 401 with the absolute address of the login`, async () => {
    const reply = await app.ask(contract, { uri: '/page?q=1', headers: browserHeaders })
    assert.equal(reply.status, 401)
    assert.equal(reply.headers.location, startURL('/page?q=1'))
    assert.equal(reply.headers['x-auth-request-redirect'], `${appOrigin}/page?q=1`)
  })
}

for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'REPORT', 'QUERY']) {
  test(`envoy asks with the original method: ${method}`, async () => {
    assert.equal((await app.ask('envoy', { method, uri: '/a/b/c?d', cookie })).status, 200)
    assert.equal((await app.ask('envoy', { method, uri: '/a/b/c?d', headers: scriptHeaders })).status, 401)
  })
}

test('a POST with a body on a decision endpoint is decided without reading it', async () => {
  const reply = await app.ask('envoy', { method: 'POST', cookie, headers: { 'content-type': 'application/json' } })
  assert.equal(reply.status, 200)
})

const oauth2ProxyQueries: [query: string, status: number][] = [
  ['', 202],
  ['allowed_groups=staff', 202],
  ['allowed_groups=admins,staff', 202],
  ['allowed_groups=admins&allowed_groups=staff', 202],
  ['allowed_groups=admins', 403],
  ['allowed_groups=', 403],
  ['allowed_groups=STAFF', 403],
  ['allowed_emails=Alice@example.com', 202],
  ['allowed_emails=bob@example.com', 403],
  ['allowed_email_domains=example.com', 202],
  ['allowed_email_domains=ample.com', 403],
  ['allowed_email_domains=*.example.com', 403],
  ['allowed_groups=staff&allowed_emails=bob@example.com', 403],
]
for (const [query, status] of oauth2ProxyQueries) {
  test(`/oauth2/auth?${query} is ${status} for alice of staff`, async () => {
    const path = `/oauth2/auth?${query}`
    const { headers } = subrequest('oauth2-proxy', { method: 'GET', uri: '/page', host: appHost, scheme: 'http' })
    assert.equal((await createHttpClient().send(app.url + path, { headers: { ...headers, cookie } })).status, status)
  })
}

const bodies: [name: string, headers: Record<string, string>, body: string][] = [
  ['of an odd type', { 'content-type': ';;;' }, 'abc'],
  ['of no type', {}, 'abc'],
  ['larger than any limit of ours', { 'content-type': 'application/octet-stream' }, 'a'.repeat(100_000)],
  ['that is no JSON', { 'content-type': 'application/json' }, '{'],
]
for (const [name, headers, body] of bodies) {
  test(`envoy: a body ${name} decides nothing`, async () => {
    const forwarded = { ...headers, host: appHost, 'x-forwarded-proto': 'http' }
    const send = (session: object) =>
      createHttpClient().send(`${app.url}/auth/envoy/x`, {
        method: 'POST',
        headers: { ...forwarded, ...session },
        body,
      })
    assert.equal((await send({ cookie })).status, 200)
    assert.equal((await send({})).status, 401)
  })
}

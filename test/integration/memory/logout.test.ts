import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { createHttpClient } from '../../fixtures/http-client.ts'
import { appOrigin, browserHeaders, scriptHeaders, sessionCookie, startTestApp } from '../../fixtures/in-process-app.ts'

const app = await startTestApp({ after }, { config: { allowedRedirectHosts: ['bye.example.com'] } })
const html = { accept: 'text/html' }

async function logOut(cookie: string, method: string, headers: Record<string, string>, query = '') {
  return createHttpClient().send(`${app.url}/oauth2/logout${query}`, {
    method,
    headers: { ...html, ...headers, cookie },
  })
}
const isLoggedIn = async (cookie: string) =>
  (await app.ask('traefik', { cookie, headers: scriptHeaders })).status === 200

type Wish = [name: string, method: string, headers: () => Record<string, string>, isOwnWish: boolean]

const getFor = (site: string, dest: string, isOwnWish: boolean): Wish => [
  `GET from ${site} for ${dest}`,
  'GET',
  () => ({ 'sec-fetch-site': site, 'sec-fetch-dest': dest }),
  isOwnWish,
]

const wishes: Wish[] = [
  ...['document', 'iframe', 'empty'].map((dest) => getFor('same-origin', dest, true)),
  // Whoever may write into a wiki may put a picture there: whoever reads the page would be logged out.
  ...['image', 'audio', 'video', 'track', 'style', 'font', 'script', 'object', 'embed', 'manifest'].map((dest) =>
    getFor('same-origin', dest, false),
  ),
  getFor('same-site', 'document', true),
  // By a page of another host of the site, without the person's seeing it.
  ...['image', 'iframe', 'empty'].map((dest) => getFor('same-site', dest, false)),
  ...[
    ['sec-purpose', 'prefetch'],
    ['sec-purpose', 'prefetch;prerender'],
    ['x-sec-purpose', 'prefetch'],
    ['purpose', 'prefetch'],
    ['x-moz', 'prefetch'],
  ].map(([name = '', value = '']): Wish => [
    `GET ahead of a click (${name}: ${value})`,
    'GET',
    () => ({ 'sec-fetch-site': 'same-origin', 'sec-fetch-dest': 'document', [name]: value }),
    false,
  ]),
  ['GET by a link of the same site’s page', 'GET', () => ({ 'sec-fetch-site': 'same-origin' }), true],
  ['GET from a sibling host', 'GET', () => ({ 'sec-fetch-site': 'same-site' }), true],
  ['GET typed into the address bar', 'GET', () => ({ 'sec-fetch-site': 'none' }), true],
  ['GET from another site', 'GET', () => ({ 'sec-fetch-site': 'cross-site' }), false],
  [
    'GET from another site, with our Referer',
    'GET',
    () => ({ 'sec-fetch-site': 'cross-site', referer: app.url }),
    false,
  ],
  ['GET by an old browser from another site', 'GET', () => ({ referer: 'https://evil.example/' }), false],
  ['GET by an old browser from our own page', 'GET', () => ({ referer: `${app.url}/page` }), true],
  ['POST by our own form', 'POST', () => ({ origin: app.url, 'sec-fetch-site': 'same-origin' }), true],
  ['POST with our Origin, no Sec-Fetch-Site', 'POST', () => ({ origin: app.url }), true],
  ['POST with Sec-Fetch-Site only', 'POST', () => ({ 'sec-fetch-site': 'same-origin' }), true],
  ['POST that says nothing of where it comes from', 'POST', () => ({}), false],
  ['POST from another site', 'POST', () => ({ origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }), false],
  ['POST from a sandbox', 'POST', () => ({ origin: 'null', 'sec-fetch-site': 'cross-site' }), false],
  ['POST from another port', 'POST', () => ({ origin: 'http://127.0.0.1:1' }), false],
  ['POST from a host that only begins like ours', 'POST', () => ({ origin: `${app.url}.evil.example` }), false],
  ['POST from a sibling host', 'POST', () => ({ 'sec-fetch-site': 'same-site' }), false],
]
for (const [name, method, headers, isOwnWish] of wishes) {
  test(`${name} ${isOwnWish ? 'logs out' : 'is asked first, and nothing is ended'}`, async () => {
    const cookie = await app.login()
    const reply = await logOut(cookie, method, headers())
    if (isOwnWish) {
      assert.equal(reply.status, method === 'GET' ? 302 : 303)
      assert.ok(reply.setCookies.some((line) => line.startsWith(`${sessionCookie}=; Max-Age=0;`)))
    } else {
      assert.equal(reply.status, 200)
      assert.match(reply.body, /<form method="post"/)
      assert.match(reply.body, /alice@example\.com/)
      assert.deepEqual(reply.setCookies, [])
    }
    assert.equal(await isLoggedIn(cookie), !isOwnWish)
  })
}

test('any other method is 405', async () => {
  const cookie = await app.login()
  for (const method of ['HEAD', 'PUT', 'DELETE', 'OPTIONS']) {
    const reply = await logOut(cookie, method, { 'sec-fetch-site': 'same-origin' })
    assert.equal(reply.status, 405)
    assert.equal(reply.headers['allow'], 'GET, POST')
  }
  assert.equal(await isLoggedIn(cookie), true)
})

test('a logout goes on to the provider’s, names the session there and comes back, and both tokens are revoked', async () => {
  const cookie = await app.login()
  const revoked = app.provider.nextCall('revocation')
  const reply = await logOut(cookie, 'GET', { 'sec-fetch-site': 'none' })
  const goal = new URL(reply.headers.location ?? '')
  assert.equal(goal.origin + goal.pathname, `${app.provider.issuer}/logout`)
  assert.equal(goal.searchParams.get('client_id'), app.provider.clientID)
  assert.match(goal.searchParams.get('id_token_hint') ?? '', /^eyJ/)
  assert.equal(goal.searchParams.get('post_logout_redirect_uri'), `${app.url}/`)
  assert.notEqual(goal.searchParams.get('state'), null)
  await revoked
})

test('the provider’s revocation endpoint may fail or hang: the person is logged out at once', async (t) => {
  t.after(() => app.provider.fault('revocation', undefined))
  for (const fault of [{ status: 500 }, { hang: true }]) {
    app.provider.fault('revocation', fault)
    const cookie = await app.login()
    assert.equal((await logOut(cookie, 'GET', { 'sec-fetch-site': 'none' })).status, 302)
    assert.equal(await isLoggedIn(cookie), false)
  }
})

test('logging out without a session is a logout like any other', async () => {
  const reply = await createHttpClient().send(`${app.url}/oauth2/sign_out`, { headers: browserHeaders })
  assert.equal(reply.status, 302)
})

test('a logout takes the flows that were under way along', async () => {
  const client = createHttpClient()
  await app.login(client)
  await app.begin(client)
  await client.send(`${app.url}/oauth2/logout`, { headers: browserHeaders })
  assert.deepEqual(client.cookies.names(), [])
})

test('the session cookie that a logout sets cannot be used again, nor can its tokens', async () => {
  const client = createHttpClient()
  const cookie = await app.login(client)
  await client.send(`${app.url}/oauth2/logout`, { headers: browserHeaders })
  assert.equal(await isLoggedIn(cookie), false)
  assert.equal((await client.send(`${app.url}/oauth2/userinfo`)).status, 401)
})

test('an id without its secret logs nobody out', async () => {
  const cookie = await app.login()
  const forged = cookie.slice(0, sessionCookie.length + 1 + 22) + 'A'.repeat(43)
  await logOut(forged, 'GET', { 'sec-fetch-site': 'none' })
  assert.equal(await isLoggedIn(cookie), true)
})

for (const [who, claims] of [
  ['with 150 groups', { groups: Array.from({ length: 150 }, (_, at) => `cn=group-${at},ou=groups,dc=example,dc=com`) }],
  ['with 400 groups', { groups: Array.from({ length: 400 }, (_, at) => `cn=group-${at},ou=groups,dc=example,dc=com`) }],
  ['with a picture in a claim', { picture: `data:image/png;base64,${'A'.repeat(20_000)}` }],
] as const) {
  test(`of somebody ${who} the way to the provider is short enough for every proxy (C4)`, async (t) => {
    t.after(() => void (app.provider.idToken = (draft) => draft))
    app.provider.idToken = (draft) => ({ ...draft, claims: { ...draft.claims, ...claims } })
    const cookie = await app.login()
    const reply = await logOut(cookie, 'GET', { 'sec-fetch-site': 'none' })
    const goal = new URL(reply.headers.location ?? '')
    assert.ok(goal.href.length <= 2_048)
    assert.deepEqual([...goal.searchParams.keys()].sort(), ['client_id', 'post_logout_redirect_uri', 'state'])
    assert.equal(await isLoggedIn(cookie), false)
  })
}

describe('a logout where the provider has no end_session_endpoint', () => {
  for (const [name, query] of [
    ['', ''],
    [' with rd=/bye', '?rd=%2Fbye'],
  ] as const) {
    test(`ends on a page that logs nobody in again${name} (C5)`, async (t) => {
      const alone = await startTestApp(t, {
        provider: { discovery: (document) => ({ ...document, end_session_endpoint: undefined }) },
      })
      const client = createHttpClient()
      await alone.login(client)
      const reply = await client.send(`${alone.url}/oauth2/logout${query}`, { headers: browserHeaders })
      assert.deepEqual([reply.status, reply.headers.location], [302, `${alone.url}/oauth2/signed_out`])
      const page = await client.send(reply.headers.location ?? '', { headers: browserHeaders })
      assert.equal(page.status, 200)
      assert.match(page.body, /You are signed out/)
    })
  }

  test('ends there through a middleware, too, and the page is no way to log in again (C5)', async (t) => {
    const alone = await startTestApp(t, { provider: { hasEndSession: false } })
    const cookie = await alone.login()
    const reply = await alone.ask('traefik', { uri: '/oauth2/logout', cookie, headers: browserHeaders })
    assert.equal(reply.headers.location, `${appOrigin}/oauth2/signed_out`)
    const page = await alone.ask('traefik', { uri: '/oauth2/signed_out', headers: browserHeaders })
    assert.match(page.body, /You are signed out/)
    assert.equal(page.headers.location, undefined)
    assert.equal((await alone.ask('traefik', { cookie, headers: scriptHeaders })).status, 401)
  })
})

describe('where a logout ends', () => {
  const goals: [rd: string, expected: () => string][] = [
    ['/bye', () => `${app.url}/bye`],
    ['https://bye.example.com/x?y=z', () => 'https://bye.example.com/x?y=z'],
    ['https://evil.example/', () => `${app.url}/`],
    ['//evil.example', () => `${app.url}/`],
    ['/\\evil.example', () => `${app.url}/`],
    ['/%09/evil.example', () => `${app.url}/`],
    ['javascript:alert(1)', () => `${app.url}/`],
    ['/oauth2/logout', () => `${app.url}/`],
    ['', () => `${app.url}/`],
  ]
  for (const [rd, expected] of goals) {
    test(`with rd=${rd}`, async () => {
      const query = `?${new URLSearchParams({ rd }).toString()}`
      const reply = await logOut(await app.login(), 'GET', { 'sec-fetch-site': 'none' }, query)
      const goal = new URL(reply.headers.location ?? '').searchParams.get('post_logout_redirect_uri')
      assert.equal(goal, expected())
    })
  }

  test('an address that makes the way to the provider too long is given up, the logout there is not (C4)', async () => {
    const rd = `/bye?${'x=y&'.repeat(600)}`
    const query = `?${new URLSearchParams({ rd }).toString()}`
    const reply = await logOut(await app.login(), 'GET', { 'sec-fetch-site': 'none' }, query)
    const goal = new URL(reply.headers.location ?? '')
    assert.ok(goal.href.startsWith(`${app.provider.issuer}/logout`) && goal.href.length <= 2_048)
    assert.equal(goal.searchParams.get('post_logout_redirect_uri'), `${app.url}/`)
  })

  test('an address that is refused is told with its reason (D8)', async () => {
    const from = app.handed.length
    await logOut(await app.login(), 'GET', { 'sec-fetch-site': 'none' }, '?rd=https%3A%2F%2Fwiki.example%2F')
    const line = app.handed.slice(from).find(({ event }) => event === 'return_url_refused')
    assert.deepEqual([line?.level, line?.['reason'], line?.['host']], ['info', 'host_not_allowed', 'wiki.example'])
  })

  test('through a middleware it is the application’s host', async () => {
    const reply = await app.ask('traefik', {
      uri: '/oauth2/logout',
      cookie: await app.login(),
      headers: browserHeaders,
    })
    assert.equal(reply.status, 302)
    const goal = new URL(reply.headers.location ?? '').searchParams.get('post_logout_redirect_uri')
    assert.equal(goal, `${appOrigin}/`)
  })

  test('through a middleware the page that asks is never 2xx', async () => {
    const cookie = await app.login()
    const headers = { ...browserHeaders, 'sec-fetch-site': 'cross-site' }
    const reply = await app.ask('traefik', { uri: '/oauth2/logout', cookie, headers })
    assert.equal(reply.status, 403)
    assert.match(reply.body, /<form method="post"/)
  })
})

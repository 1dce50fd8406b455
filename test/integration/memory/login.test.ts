// The trip to the provider and back, over a real port, with a provider that is wrong on demand.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { SignJWT } from 'jose'
import { createHttpClient, type HttpClient, type Reply } from '../../fixtures/http-client.ts'
import { browserHeaders, scriptHeaders, sessionCookie, startTestApp } from '../../fixtures/in-process-app.ts'
import type { Claims, IDTokenDraft } from '../../fixtures/provider.ts'

const app = await startTestApp({ after })
const get = (client: HttpClient, url: string | undefined, headers = browserHeaders) =>
  client.send(url ?? '', { headers })

/** As far as the callback's address: the provider has sent the browser back, and nobody has followed yet. */
async function untilCallback(client: HttpClient, rd?: string): Promise<string> {
  const started = await app.begin(client, rd)
  assert.equal(started.status, 302)
  const atProvider = await get(client, started.headers.location)
  return atProvider.headers.location ?? ''
}

const count = (reason: string) => app.metric(`foregate_logins_total{outcome="refused",reason="${reason}"}`)

test('a login ends where it was wanted, with one opaque cookie and the flow’s cookie gone', async () => {
  const client = createHttpClient()
  const back = await get(client, await untilCallback(client, '/wanted?a=%2F&b=c'))
  assert.equal(back.status, 302)
  assert.equal(back.headers.location, `${app.url}/wanted?a=%2F&b=c`)
  assert.deepEqual(client.cookies.names(), [sessionCookie])
  assert.match(client.cookies.get(sessionCookie) ?? '', /^[\w-]{65}$/)
  const set = back.setCookies.find((line) => line.startsWith(sessionCookie)) ?? ''
  assert.match(set, /; Max-Age=86400; Path=\/; HttpOnly; SameSite=Lax$/)
  assert.equal(back.headers['cache-control'], 'no-store')
})

test('with forceHTTPS every cookie is __Host-, Secure and HttpOnly, and addresses are https', async (t) => {
  const secure = await startTestApp(t, { config: { forceHTTPS: true } })
  const started = await secure.begin(createHttpClient())
  assert.match(
    started.setCookies[0] ?? '',
    /^__Host-foregate_flow_\S+; Max-Age=900; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
  )
  assert.match(new URL(started.headers.location ?? '').searchParams.get('redirect_uri') ?? '', /^https:/)
})

test('an anonymous visitor costs nothing: no cookie but the flow’s, nothing kept', async () => {
  const before = await app.metric('foregate_cache_entries{tier="l1"}')
  for (let visit = 0; visit < 20; visit++) await app.begin(createHttpClient())
  assert.equal(await app.metric('foregate_cache_entries{tier="l1"}'), before)
})

describe('the callback', () => {
  for (const method of ['HEAD', 'POST', 'PUT', 'OPTIONS']) {
    test(`takes GET only: ${method} is 405 and redeems nothing`, async () => {
      const client = createHttpClient()
      const callback = await untilCallback(client)
      const before = app.provider.calls.token
      const reply = await client.send(callback, { method, headers: browserHeaders })
      assert.equal(reply.status, 405)
      assert.equal(reply.headers['allow'], 'GET')
      assert.equal(app.provider.calls.token, before)
      assert.equal((await get(client, callback)).status, 302, 'and the login can still be completed')
    })
  }

  test('is good once: a second use without a session is a 400 page that offers to start again', async () => {
    const client = createHttpClient()
    const callback = await untilCallback(client)
    const flows = client.cookies.header(new URL(app.url)) ?? ''
    await get(client, callback)
    const before = app.provider.calls.token
    const again = await createHttpClient().send(callback, { headers: { ...browserHeaders, cookie: flows } })
    assert.equal(again.status, 400)
    assert.match(again.body, /state_reused/)
    assert.match(again.body, /\/oauth2\/start\?rd=/)
    assert.equal(app.provider.calls.token, before)
  })

  test('used again with a session just goes where the login went', async () => {
    const client = createHttpClient()
    const callback = await untilCallback(client)
    await get(client, callback)
    const again = await get(client, callback)
    assert.equal(again.status, 302)
    assert.equal(again.headers.location, `${app.url}/wanted`)
  })

  test('of another browser is refused before anything is redeemed', async () => {
    const callback = await untilCallback(createHttpClient())
    const before = app.provider.calls.token
    const victim = createHttpClient()
    await app.begin(victim)
    const reply = await get(victim, callback)
    assert.equal(reply.status, 400)
    assert.match(reply.body, /state_unknown/)
    assert.equal(victim.cookies.get(sessionCookie), undefined)
    assert.equal(app.provider.calls.token, before)
  })

  test('later than 15 minutes is refused', async () => {
    const client = createHttpClient()
    const callback = await untilCallback(client)
    app.advance(15 * 60_000 + 1_000)
    assert.equal((await get(client, callback)).status, 400)
  })

  test('answers a program in JSON', async () => {
    const reply = await createHttpClient().send(`${app.url}/oauth2/callback?code=x`, { headers: scriptHeaders })
    assert.equal(reply.status, 400)
    assert.equal((reply.json() as { error: string }).error, 'state_missing')
  })

  const queries: [name: string, change: (query: URLSearchParams) => void, status: number, reason: string][] = [
    ['without state', (query) => query.delete('state'), 400, 'state_missing'],
    ['with two states', (query) => query.append('state', 'x'), 400, 'parameter_repeated'],
    ['with two codes', (query) => query.append('code', 'x'), 400, 'parameter_repeated'],
    ['without code', (query) => query.delete('code'), 400, 'code_missing'],
    ['with a made-up code', (query) => query.set('code', 'made-up'), 400, 'code_rejected'],
    ['of another issuer', (query) => query.set('iss', 'https://evil.example'), 400, 'iss_mismatch'],
    ['without iss, which this provider always sends', (query) => query.delete('iss'), 400, 'iss_missing'],
    ['too long', (query) => query.set('x', 'y'.repeat(9_000)), 400, 'parameter_too_long'],
    [
      'of a person who said no',
      (query) => {
        query.delete('code')
        query.set('error', 'access_denied')
      },
      403,
      'access_denied',
    ],
    [
      'of a provider that failed',
      (query) => {
        query.delete('code')
        query.set('error', 'server_error')
        query.set('error_description', '<script>alert(1)</script>')
      },
      403,
      'provider_error',
    ],
  ]
  for (const [name, change, status, reason] of queries) {
    test(`${name}: ${status} ${reason} on the page, in the log and in the metric`, async () => {
      const client = createHttpClient()
      const callback = new URL(await untilCallback(client))
      change(callback.searchParams)
      await expectRefusal(client, callback.href, status, reason)
    })
  }
})

async function expectRefusal(client: HttpClient, callback: string, status: number, reason: string): Promise<Reply> {
  const before = await count(reason)
  const lines = app.handed.length
  const reply = await get(client, callback)
  assert.equal(reply.status, status)
  assert.ok(reply.body.includes(`${reason} (${status})`), `the page says ${reason}`)
  assert.equal(await count(reason), before + 1)
  const line = app.handed.slice(lines).find(({ event }) => event === 'login_refused')
  assert.equal(line?.reason, reason)
  assert.equal(line?.requestId, reply.headers['x-request-id'])
  assert.ok(reply.body.includes(String(reply.headers['x-request-id'])), 'the page names the request')
  assert.equal(client.cookies.get(sessionCookie), undefined)
  const query = new URL(callback).searchParams
  for (const secret of [query.get('code'), query.get('state'), app.provider.clientSecret]) {
    if (secret !== null && secret.length > 8)
      assert.equal(reply.body.includes(secret), false, 'nothing secret on the page')
  }
  assert.equal(/<script/i.test(reply.body), false)
  return reply
}

describe('a token that must not be used', () => {
  const withClaims = (change: Claims) => (draft: IDTokenDraft) => ({ ...draft, claims: { ...draft.claims, ...change } })
  const soon = () => Math.floor(app.clock() / 1_000)
  const tokens: [name: string, idToken: (draft: IDTokenDraft) => unknown, status: number, reason: string][] = [
    ['of another issuer', withClaims({ iss: 'https://evil.example' }), 403, 'id_token_issuer'],
    ['for another client', withClaims({ aud: 'another' }), 403, 'id_token_audience'],
    ['of another party', withClaims({ aud: ['client', 'other'], azp: 'other' }), 403, 'id_token_azp'],
    ['that has expired', (draft) => withClaims({ exp: soon() - 3_600 })(draft), 403, 'id_token_expired'],
    ['from the future', (draft) => withClaims({ nbf: soon() + 3_600 })(draft), 403, 'id_token_not_yet_valid'],
    ['of another login', withClaims({ nonce: 'another' }), 403, 'id_token_nonce'],
    ['without a nonce', withClaims({ nonce: undefined }), 403, 'id_token_nonce'],
    ['with another access token’s hash', withClaims({ at_hash: 'AAAA' }), 403, 'id_token_at_hash'],
    ['without a subject', withClaims({ sub: '' }), 403, 'id_token_subject'],
    ['that is not one', () => 'not.a.token', 403, 'id_token_malformed'],
    [
      'without a signature',
      ({ claims }) => `${encode({ alg: 'none', typ: 'JWT' })}.${encode(claims)}.`,
      403,
      'id_token_algorithm',
    ],
    [
      'signed with the client’s secret',
      ({ claims }) =>
        new SignJWT(claims)
          .setProtectedHeader({ alg: 'HS256' })
          .sign(Buffer.from(app.provider.clientSecret.padEnd(32))),
      403,
      'id_token_algorithm',
    ],
  ]
  for (const [name, idToken, status, reason] of tokens) {
    test(`${name}: ${reason}`, async (t) => {
      // What a hook makes is a draft or a finished string; the table does not say which.
      app.provider.idToken = idToken as typeof app.provider.idToken
      t.after(() => void (app.provider.idToken = (draft) => draft))
      const client = createHttpClient()
      await expectRefusal(client, await untilCallback(client), status, reason)
    })
  }

  test('signed with a key that the provider does not publish: id_token_signature', async (t) => {
    const strangers = await import('jose').then(({ generateKeyPair }) => generateKeyPair('ES256'))
    app.provider.idToken = (draft) => ({ ...draft, key: strangers.privateKey })
    t.after(() => void (app.provider.idToken = (draft) => draft))
    const client = createHttpClient()
    await expectRefusal(client, await untilCallback(client), 403, 'id_token_signature')
  })

  test('that was used in another login: id_token_replayed', async (t) => {
    app.provider.idToken = (draft) => ({ ...draft, claims: { ...draft.claims, jti: 'always-the-same' } })
    t.after(() => void (app.provider.idToken = (draft) => draft))
    await app.login()
    const client = createHttpClient()
    await expectRefusal(client, await untilCallback(client), 403, 'id_token_replayed')
    assert.equal(await app.metric('foregate_replays_rejected_total{kind="id_token"}'), 1)
  })

  test('answers of the token endpoint without any: id_token_missing, token_response_invalid', async (t) => {
    t.after(() => void (app.provider.tokenResponse = (body) => body))
    app.provider.tokenResponse = ({ id_token: _gone, ...body }) => body
    const first = createHttpClient()
    await expectRefusal(first, await untilCallback(first), 502, 'id_token_missing')
    app.provider.tokenResponse = () => ({ hello: 'world' })
    const second = createHttpClient()
    await expectRefusal(second, await untilCallback(second), 502, 'token_response_invalid')
  })
})

describe('parallel tabs', () => {
  test('of eight, the five newest can be finished; the first to come back logs in, the others just go on', async () => {
    const client = createHttpClient()
    const callbacks: string[] = []
    for (let tab = 0; tab < 8; tab++) {
      app.advance(10)
      callbacks.push(await untilCallback(client, `/tab/${tab}`))
    }
    assert.equal(client.cookies.names().length, 5)
    const evicted = await get(client, callbacks[0])
    assert.equal(evicted.status, 400)
    const first = await get(client, callbacks[7])
    assert.equal(first.headers.location, `${app.url}/tab/7`)
    const ticket = client.cookies.get(sessionCookie)
    for (const tab of [3, 4, 5, 6]) {
      const late = await get(client, callbacks[tab])
      assert.equal(late.headers.location, `${app.url}/tab/${tab}`, 'a late tab goes where it wanted to')
    }
    assert.equal(client.cookies.get(sessionCookie), ticket, 'one login')
    const lost = await get(client, callbacks[1])
    assert.equal(lost.headers.location, `${app.url}/tab/1`, 'so does one whose flow was evicted')
    assert.deepEqual(client.cookies.names(), [sessionCookie])
  })
})

describe('a new login', () => {
  test('has a new id and a new secret, and the old session is dead', async () => {
    const client = createHttpClient()
    const first = await app.login(client)
    app.advance(1_000)
    const second = await app.login(client)
    assert.notEqual(second, first)
    assert.equal((await app.ask('traefik', { cookie: second })).status, 200)
    assert.equal((await app.ask('traefik', { cookie: first, headers: scriptHeaders })).status, 401)
  })

  test('with another account asks the provider for the choice and replaces the session', async () => {
    const client = createHttpClient()
    await app.login(client)
    const started = await get(client, `${app.url}/oauth2/start?rd=%2F&prompt=select_account`)
    assert.equal(new URL(started.headers.location ?? '').searchParams.get('prompt'), 'select_account')
    app.provider.person = { sub: 'bob', email: 'bob@example.com' }
    const atProvider = await get(client, started.headers.location)
    await get(client, atProvider.headers.location)
    const info = await get(client, `${app.url}/oauth2/userinfo`)
    assert.equal((info.json() as { email: string }).email, 'bob@example.com')
    app.provider.person = { sub: 'alice', email: 'alice@example.com' }
  })

  for (const prompt of ['none', 'consent', 'x', '']) {
    test(`does not pass on prompt=${prompt}`, async () => {
      const started = await get(createHttpClient(), `${app.url}/oauth2/start?prompt=${prompt}`)
      assert.equal(new URL(started.headers.location ?? '').searchParams.get('prompt'), null)
    })
  }
})

describe('while the provider is away', () => {
  test('its token endpoint: a login is 503 with Retry-After, no cookie is touched, and nobody who is logged in notices', async (t) => {
    const cookie = await app.login()
    app.provider.fault('token', { status: 503 })
    t.after(() => app.provider.fault('token', undefined))
    const client = createHttpClient()
    const reply = await get(client, await untilCallback(client))
    assert.equal(reply.status, 503)
    assert.ok(Number(reply.headers['retry-after']) > 0)
    assert.deepEqual(reply.setCookies, [])
    assert.match(reply.body, /provider_unavailable/)
    assert.equal((await app.ask('traefik', { cookie })).status, 200)
  })

  test('from the start: decisions that need it are 503, public pages and health are not', async (t) => {
    const lost = await startTestApp(t, {
      config: { excludedURLs: ['/public'] },
      provider: { discovery: () => 'nothing' },
      ready: false,
    })
    const reply = await lost.ask('traefik', { headers: browserHeaders })
    assert.equal(reply.status, 503)
    assert.ok(Number(reply.headers['retry-after']) > 0)
    assert.deepEqual(reply.setCookies, [])
    assert.equal((await lost.begin(createHttpClient())).status, 503)
    assert.equal((await lost.ask('traefik', { uri: '/public' })).status, 200)
    assert.equal((await lost.ask('traefik', { headers: scriptHeaders })).status, 401)
    const ready = await createHttpClient().send(`${lost.url}/readyz`)
    assert.equal(ready.status, 503)
    assert.equal((await createHttpClient().send(`${lost.url}/livez`)).status, 200)
  })
})

test('too many logins from one address are 429 with Retry-After, and count as refused', async (t) => {
  const limited = await startTestApp(t, { config: { rateLimit: 2 } })
  const statuses: number[] = []
  for (let attempt = 0; attempt < 4; attempt++) statuses.push((await limited.begin(createHttpClient())).status)
  assert.deepEqual(statuses, [302, 302, 429, 429])
  const reply = await limited.begin(createHttpClient())
  assert.equal(reply.headers['retry-after'], '30')
  assert.equal(await limited.metric('foregate_logins_total{outcome="refused",reason="rate_limited"}'), 3)
  const other = { ...browserHeaders, 'x-forwarded-for': '198.51.100.7' }
  assert.equal((await limited.ask('traefik', { headers: other })).status, 302, 'another client behind the same proxy')
})

test('one address cannot pose as many: what it puts into X-Forwarded-For itself does not count', async (t) => {
  const limited = await startTestApp(t, { config: { rateLimit: 2 } })
  const statuses: number[] = []
  for (let attempt = 0; attempt < 4; attempt++) {
    const headers = { ...browserHeaders, 'x-forwarded-for': `192.0.2.${attempt}, 198.51.100.7` }
    statuses.push((await limited.ask('traefik', { headers })).status)
  }
  assert.deepEqual(statuses, [302, 302, 429, 429])
})

const recipes: [
  name: string,
  honest: (address: string) => Record<string, string>,
  madeUp: (address: string) => Record<string, string>,
][] = [
  [
    'X-Forwarded-For with a port',
    (address) => ({ 'x-forwarded-for': `${address}:51008` }),
    (other) => ({ 'x-real-ip': other }),
  ],
  ['X-Real-IP alone', (address) => ({ 'x-real-ip': address }), (other) => ({ 'x-forwarded-for': other })],
  [
    'X-Forwarded-For that is appended to, and X-Real-IP',
    (address) => ({ 'x-forwarded-for': address, 'x-real-ip': address }),
    () => ({}),
  ],
]
for (const [name, honest, madeUp] of recipes) {
  test(`behind a proxy that sends ${name} each client has a limit of its own, and cannot make up more (C9)`, async (t) => {
    const limited = await startTestApp(t, { config: { rateLimit: 2 } })
    const start = async (headers: Record<string, string>) => {
      const { status } = await createHttpClient().send(`${limited.url}/oauth2/start`, {
        headers: { ...browserHeaders, ...headers },
      })
      return status
    }
    for (const address of ['203.0.113.7', '203.0.113.8', '203.0.113.9']) {
      const statuses = [await start(honest(address)), await start(honest(address)), await start(honest(address))]
      assert.deepEqual(statuses, [302, 302, 429], address)
    }
    const made: number[] = []
    for (let attempt = 0; attempt < 8; attempt++) {
      made.push(await start({ ...madeUp(`192.0.2.${attempt}`), ...honest('203.0.113.7') }))
    }
    // Those who contradict themselves share one limit, which is nobody else's.
    assert.ok(made.filter((status) => status === 302).length <= 2, made.join())
    assert.equal(await start(honest('203.0.113.10')), 302)
  })
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

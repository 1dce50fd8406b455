// Where a login begins and where it leads: return addresses in every way in which they are said, providers that want something of
// their own, and browsers that come by an odd name of the host.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { contractNames } from '../../../src/config/contracts.ts'
import { createHttpClient, type HttpClient, type Reply } from '../../fixtures/http-client.ts'
import { appHost, browserHeaders, scriptHeaders, startTestApp, type TestApp } from '../../fixtures/in-process-app.ts'

const app = await startTestApp(
  { after },
  { config: { publicURL: undefined, allowedRedirectHosts: ['friend.example'] } },
)
const get = (client: HttpClient, url: string | undefined, headers: Record<string, string> = {}) =>
  client.send(url ?? '', { headers: { ...browserHeaders, ...headers } })

/** Where a login that begins so ends. */
async function destinationOf(start: string, headers: Record<string, string> = {}, at: TestApp = app) {
  const client = createHttpClient()
  const started = await get(client, `${at.url}${start}`, headers)
  const atProvider = await get(client, started.headers.location)
  return (await get(client, atProvider.headers.location)).headers.location
}

const query = (fields: Record<string, string>) => `/oauth2/start?${new URLSearchParams(fields).toString()}`
const lines = (event: string, from = 0) => app.handed.slice(from).filter((line) => line.event === event)

describe('what a proxy set for oauth2-proxy says where to go', () => {
  const table: [name: string, path: string, header: string, destination: string][] = [
    ['the path that was asked for', '/oauth2/start', '/reports?year=2026', '/reports?year=2026'],
    ['a path in raw UTF-8', '/oauth2/start', Buffer.from('/übersicht').toString('latin1'), encodeURI('/übersicht')],
    ['less than rd', query({ rd: '/asked' }), '/reports', '/asked'],
    ['nothing where it is our own page', '/oauth2/start', '/oauth2/start?rd=/x', '/'],
    ['nothing where it leads elsewhere', '/oauth2/start', 'https://evil.example/', '/'],
    ['nothing where it leads elsewhere in disguise', '/oauth2/start', '/\\evil.example', '/'],
    ['nothing where it is empty', '/oauth2/start', '', '/'],
  ]
  for (const [name, path, header, destination] of table) {
    test(`X-Auth-Request-Redirect: ${name} (D8)`, async () =>
      assert.equal(await destinationOf(path, { 'x-auth-request-redirect': header }), app.url + destination))
  }

  test('and the sign-in page leads there, too (D8)', async () => {
    const reply = await get(createHttpClient(), `${app.url}/oauth2/sign_in`, {
      'x-auth-request-redirect': '/reports?a=b',
    })
    assert.match(reply.body, /rd=[^"]*%2Freports%3Fa%3Db"/)
  })
})

test('with pages.skipSignIn the sign-in page sends a person on at once (C14)', async (t) => {
  const direct = await startTestApp(t, { config: { pages: { skipSignIn: true } } })
  const reply = await get(createHttpClient(), `${direct.url}/oauth2/sign_in?rd=/x`)
  assert.equal(reply.status, 302)
  assert.ok(reply.headers.location?.startsWith(direct.provider.issuer))
})

describe('a login that a third party initiates (OpenID Connect Core 1.0 section 4)', () => {
  const { issuer } = app.provider

  test('ends at target_link_uri, and passes on whom the third party means (C13)', async () => {
    const path = query({ iss: issuer, target_link_uri: `${app.url}/tile?x=1`, login_hint: 'alice@example.com' })
    assert.equal(await destinationOf(path), `${app.url}/tile?x=1`)
    const started = await get(createHttpClient(), app.url + path)
    assert.equal(new URL(started.headers.location ?? '').searchParams.get('login_hint'), 'alice@example.com')
  })

  for (const [name, target] of [
    ['elsewhere', 'https://evil.example/'],
    ['elsewhere in disguise', '/%09/evil.example'],
    ['to our own logout', '/oauth2/logout'],
  ] as const) {
    test(`does not lead ${name} (C13)`, async () =>
      assert.equal(await destinationOf(query({ iss: issuer, target_link_uri: target })), `${app.url}/`))
  }

  test('by another issuer than ours is refused before anybody is sent anywhere (C13)', async () => {
    for (const iss of ['https://evil.example', `${issuer}/`, '']) {
      const reply = await get(createHttpClient(), app.url + query({ iss, target_link_uri: '/x' }))
      assert.equal(reply.status, 400, iss)
      assert.match(reply.body, /iss_mismatch/)
      assert.deepEqual(reply.setCookies, [])
    }
  })
})

describe('a return address that is refused', () => {
  const table: [rd: string, reason: string][] = [
    ['https://evil.example/x', 'host_not_allowed'],
    ['//evil.example', 'leaves_the_site'],
    ['javascript:alert(1)', 'not_a_url'],
    [`/${'a'.repeat(8_000)}`, 'too_long'],
  ]
  for (const [at, [rd, reason]] of table.entries()) {
    test(`is told with its reason: ${reason} (D8)`, async () => {
      const from = app.handed.length
      await get(createHttpClient(), app.url + query({ rd }), { 'x-forwarded-for': `192.0.2.${at}` })
      const [line] = lines('return_url_refused', from)
      assert.deepEqual([line?.level, line?.['reason']], ['info', reason])
      assert.equal(JSON.stringify(line).includes('alert'), false)
    })
  }

  test('names the host that would have to be allowed (D8)', async () => {
    const from = app.handed.length
    await get(createHttpClient(), app.url + query({ rd: 'https://wiki.example/x' }), {
      'x-forwarded-for': '198.51.100.1',
    })
    assert.equal(lines('return_url_refused', from)[0]?.['host'], 'wiki.example')
  })

  test('two hundred times by one stranger is ten lines (B12, D8)', async () => {
    const from = app.handed.length
    for (let at = 0; at < 200; at++) {
      await get(createHttpClient(), app.url + query({ rd: `https://evil${at}.example/` }), {
        'x-forwarded-for': '198.51.100.2',
      })
    }
    assert.equal(lines('return_url_refused', from).length, 10)
  })

  test('is not one where it is on publicURL’s own host (D8)', async (t) => {
    const central = await startTestApp(t, {
      config: { publicURL: 'http://auth.example.com:8000', cookieDomain: 'example.com' },
    })
    const portal = 'http://auth.example.com:8000/portal'
    const host = 'auth.example.com:8000'
    // Asked there, and from an application's own host.
    for (const from of [host, appHost]) {
      const started = await central.ask('traefik', {
        host: from,
        uri: query({ rd: portal }),
        headers: browserHeaders,
      })
      const cookie = started.setCookies.map((line) => line.split(';')[0]).join('; ')
      const callback = new URL((await get(createHttpClient(), started.headers.location)).headers.location ?? '')
      const uri = callback.pathname + callback.search
      const end = await central.ask('traefik', { host, uri, cookie, headers: browserHeaders })
      assert.equal(end.headers.location, portal, from)
    }
    assert.ok(!central.handed.some(({ event }) => event === 'return_url_refused'))
  })
})

describe('an address comes back as it was asked for', () => {
  const wire = (text: string) => Buffer.from(text).toString('latin1')

  test('raw UTF-8 in the query of our own start, through a middleware (C11)', async () => {
    const asked = await app.ask('traefik', { uri: wire('/oauth2/sign_in?rd=/übersicht'), headers: browserHeaders })
    assert.match(asked.body, new RegExp(encodeURIComponent(encodeURI('/übersicht'))))
  })

  test('raw UTF-8 through a middleware (C11)', async () => {
    const client = createHttpClient()
    const uri = wire('/übersicht/À?q=日本')
    const asked = await app.ask('traefik', { uri, host: new URL(app.url).host, headers: browserHeaders })
    for (const line of asked.setCookies) client.cookies.store(new URL(app.url), line)
    const atProvider = await get(client, asked.headers.location)
    const back = await get(client, atProvider.headers.location)
    assert.equal(back.headers.location, app.url + encodeURI('/übersicht/À?q=日本'))
  })

  for (const contract of ['nginx', 'haproxy', 'oauth2-proxy'] as const) {
    test(`raw UTF-8 by the contract ${contract} (C11)`, async () => {
      const asked = await app.ask(contract, { uri: wire('/ü?q=é'), headers: browserHeaders })
      const start = new URL(asked.headers.location ?? '')
      assert.equal(start.searchParams.get('rd'), `http://${appHost}${encodeURI('/ü?q=é')}`)
    })
  }

  test('2,600 characters (C11)', async () => {
    const path = `/report?${'abcdefghij'.repeat(260)}`
    assert.equal(await destinationOf(query({ rd: path })), app.url + path)
  })

  test('what is too long even so keeps its path, and the operator is told (C11)', async () => {
    const from = app.handed.length
    const noise = Array.from({ length: 700 }, () => Math.random().toString(36).slice(2, 12)).join('')
    assert.equal(await destinationOf(query({ rd: `/kept/path?${noise}` })), `${app.url}/kept/path`)
    assert.equal(lines('return_url_refused', from)[0]?.['reason'], 'cut')
  })
})

describe('another name of the same host', () => {
  for (const contract of ['traefik', 'caddy', 'haproxy', 'nginx', 'envoy'] as const) {
    test(`with a dot at its end leads to the plain one before anything begins, by ${contract} (C13)`, async () => {
      const reply = await app.ask(contract, { host: `${appHost}.`, uri: '/x?y=z', headers: browserHeaders })
      assert.equal(reply.status, contract === 'nginx' ? 401 : 302)
      assert.equal(reply.headers.location, `http://${appHost}/x?y=z`)
      assert.deepEqual(reply.setCookies, [])
    })
  }

  test('with a dot at its end is no way around a rule, and a person is still led on (C13)', async (t) => {
    const strict = await startTestApp(t, {
      config: {
        rules: [
          { host: appHost, path: '/admin', policy: 'deny' },
          { path: '/public', policy: 'public' },
        ],
      },
    })
    for (const uri of ['/admin', '/public']) {
      const person = await strict.ask('traefik', { host: `${appHost}.`, uri, headers: browserHeaders })
      assert.deepEqual([person.status, person.headers.location], [302, `http://${appHost}${uri}`])
      const program = await strict.ask('traefik', { host: `${appHost}.`, uri, headers: scriptHeaders })
      assert.ok([401, 403].includes(program.status))
    }
    const plain = await strict.ask('traefik', { uri: '/admin', headers: browserHeaders })
    assert.equal(plain.status, 403)
  })

  for (const host of ['127.1', '999.999.999.999', '0x7f.1.']) {
    test(`that only looks like a number, ${host}, is not led round in circles`, async () => {
      const reply = await app.ask('traefik', { host, uri: '/x', headers: browserHeaders })
      assert.ok([302, 400].includes(reply.status), `${reply.status}`)
      assert.notEqual(URL.parse(reply.headers.location ?? '')?.pathname, '/x')
    })
  }

  test('with a dot at its end leads to the plain one in reverse-proxy mode, and is no way around a rule (C13)', async (t) => {
    const gateway = await startTestApp(t, {
      config: { upstreams: [{ url: 'http://127.0.0.1:9' }], rules: [{ path: '/public', policy: 'public' }] },
    })
    const headers = { ...browserHeaders, 'x-forwarded-host': `${appHost}.` }
    const person = await createHttpClient().send(`${gateway.url}/public?x`, { headers })
    assert.deepEqual([person.status, person.headers.location], [302, `http://${appHost}/public?x`])
    const program = await createHttpClient().send(`${gateway.url}/public?x`, {
      headers: { ...headers, ...scriptHeaders },
    })
    assert.equal(program.status, 401)
  })

  test('with a dot is the plain one to our own pages (C13)', async () => {
    const reply = await createHttpClient().send(`${app.url}/oauth2/sign_in?rd=/x`, {
      headers: { ...browserHeaders, 'x-forwarded-host': `${appHost}.:8443` },
    })
    assert.match(reply.body, /href="http:\/\/app\.example\.com:8443\/oauth2\/start/)
  })
})

describe('plain http where everything is https', () => {
  test('begins its login on https, where its cookie can be set (C13)', async (t) => {
    const secure = await startTestApp(t, { config: { forceHTTPS: true } })
    const reply = await secure.ask('traefik', { scheme: 'http', uri: '/x?y=z', headers: browserHeaders })
    const start = new URL(reply.headers.location ?? '')
    assert.deepEqual([reply.status, start.origin, start.pathname], [302, `https://${appHost}`, '/oauth2/start'])
    assert.equal(start.searchParams.get('rd'), `https://${appHost}/x?y=z`)
    assert.deepEqual(reply.setCookies, [])
    // A load balancer in front may hide that it is https by now: the start goes on all the same.
    const begun = await secure.ask('traefik', {
      scheme: 'http',
      uri: start.pathname + start.search,
      headers: browserHeaders,
    })
    assert.ok(begun.headers.location?.startsWith(secure.provider.issuer))
    const direct = await secure.ask('traefik', { scheme: 'https', uri: '/x', headers: browserHeaders })
    assert.ok(direct.headers.location?.startsWith(secure.provider.issuer))
  })

  for (const contract of contractNames) {
    test(`begins its login on https by the contract ${contract}, too (C13)`, async (t) => {
      const secure = await startTestApp(t, { config: { forceHTTPS: true } })
      const reply = await secure.ask(contract, { scheme: 'http', uri: '/x?y=z', headers: browserHeaders })
      const start = new URL(reply.headers.location ?? '')
      assert.deepEqual([start.origin, start.pathname], [`https://${appHost}`, '/oauth2/start'])
      assert.deepEqual(reply.setCookies, [])
    })
  }

  test('begins its login on https in reverse-proxy mode, too (C13)', async (t) => {
    const secure = await startTestApp(t, {
      config: { forceHTTPS: true, upstreams: [{ url: 'http://127.0.0.1:1' }] },
    })
    const reply = await get(createHttpClient(), `${secure.url}/x?y=z`)
    const start = new URL(reply.headers.location ?? '')
    assert.deepEqual([start.protocol, start.pathname], ['https:', '/oauth2/start'])
    assert.deepEqual(reply.setCookies, [])
  })
})

describe('switching the account', () => {
  const keycloak = {
    discovery: (document: object) => ({ ...document, prompt_values_supported: ['none', 'login', 'consent'] }),
  }
  const start = query({ rd: '/wanted?x=1', prompt: 'select_account' })

  test('asks for the choice where the provider offers it, or says nothing of it (E3)', async (t) => {
    for (const prompts of [undefined, ['select_account', 'login']]) {
      const offering = await startTestApp(t, {
        provider: { discovery: (document) => ({ ...document, prompt_values_supported: prompts }) },
      })
      const reply = await get(createHttpClient(), offering.url + start)
      assert.equal(new URL(reply.headers.location ?? '').searchParams.get('prompt'), 'select_account')
    }
  })

  test('ends the provider’s session first where it does not, and comes back to log in (E3)', async (t) => {
    const other = await startTestApp(t, { provider: keycloak })
    const client = createHttpClient()
    await other.login(client)
    const reply = await get(client, other.url + start, { 'sec-fetch-site': 'same-origin' })
    const goal = new URL(reply.headers.location ?? '')
    assert.equal(goal.origin + goal.pathname, `${other.provider.issuer}/logout`)
    assert.match(goal.searchParams.get('id_token_hint') ?? '', /^eyJ/)
    assert.equal(goal.searchParams.get('post_logout_redirect_uri'), `${other.url}/oauth2/start`)
    // RP-Initiated Logout 1.0 section 3: the provider passes `state` back.
    other.provider.person = { sub: 'bob', email: 'bob@example.com' }
    const back = `${goal.searchParams.get('post_logout_redirect_uri')}?state=${encodeURIComponent(goal.searchParams.get('state') ?? '')}`
    const started = await get(client, back)
    const atProvider = await get(client, started.headers.location)
    const end = await get(client, atProvider.headers.location)
    assert.equal(end.headers.location, `${other.url}/wanted?x=1`)
    const info = (await get(client, `${other.url}/oauth2/userinfo`)).json() as { email: string }
    assert.equal(info.email, 'bob@example.com')
  })

  test('where the way back is too long for the provider asks for a login anew (E3, C4)', async (t) => {
    const other = await startTestApp(t, { provider: keycloak })
    const client = createHttpClient()
    await other.login(client)
    const long = query({ rd: `/wanted?${'x=y&'.repeat(600)}`, prompt: 'select_account' })
    const reply = await get(client, other.url + long, { 'sec-fetch-site': 'same-origin' })
    assert.equal(new URL(reply.headers.location ?? '').searchParams.get('prompt'), 'login')
  })

  const fallbacks: [name: string, headers: Record<string, string>, logsIn: boolean, discovery: object][] = [
    ['of somebody without a session', {}, false, {}],
    ['that a page elsewhere asks for', { 'sec-fetch-site': 'cross-site' }, true, {}],
    ['at a provider that cannot end its session', {}, true, { end_session_endpoint: undefined }],
  ]
  for (const [name, headers, logsIn, discovery] of fallbacks) {
    test(`${name} asks for a login anew, and ends nothing (E3)`, async (t) => {
      const other = await startTestApp(t, {
        provider: { discovery: (document) => ({ ...keycloak.discovery(document), ...discovery }) },
      })
      const client = createHttpClient()
      if (logsIn) await other.login(client)
      const reply = await get(client, other.url + start, headers)
      assert.equal(new URL(reply.headers.location ?? '').searchParams.get('prompt'), 'login')
    })
  }
})

describe('cookieSameSite: strict', () => {
  const refresh = (reply: Reply) => /<meta http-equiv="refresh" content="0;url=([^"]+)"/.exec(reply.body)?.[1]

  test('goes on from a page of ours, so that the browser sends the new ticket (C3)', async (t) => {
    const strict = await startTestApp(t, { config: { cookieSameSite: 'strict' } })
    const client = createHttpClient()
    const started = await strict.begin(client, '/wanted?a=b&c="><script>')
    const atProvider = await get(client, started.headers.location)
    const reply = await get(client, atProvider.headers.location)
    assert.equal(reply.status, 200)
    assert.ok(reply.setCookies.some((line) => /^foregate_session=.*SameSite=Strict$/.test(line)))
    assert.ok(refresh(reply)?.startsWith(`${strict.url}/wanted?a=b&#38;c=`))
    assert.match(reply.body, /<a class="button primary" href="[^"]*\/wanted/)
    assert.equal(/<script/i.test(reply.body), false)
    assert.match(String(reply.headers['content-security-policy']), /default-src 'none'/)
  })

  test('through a middleware the page is never 2xx, and carries the cookies all the same (C3)', async (t) => {
    const strict = await startTestApp(t, { config: { cookieSameSite: 'strict' } })
    const started = await strict.ask('traefik', { uri: '/x', headers: browserHeaders })
    const cookie = started.setCookies.map((line) => line.slice(0, line.indexOf(';'))).join('; ')
    const atProvider = await get(createHttpClient(), started.headers.location)
    const { pathname, search } = new URL(atProvider.headers.location ?? '')
    const reply = await strict.ask('traefik', { uri: pathname + search, cookie, headers: browserHeaders })
    assert.equal(reply.status, 403)
    assert.equal(refresh(reply), `http://${appHost}/x`)
    assert.ok(reply.setCookies.some((line) => line.startsWith('foregate_session=')))
  })
})

describe('a stranger does not write the log', () => {
  const loud = (from: number) => app.handed.slice(from).filter(({ level }) => level !== 'debug')

  test('200 callbacks of no login: no line, a count each (B12)', async () => {
    const from = app.handed.length
    const series = 'foregate_logins_total{outcome="refused",reason="state_unknown"}'
    const before = await app.metric(series)
    for (let at = 0; at < 200; at++) await get(createHttpClient(), `${app.url}/oauth2/callback?state=s${at}&code=c`)
    for (const bad of ['', 'state=', 'state=a&state=b', 'code=x', 'error=access_denied']) {
      await get(createHttpClient(), `${app.url}/oauth2/callback?${bad}`)
    }
    assert.deepEqual(loud(from), [])
    assert.equal(await app.metric(series), before + 200)
  })

  test('a login that is presented again and again: no line after the first (B12)', async () => {
    const client = createHttpClient()
    const started = await app.begin(client)
    const cookie = client.cookies.header(new URL(app.url)) ?? ''
    const atProvider = await get(client, started.headers.location)
    await get(client, atProvider.headers.location)
    const from = app.handed.length
    for (let at = 0; at < 50; at++) await get(createHttpClient(), atProvider.headers.location, { cookie })
    assert.deepEqual(loud(from), [])
  })

  test('200 logouts without a session: no line, a count each (B12)', async () => {
    const from = app.handed.length
    const series = 'foregate_sessions_total{event="logout_without_session"}'
    for (let at = 0; at < 200; at++) {
      const cookie = at % 2 === 0 ? '' : `foregate_session=${'a'.repeat(64)}A`
      assert.equal((await get(createHttpClient(), `${app.url}/oauth2/logout`, { cookie })).status, 302)
    }
    assert.deepEqual(loud(from), [])
    assert.equal(await app.metric(series), 200)
  })

  test('the ticket of an ended session, presented again and again: no line after the first (B12)', async () => {
    const cookie = await app.login()
    await get(createHttpClient(), `${app.url}/oauth2/logout`, { cookie })
    const from = app.handed.length
    for (let at = 0; at < 50; at++) await get(createHttpClient(), `${app.url}/oauth2/logout`, { cookie })
    assert.deepEqual(loud(from), [])
  })

  test('what a person did is told: a login, a login that was refused, a logout (B12)', async () => {
    const from = app.handed.length
    const client = createHttpClient()
    await app.login(client)
    await get(client, `${app.url}/oauth2/logout`)
    const cancelled = createHttpClient()
    const started = await app.begin(cancelled)
    const callback = new URL((await get(cancelled, started.headers.location)).headers.location ?? '')
    callback.searchParams.delete('code')
    callback.searchParams.set('error', 'access_denied')
    await get(cancelled, callback.href)
    assert.deepEqual(
      loud(from).map(({ event, level }) => `${level} ${event}`),
      ['info login_succeeded', 'info logged_out', 'warn login_refused'],
    )
  })
})

// What operators and applications rely on: health, metrics, userinfo, and where `rd` may lead.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { createHttpClient, type Reply } from '../../fixtures/http-client.ts'
import { appOrigin, browserHeaders, scriptHeaders, startTestApp } from '../../fixtures/in-process-app.ts'

const app = await startTestApp({ after }, { config: { allowedRedirectHosts: ['*.partner.example'] } })
const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  createHttpClient().send(`${app.url}${path}`, { headers, method })

// --- health -----------------------------------------------------------------------------------------------------------

test('/healthz, /ready and /ping say what docs/redis.md says, in memory mode', async () => {
  for (const path of ['/healthz', '/ready', '/ping']) {
    const reply = await get(path)
    assert.equal(reply.status, 200)
    assert.match(reply.headers['content-type'] ?? '', /^application\/json/)
    const { status, cache } = reply.json() as { status: unknown; cache: unknown }
    assert.equal(status, 'healthy')
    assert.deepEqual(cache, {
      mode: 'memory',
      redis: { connected: false, latency: null },
      circuit_breaker: { state: 'closed', failures: 0 },
    })
  }
})

test('/livez and /readyz are 200, HEAD as well', async () => {
  for (const path of ['/livez', '/readyz', '/healthz']) {
    assert.equal((await get(path)).status, 200)
    const head = await get(path, {}, 'HEAD')
    assert.deepEqual([head.status, head.body], [200, ''])
  }
})

test('a service that stops answers what is in flight and is not ready any more', async (t) => {
  const stopping = await startTestApp(t)
  await Promise.all([stopping.stop(), stopping.stop()])
  await assert.rejects(createHttpClient().send(`${stopping.url}/readyz`))
})

test('an unknown path is 404: JSON to a program, a page to a person', async () => {
  const json = await get('/nowhere', scriptHeaders)
  assert.deepEqual([json.status, (json.json() as { error: string }).error], [404, 'not_found'])
  const page = await get('/nowhere', browserHeaders)
  assert.equal(page.status, 404)
  assert.match(page.headers['content-type'] ?? '', /^text\/html/)
})

test('every page forbids scripts, frames and caching', async () => {
  const pages = [await get('/oauth2/sign_in'), await get('/oauth2/signed_out'), await get('/nowhere', browserHeaders)]
  for (const { headers, body } of pages) {
    const policy = String(headers['content-security-policy'])
    assert.match(policy, /default-src 'none'/)
    assert.match(policy, /frame-ancestors 'none'/)
    assert.equal(headers['cache-control'], 'no-store')
    assert.equal(headers['x-content-type-options'], 'nosniff')
    assert.equal(/<script/i.test(body), false)
  }
})

// --- metrics -----------------------------------------------------------------------------------------------------------

test('/metrics has every name that the dashboards and alerts use', async () => {
  await app.ask('traefik', { cookie: await app.login() })
  const { body } = await get('/metrics')
  const names = `auth_decisions_total auth_duration_seconds cache_requests_total cache_entries cache_bytes
    redis_command_duration_seconds redis_connected redis_pool_connections circuit_breaker_state circuit_breaker_failures
    circuit_breaker_transitions_total invalidation_lag_seconds journal_entries journal_dropped_total replays_rejected_total
    sessions_total token_refreshes_total provider_request_duration_seconds logins_total`
  for (const name of names.split(/\s+/)) assert.ok(body.includes(`# TYPE foregate_${name} `), name)
})

test('what alerts are for is counted from 0, so that increase() sees the first event', async () => {
  const { body } = await get('/metrics')
  for (const series of [
    'auth_decisions_total{contract="traefik",decision="error",reason="internal"}',
    'auth_decisions_total{contract="proxy",decision="error",reason="store_unavailable"}',
    'token_refreshes_total{outcome="failed"}',
    'replays_rejected_total{kind="id_token"}',
    'logins_total{outcome="refused",reason="rate_limited"}',
    'logins_total{outcome="refused",reason="client_rejected"}',
  ])
    assert.ok(body.includes(`\nforegate_${series} `), series)
  assert.ok(body.includes('\nforegate_provider_state{state="ready"} 1\n'))
})

test('a decision is counted by contract, outcome and reason, and timed', async () => {
  const cookie = await app.login()
  const series = 'foregate_auth_decisions_total{contract="nginx",decision="allow",reason="session"}'
  const [decisions, durations] = [
    await app.metric(series),
    await app.metric('foregate_auth_duration_seconds_count{contract="nginx"}'),
  ]
  await app.ask('nginx', { cookie })
  await app.ask('nginx', { headers: scriptHeaders })
  assert.equal(await app.metric(series), decisions + 1)
  assert.equal(await app.metric('foregate_auth_duration_seconds_count{contract="nginx"}'), durations + 2)
  assert.ok(
    (await app.metric('foregate_auth_decisions_total{contract="nginx",decision="login",reason="no_session"}')) > 0,
  )
})

test('a label never holds what a client sent', async () => {
  await app.ask('traefik', {
    uri: '/very-private-path',
    headers: { ...scriptHeaders, 'user-agent': 'very-private-agent' },
  })
  await get('/oauth2/callback?error=very-private-error&state=x')
  assert.equal((await get('/metrics')).body.includes('very-private'), false)
})

// --- userinfo -----------------------------------------------------------------------------------------------------------

test('/oauth2/userinfo says who is logged in, and never shows a token', async () => {
  app.provider.person = { sub: 'alice', email: 'alice@example.com', groups: ['a', 'b'], preferred_username: 'al' }
  const cookie = await app.login()
  const reply = await get('/oauth2/userinfo', { cookie })
  assert.equal(reply.status, 200)
  const { expiry, ...rest } = reply.json() as { expiry: string }
  assert.deepEqual(rest, {
    user: 'alice@example.com',
    email: 'alice@example.com',
    groups: ['a', 'b'],
    preferredUsername: 'al',
  })
  assert.ok(Math.abs(Date.parse(expiry) - app.clock() - 86_400_000) < 60_000)
  assert.equal(/eyJ|at-|rt-/.test(reply.body), false)
  assert.equal(reply.headers['cache-control'], 'no-store')
  assert.equal(reply.headers['access-control-allow-origin'], undefined)
})

test('/oauth2/userinfo without a session is 401, and takes no POST', async () => {
  assert.equal((await get('/oauth2/userinfo')).status, 401)
  assert.equal((await get('/oauth2/userinfo', {}, 'POST')).status, 405)
})

// --- where rd may lead ----------------------------------------------------------------------------------------------------

/** Where a login that began so ends. */
async function endOf(started: Reply): Promise<string> {
  const client = createHttpClient()
  const cookies = started.setCookies.map((line) => line.split(';')[0]).join('; ')
  const atProvider = await client.send(started.headers.location ?? '', { headers: browserHeaders })
  const callback = new URL(atProvider.headers.location ?? '')
  const headers = { ...browserHeaders, cookie: cookies, 'x-forwarded-host': callback.host, 'x-forwarded-proto': 'http' }
  const back = await client.send(`${app.url}${callback.pathname}${callback.search}`, { headers })
  return back.headers.location ?? ''
}

describe('a login returns', () => {
  const goals: [rd: string, expected: string][] = [
    ['/a?b=%2F&c#d', '/a?b=%2F&c#d'],
    ['/%2e%2e/x', ''],
    ['https://x.partner.example/y', 'https://x.partner.example/y'],
    ['https://partner.example.evil.example/', ''],
    ['//evil.example', ''],
    ['/\\evil.example', ''],
    ['/\t/evil.example', ''],
    ['/%09/evil.example', ''],
    ['/%5cevil.example', ''],
    ['https:evil.example', ''],
    ['https://app@evil.example', ''],
    ['javascript:alert(1)', ''],
    ['data:text/html,x', ''],
    ['/oauth2/start?rd=/x', ''],
    ['/oauth2/callback', ''],
    ['x', ''],
    ['', ''],
  ]
  for (const [rd, expected] of goals) {
    test(`to ${expected || 'the front page'} for rd=${JSON.stringify(rd)}`, async () => {
      const reply = await get(`/oauth2/start?${new URLSearchParams({ rd }).toString()}`, browserHeaders)
      assert.equal(reply.status, 302)
      const end = await endOf(reply)
      const wanted = expected.startsWith('https:') ? expected : `${app.url}${expected || '/'}`
      // `/%2e%2e/x` stays on the site whichever way it is read: kept or not, it must not leave.
      if (rd === '/%2e%2e/x') assert.ok(end.startsWith(`${app.url}/`))
      else assert.equal(end, wanted)
    })
  }

  test('home for two destinations', async () => {
    assert.equal(await endOf(await get('/oauth2/start?rd=/a&rd=/b', browserHeaders)), `${app.url}/`)
  })

  test('to the very page that was asked for through a proxy, its query to the letter', async () => {
    const uri = '/a%20b/c?x=%2F..%2F&y=a+b&z=%F0%9F%98%80'
    assert.equal(await endOf(await app.ask('traefik', { uri, headers: browserHeaders })), `${appOrigin}${uri}`)
  })

  for (const uri of ['//evil.example/x', '/\\evil.example', '/%5cevil.example', '/%09/evil.example']) {
    test(`home for the page ${uri} asked for through a proxy`, async () => {
      const end = await endOf(await app.ask('traefik', { uri, headers: browserHeaders }))
      assert.equal(end, `${appOrigin}/`)
    })
  }
})

describe('a host that a proxy would not send', () => {
  for (const host of [
    'evil.example/',
    'evil.example#',
    'a@evil.example',
    'evil.example?x',
    'a,b',
    'a b',
    'app.example.com:80:80',
  ]) {
    test(`is refused by the decision endpoint: ${host}`, async () => {
      assert.equal((await app.ask('traefik', { host, headers: browserHeaders })).status, 400)
    })
    test(`is not built into the start’s addresses, nor is another host in its place (B11): ${host}`, async () => {
      const reply = await get('/oauth2/start', { ...browserHeaders, 'x-forwarded-host': host })
      assert.deepEqual([reply.status, reply.headers.location], [400, undefined])
    })
  }
})

test('publicURL: logins and logouts are at that address, whatever host was asked', async (t) => {
  const config = { publicURL: 'http://auth.example.com', cookieDomain: 'example.com' }
  const shared = await startTestApp(t, { config })
  const reply = await shared.ask('nginx', { uri: '/x', headers: browserHeaders })
  const start = `http://auth.example.com/oauth2/start?${new URLSearchParams({ rd: `${appOrigin}/x` }).toString()}`
  assert.equal(reply.headers.location, start)
  const begun = await shared.ask('traefik', { uri: '/x', headers: browserHeaders })
  const redirectURI = new URL(begun.headers.location ?? '').searchParams.get('redirect_uri')
  assert.equal(redirectURI, 'http://auth.example.com/oauth2/callback')
  assert.match(begun.setCookies[0] ?? '', /; Domain=example\.com; /)
})

test('a request id that the proxy sends is kept if it is sane, and made otherwise', async () => {
  const given = await app.ask('traefik', { headers: { ...scriptHeaders, 'x-request-id': 'abc-123' } })
  assert.equal(given.headers['x-request-id'], 'abc-123')
  for (const odd of ['<script>', 'a b', 'x'.repeat(65), 'a"b']) {
    const made = await app.ask('traefik', { headers: { ...scriptHeaders, 'x-request-id': odd } })
    assert.match(String(made.headers['x-request-id']), /^[\w-]{16}$/)
  }
})

// Whom a forwarded header may come from, and what is made of one that is missing, repeated or odd.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { contractNames, type Contract } from '../../../src/config/contracts.ts'
import { createHttpClient } from '../../fixtures/http-client.ts'
import { appHost, browserHeaders, sendRaw, startTestApp, subrequest } from '../../fixtures/in-process-app.ts'

const app = await startTestApp({ after }, { config: { excludedURLs: ['/public'] } })
const cookie = await app.login()

const read: Record<Contract, readonly string[]> = {
  traefik: ['X-Forwarded-Method', 'X-Forwarded-Proto', 'X-Forwarded-Host', 'X-Forwarded-Uri'],
  caddy: ['X-Forwarded-Method', 'X-Forwarded-Proto', 'X-Forwarded-Host', 'X-Forwarded-Uri'],
  haproxy: ['X-Forwarded-Method', 'X-Forwarded-Proto', 'X-Forwarded-Host', 'X-Forwarded-Uri'],
  nginx: ['X-Original-URL', 'X-Original-Method'],
  envoy: ['Host', 'X-Forwarded-Proto'],
  'oauth2-proxy': ['X-Forwarded-Method', 'X-Forwarded-Proto', 'X-Forwarded-Host', 'X-Forwarded-Uri'],
}

/** The bytes of a subrequest for a public page, with lines added, removed or replaced. */
function rawRequest(contract: Contract, change: (lines: string[]) => string[], uri = '/public'): string {
  const { path, headers } = subrequest(contract, { method: 'GET', uri, host: appHost, scheme: 'http' })
  const lines = Object.entries({ host: `127.0.0.1:${app.port}`, ...headers }).map(
    ([name, value]) => `${name}: ${value}`,
  )
  return [`GET ${path} HTTP/1.1`, ...change(lines), `cookie: ${cookie}`, 'connection: close', '', ''].join('\r\n')
}
const is = (name: string) => (line: string) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`)

for (const contract of contractNames) {
  test(`${contract}: the request of these tests is let through as it is`, async () => {
    const { status } = await sendRaw(
      app.port,
      rawRequest(contract, (lines) => lines),
    )
    assert.equal(status, contract === 'oauth2-proxy' ? 202 : 200)
  })

  for (const name of read[contract]) {
    test(`${contract}: a repeated ${name} is refused, even with a session, whichever comes first`, async () => {
      for (const value of ['/public', '/', 'https', 'GET', appHost, 'http://app.example.com/public']) {
        for (const position of ['before', 'after'] as const) {
          const double = rawRequest(contract, (lines) =>
            position === 'before' ? [`${name}: ${value}`, ...lines] : [...lines, `${name}: ${value}`],
          )
          const { status } = await sendRaw(app.port, double)
          assert.ok(status >= 400 && status <= 403, `${position} ${value}: ${status}`)
        }
      }
    })
  }

  for (const name of read[contract]) {
    test(`${contract}: a missing or empty ${name} is refused, even with a session`, async () => {
      const missing = await sendRaw(
        app.port,
        rawRequest(contract, (lines) => lines.filter((line) => !is(name)(line))),
      )
      const empty = await sendRaw(
        app.port,
        rawRequest(contract, (lines) => lines.map((line) => (is(name)(line) ? `${name}:` : line))),
      )
      // Envoy sends it only where it is told to: then the scheme is forceHTTPS' business.
      const mayBeMissing = contract === 'envoy' && name === 'X-Forwarded-Proto'
      for (const { status } of mayBeMissing ? [empty] : [missing, empty]) {
        assert.ok(status >= 400 && status <= 403, String(status))
      }
      if (mayBeMissing) assert.equal(missing.status, 200)
    })
  }
}

test('each contract reads its own headers and no others', async () => {
  const others = {
    'x-original-uri': '/public',
    'x-original-method': 'OPTIONS',
    'x-rewrite-url': '/public',
    'x-auth-request-redirect': '/public',
    'x-http-method-override': 'OPTIONS',
    forwarded: 'host=evil.example;proto=https',
    'x-forwarded-path': '/public',
    'x-forwarded-prefix': '/public',
    'x-envoy-original-path': '/public',
  }
  for (const contract of contractNames) {
    const headers = contract === 'nginx' ? { ...others, 'x-original-method': 'GET' } : others
    const { status } = await app.ask(contract, { uri: '/private', headers })
    assert.equal(status, 401, contract)
  }
  for (const contract of ['traefik', 'caddy', 'haproxy', 'envoy', 'oauth2-proxy'] as const) {
    const headers = { 'x-original-url': 'http://app.example.com/public' }
    assert.equal((await app.ask(contract, { uri: '/private', headers })).status, 401, contract)
  }
  for (const contract of ['nginx', 'envoy'] as const) {
    const headers = { 'x-forwarded-uri': '/public', 'x-forwarded-host': 'public.example' }
    assert.equal((await app.ask(contract, { uri: '/private', headers })).status, 401, contract)
  }
})

const ambiguous = [
  '/public/../private',
  '/public/..',
  '/public/./x',
  '/public/%2e%2e/private',
  '/public%2fx',
  '/public/..%2fprivate',
  '/public%5c..%5cprivate',
  '/public/..;/private',
  '/public;x=y',
  '/public//private',
  '//public',
  '//evil.example/public',
  '/public%00',
  '/public%0a',
  '/public%252e%252e/private',
  '/public%25',
  '/public%',
  '/public%zz',
  '/public%c0%ae',
  '/public#/private',
  '/public?x#y',
  '/public%23',
  '/public%3f',
  '/public%ef%bc%8fprivate',
]
describe('an ambiguous path is never public, and without a restricting rule a session passes it', () => {
  for (const contract of ['traefik', 'nginx', 'haproxy', 'oauth2-proxy'] as const) {
    for (const uri of ambiguous) {
      test(`${contract}: ${uri}`, async () => {
        const anonymous = await app.ask(contract, { uri })
        assert.ok(anonymous.status >= 400 && anonymous.status <= 403, String(anonymous.status))
        const known = await app.ask(contract, { uri, cookie })
        assert.equal(known.status, contract === 'oauth2-proxy' ? 202 : 200)
      })
    }
  }
})

for (const uri of ['', 'public', 'http://app.example.com/public', '*', '/public /x', '/public, /private']) {
  test(`a forwarded URI that is none is refused, with a session or without: ${JSON.stringify(uri)}`, async () => {
    for (const session of [undefined, cookie]) {
      const { status } = await app.ask('traefik', { uri, cookie: session })
      assert.equal(status, 400)
    }
  })
}

for (const host of [
  '',
  'a b',
  'app.example.com/x',
  'app.example.com@evil.example',
  'app.example.com,evil.example',
  'http://x',
  '[::1',
  'x:99999',
]) {
  test(`a forwarded host that is none is refused: ${JSON.stringify(host)}`, async () => {
    assert.equal((await app.ask('traefik', { uri: '/public', host, cookie })).status, 400)
  })
}
for (const host of ['App.example.com', 'app.example.com.', '127.1', '0x7f.1']) {
  test(`an odd spelling of a host never makes a page public: ${host}`, async () => {
    assert.equal((await app.ask('traefik', { uri: '/public', host })).status, 401)
  })
}

test('envoy: a path that cannot be decoded is judged like any other: nobody’s but a session’s', async () => {
  assert.equal((await app.ask('envoy', { uri: '/public/%zz' })).status, 401)
  assert.equal((await app.ask('envoy', { uri: '/public/%zz', cookie })).status, 200)
})

test('an oversized header is refused, and the service goes on', async () => {
  const huge = rawRequest('traefik', (lines) => [...lines, `x-filler: ${'a'.repeat(40_000)}`])
  assert.equal((await sendRaw(app.port, huge)).status, 431)
  assert.equal((await app.ask('traefik', { cookie })).status, 200)
})

describe('a peer that is not in trustedProxies', async () => {
  const strict = await startTestApp(
    { after },
    { config: { trustedProxies: ['203.0.113.0/24'], excludedURLs: ['/public'] } },
  )
  const session = await strict.login()

  for (const contract of contractNames) {
    test(`${contract}: is refused on public pages too, with a session or without`, async () => {
      for (const given of [undefined, session]) {
        for (const uri of ['/public', '/', '/oauth2/start']) {
          const reply = await strict.ask(contract, { uri, cookie: given, headers: browserHeaders })
          assert.equal(reply.status, 403, uri)
          assert.match(reply.body, /untrusted_peer/)
        }
      }
    })
  }

  test('is named in the log once a minute, with the option to set', async () => {
    const notices = () => strict.handed.filter(({ event }) => event === 'untrusted_peer')
    assert.equal(notices().length, 1)
    assert.equal(notices()[0]?.['peer'], '127.0.0.1')
    assert.match(notices()[0]?.message ?? '', /127\.0\.0\.1.*trustedProxies/)
    strict.advance(61_000)
    await strict.ask('traefik')
    await strict.ask('nginx')
    assert.equal(notices().length, 2)
  })

  test('does not decide under which host or scheme a login comes back', async () => {
    const reply = await createHttpClient().send(`${strict.url}/oauth2/start`, {
      headers: { ...browserHeaders, 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' },
    })
    const redirectURI = new URL(reply.headers.location ?? '').searchParams.get('redirect_uri')
    assert.equal(redirectURI, `${strict.url}/oauth2/callback`)
  })
})

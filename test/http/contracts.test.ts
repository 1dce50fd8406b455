// What each contract makes of its headers. Who may send them, and what follows, is tested over a real port in
// test/integration/memory/.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BadRequest } from '../../src/errors.ts'
import type { Contract, OAuth2ProxyDialect } from '../../src/config/contracts.ts'
import { createReaders } from '../../src/http/contracts.ts'

type Headers = Record<string, string>
const forwarded: Headers = {
  'x-forwarded-method': 'POST',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'app.example.com',
  'x-forwarded-uri': '/a/b?c=d,e',
}
const readers = createReaders('traefik')
const read = (contract: Contract, headers: Headers, url = '/auth', method = 'GET') => {
  const { method: asked, scheme, host, path, rawQuery } = readers[contract]({ method, headers, url })
  return `${asked} ${scheme}://${host}${path}${rawQuery}`
}
const same = 'POST https://app.example.com/a/b?c=d,e'

const good: [contract: Contract, headers: Headers, url: string, method: string, expected: string][] = [
  ['traefik', forwarded, '/auth', 'GET', same],
  ['caddy', forwarded, '/auth', 'GET', same],
  ['haproxy', forwarded, '/auth', 'HEAD', same],
  [
    'nginx',
    { 'x-original-url': 'https://app.example.com/a/b?c=d,e', 'x-original-method': 'POST' },
    '/auth',
    'GET',
    same,
  ],
  [
    'nginx',
    { 'x-original-url': 'https://app.example.com', 'x-original-method': 'GET' },
    '/auth',
    'GET',
    'GET https://app.example.com/',
  ],
  ['envoy', { host: 'app.example.com', 'x-forwarded-proto': 'https' }, '/auth/envoy/a/b?c=d,e', 'POST', same],
  [
    'envoy',
    { host: 'app.example.com', 'x-forwarded-proto': 'https' },
    '/auth/envoy',
    'GET',
    'GET https://app.example.com/',
  ],
]
for (const [contract, headers, url, method, expected] of good) {
  test(`${contract} with ${Object.keys(headers).join(', ')} at ${url} is ${expected}`, () =>
    assert.equal(read(contract, headers, url, method), expected))
}

const nginx = (url: string): Headers => ({ 'x-original-url': url, 'x-original-method': 'GET' })
const bad: [name: string, contract: Contract, headers: Headers][] = [
  ['no headers at all', 'traefik', {}],
  ['no headers at all', 'nginx', {}],
  ['no headers at all', 'envoy', {}],
  ['two methods', 'traefik', { ...forwarded, 'x-forwarded-method': 'GET, POST' }],
  ['two hosts', 'traefik', { ...forwarded, 'x-forwarded-host': 'a.example.com,b.example.com' }],
  ['two schemes', 'traefik', { ...forwarded, 'x-forwarded-proto': 'https,http' }],
  ['two targets', 'traefik', { ...forwarded, 'x-forwarded-uri': '/public, /private' }],
  ['two URLs', 'nginx', nginx('https://a.example.com/, https://b.example.com/')],
  ['a URL without scheme', 'nginx', nginx('//app.example.com/')],
  ['a URL of another scheme', 'nginx', nginx('javascript://app.example.com/')],
  ['a URL with user info', 'nginx', nginx('https://user@app.example.com/')],
  ['a URL without host', 'nginx', nginx('https:///x')],
  ['a URL with a query for a path', 'nginx', nginx('https://app.example.com?x')],
]
for (const [name, contract, headers] of bad) {
  test(`${contract} with ${name} is a bad request`, () => assert.throws(() => read(contract, headers), BadRequest))
}

// --- /oauth2/auth: only what the named dialect sets ----------------------------------------------------------------------

/** Everything that some recipe sets, as a client would send it. */
const spoofed: Headers = {
  'x-forwarded-method': 'OPTIONS',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'public.example.com',
  'x-forwarded-uri': '/public',
  'x-original-url': 'https://public.example.com/public',
  'x-original-method': 'OPTIONS',
  'x-original-uri': '/public',
  'x-rewrite-url': '/public',
  'x-http-method-override': 'OPTIONS',
  'x-auth-request-redirect': 'https://public.example.com/public',
  forwarded: 'host=public.example.com;proto=https',
}
const recipes: Record<OAuth2ProxyDialect, { sets: Headers; unstated: 'request' | 'method' | undefined; is: string }> = {
  none: { sets: { host: 'app.example.com' }, unstated: 'request', is: 'GET http://app.example.com/' },
  nginx: {
    sets: { host: 'app.example.com', 'x-real-ip': '192.0.2.1', 'x-forwarded-uri': '/a?b' },
    unstated: 'method',
    is: 'GET http://app.example.com/a?b',
  },
  'ingress-nginx': {
    sets: { host: 'auth.inner', 'x-original-url': 'https://app.example.com/a?b', 'x-original-method': 'PUT' },
    unstated: undefined,
    is: 'PUT https://app.example.com/a?b',
  },
  traefik: {
    sets: {
      host: 'auth.inner',
      'x-forwarded-method': 'PUT',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'app.example.com',
      'x-forwarded-uri': '/a?b',
    },
    unstated: undefined,
    is: 'PUT https://app.example.com/a?b',
  },
  caddy: { sets: { host: 'app.example.com', ...forwarded }, unstated: undefined, is: same },
}
for (const [dialect, { sets, unstated, is }] of Object.entries(recipes) as [
  OAuth2ProxyDialect,
  (typeof recipes)['none'],
][]) {
  const readAs = (headers: Headers) =>
    createReaders(dialect)['oauth2-proxy']({ method: 'GET', headers, url: '/oauth2/auth' })

  test(`/oauth2/auth, ${dialect}: ${is} and nothing that the client adds (B3)`, () => {
    for (const headers of [sets, { ...spoofed, ...sets }]) {
      const { method, scheme, host, path, rawQuery, ...rest } = readAs(headers)
      assert.equal(`${method} ${scheme}://${host}${path}${rawQuery}`, is)
      assert.equal(rest.unstated, unstated)
    }
  })

  test(`/oauth2/auth, ${dialect}: a header that its recipe sets and that is missing or repeated is refused (B3)`, () => {
    for (const name of Object.keys(sets).filter((one) => one.startsWith('x-') && one !== 'x-real-ip')) {
      assert.throws(() => readAs({ ...sets, [name]: '' }), BadRequest, name)
      assert.throws(
        () => readAs(Object.fromEntries(Object.entries(sets).filter(([key]) => key !== name))),
        BadRequest,
        name,
      )
      assert.throws(() => readAs({ ...sets, [name]: `${sets[name]}, ${sets[name]}` }), BadRequest, name)
    }
  })
}

test('envoy at the bare /auth states no path: it is not taken for / (B3)', () => {
  const asked = { method: 'GET', headers: { host: 'app.example.com' } }
  for (const [url, unstated] of [
    ['/auth', 'request'],
    ['/auth?x', 'request'],
    ['/auth/envoy', undefined],
    ['/auth/envoy/', undefined],
  ] as const) {
    assert.equal(readers.envoy({ ...asked, url }).unstated, unstated, url)
  }
})

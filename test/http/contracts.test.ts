// What each contract makes of its headers. Who may send them, and what follows, is tested over a real port in
// test/integration/memory/.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BadRequest } from '../../src/errors.ts'
import { contracts, type Contract } from '../../src/config/contracts.ts'
import { readers } from '../../src/http/contracts.ts'

type Headers = Record<string, string>
const forwarded: Headers = {
  'x-forwarded-method': 'POST',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'app.example.com',
  'x-forwarded-uri': '/a/b?c=d,e',
}
const read = (contract: Contract, headers: Headers, url = '/auth', method = 'GET') => {
  const {
    method: asked,
    scheme,
    host,
    path,
    rawQuery,
  } = readers[contracts[contract].describedBy]({ method, headers, url })
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
  ['oauth2-proxy', { host: 'inner', ...forwarded }, '/oauth2/auth', 'GET', same],
  ['oauth2-proxy', { 'x-original-url': 'https://app.example.com/a/b?c=d,e' }, '/oauth2/auth', 'POST', same],
  ['oauth2-proxy', { host: 'app.example.com' }, '/oauth2/auth', 'GET', 'GET http://app.example.com/'],
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
  ['both descriptions', 'oauth2-proxy', { ...forwarded, 'x-original-url': 'https://app.example.com/' }],
]
for (const [name, contract, headers] of bad) {
  test(`${contract} with ${name} is a bad request`, () => assert.throws(() => read(contract, headers), BadRequest))
}

test('a subrequest at /oauth2/auth that states no path is ambiguous, not a request for /', () => {
  const subrequest = { method: 'GET', headers: { host: 'app.example.com' }, url: '/oauth2/auth' }
  const request = readers.dialect(subrequest)
  assert.equal(request.ambiguity, 'path_not_stated')
  assert.equal(readers.dialect({ ...subrequest, headers: { host: 'inner', ...forwarded } }).ambiguity, undefined)
})

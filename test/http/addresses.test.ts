import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAddresses } from '../../src/http/addresses.ts'

const config = {
  pathPrefix: '/oauth2',
  callbackPath: '/oauth2/callback',
  logoutPath: '/bye',
  publicURL: undefined,
  forceHTTPS: false,
  cookieDomain: undefined,
  allowedRedirectHosts: ['other.example.com'],
}
const addresses = createAddresses(config)
const request = { scheme: 'http', host: 'app.example.com:8080' } as const

test('our addresses are on the request’s own host', () => {
  assert.equal(addresses.origin(request), 'http://app.example.com:8080')
  assert.equal(addresses.redirectURI(request), 'http://app.example.com:8080/oauth2/callback')
  assert.equal(
    addresses.startURL(request, 'http://a/?b&c'),
    'http://app.example.com:8080/oauth2/start?rd=http%3A%2F%2Fa%2F%3Fb%26c',
  )
  assert.match(addresses.startURL(request, 'x', 'select_account'), /&prompt=select_account$/)
})

test('forceHTTPS makes them https', () => {
  const forced = createAddresses({ ...config, forceHTTPS: true })
  assert.equal(forced.origin(request), 'https://app.example.com:8080')
  assert.equal(forced.redirectURI(request), 'https://app.example.com:8080/oauth2/callback')
})

test('publicURL moves our own endpoints, not the application', () => {
  const central = createAddresses({ ...config, publicURL: 'https://auth.example.com' })
  assert.equal(central.redirectURI(request), 'https://auth.example.com/oauth2/callback')
  assert.equal(central.ownOrigin(request), 'https://auth.example.com')
  assert.equal(central.origin(request), 'http://app.example.com:8080')
})

const own: [path: string, isOwn: boolean][] = [
  ['/oauth2/start', true],
  ['/oauth2/', true],
  ['/oauth2/anything/below', true],
  ['/oauth2', false],
  ['/oauth2x', false],
  ['/bye', true],
  ['/bye/x', false],
  ['/', false],
]
for (const [path, isOwn] of own) {
  test(`${path} is ${isOwn ? '' : 'not '}one of our own paths`, () => assert.equal(addresses.isOwnPath(path), isOwn))
}

const returns: [candidate: string | undefined, expected: string | undefined][] = [
  [undefined, undefined],
  ['', undefined],
  ['/x?y=z', 'http://app.example.com:8080/x?y=z'],
  ['http://app.example.com:8080/x', 'http://app.example.com:8080/x'],
  ['https://other.example.com/x', 'https://other.example.com/x'],
  ['https://evil.example/', undefined],
  ['/oauth2/start?rd=/', undefined],
  ['/bye', undefined],
  ['/x/../oauth2/start', undefined],
  ['/x/%2e%2e/oauth2/start', undefined],
  ['https://other.example.com/oauth2/start', undefined],
]
for (const [candidate, expected] of returns) {
  test(`a login may ${expected === undefined ? 'not ' : ''}return to ${candidate}`, () =>
    assert.equal(addresses.returnURL(request, candidate), expected))
}

import { defaultSignalPath } from '../fixtures/addresses.ts'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAddresses } from '../../src/http/addresses.ts'

const config = {
  pathPrefix: '/oauth2',
  callbackPath: '/oauth2/callback',
  logoutPath: '/bye',
  signalPath: defaultSignalPath,
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
  assert.match(addresses.startURL(request, 'x', { prompt: 'select_account' }), /&prompt=select_account$/)
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

const cookieReach: [
  name: string,
  given: Partial<Parameters<typeof createAddresses>[0]>,
  scheme: 'http' | 'https',
  shares: boolean,
][] = [
  ['the host that our endpoints are on', {}, 'http', true],
  ['plain http where everything is forced to https', { forceHTTPS: true }, 'http', false],
  ['https where everything is', { forceHTTPS: true }, 'https', true],
  ['another host than publicURL', { publicURL: 'http://auth.example.com' }, 'http', false],
  ['another port than publicURL', { publicURL: 'http://app.example.com:1' }, 'http', true],
  [
    'another host than publicURL in one cookieDomain',
    { publicURL: 'http://auth.example.com', cookieDomain: '.example.com' },
    'http',
    true,
  ],
  [
    'another host than publicURL in another cookieDomain',
    { publicURL: 'http://auth.example.com', cookieDomain: 'auth.example.com' },
    'http',
    false,
  ],
]
test('a host with a dot at its end is the plain one in every address of ours, and another one to cookies (C13)', () => {
  const dotted = { scheme: 'http', host: 'app.example.com.:8080' } as const
  assert.equal(addresses.redirectURI(dotted), addresses.redirectURI(request))
  assert.equal(addresses.returnURL(dotted, '/x'), addresses.returnURL(request, '/x'))
  assert.equal(addresses.sharesCookies(dotted), false)
})

test('a host that no URL can have shares nothing', () =>
  assert.equal(addresses.sharesCookies({ scheme: 'http', host: '999.999.999.999' }), false))

for (const [name, given, scheme, shares] of cookieReach) {
  test(`a cookie set on ${name} ${shares ? 'comes along' : 'does not come along'} to the callback`, () =>
    assert.equal(createAddresses({ ...config, ...given }).sharesCookies({ ...request, scheme }), shares))
}

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
  ['/%6fauth2/start', undefined],
]
for (const [candidate, expected] of returns) {
  test(`a login may ${expected === undefined ? 'not ' : ''}return to ${candidate}`, () =>
    assert.equal(addresses.returnURL(request, candidate), expected))
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  maxReturnURLLength,
  originOf,
  percentEncodedBytes,
  type ReturnContext,
  safeReturnURL as judge,
} from '../../src/http/return-url.ts'

function safeReturnURL(candidate: string, context: ReturnContext): string | undefined {
  const judged = judge(candidate, context)
  return 'url' in judged ? judged.url : undefined
}

const aContext = (given: Partial<ReturnContext> = {}): ReturnContext => ({
  origin: 'https://app.example.com',
  allowedRedirectHosts: [],
  ...given,
})
const generous = aContext({
  cookieDomain: 'example.com',
  allowedRedirectHosts: ['partner.example', '*.wild.example', 'port.example:8443'],
})
const isGenerouslyAllowed = (host: string): boolean =>
  /^(?:(?:[^/:]+\.)?example\.com|partner\.example|[^/:]+\.wild\.example|port\.example:8443)$/.test(host)

// --- What must work, exactly as given -------------------------------------------------------------------------------------

const onTheSite: string[] = [
  '/',
  '/x?y=1&z=%2F%2f',
  '/x?next=//evil.example&u=https://evil.example/\\',
  '/x?text=a%0Ab%09c%00',
  '/api/v4/projects/group%2Fproject?x#y',
  '/web/http://archive.example/page',
  '/a//b',
  '/a/../b/./c',
  '/a%20b/%C3%A9?q=%E6%97%A5',
  '/100%25?p=50%',
  '/%zz?x',
  "/@user:x/~y;z=1,(2)!*'$&+=",
  '/app#section?x',
  '/?',
  '/#',
  '/...//x',
]
for (const candidate of onTheSite) {
  test(`${candidate} is kept exactly, on the request's own origin`, () => {
    assert.equal(safeReturnURL(candidate, aContext()), `https://app.example.com${candidate}`)
    assert.equal(
      safeReturnURL(`https://app.example.com${candidate}`, aContext()),
      `https://app.example.com${candidate}`,
    )
  })
}

const accepted: [what: string, candidate: string, context: ReturnContext, url: string][] = [
  ['our own host without a path', 'https://app.example.com', aContext(), 'https://app.example.com/'],
  ['our own host with a query only', 'https://app.example.com?x', aContext(), 'https://app.example.com/?x'],
  ['our own host in upper case', 'HTTPS://APP.example.com/X', aContext(), 'https://app.example.com/X'],
  ['our own host with its default port', 'https://app.example.com:443/x', aContext(), 'https://app.example.com/x'],
  [
    'our own host and port',
    'https://app.example.com:8443/x',
    aContext({ origin: 'https://app.example.com:8443' }),
    'https://app.example.com:8443/x',
  ],
  [
    'our own host on https, seen from http',
    'https://app.example.com/x',
    aContext({ origin: 'http://app.example.com' }),
    'https://app.example.com/x',
  ],
  ['an IPv6 host of ours', 'http://[::1]:8080/x', aContext({ origin: 'http://[::1]:8080' }), 'http://[::1]:8080/x'],
  ['the cookie domain itself', 'https://example.com/x', generous, 'https://example.com/x'],
  ['a host under the cookie domain', 'https://a.b.example.com/x', generous, 'https://a.b.example.com/x'],
  [
    'a cookie domain written with a dot',
    'https://b.example.com/',
    aContext({ cookieDomain: '.Example.com' }),
    'https://b.example.com/',
  ],
  [
    'the same port under the cookie domain',
    'https://b.example.com:8443/',
    aContext({ origin: 'https://app.example.com:8443', cookieDomain: 'example.com' }),
    'https://b.example.com:8443/',
  ],
  ['an allowed host', 'https://partner.example/x?y', generous, 'https://partner.example/x?y'],
  ['an allowed host on http', 'http://partner.example/', generous, 'http://partner.example/'],
  ['an allowed host with its port', 'https://port.example:8443/', generous, 'https://port.example:8443/'],
  ['a host below an allowed wildcard', 'https://a.b.wild.example/', generous, 'https://a.b.wild.example/'],
  [
    'an allowed host in upper case',
    'https://partner.example/',
    aContext({ allowedRedirectHosts: ['PARTNER.example'] }),
    'https://partner.example/',
  ],
  [
    'a space and letters beyond ASCII, which no header carries',
    '/a b/é?q=日',
    aContext(),
    'https://app.example.com/a%20b/%C3%A9?q=%E6%97%A5',
  ],
]
for (const [what, candidate, context, url] of accepted) {
  test(`${what} is accepted`, () => assert.equal(safeReturnURL(candidate, context), url))
}

test(`a candidate of ${maxReturnURLLength} characters is kept, one more is not`, () => {
  const longest = `/${'a'.repeat(maxReturnURLLength - 1)}`
  assert.equal(safeReturnURL(longest, aContext()), `https://app.example.com${longest}`)
  assert.equal(safeReturnURL(`${longest}a`, aContext()), undefined)
})

test('publicURL’s own host is allowed, exactly as it is configured (D8)', () => {
  const context = aContext({ publicURL: 'https://auth.example.net:8443' })
  assert.equal(safeReturnURL('https://auth.example.net:8443/x', context), 'https://auth.example.net:8443/x')
  for (const other of [
    'https://auth.example.net/',
    'http://auth.example.net:8443/',
    'https://x.auth.example.net:8443/',
  ]) {
    assert.deepEqual(judge(other, context), { refused: 'host_not_allowed' }, other)
  }
})

const reasons: [candidate: string, refused: string][] = [
  ['https://evil.example/', 'host_not_allowed'],
  ['http://app.example.com/', 'host_not_allowed'],
  ['//evil.example', 'leaves_the_site'],
  ['/%09/evil.example', 'leaves_the_site'],
  ['javascript:alert(1)', 'not_a_url'],
  ['app.example.com', 'not_a_url'],
  ['https://127.1/', 'not_a_url'],
  ['/x\r\ny', 'control_character'],
  [`/${'a'.repeat(maxReturnURLLength)}`, 'too_long'],
]
for (const [candidate, refused] of reasons) {
  test(`${JSON.stringify(candidate.slice(0, 40))} is refused with the reason ${refused} (D8)`, () =>
    assert.deepEqual(judge(candidate, aContext()), { refused }))
}

test('bytes beyond ASCII come back as the bytes that were sent, whether they are UTF-8 or not (C11)', () => {
  const onTheWire = (text: string, encoding: BufferEncoding) => Buffer.from(text, encoding).toString('latin1')
  assert.equal(percentEncodedBytes(onTheWire('/übersicht/日本?q=é', 'utf8')), encodeURI('/übersicht/日本?q=é'))
  assert.equal(percentEncodedBytes(onTheWire('/caf\xe9', 'latin1')), '/caf%E9')
  assert.equal(percentEncodedBytes('/plain%20?x=%C3%BC'), '/plain%20?x=%C3%BC')
})

// --- What must not --------------------------------------------------------------------------------------------------------

const refusedHosts: [what: string, candidate: string, context?: Partial<ReturnContext>][] = [
  ['another host', 'https://evil.example/'],
  ['another host that ends like ours', 'https://evilapp.example.com/'],
  ['another host that begins like ours', 'https://app.example.com.evil.example/'],
  ['a subdomain of ours without cookieDomain', 'https://x.app.example.com/'],
  ['a sibling without cookieDomain', 'https://other.example.com/'],
  [
    'oauth2-proxy CVE-2021-21291: badexample.com for cookieDomain example.com',
    'https://badexample.com/',
    { cookieDomain: 'example.com' },
  ],
  [
    'oauth2-proxy CVE-2021-21291: badexample.com for .example.com',
    'https://badexample.com/',
    { cookieDomain: '.example.com' },
  ],
  [
    'oauth2-proxy CVE-2021-21291: badexample.com for *.example.com',
    'https://badexample.com/',
    { allowedRedirectHosts: ['*.example.com'] },
  ],
  ['the name itself for a wildcard', 'https://wild.example/', { allowedRedirectHosts: ['*.wild.example'] }],
  ['a subdomain of an exact entry', 'https://a.partner.example/', { allowedRedirectHosts: ['partner.example'] }],
  ['another port of ours', 'https://app.example.com:8443/'],
  ['our host without its port', 'https://app.example.com/', { origin: 'https://app.example.com:8443' }],
  ['another port under the cookie domain', 'https://b.example.com:9000/', { cookieDomain: 'example.com' }],
  ['another port of an allowed host', 'https://partner.example:8443/', { allowedRedirectHosts: ['partner.example'] }],
  ['an allowed host without its port', 'https://port.example/', { allowedRedirectHosts: ['port.example:8443'] }],
  ['our host on http', 'http://app.example.com/'],
  ['our host on http with the port of https', 'http://app.example.com:443/'],
  ['a host under the cookie domain on http', 'http://b.example.com/', { cookieDomain: 'example.com' }],
  ['a host with a trailing dot', 'https://app.example.com./'],
  ['a host under the cookie domain with a trailing dot', 'https://b.example.com./', { cookieDomain: 'example.com' }],
  [
    'any host, when an entry is empty or a bare star',
    'https://evil.example/',
    { cookieDomain: '', allowedRedirectHosts: ['', '*', '*.', '.', '/', '@', 'https://evil.example'] },
  ],
  ['anything, when our own origin is damaged', '/x', { origin: 'app.example.com' }],
]
for (const [what, candidate, context] of refusedHosts) {
  test(`${what} is refused`, () => assert.equal(safeReturnURL(candidate, aContext(context)), undefined))
}

/** Families of peers/: none may be taken, whatever is allowed. `E` stands for the attacker's host. */
const families: [name: string, ...payloads: string[]][] = [
  [
    'protocol-relative',
    '//E',
    '///E',
    '////E',
    '//E/x',
    '///E@app.example.com',
    '//app.example.com@E',
    '//app.example.com',
    '///;@E',
    '//;@E',
    '//E%2f..',
    '//%45',
  ],
  [
    'oauth2-proxy CVE-2020-5233: backslashes',
    '/\\E',
    '\\\\E',
    '\\/E',
    '/\\/E',
    '/\\\\E',
    '\\E',
    '/x\\..\\\\E',
    '/\\E/..',
    '//\\E',
    '/a/../\\E',
    'https:\\\\E',
    'https:/\\E',
    'https://E\\app.example.com',
    'https://app.example.com\\@E',
    'https://app.example.com\\.E',
  ],
  [
    'oauth2-proxy CVE-2020-11053: whitespace between slashes',
    '/\t/E',
    '/\n/E',
    '/\r/E',
    '/\r\n/E',
    '/\v/E',
    '/\f/E',
    '/\0/E',
    '/\x85/E',
    '/ /E',
    '/  //E',
    '\t//E',
    ' //E',
    '//\tE',
    'ht\ttps://E',
    'https:/\t/E',
    '/\t\\E',
    '/\x7f/E',
  ],
  [
    'oauth2-proxy CVE-2020-11053: encoded whitespace',
    '/%09/E',
    '/%0a/E',
    '/%0A/E',
    '/%0d/E',
    '/%0d%0a/E',
    '/%0b/E',
    '/%0c/E',
    '/%00/E',
    '/%20/E',
    '/%09%5cE',
    '/%2509/E',
    '/%250a//E',
    '/x%0d%0aLocation:%20//E',
    '/%1f/E',
    '/%7f/E',
  ],
  ['openshift CVE-2026-83589: / and tab', '/\\\tE', '/\t\\E', '/%5c%09E'],
  [
    'oauth2-proxy CVE-2020-4037: dots and slashes',
    '/./\\E',
    '/../\\E',
    '/.//E',
    '/..//E',
    '/./%5cE',
    '/..%2f%2fE',
    '/%2e%2e//E',
    '/%2e//E',
    '/x/..//E',
    '/x/%2e%2e//E',
    '/x/..%2f/E',
    '/././/E',
    '/x/..%252f%252fE',
    '/%252e%252e//E',
  ],
  [
    'encoded slashes and backslashes',
    '/%2fE',
    '/%2FE',
    '/%2f/E',
    '/%5cE',
    '/%5C/E',
    '/%2f%2fE',
    '/%252fE',
    '/%252f%252fE',
    '/%255cE',
    '/%2f%5cE',
    '%2f%2fE',
    '%5c%5cE',
    '/x%5c..%5c%5cE',
    '/%25%32%66E',
    '/%25%35%63E',
  ],
  [
    'schemes',
    'https:E',
    'https:/E',
    'https:///E',
    'https:////E',
    'http:E',
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)',
    'java\tscript:alert(1)',
    'data:text/html,x',
    'vbscript:x',
    'file:///etc/passwd',
    'ftp://app.example.com/',
    'blob:https://app.example.com/x',
    'about:blank',
    '//javascript:alert(1)',
    'https:app.example.com',
    'https:/app.example.com',
    'wss://app.example.com/',
    'view-source:https://app.example.com/',
    ':https://E',
    'https//E',
    'https;//E',
  ],
  [
    'user information',
    'https://app.example.com@E',
    'https://app.example.com:x@E/',
    'https://E@app.example.com/',
    'https://@app.example.com/',
    'https://:@app.example.com/',
    'https://app.example.com%40E/',
    'https://app.example.com%2f@E/',
    'https://app.example.com%23@E/',
    'https://app.example.com%00@E/',
    'https://app.example.com%5c@E/',
    'https://app.example.com?@E@'.replace('?', ':'),
    'https://x:y@app.example.com:443/',
  ],
  [
    'hosts that parsers read differently',
    'https://app.example.com%2eE/',
    'https://E%00.app.example.com/',
    'https://E%2f.example.com/',
    'https://E%23.example.com/',
    'https://E%3f.example.com/',
    'https://E%5c.example.com/',
    'https://E;.example.com/',
    'https://E,.example.com/',
    'https://E&.example.com/',
    'https://E|.example.com/',
    'https://E*.example.com/',
    'https://(E).example.com/',
    'https://$E.example.com/',
    'https://E .example.com/',
    'https://E\t.example.com/',
    'https://.example.com/',
    'https://..example.com/',
    'https://x..example.com/%2f/',
    'https://',
    'https://?',
    'https://#',
    'https:///',
    'https://:443/',
    'https://app.example.com:/\\',
    'https://app.example.com:443@E/',
    'https://app.example.com:99999/',
    'https://app.example.com:x/',
    'https://app.example.com:-1/',
  ],
  [
    'unicode dots, slashes and letters',
    '/\u3002E\\',
    '//\u3002E',
    'https://app\u3002example\u3002com/',
    'https://app.example\uff0ecom/',
    'https://E\uff0fapp.example.com/',
    'https://E\u2044.example.com/',
    'https://\u212Aapp.example.com/',
    'https://\u24D4xample.com/',
    'https://app.example.com\uff03@E/',
    'https://app.example.com\uff20E/',
    'https://app\u00ad.example.com/',
    'https://app\u200b.example.com/',
    'https://ex\u0430mple.com/',
    'https://E\u2100.example.com/',
    '\u2028//E',
    '\ufeff//E',
    '\u00a0//E',
    '/\u2028/E',
    '/\u00a0/E',
    '/\u3000/E',
    '/\ufeff/E',
  ],
  [
    'numbers and IPv6',
    'https://0x7f.1/',
    'https://2130706433/',
    'https://127.1/',
    'https://017700000001/',
    'https://[::1]/',
    'https://[::ffff:7f00:1]/',
    'https://[app.example.com]/',
    'https://[::1%25eth0]/',
    'https://[::1]@E/',
    'https://app.example.com]@E/',
    'https://[E',
  ],
  [
    'no address at all',
    '',
    ' ',
    'x',
    'x/y',
    '.',
    '..',
    './x',
    '../x',
    '?x',
    '#x',
    'app.example.com',
    'app.example.com/x',
    'E',
    'undefined',
    'null',
    '*',
    '~',
    '%',
    '%2e%2e/x',
    '@E',
    ':80',
    ';//E',
    '<script>',
  ],
  ['splitting', '/x\r\nSet-Cookie: a=b', '/x\nLocation: //E', 'https://app.example.com/\r\n', '/x?y\r\nz', '/x#\0'],
]
let payloads = 0
for (const [name, ...listed] of families) {
  for (const payload of listed) {
    const candidate = payload.replaceAll('E', 'evil.example')
    payloads++
    test(`${name}: ${JSON.stringify(candidate)} is refused`, () => {
      assert.equal(safeReturnURL(candidate, aContext()), undefined)
      assert.equal(staysWithin(safeReturnURL(candidate, generous)), true)
    })
  }
}

test('the corpus has at least 150 payloads', () => assert.ok(payloads >= 150, String(payloads)))

/** Refused, or a URL that a browser takes to an allowed host, in itself and relative to any page of ours. */
function staysWithin(url: string | undefined): boolean {
  if (url === undefined) return true
  assert.match(url, /^https?:\/\/[\x21-\x7e]+$/)
  const read = new URL(url, 'https://elsewhere.example/a/b')
  assert.equal(read.username + read.password, '')
  return isGenerouslyAllowed(read.host)
}

const joints = [
  '/',
  '\\',
  '//',
  '/\\',
  '\t',
  '\n',
  ' ',
  '.',
  '..',
  '%2f',
  '%5c',
  '%09',
  '%2e%2e',
  '%252f',
  ';',
  '@',
  ':',
  '?',
  '#',
  '\u3002',
  '\uff0f',
]
const hosts = ['evil.example', 'app.example.com', 'example.com', 'evilexample.com', 'https:', 'http:', '[::1]', 'x']

test('every two joints in front of a host stay within (generated corpus)', () => {
  let tried = 0
  for (const first of ['', ...joints, 'https:', 'https://app.example.com']) {
    for (const second of joints) {
      for (const third of joints) {
        const candidate = `${first}${second}${third}evil.example`
        assert.equal(staysWithin(safeReturnURL(candidate, generous)), true, JSON.stringify(candidate))
        tried++
      }
    }
  }
  assert.ok(tried > 10_000)
})

test('any text at all is refused or leads to an allowed host', () => {
  const pieces = fc.array(fc.oneof(fc.constantFrom(...joints, ...hosts), fc.string({ unit: 'binary', maxLength: 2 })), {
    maxLength: 8,
  })
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    pieces.map((parts) => parts.join('')),
    pieces.map((parts) => `/${parts.join('')}`),
    pieces.map((parts) => `https://${parts.join('')}`),
    fc.webUrl({ withQueryParameters: true, withFragments: true }),
  )
  fc.assert(
    fc.property(text, (candidate) => assert.equal(staysWithin(safeReturnURL(candidate, generous)), true)),
    { numRuns: 10_000 },
  )
})

test('what was accepted once is accepted again, unchanged', () => {
  const pieces = fc.array(fc.oneof(fc.constantFrom(...joints), fc.string({ maxLength: 3 })))
  fc.assert(
    fc.property(pieces, (parts) => {
      const once = safeReturnURL(`/${parts.join('')}`, aContext())
      if (once !== undefined) assert.equal(safeReturnURL(once, aContext()), once)
    }),
    { numRuns: 3_000 },
  )
})

const origins: readonly (readonly [url: string, origin: string | undefined])[] = [
  ['https://app.example.com', 'https://app.example.com'],
  ['https://app.example.com/', 'https://app.example.com'],
  [`https://app.example.com/${'a'.repeat(20_000)}?b#c`, 'https://app.example.com'],
  ['HTTPS://App.Example.Com:443?x', 'https://app.example.com'],
  ['http://app.example.com:8080#x', 'http://app.example.com:8080'],
  ['http://[::1]:80/', 'http://[::1]'],
  ['https://app.example.com@evil.example/', 'https://evil.example'],
  ['https://evil.example\\@app.example.com/', 'https://evil.example'],
  ['https://evil.example\\.app.example.com/', 'https://evil.example'],
  ['https:app.example.com', undefined],
  ['https:///app.example.com', undefined],
  ['//app.example.com/', undefined],
  [' https://app.example.com/', undefined],
  ['null', undefined],
  ['', undefined],
  ['https://', undefined],
  ['javascript://app.example.com/', undefined],
  [`https://${'a'.repeat(600)}@app.example.com/`, undefined],
  [`https://a${'%CC%81%CC%A3'.repeat(1_000)}`, undefined],
]
for (const [url, origin] of origins) {
  test(`the origin of ${JSON.stringify(url.slice(0, 60))} is ${origin} (B10)`, () =>
    assert.equal(originOf(url), origin))
}

test('an origin is the one that the parser of URLs finds in the whole, or none', () => {
  const url = fc.oneof(
    fc.webUrl({ withQueryParameters: true, withFragments: true }),
    fc
      .array(fc.oneof(fc.constantFrom(...joints, ...hosts), fc.string({ maxLength: 2 })))
      .map((parts) => `https://${parts.join('')}`),
  )
  fc.assert(
    fc.property(url, (text) => {
      const found = originOf(text)
      if (found !== undefined) assert.equal(found, URL.parse(text)?.origin ?? found)
    }),
    { numRuns: 5_000 },
  )
})

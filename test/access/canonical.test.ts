import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { canonicalPath, originalRequest, schemeOf } from '../../src/access/canonical.ts'
import { BadRequest } from '../../src/errors.ts'

const aRequest = (given: Partial<{ method: string; scheme: string; host: string; target: string }> = {}) =>
  originalRequest({ method: 'GET', scheme: 'https', host: 'app.example.com', target: '/', ...given })

test('a plain request is taken apart and nothing of it is changed', () => {
  assert.deepEqual(aRequest({ method: 'POST', target: '/a/b.html?x=%2f..//&y=#'.replace('#', '') }), {
    method: 'POST',
    scheme: 'https',
    host: 'app.example.com',
    rawPath: '/a/b.html',
    rawQuery: '?x=%2f..//&y=',
    path: '/a/b.html',
    ambiguity: undefined,
  })
})

const plain: [target: string, path: string][] = [
  ['/', '/'],
  ['/?', '/'],
  ['/?a=/../', '/'],
  ['/.well-known/x', '/.well-known/x'],
  ['/...', '/...'],
  ['/a..b/c.', '/a..b/c.'],
  ['/public/', '/public/'],
  ['/%61dmin', '/admin'],
  ['/caf%C3%A9', '/café'],
  ['/cafe%CC%81', '/café'],
  ['/100%25', '/100%'],
  ['/a%20b', '/a b'],
  ["/~user/(x)!*'@:,+=&$", "/~user/(x)!*'@:,+=&$"],
  ['/x?q=\xe9\\;%00', '/x'],
  ['/%E6%97%A5%E6%9C%AC', '/日本'],
]
for (const [target, path] of plain) {
  test(`the path of ${JSON.stringify(target)} is ${path} and unambiguous`, () => {
    const request = aRequest({ target })
    assert.equal(request.path, path)
    assert.equal(request.ambiguity, undefined)
  })
}

const tricks: [ambiguity: string, ...targets: string[]][] = [
  ['dot_segment', '/..', '/.', '/a/../b', '/a/./b', '/a/..', '/a/.?x', '/%2e%2e/b', '/a/.%2E/b', '/%2e', '/a/..%20/b'],
  ['empty_segment', '//', '//evil.example/', '/a//b', '/a//'],
  ['encoded_slash', '/a%2fb', '/a%2Fb', '/public%2f..%2fadmin'],
  ['backslash', '/a\\b', '/a%5cb', '/a%5C..', '/\\evil.example'],
  ['parameter', '/a;b', '/public/..;/admin', '/a%3bb', '/a%3Bb', '/a;.css'],
  ['fragment', '/a#b', '/foo/secret#/bar', '/a%23b', '/a?x#y'],
  ['encoded_query', '/a%3fb', '/a%3Fx=/public'],
  ['control', '/a%00', '/a%09b', '/a%0d%0ab', '/a%1f', '/a%7f', '/a%c2%85'],
  ['double_encoding', '/a%252fb', '/%252e%252e/', '/a%25%32%66', '/%2561', '/%25u002e'],
  ['escape', '/a%', '/a%2', '/a%zz', '/%u002e'],
  ['utf8', '/%c0%af', '/%c0%ae%c0%ae/', '/%e0%80%af', '/%ff', '/%ed%a0%80'],
  ['non_ascii', '/\xe9', '/caf\u00e9', '/\u3002\u3002/'],
  ['unicode', '/%EF%BC%8F', '/%EF%BC%8E%EF%BC%8E/a', '/a%E2%80%A5/b', '/%EF%BC%9B', '/%EF%BC%85'],
]
for (const [ambiguity, ...targets] of tricks) {
  for (const target of targets) {
    test(`${JSON.stringify(target)} is ambiguous: ${ambiguity}`, () => {
      const request = aRequest({ target })
      assert.equal(request.ambiguity, ambiguity)
      assert.equal(request.path, request.rawPath)
    })
  }
}

const impossible: [what: string, Parameters<typeof aRequest>[0]][] = [
  ['a target in absolute form', { target: 'http://evil.example/' }],
  ['a target in asterisk form', { target: '*' }],
  ['an empty target', { target: '' }],
  ['a target with CR LF', { target: '/a\r\nx: y' }],
  ['a target with a tab in its query', { target: '/a?b\tc' }],
  ['a target with NUL', { target: '/\0' }],
  ['a target with DEL', { target: '/\x7f' }],
  ['a target with a space', { target: '/a b' }],
  ['a target over 16 KB', { target: `/${'a'.repeat(16_384)}` }],
  ['an empty method', { method: '' }],
  ['a method with a space', { method: 'GET /' }],
  ['a method of 33 letters', { method: 'A'.repeat(33) }],
  ['an empty host', { host: '' }],
  ['a host with user information', { host: 'app.example.com@evil.example' }],
  ['two hosts', { host: 'a.example, b.example' }],
  ['a host with a space', { host: 'a.example b' }],
  ['a host with a path', { host: 'a.example/x' }],
  ['a host with a backslash', { host: 'a.example\\x' }],
  ['a host with an empty label', { host: 'a..example' }],
  ['a host beyond ASCII', { host: 'a\u3002example' }],
  ['a host with an encoded byte', { host: 'a%2eexample' }],
  ['a host that is a dot', { host: '.' }],
  ['a port that is none', { host: 'a.example:http' }],
  ['port 0', { host: 'a.example:0' }],
  ['a port over 65535', { host: 'a.example:65536' }],
  ['two ports', { host: 'a.example:80:81' }],
  ['a damaged IPv6 address', { host: '[::1' }],
  ['an IPv6 address with too many groups', { host: '[1:2:3:4:5:6:7:8:9]' }],
  ['a host of 254 characters', { host: `${'a.'.repeat(126)}aa` }],
  ['an unknown scheme', { scheme: 'ftp' }],
  ['two schemes', { scheme: 'https, http' }],
]
for (const [what, given] of impossible) {
  test(`${what} is a bad request`, () => assert.throws(() => aRequest(given), BadRequest))
}

const hosts: [given: string, scheme: string, host: string, ambiguity: string | undefined][] = [
  ['app.example.com', 'https', 'app.example.com', undefined],
  ['app.example.com:443', 'https', 'app.example.com', undefined],
  ['app.example.com:80', 'http', 'app.example.com', undefined],
  ['app.example.com:80', 'https', 'app.example.com:80', undefined],
  ['localhost:8080', 'http', 'localhost:8080', undefined],
  ['127.0.0.1:8080', 'http', '127.0.0.1:8080', undefined],
  ['[::1]:8443', 'https', '[::1]:8443', undefined],
  ['[::1]', 'https', '[::1]', undefined],
  ['_dmarc.a-b.example', 'https', '_dmarc.a-b.example', undefined],
  ['a.B.example.com', 'https', 'a.b.example.com', 'host'],
  ['app.example.com.', 'https', 'app.example.com', 'host_dot'],
  ['app.example.com.:8443', 'https', 'app.example.com:8443', 'host_dot'],
  ['app.example.com:', 'https', 'app.example.com', 'host'],
  ['app.example.com:0443', 'https', 'app.example.com', 'host'],
  ['127.1', 'https', '127.1', 'host'],
  ['0x7f.0.0.1', 'https', '0x7f.0.0.1', 'host'],
  ['2130706433', 'https', '2130706433', 'host'],
  ['[0:0:0:0:0:0:0:1]', 'https', '[::1]', 'host'],
]
for (const [given, scheme, host, ambiguity] of hosts) {
  test(`the host ${given} on ${scheme} is ${host}${ambiguity === undefined ? '' : ', ambiguous'}`, () => {
    const request = aRequest({ host: given, scheme })
    assert.equal(request.host, host)
    assert.equal(request.ambiguity, ambiguity)
  })
}

test('Authelia CVE-2026-48794: an upper-case label in the host is ambiguous, whatever the path', () => {
  assert.equal(aRequest({ host: 'a.B.example.com', target: '/public' }).ambiguity, 'host')
})

test('a lower-case method is the upper-case one, but ambiguous', () => {
  const request = aRequest({ method: 'get' })
  assert.equal(request.method, 'GET')
  assert.equal(request.ambiguity, 'method')
})

test('the schemes of a WebSocket upgrade are those of the page it belongs to', () => {
  assert.deepEqual(['ws', 'wss', 'http', 'https'].map(schemeOf), ['http', 'https', 'http', 'https'])
})

const anyTarget = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(
    fc.constantFrom(
      '/',
      'a',
      'public',
      '.',
      '..',
      '%2e',
      '%2F',
      '%5c',
      '\\',
      ';',
      '%25',
      '2f',
      '%',
      '?',
      '#',
      '%00',
      '%c3%a9',
    ),
  ),
)
const asTarget = (given: string | string[]): string => `/${Array.isArray(given) ? given.join('') : given}`

test('nothing but BadRequest is ever thrown, and an unambiguous path has nothing in it that could be read twice', () => {
  fc.assert(
    fc.property(anyTarget, fc.string({ unit: 'binary' }), (given, host) => {
      for (const overrides of [{ target: asTarget(given) }, { host }, { method: host }, { scheme: host }]) {
        try {
          const { path, ambiguity } = aRequest(overrides)
          if (ambiguity === undefined) {
            assert.doesNotMatch(path, /\/\/|\\|;|[?#]|%[0-9a-f]{2}|(?:^|\/)\.{1,2}(?:\/|$)|[^\P{Cc}]/iu)
          }
        } catch (error) {
          if (!(error instanceof BadRequest)) throw error
        }
      }
    }),
    { numRuns: 2_000 },
  )
})

test('the canonical path of a canonical path is itself', () => {
  fc.assert(
    fc.property(anyTarget, (given) => {
      const first = canonicalPath(asTarget(given).replace(/\?.*/s, ''))
      if (first.ambiguity !== undefined) return
      assert.deepEqual(canonicalPath(encodeURI(first.path)), first)
    }),
    { numRuns: 2_000 },
  )
})

test('a trick anywhere in any path makes it ambiguous', () => {
  const tricks =
    '/../ /./ /%2e%2e/ /.%2E/ // %2f %2F %5c %5C \\ ; %3b %00 %0a %1F %7f %252f %2500 %25%32%65 # %23 %3f %c0%af %ff %g0 ' +
    '\u00e9 \u3002 %EF%BC%8F'
  const trick = fc.constantFrom(...tricks.split(' '))
  const segments = fc.stringMatching(/^[a-zA-Z0-9._~-]{0,12}$/)
  fc.assert(
    fc.property(segments, trick, segments, (before, what, after) => {
      assert.notEqual(aRequest({ target: `/x${before}${what}${after}x` }).ambiguity, undefined)
    }),
    { numRuns: 2_000 },
  )
})

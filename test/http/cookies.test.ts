import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { type Cookie, cookieValues, expireCookie, setCookie } from '../../src/http/cookies.ts'

const name = '__Host-fg'
const found: [header: string | undefined, values: string[]][] = [
  [undefined, []],
  ['', []],
  ['__Host-fg=v', ['v']],
  ['a=b; __Host-fg=v; c=d', ['v']],
  ['a=b;__Host-fg=v', ['v']],
  ['a=b;   __Host-fg=v  ;c=d', ['v']],
  ['__Host-fg=', ['']],
  ['__Host-fg="v"', ['v']],
  ['__Host-fg="', ['"']],
  ['__Host-fg=a=b==', ['a=b==']],
  ['__Host-fg=1; x=y; __Host-fg=2', ['1', '2']],
  ['__Host-fg=1; __Host-fg=2; __Host-fg=3; __Host-fg=4; __Host-fg=5', ['2', '3', '4', '5']],
  ['__Host-fg', []],
  ['__Host-fg; a=b', []],
  ['__Host-fg =v', []],
  ['__host-fg=v', []],
  ['x__Host-fg=v', []],
  ['__Host-fg2=v', []],
  ['a=__Host-fg=v', []],
  ['a=b __Host-fg=v', []],
  ['a="x; __Host-fg=planted"', ['planted"']],
  ['a=b, __Host-fg=v', []],
  ['__Host-fg%3dv', []],
  ['__Host-fg=%22v%22', ['%22v%22']],
  ['__Host-fg__Host-fg=v', []],
  ['__Host-fg__Host-fg=v; __Host-fg=w', ['w']],
]
for (const [header, values] of found) {
  test(`the cookie header ${JSON.stringify(header)} holds ${JSON.stringify(values)}`, () =>
    assert.deepEqual(cookieValues(header, name), values))
}

const aCookie = (given: Partial<Cookie> = {}): Cookie => ({
  name,
  value: 'v',
  domain: undefined,
  path: '/',
  sameSite: 'lax',
  secure: true,
  httpOnly: true,
  ...given,
})

test('a cookie is written with its attributes', () => {
  assert.equal(setCookie(aCookie()), '__Host-fg=v; Path=/; HttpOnly; Secure; SameSite=Lax')
  assert.equal(
    setCookie(
      aCookie({
        name: 'fg',
        maxAgeSeconds: 60.9,
        domain: 'example.com',
        path: '/app',
        sameSite: 'none',
        secure: false,
        httpOnly: false,
      }),
    ),
    'fg=v; Max-Age=60; Domain=example.com; Path=/app; SameSite=None',
  )
  assert.match(setCookie(aCookie({ sameSite: 'strict', maxAgeSeconds: -5 })), /Max-Age=0; .*SameSite=Strict$/)
})

test('Envoy CVE-2025-55162: a cookie is deleted with the attributes it was set with', () => {
  const given = aCookie({ name: '__Secure-fg', domain: 'example.com', path: '/app' })
  const withoutLife = (line: string) => line.replace(/^[^;]*/, '').replace(/; (?:Max-Age|Expires)=[^;]*/g, '')
  assert.match(expireCookie(given), /^__Secure-fg=; Max-Age=0; .*; Expires=Thu, 01 Jan 1970 00:00:00 GMT;/)
  assert.equal(withoutLife(expireCookie(given)), withoutLife(setCookie(given)))
})

const mistakes: [what: string, Partial<Cookie>][] = [
  ['a value with a semicolon', { value: 'a; Domain=evil.example' }],
  ['a value with CR LF', { value: 'a\r\nx' }],
  ['a value with a space', { value: 'a b' }],
  ['a value beyond ASCII', { value: 'ü' }],
  ['a name with =', { name: 'a=b' }],
  ['an empty name', { name: '' }],
  ['a path with a semicolon', { path: '/;Domain=x', name: 'a' }],
  ['a domain with LF', { domain: 'a\nb', name: 'a' }],
  ['__Host- without Secure', { secure: false }],
  ['__Host- with another path', { path: '/app' }],
  ['__Host- with a domain', { domain: 'example.com' }],
  ['__Secure- without Secure', { name: '__Secure-a', secure: false }],
]
for (const [what, given] of mistakes) {
  test(`a cookie with ${what} is never written`, () => assert.throws(() => setCookie(aCookie(given)), TypeError))
}

test('what is written is what is read, whatever stands beside it', () => {
  const value = fc.stringMatching(/^[!#-+\--:<-[\]-~]{0,40}$/)
  const other = fc.tuple(fc.stringMatching(/^[a-z]{1,6}$/), value).map(([key, text]) => `${key}=${text}`)
  fc.assert(
    fc.property(fc.array(other), value, fc.array(other), (before, text, after) => {
      const pair = /^[^;]*/.exec(setCookie(aCookie({ value: text })))?.[0] ?? ''
      const header = [...before, pair, ...after].join('; ')
      assert.deepEqual(cookieValues(header, name), [text])
    }),
  )
})

test('no header is too odd to be read', () => {
  const piece = fc.constantFrom('a', 'aa', '=', ';', '; ', ' ', '"', ',', '\t', '\xe9', '%')
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(piece).map((pieces) => pieces.join('')),
        fc.string({ unit: 'binary' }),
      ),
      fc.constantFrom('a', 'aa', ''),
      (header, asked) => {
        // The specification's own words (RFC 6265 section 5.4 read backwards), the slow way.
        const expected = header
          .split(';')
          .map((pair) => pair.replace(/^ +/, ''))
          .filter((pair) => asked !== '' && pair.startsWith(`${asked}=`))
          .map((pair) =>
            pair
              .slice(asked.length + 1)
              .replace(/^[ \t]+|[ \t]+$/g, '')
              .replace(/^"(.*)"$/s, '$1'),
          )
        assert.deepEqual(cookieValues(header, asked), expected.slice(-4))
      },
    ),
    { numRuns: 3_000 },
  )
})

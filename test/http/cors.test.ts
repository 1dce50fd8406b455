import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { StoreUnavailable } from '../../src/errors.ts'
import { createCrossOrigin } from '../../src/http/cors.ts'
import { createRefusals } from '../../src/http/refusals.ts'
import { createPages } from '../../src/pages/create-pages.ts'
import { load } from '../config/load-fixture.ts'

const page = 'https://app.example.com'
const { allowedOrigins } = load({
  text: 'cors: { allowedOrigins: ["HTTPS://App.Example.com:443/", "http://localhost:3000", "https://[::1]:8443"] }',
}).config.cors
const crossOrigin = createCrossOrigin(allowedOrigins)

const listed = (origin: string) => ({
  vary: 'Origin',
  'access-control-allow-origin': origin,
  'access-control-allow-credentials': 'true',
  'access-control-expose-headers': 'Retry-After, WWW-Authenticate, X-Request-Id',
})

test('an origin is listed as a browser writes it, however the operator did (C14)', () => {
  for (const origin of [page, 'http://localhost:3000', 'https://[::1]:8443'])
    assert.deepEqual(crossOrigin({ origin }), listed(origin))
})

const strangers: [name: string, origin: string][] = [
  ['a name that begins alike', 'https://app.example.com.evil'],
  ['a name that ends alike', 'https://evil-app.example.com'],
  ['a name below', 'https://x.app.example.com'],
  ['the name above', 'https://example.com'],
  ['a URL that holds it', 'https://evil/?https://app.example.com'],
  ['a user that looks like it', 'https://app.example.com@evil'],
  ['upper case, as no browser writes it', 'https://APP.example.com'],
  ['an upper-case scheme', 'HTTPS://app.example.com'],
  ['a dot at its end: another host', 'https://app.example.com.'],
  ['the default port, as no browser writes it', 'https://app.example.com:443'],
  ['another port', 'https://app.example.com:8443'],
  ['another scheme', 'http://app.example.com'],
  ['a slash', 'https://app.example.com/'],
  ['a space', ' https://app.example.com'],
  ['a tab', 'https://app.example.com\t'],
  ['no scheme', 'app.example.com'],
  ['the opaque origin of a sandboxed frame or a data: page', 'null'],
  ['everybody', '*'],
  ['nobody', ''],
  ['two, as Node joins them', `${page}, ${page}`],
  ['two, one of them a stranger', `${page}, https://evil.example`],
  ['a list in one', `${page} http://localhost:3000`],
  ['a name of the prototype', 'constructor'],
  ['another one', '__proto__'],
]
for (const [name, origin] of strangers) {
  test(`${JSON.stringify(origin)} is not ${page}: ${name} (C14)`, () =>
    assert.deepEqual(crossOrigin({ origin }), { vary: 'Origin' }))
}

test('whatever an Origin says, what is given back is one that is listed, or nothing (C14)', () => {
  const around = fc.tuple(fc.string(), fc.constantFrom(page, 'null', '*'), fc.string()).map((parts) => parts.join(''))
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.webUrl(), around), (origin) => {
      const given = crossOrigin({ origin })['access-control-allow-origin']
      assert.ok(given === undefined || (given === origin && allowedOrigins.includes(given)))
    }),
  )
})

test('who names no origin gets none, and is told apart from who does (C14)', () =>
  assert.deepEqual(crossOrigin({}), { vary: 'Origin' }))

test('with nobody listed nothing is said (C14)', () => {
  for (const origin of [page, 'null', '*', undefined])
    assert.deepEqual(createCrossOrigin([])({ ...(origin !== undefined && { origin }) }), {})
})

test('a program of a listed origin may read "later" and when; a person’s page is for nobody else (C14)', () => {
  const refusals = createRefusals(
    createPages({ name: 'Test', logo: undefined, accentColor: undefined }),
    allowedOrigins,
  )
  const asked = { method: 'GET', requestId: 'r-1', headers: { origin: page } }
  const later = refusals.forError(asked, new StoreUnavailable('away'))
  assert.equal(later.status, 503)
  assert.equal(later.headers['retry-after'], '5')
  assert.equal(later.headers['access-control-allow-origin'], page)
  const html = refusals.refuse({ ...asked, headers: { origin: page, accept: 'text/html' } }, 403, 'x')
  assert.ok(!Object.keys(html.headers).some((name) => name.startsWith('access-control')))
})

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { createAuthority } from '../fixtures/certificates.ts'
import { load, problemsOf } from './load-fixture.ts'

const token = 'Xq3-vB8_nM2.kL7/zR5+tY9wPcD1hJ4sG6f'
const authority = createAuthority()
after(() => authority.close())
const [own, foreign] = [authority.issue('admin'), authority.issue('other')]
const files = {
  '/cert.pem': own.cert,
  '/key.pem': own.key,
  '/foreign.pem': foreign.key,
  '/ca.pem': authority.ca,
  '/token': `${token}\n`,
  '/damaged.pem': 'nothing',
}

test('without a credential there is no admin port, and whoever meant one is told', () => {
  assert.equal(load({ text: '' }).config.admin, undefined)
  const { config, warnings } = load({ text: 'admin: { listen: "127.0.0.1:9000" }' })
  assert.equal(config.admin, undefined)
  assert.match(warnings.join('\n'), /admin\.listen: has no effect without admin\.token/)
})

test('with a token it listens on loopback', () => {
  const { config, warnings } = load({ text: `admin: { token: "${token}" }` })
  assert.deepEqual(config.admin, { listen: { host: '127.0.0.1', port: 9_181 }, hosts: [], token, tls: undefined })
  assert.deepEqual(warnings, [])
})

for (const env of [{ ADMIN_TOKEN: token }, { ADMIN_TOKEN_FILE: '/token' }]) {
  test(`the token comes from the environment: ${Object.keys(env).join()}`, () =>
    assert.equal(load({ env: { ...env, ADMIN_LISTEN: ':9999' }, files }).config.admin?.token, token))
}

test('the port’s certificate, and the authority of those whom it serves, are read', () => {
  const text = 'admin: { tls: { certFile: /cert.pem, keyFile: /key.pem, clientCAFile: /ca.pem }, listen: ":9181" }'
  const { config, warnings } = load({ text, files })
  assert.deepEqual(config.admin?.tls, { cert: own.cert, key: own.key, clientCA: authority.ca })
  assert.equal(config.admin?.token, undefined)
  assert.deepEqual(warnings, [])
})

const warned: [text: string, warning: RegExp][] = [
  [`admin: { token: "${token}", listen: ":9181" }`, /admin\.listen: is not loopback, and without admin\.tls/],
  [`logLevel: warn\nadmin: { token: "${token}" }`, /logLevel: leaves out what is kept on record of operators/],
]
for (const [text, warning] of warned) {
  test(`warned of: ${text}`, () => assert.match(load({ text }).warnings.join('\n'), warning))
}

const refused: [text: string, problem: RegExp][] = [
  ['admin: { token: short-Xq3vB8nM2kL7zR5tY9 }', /admin\.token: has 24 characters, at least 32 are needed/],
  [`admin: { token: "${'a'.repeat(40)}" }`, /admin\.token: (?:has fewer than 8|looks like)/],
  ['admin: { token: your-admin-token-that-is-long-enough-1234 }', /admin\.token: looks like a placeholder/],
  ['admin: { token: this-is-the-secret-admin-token-please-change }', /admin\.token: /],
  [`admin: { token: "${token}\u00e9" }`, /admin\.token: has characters that no Authorization header can carry/],
  [`admin: { token: "${token} x" }`, /admin\.token: has characters that no Authorization header/],
  ['admin: { token: file:/nowhere }', /admin\.token: its file cannot be read \(ENOENT\)/],
  [`admin: { token: "${token}", listen: ":0" }`, /admin\.listen: must name a port/],
  [`admin: { token: "${token}", listen: ":4180" }`, /admin\.listen: has the port of `listen`/],
  [`metrics: { listen: ":9181" }\nadmin: { token: "${token}" }`, /admin\.listen: has the port of `metrics\.listen`/],
  [`admin: { token: "${token}", hosts: ["*.example.com"] }`, /admin\.hosts\[0\]: must be the name of a host/],
  [`admin: { token: "${token}", hosts: ["a:9181"] }`, /admin\.hosts\[0\]: must be the name of a host/],
  [`admin: { token: "${token}", tls: { certFile: /cert.pem } }`, /admin\.tls\.keyFile: is missing; TLS needs both/],
  ['admin: { tls: { clientCAFile: /ca.pem } }', /admin\.tls\.certFile: is missing; certificates are asked of clients/],
  [`admin: { token: "${token}", tls: { certFile: /cert.pem, keyFile: /foreign.pem } }`, /keyFile: is not the key of/],
  [`admin: { token: "${token}", tls: { certFile: /damaged.pem, keyFile: /key.pem } }`, /certFile: holds no readable/],
  [`admin: { token: "${token}", toke: x }`, /admin\.toke: is no known option; did you mean admin\.token\?/],
  ['session: { maxPerUser: 0 }', /session\.maxPerUser: must be a whole number from 1 to 1000, or off/],
]
for (const [text, problem] of refused) {
  test(`refused, and no value is shown: ${text.slice(0, 100)}`, () => {
    const problems = problemsOf({ text, files })
    assert.equal(problems.length, 1, problems.join('\n'))
    assert.match(problems[0] ?? '', problem)
    assert.ok(!problems.join('\n').includes(token.slice(0, 12)))
  })
}

test('session.maxPerUser is off unless a number says otherwise', () => {
  assert.equal(load({ text: '' }).config.session.maxPerUser, undefined)
  assert.equal(load({ text: 'session: { maxPerUser: "off" }' }).config.session.maxPerUser, undefined)
  assert.equal(load({ text: 'session: { maxPerUser: 3 }' }).config.session.maxPerUser, 3)
  assert.equal(load({ env: { SESSION_MAX_PER_USER: '2' } }).config.session.maxPerUser, 2)
})

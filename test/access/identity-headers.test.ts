import assert from 'node:assert/strict'
import { validateHeaderValue } from 'node:http'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { compileIdentityHeaders } from '../../src/access/identity-headers.ts'
import type { AccessConfig } from '../../src/config/config.ts'
import { anUpstream } from '../fixtures/upstream.ts'
import { aRequirement, aRule, anAccess, anIdentity } from './fixtures.ts'

const headersOf = (access: Partial<AccessConfig> = {}, onTruncated = () => {}) =>
  compileIdentityHeaders({ access: anAccess(access), onTruncated })

const twice = (one: string, other: string) =>
  headersOf({ headers: [one, other].map((name) => ({ name, template: '' })) })

const alice = anIdentity({ email: 'alice@example.com', preferred_username: 'alice', groups: ['dev', 'ops'] })

test('an identity fills the standard headers', () => {
  assert.deepEqual(headersOf().headersFor(alice), {
    'x-auth-request-user': 'alice@example.com',
    'x-auth-request-email': 'alice@example.com',
    'x-auth-request-groups': 'dev,ops',
    'x-auth-request-preferred-username': 'alice',
    'x-forwarded-user': 'alice@example.com',
  })
})

test('Caddy CVE-2026-30851: every header is there, empty, without an identity and with an empty one', () => {
  const compiled = headersOf({
    headers: [
      { name: 'X-Roles', template: 'r:{{.Claims.roles}}' },
      { name: 'Authorization', template: 'Bearer {{.AccessToken}}' },
    ],
  })
  const nobody = compiled.headersFor(undefined)
  assert.deepEqual(Object.keys(nobody).sort(), compiled.names.toSorted())
  assert.ok(Object.values(nobody).every((value) => value === ''))
  assert.equal(compiled.headersForOAuth2Proxy(undefined), nobody)
  assert.deepEqual(Object.keys(compiled.headersFor(anIdentity({}))).sort(), compiled.names.toSorted())
  assert.equal(compiled.headersFor(anIdentity({}))['authorization'], '')
})

test('the user is the configured claim, else sub; for oauth2-proxy it is always sub', () => {
  const compiled = headersOf({ userIdentifierClaim: 'upn' })
  assert.equal(compiled.headersFor(anIdentity({ upn: 'a@corp.example' }))['x-auth-request-user'], 'a@corp.example')
  assert.equal(compiled.headersFor(anIdentity({}))['x-forwarded-user'], 'subject-1')
  const compatible = compiled.headersForOAuth2Proxy(anIdentity({ upn: 'a@corp.example' }))
  assert.equal(compatible['x-auth-request-user'], 'subject-1')
  assert.equal(compatible['x-forwarded-user'], 'a@corp.example')
})

// An application that takes an address for its owner would let in whoever wrote it at the provider (B8).
const standard = [
  'x-auth-request-user',
  'x-auth-request-email',
  'x-auth-request-preferred-username',
  'x-forwarded-user',
]
const address = 'bob@example.com'
const addresses: [name: string, claims: Record<string, unknown>, headers: string[], identifier?: string][] = [
  ['verified', { email: address, email_verified: true }, [address, address, '', address]],
  ['verified, as text', { email: address, email_verified: 'true' }, [address, address, '', address]],
  ['of which nothing is said', { email: address }, [address, address, '', address]],
  ['of which null is said', { email: address, email_verified: null }, [address, address, '', address]],
  ['not verified', { email: address, email_verified: false }, ['subject-1', '', '', 'subject-1']],
  ['not verified, as text', { email: address, email_verified: 'false' }, ['subject-1', '', '', 'subject-1']],
  ['not verified, by an odd value', { email: address, email_verified: 1 }, ['subject-1', '', '', 'subject-1']],
  [
    'not verified, beside a user name',
    { email: address, email_verified: false, preferred_username: 'bob' },
    ['bob', '', 'bob', 'bob'],
    'preferred_username',
  ],
  [
    'not verified, that is the user name in other letters as well',
    { email: address, email_verified: false, preferred_username: 'Bob@example.com' },
    ['subject-1', '', '', 'subject-1'],
    'preferred_username',
  ],
  ['not verified, as upn alone', { upn: address, email_verified: false }, ['subject-1', '', '', 'subject-1'], 'upn'],
  [
    'not verified, beside another as upn',
    { upn: 'bob@corp.example', email: address, email_verified: false },
    ['bob@corp.example', '', '', 'bob@corp.example'],
    'upn',
  ],
]
for (const [name, claims, expected, userIdentifierClaim = 'email'] of addresses) {
  test(`the standard headers for an address ${name} (B8)`, () => {
    const headers = headersOf({ userIdentifierClaim }).headersFor(anIdentity(claims))
    assert.deepEqual(
      standard.map((header) => headers[header]),
      expected,
    )
    const compatible = headersOf({ userIdentifierClaim }).headersForOAuth2Proxy(anIdentity(claims))
    assert.deepEqual(
      standard.map((header) => compatible[header]),
      ['subject-1', ...expected.slice(1)],
    )
  })
}

test('a template says what it says, of an address that is not verified as well (B8)', () => {
  const headers = headersOf({
    headers: [
      { name: 'X-Auth-Request-Email', template: '{{.Claims.email}}' },
      { name: 'X-Verified', template: '{{.Claims.email_verified}}' },
    ],
  }).headersFor(anIdentity({ email: address, email_verified: false }))
  assert.deepEqual([headers['x-auth-request-email'], headers['x-verified']], [address, 'false'])
})

test('a comma in the name of a group does not make two groups of it', () => {
  const headers = headersOf().headersFor(anIdentity({ groups: ['a,admins', 'ü', '%2C'] }))
  assert.equal(headers['x-auth-request-groups'], 'a%2Cadmins,%C3%BC,%252C')
})

test('groups over 4 KB are cut at a whole group, and the caller hears of it', () => {
  let warnings = 0
  const groups = Array.from({ length: 500 }, (_, index) => `group-${index}-ü`)
  const joined = headersOf({}, () => warnings++).headersFor(anIdentity({ groups }))['x-auth-request-groups'] ?? ''
  assert.equal(warnings, 1)
  assert.ok(joined.length <= 4_096 && joined.length > 4_000)
  for (const group of joined.split(',')) assert.match(group, /^group-\d+-%C3%BC$/)
})

test('exactly 4 KB of groups fit', () => {
  const headers = headersOf({}, () => assert.fail('nothing was cut')).headersFor(
    anIdentity({ groups: ['a'.repeat(4_000), 'b'.repeat(95)] }),
  )
  assert.equal(headers['x-auth-request-groups']?.length, 4_096)
})

test('templates add headers, and may redefine a standard one', () => {
  const compiled = headersOf({
    headers: [
      { name: 'X-Full-Name', template: '{{.Claims.given}} {{.Claims.family}}' },
      { name: 'X-Forwarded-User', template: '{{.Claims.preferred_username}}' },
      { name: 'X-Multi', template: ' é {{default "ü" .Claims.none}}\n' },
      { name: 'Authorization', template: 'Bearer {{.IdToken}}' },
    ],
  })
  const headers = compiled.headersFor(anIdentity({ given: 'Ada', preferred_username: ' root' }), {
    accessToken: 'a',
    idToken: 'i',
  })
  assert.equal(headers['x-full-name'], 'Ada')
  // Receivers strip spaces: ` root` must not become `root`.
  assert.equal(headers['x-forwarded-user'], '%20root')
  assert.equal(headers['x-multi'], '%C3%A9 %C3%BC')
  assert.equal(headers['authorization'], 'Bearer i')
  assert.equal(compiled.needsTokens, true)
  assert.equal(headersOf().needsTokens, false)
  assert.equal(new Set(compiled.names).size, 8)
})

test('the claims that any option reads are listed', () => {
  const compiled = compileIdentityHeaders({
    access: anAccess({
      userIdentifierClaim: 'upn',
      groupClaimName: 'g',
      roleClaimName: 'realm_access.roles',
      headers: [{ name: 'X-A', template: '{{.Claims.a.b}}{{get .Claims "https://x.example/c"}}' }],
      rules: [aRule({ require: aRequirement({ claims: { d: ['1'] } }) })],
    }),
    upstreams: [anUpstream({ rules: [aRule({ require: aRequirement({ claims: { e: ['1'] } }) })] })],
  })
  assert.deepEqual(compiled.claimPaths.toSorted(), [
    'a.b',
    'd',
    'e',
    'email',
    'email_verified',
    'g',
    'https://x.example/c',
    'name',
    'preferred_username',
    'realm_access.roles',
    'upn',
  ])
})

test('every header that could not work is named at start', () => {
  const wrong: [name: string, template: string, message: RegExp][] = [
    ['X Y', '', /headers\[0\]\.name: has characters that a header name/],
    ['', '', /has characters that a header name/],
    ['X-Y\r\nZ', '', /has characters that a header name/],
    ['Set-Cookie', '', /is a header of the connection or the answer/],
    ['X-Forwarded.Uri', '', /is a header of the connection or the answer/],
    ['Content_Length', '', /is a header of the connection or the answer/],
    ['X-Y', '{{.RefreshToken}}', /headers\[0\]\.template: column 3: a refresh token/],
  ]
  for (const [name, template, message] of wrong)
    assert.throws(() => headersOf({ headers: [{ name, template }] }), { code: 'CONFIG_INVALID', message })
})

test('oauth2-proxy CVE-2025-64484: two names that a backend cannot tell apart are an error', () => {
  assert.throws(() => twice('X-User-Id', 'X_User_Id'), /headers\[1\]\.name: is set by an earlier entry/)
  assert.throws(() => twice('X-User-Id', 'x-user.id'), /is set by an earlier entry/)
})

test('whatever the claims, the values are legal in a header and no identity is the same as another', () => {
  const compiled = headersOf({
    userIdentifierClaim: 'id',
    headers: [{ name: 'X-T', template: 'a {{.Claims.id}} {{.Claims.x}}' }],
  })
  const userOf = (id: string) => compiled.headersFor(anIdentity({ id }))['x-auth-request-user']
  const text = fc.string({
    unit: fc.constantFrom('a', ' ', '%', '2', '0', 'ü', '\r', '\n', '\0', ',', '\u{1F600}'),
    minLength: 1,
  })
  fc.assert(
    fc.property(text, text, fc.jsonValue(), (one, other, x) => {
      const headers = compiled.headersFor(anIdentity({ id: one, x, groups: x, email: one }))
      for (const [name, value] of Object.entries(headers)) {
        validateHeaderValue(name, value)
        assert.match(value, /^(?! )[\x20-\x7e]*(?<! )$/)
      }
      assert.equal(userOf(one) === userOf(other), one === other)
    }),
    { numRuns: 2_000 },
  )
})

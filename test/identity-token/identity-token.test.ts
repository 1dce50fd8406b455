import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify, type JSONWebKeySet } from 'jose'
import { createIdentityTokens } from '../../src/identity-token/identity-token.ts'
import { createSigningKeys } from '../../src/identity-token/signing-keys.ts'
import type { Session } from '../../src/session/session.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { aSession } from '../fixtures/session.ts'

const key = Buffer.from('k9Jv2mPq8sXw4zB7nD1fG5hL0tRyUcEa')

function someTokens() {
  const time = fakeTime()
  const { clock } = time
  const tokens = createIdentityTokens({
    issuer: 'https://auth.example.com',
    access: { userIdentifierClaim: 'email', groupClaimName: 'groups' },
    keys: createSigningKeys({ masters: [key], scope: 'here', clock }),
    clock,
  })
  return { ...tokens, time }
}

const ann = (claims: Session['claims'] = {}) =>
  aSession({ subject: 'ann-1', issuer: 'https://id.example.com', claims: { email: 'ann@example.com', ...claims } })

test('a token says who it is to one application, and verifies by the published keys for no more than 60 s', async () => {
  const { tokenFor, jwks, time } = someTokens()
  const token = tokenFor(ann({ groups: ['staff', 'ops,eu'], preferred_username: 'ann', name: 'Ann É' }), 'http://app')
  const keys = createLocalJWKSet(JSON.parse(jwks()) as JSONWebKeySet)
  const expected = { issuer: 'https://auth.example.com', audience: 'http://app', algorithms: ['ES256'] }
  const verifyAt = (ms: number) => jwtVerify(token, keys, { ...expected, currentDate: new Date(ms) })
  const { payload, protectedHeader } = await verifyAt(time.clock())
  const now = Math.floor(time.clock() / 1_000)
  assert.deepEqual(payload, {
    iss: 'https://auth.example.com',
    aud: 'http://app',
    iat: now,
    nbf: now,
    exp: now + 60,
    sub: 'ann-1',
    idp: 'https://id.example.com',
    user: 'ann@example.com',
    email: 'ann@example.com',
    email_verified: true,
    preferred_username: 'ann',
    name: 'Ann É',
    groups: ['staff', 'ops,eu'],
  })
  assert.equal(protectedHeader.alg, 'ES256')
  await assert.rejects(verifyAt(time.clock() + 60_000), /exp/)
  await assert.rejects(
    jwtVerify(token, keys, { ...expected, audience: 'http://other', currentDate: new Date(time.clock()) }),
    /aud/,
  )
})

test('the same token is given for 30 s, to the same application, for the same state of the session', () => {
  const { tokenFor, time } = someTokens()
  const session = ann()
  const token = tokenFor(session, 'http://app')
  time.advance(29_999)
  assert.equal(tokenFor(session, 'http://app'), token)
  assert.notEqual(tokenFor(session, 'http://other'), token)
  assert.notEqual(tokenFor({ ...session, claims: {} }, 'http://app'), token)
  time.advance(1)
  const next = tokenFor(session, 'http://app')
  assert.notEqual(next, token)
  assert.ok((decodeJwt(next).exp ?? 0) * 1_000 >= time.clock() + 59_000)
  time.setClock(-600_000)
  assert.ok((decodeJwt(tokenFor(session, 'http://app')).iat ?? Infinity) * 1_000 <= time.clock(), 'a clock set back')
})

test('an address that the provider calls not verified is nobody’s', () => {
  const { tokenFor } = someTokens()
  const said = decodeJwt(tokenFor(ann({ email_verified: false }), 'http://app'))
  assert.deepEqual([said['email'], said['email_verified'], said['user']], [undefined, undefined, 'ann-1'])
})

test('however many groups somebody is in, the header stays small, and no group is cut in two', () => {
  const { tokenFor } = someTokens()
  const groups = Array.from({ length: 2_000 }, (_, number) => `group-${number}`)
  const token = tokenFor(ann({ groups }), 'http://app')
  assert.ok(token.length < 7_000, `${token.length}`)
  const kept = decodeJwt(token)['groups'] as string[]
  assert.ok(kept.length > 200)
  assert.deepEqual(kept, groups.slice(0, kept.length))
})

test('many applications make no more tokens than a few be remembered', () => {
  const { tokenFor, time } = someTokens()
  const session = ann()
  const first = tokenFor(session, 'http://app-0')
  time.advance(1_000)
  for (let number = 1; number <= 16; number++) tokenFor(session, `http://app-${number}`)
  assert.notEqual(tokenFor(session, 'http://app-0'), first)
})

test('a key’s name is that of today’s', () => {
  const { tokenFor, jwks, time } = someTokens()
  const kidsOf = () => (JSON.parse(jwks()) as JSONWebKeySet).keys.map(({ kid }) => kid)
  const before = kidsOf()
  time.advance(86_400_000)
  const { kid } = decodeProtectedHeader(tokenFor(ann(), 'http://app'))
  assert.ok(before.includes(kid), 'known since yesterday')
  assert.equal(kidsOf()[0], kid)
})

// Every ID token that must not log anybody in, from the OpenID RP conformance plans and the JWT lists; each through a whole
// code exchange, so that what counts is what the service does, not what a helper says.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { before, describe, test } from 'node:test'
import type { CryptoKey } from 'jose'
import { exportJWK, generateKeyPair } from 'jose'
import type { LoginReason } from '../../src/errors.ts'
import type { IDTokenDraft } from '../fixtures/provider.ts'
import { startOfTest } from '../fixtures/fake-time.ts'
import { aWorld, outcomeOf } from './setup.ts'

const now = startOfTest / 1_000
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const unsigned = (header: unknown, claims: unknown, signature = ''): string =>
  `${encode(header)}.${encode(claims)}.${signature}`

type Hook = (draft: IDTokenDraft) => IDTokenDraft | string | Promise<IDTokenDraft | string>
const claims =
  (changes: Record<string, unknown>): Hook =>
  (draft) => ({ ...draft, claims: { ...draft.claims, ...changes } })
const header =
  (changes: Record<string, unknown>): Hook =>
  (draft) => ({ ...draft, header: { ...draft.header, ...changes } })
const without =
  (name: string): Hook =>
  (draft) => ({ ...draft, claims: Object.fromEntries(Object.entries(draft.claims).filter(([key]) => key !== name)) })

let foreign: { privateKey: CryptoKey; publicKey: CryptoKey }
before(async () => {
  foreign = await generateKeyPair('ES256', { extractable: true })
})

const rejected: [name: string, hook: Hook, reason: LoginReason][] = [
  // signature and header
  [
    'is signed by a foreign key under our kid',
    (draft) => ({ ...draft, key: foreign.privateKey }),
    'id_token_signature',
  ],
  ['names an unknown kid', header({ kid: 'unknown' }), 'id_token_signature'],
  ['has a kid that is a path', header({ kid: '../../etc/passwd' }), 'id_token_signature'],
  ['has a kid that is a list', header({ kid: ['a'] }), 'id_token_malformed'],
  [
    'brings its own key in the header (jwk)',
    async (draft) => ({
      ...draft,
      key: foreign.privateKey,
      header: { ...draft.header, jwk: await exportJWK(foreign.publicKey) },
    }),
    'id_token_signature',
  ],
  [
    'says where its key is (jku, x5u)',
    (draft) => ({
      ...draft,
      key: foreign.privateKey,
      header: { ...draft.header, jku: 'http://127.0.0.1:1/jwks', x5u: 'http://127.0.0.1:1/x5u' },
    }),
    'id_token_signature',
  ],
  ...['none', 'None', 'nOnE'].map((alg): [string, Hook, LoginReason] => [
    `has alg ${alg}`,
    (draft) => unsigned({ alg }, draft.claims),
    'id_token_algorithm',
  ]),
  ['is signed with HS256 and the client secret', (draft) => hmacSigned(draft, 'fixture secret'), 'id_token_algorithm'],
  [
    'is signed with HS256 and the public key as the secret',
    async (draft) => hmacSigned(draft, JSON.stringify(await exportJWK(foreign.publicKey))),
    'id_token_algorithm',
  ],
  [
    'is signed with an algorithm that the provider does not advertise',
    (draft) => unsigned({ ...draft.header, alg: 'ES512' }, draft.claims, 'AAAA'),
    'id_token_algorithm',
  ],
  ['has no alg', (draft) => unsigned({}, draft.claims, 'AAAA'), 'id_token_algorithm'],
  [
    'has an unknown critical extension',
    (draft) => unsigned({ ...draft.header, crit: ['x'], x: 1 }, draft.claims, 'AAAA'),
    'id_token_malformed',
  ],
  [
    'has an unencoded payload (b64=false)',
    (draft) => unsigned({ ...draft.header, crit: ['b64'], b64: false }, draft.claims, 'AAAA'),
    'id_token_malformed',
  ],
  ['is a logout token', header({ typ: 'logout+jwt' }), 'id_token_malformed'],
  ['is an access token', header({ typ: 'application/at+jwt' }), 'id_token_malformed'],
  ['has five segments', () => 'a.b.c.d.e', 'id_token_malformed'],
  ['is not a JWT', () => 'opaque', 'id_token_malformed'],
  ['has a payload that is a list', (draft) => unsigned(draft.header, []), 'id_token_malformed'],
  ['has a payload that is no JSON', (draft) => `${encode(draft.header)}.AAAA.AAAA`, 'id_token_malformed'],
  ['is longer than 64 KB', claims({ filler: 'x'.repeat(70_000) }), 'claims_too_large'],
  // issuer and audience
  ['has another issuer', claims({ iss: 'https://evil.example' }), 'id_token_issuer'],
  [
    'has our issuer with a slash',
    (draft) => claims({ iss: `${String(draft.claims['iss'])}/` })(draft),
    'id_token_issuer',
  ],
  ['has no issuer', without('iss'), 'id_token_issuer'],
  ['has no audience', without('aud'), 'id_token_audience'],
  ['is for another client', claims({ aud: 'other' }), 'id_token_audience'],
  ['is for nobody', claims({ aud: [] }), 'id_token_audience'],
  ['has a nested audience', claims({ aud: [['client']] }), 'id_token_audience'],
  ['is for others too, and azp names nobody', claims({ aud: ['client', 'other'] }), 'id_token_audience'],
  ['is for others too, and azp names another', claims({ aud: ['client', 'other'], azp: 'other' }), 'id_token_azp'],
  ['is for us alone, but azp names another', claims({ azp: 'other' }), 'id_token_azp'],
  // times
  ['has no exp', without('exp'), 'id_token_expired'],
  ['has expired', claims({ exp: now - 61 }), 'id_token_expired'],
  ['has exp 1e300', claims({ exp: 1e300 }), 'id_token_expired'],
  ['has exp as a string', claims({ exp: String(now + 300) }), 'id_token_expired'],
  ['has a negative exp', claims({ exp: -1 }), 'id_token_expired'],
  ['is not yet valid', claims({ nbf: now + 61 }), 'id_token_not_yet_valid'],
  ['has nbf as a string', claims({ nbf: 'now' }), 'id_token_not_yet_valid'],
  ['has no iat', without('iat'), 'id_token_issued_at'],
  ['has iat as a string', claims({ iat: String(now) }), 'id_token_issued_at'],
  ['was issued in the future', claims({ iat: now + 61 }), 'id_token_issued_at'],
  ['was issued years ago', claims({ iat: now - 3 * 365 * 86_400 }), 'id_token_issued_at'],
  ['was issued more than ten minutes ago', claims({ iat: now - 661 }), 'id_token_issued_at'],
  ['is of a login in the future', claims({ auth_time: now + 61 }), 'id_token_auth_time'],
  ['has auth_time as a string', claims({ auth_time: 'x' }), 'id_token_auth_time'],
  // binding
  ['has another nonce', claims({ nonce: 'other' }), 'id_token_nonce'],
  ['has no nonce', without('nonce'), 'id_token_nonce'],
  ['has a nonce that is a list', claims({ nonce: ['nonce-of-this-login'] }), 'id_token_nonce'],
  ['has the at_hash of another access token', claims({ at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' }), 'id_token_at_hash'],
  ['has an empty at_hash', claims({ at_hash: '' }), 'id_token_at_hash'],
  // subject
  ['has no sub', without('sub'), 'id_token_subject'],
  ['has an empty sub', claims({ sub: '' }), 'id_token_subject'],
  ['has a number for a sub', claims({ sub: 42 }), 'id_token_subject'],
  ['has a sub of 256 characters', claims({ sub: 'x'.repeat(256) }), 'id_token_subject'],
]

const accepted: [name: string, hook: Hook][] = [
  ['is in order', (draft) => draft],
  ['has an audience list of one', claims({ aud: ['client'] })],
  ['is for others too, and azp names us', claims({ aud: ['client', 'other'], azp: 'client' })],
  ['has no at_hash', without('at_hash')],
  ['has expired within the clock skew', claims({ exp: now - 59 })],
  ['was issued ahead of us within the clock skew', claims({ iat: now + 59, nbf: now + 59 })],
  ['has fractions of seconds', claims({ exp: now + 0.5, iat: now - 0.5 })],
  ['expires after 2038', claims({ exp: 4_102_444_800 })],
  ['has a sub of 255 characters', claims({ sub: 'x'.repeat(255) })],
  ['has no kid while there is one key', (draft) => ({ ...draft, header: { alg: draft.header.alg } })],
]

describe('an ID token', () => {
  for (const [name, hook, reason] of rejected) {
    test(`that ${name} is refused: ${reason}`, async (t) => {
      const { op, login } = await aWorld(t)
      op.idToken = hook
      assert.equal(await outcomeOf(login()), reason)
      assert.equal(op.calls.userinfo, 0, 'no userinfo call for a token that was refused')
    })
  }

  for (const [name, hook] of accepted) {
    test(`that ${name} is accepted`, async (t) => {
      const { op, login } = await aWorld(t)
      op.idToken = hook
      assert.equal(await outcomeOf(login()), 'ok')
    })
  }

  test('without a kid is accepted when any of several keys made it', async (t) => {
    const { op, login } = await aWorld(t)
    await op.rotateKeys()
    await op.rotateKeys()
    op.idToken = (draft) => ({ ...draft, header: { alg: draft.header.alg } })
    assert.equal(await outcomeOf(login()), 'ok')
  })

  test('without a kid is refused when none of several keys made it', async (t) => {
    const { op, login } = await aWorld(t)
    await op.rotateKeys()
    op.idToken = (draft) => ({ ...draft, key: foreign.privateKey, header: { alg: draft.header.alg } })
    assert.equal(await outcomeOf(login()), 'id_token_signature')
  })

  for (const [name, tokenResponse, reason] of [
    ['missing', () => undefined, 'id_token_missing'],
    ['null', () => null, 'id_token_missing'],
    ['a number', () => 42, 'id_token_malformed'],
    ['empty', () => '', 'id_token_malformed'],
  ] satisfies [string, () => unknown, LoginReason][]) {
    test(`that is ${name} is refused: ${reason}`, async (t) => {
      const { op, login } = await aWorld(t)
      op.tokenResponse = (body) => ({ ...body, id_token: tokenResponse() })
      assert.equal(await outcomeOf(login()), reason)
    })
  }

  for (const algorithm of ['RS256', 'PS256', 'EdDSA'] as const) {
    test(`signed with ${algorithm} is accepted`, async (t) => {
      const { login } = await aWorld(t, { provider: { algorithm } })
      assert.equal(await outcomeOf(login()), 'ok')
    })
  }

  test('is never quoted in an error', async (t) => {
    const { op, login } = await aWorld(t)
    let token = ''
    op.idToken = (draft) => (token = unsigned({ alg: 'none' }, draft.claims))
    await assert.rejects(login(), (error: Error) => {
      assert.ok(token !== '' && !`${error.stack}${JSON.stringify(error)}${String(error.cause)}`.includes(token))
      return true
    })
  })
})

describe('a login', () => {
  test('yields the claims of the person and of the login, without those of the protocol', async (t) => {
    const { op, login } = await aWorld(t)
    op.person = { sub: 'alice', email: 'alice@example.com', groups: ['a'], acr: '1', amr: ['pwd'], auth_time: now }
    const { claims } = await login()
    assert.deepEqual(Object.keys(claims).sort(), ['acr', 'amr', 'auth_time', 'email', 'groups', 'iss', 'sid', 'sub'])
    assert.equal(claims['iss'], op.issuer)
  })

  test('names what makes its ID token single use: the same jti gives the same key, in any token', async (t) => {
    const { op, login } = await aWorld(t)
    op.idToken = claims({ jti: 'one: / odd' })
    const [first, second] = [await login(), await login()]
    assert.notEqual(first.tokens.idToken, second.tokens.idToken)
    assert.equal(first.idTokenKey, second.idTokenKey)
    assert.match(first.idTokenKey, /^[\w-]{43}$/)
    op.idToken = without('jti')
    assert.notEqual((await login()).idTokenKey, (await login()).idTokenKey)
  })

  for (const [name, expiresIn, expected] of [
    ['expires_in', 120, 120],
    ['expires_in as a string', '120', 120],
    ['the ID token where expires_in is missing', undefined, 300],
    ['the ID token where expires_in is nonsense', 'soon', 300],
    ['the ID token where expires_in is zero', 0, 300],
  ] satisfies [string, unknown, number][]) {
    test(`ends when ${name} says`, async (t) => {
      const { op, login } = await aWorld(t)
      op.tokenResponse = (body) => ({ ...body, expires_in: expiresIn })
      assert.equal((await login()).expiresAt, startOfTest + expected * 1_000)
    })
  }
})

function hmacSigned(draft: IDTokenDraft, secret: string): string {
  const input = `${encode({ ...draft.header, alg: 'HS256' })}.${encode(draft.claims)}`
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}

describe('strictAudienceValidation', () => {
  const rows: [name: string, accessToken: string, audience: string | undefined, outcome: string][] = [
    ['accepts an opaque access token', 'opaque', 'api', 'ok'],
    ['accepts one for the audience', unsigned({ alg: 'ES256' }, { aud: ['api', 'x'] }, 'AA'), 'api', 'ok'],
    ['refuses one for another', unsigned({ alg: 'ES256' }, { aud: 'x' }, 'AA'), 'api', 'access_token_audience'],
    ['refuses one for nobody', unsigned({ alg: 'ES256' }, {}, 'AA'), 'api', 'access_token_audience'],
    ['means this client by default', unsigned({ alg: 'ES256' }, { aud: 'client' }, 'AA'), undefined, 'ok'],
  ]
  for (const [name, accessToken, audience, outcome] of rows) {
    test(name, async (t) => {
      const { op, login } = await aWorld(t, { config: { strictAudienceValidation: true, audience } })
      op.idToken = without('at_hash')
      op.tokenResponse = (body) => ({ ...body, access_token: accessToken })
      assert.equal(await outcomeOf(login()), outcome)
    })
  }
})

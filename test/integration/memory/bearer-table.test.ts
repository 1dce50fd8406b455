// Tokens that must not count, each with the status, the error word and the reason that it is answered with, beside a cookie that is
// good: what is sent explicitly counts. A row that were let in would be 200.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { after, test } from 'node:test'
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose'
import { appHost, scriptHeaders, startTestApp, type Headers } from '../../fixtures/in-process-app.ts'
import { accessToken, apiAudience, proof, proofKey, type ProofOf } from '../../fixtures/machine-tokens.ts'
import type { Claims } from '../../fixtures/provider.ts'

const app = await startTestApp(
  { after },
  {
    config: {
      bearer: { enabled: true, audiences: [apiAudience, 'client'] },
      allowOpaqueTokens: true,
      excludedURLs: ['/public'],
      rules: [{ path: '/admin', require: { scopes: ['admin', 'read'] } }],
    },
  },
)
const cookie = await app.login()
const { provider, clock } = app
const now = Math.floor(clock() / 1_000)
const key = await proofKey()
const otherKey = await proofKey()
const url = `http://${appHost}/`
const foreign = await generateKeyPair('ES256')
const bound = (claims: Claims = {}) => accessToken(provider, clock, { cnf: { jkt: key.thumbprint }, ...claims })
const token = (claims: Claims = {}, header: Claims = {}) => accessToken(provider, clock, claims, header)
const plain = (claims: Claims = {}) => token(claims, { typ: 'JWT' })

const opaque: Record<string, Claims> = {
  'opaque-for-nobody-1234': { sub: 'robot', iss: provider.issuer, exp: now + 300 },
  'opaque-for-another-123': { sub: 'robot', aud: 'another', exp: now + 300 },
  'opaque-ended-123456789': { sub: 'robot', aud: apiAudience, exp: now - 300 },
  'opaque-of-another-1234': { sub: 'robot', aud: apiAudience, iss: 'https://evil.example.com' },
  'opaque-without-sub-123': { aud: apiAudience, exp: now + 300 },
  'opaque-refresh-1234567': { sub: 'robot', aud: apiAudience, exp: now + 300, typ: 'Refresh' },
  'opaque-hydra-refresh-1': { sub: 'robot', aud: apiAudience, token_type: 'Bearer', token_use: 'refresh_token' },
  'opaque-typed-refresh-1': { sub: 'robot', aud: apiAudience, token_type: 'Refresh' },
  'opaque-bound-to-what-1': { sub: 'robot', aud: apiAudience, token_type: 'DPoP' },
  'opaque-odd-exp-1234567': { sub: 'robot', aud: apiAudience, exp: 'tomorrow' },
  'opaque-later-123456789': { sub: 'robot', aud: apiAudience, nbf: now + 3_600 },
  'opaque-certificate-123': { sub: 'robot', aud: apiAudience, cnf: { 'x5t#S256': 'x'.repeat(43) } },
  'opaque-not-active-1234': { active: 'true', sub: 'robot', aud: apiAudience },
}
provider.introspect = (value) => opaque[value]

/** With the public key as the secret: what a library that takes any algorithm falls for. */
async function signedWithPublicKey(): Promise<string> {
  const payload = await token()
  const jwk = JSON.stringify((await fetchKeys())[0])
  const head = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'at+jwt' })).toString('base64url')
  const signed = `${head}.${payload.split('.')[1] ?? ''}`
  return `${signed}.${createHmac('sha256', jwk).update(signed).digest('base64url')}`
}
async function fetchKeys(): Promise<unknown[]> {
  const body: unknown = await (await fetch(`${provider.issuer}/jwks`)).json()
  // What the fixture serves.
  return (body as { keys: unknown[] }).keys
}
const signedBy = async (privateKey: Parameters<SignJWT['sign']>[0], header: Claims, claims: Claims = {}) =>
  new SignJWT({ iss: provider.issuer, aud: apiAudience, sub: 'robot', exp: now + 300, ...claims })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', ...header })
    .sign(privateKey)
const tampered = async () => {
  const [head = '', payload = '', signature = ''] = (await token()).split('.')
  const claims: Claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
  return `${head}.${Buffer.from(JSON.stringify({ ...claims, sub: 'admin' })).toString('base64url')}.${signature}`
}
async function withProof(change: Partial<ProofOf> = {}, claims: Claims = {}): Promise<Headers> {
  const value = await bound(claims)
  return {
    authorization: `DPoP ${value}`,
    dpop: await proof({ key, token: value, url, clock, ...change }),
  }
}
const bearer = async (value: string | Promise<string>): Promise<Headers> => ({ authorization: `Bearer ${await value}` })

type Row = readonly [
  name: string,
  headers: () => Promise<Headers> | Headers,
  status: number,
  error: string,
  reason: string,
]

const malformed = (authorization: string): Headers => ({ authorization })

const rows: readonly Row[] = [
  // the header
  ['no token at all', () => malformed('Bearer'), 400, 'invalid_request', 'authorization_malformed'],
  [
    'two tokens in one field',
    async () => bearer(`${await token()} x`),
    400,
    'invalid_request',
    'authorization_malformed',
  ],
  [
    'two fields, joined',
    async () => bearer(`${await token()}, Bearer x`),
    400,
    'invalid_request',
    'authorization_malformed',
  ],
  [
    'Basic in front of a token',
    async () => ({ authorization: `Basic YTpi, Bearer ${await token()}` }),
    400,
    'invalid_request',
    'authorization_malformed',
  ],
  [
    'characters that no token has',
    () => malformed('Bearer abc"def'),
    400,
    'invalid_request',
    'authorization_malformed',
  ],
  [
    'a tab for the space',
    async () => ({ authorization: `Bearer\t${await token()}` }),
    400,
    'invalid_request',
    'authorization_malformed',
  ],
  ['17 KB', () => malformed(`Bearer ${'a'.repeat(17 * 1024)}`), 401, 'invalid_token', 'token_too_large'],
  // signatures
  [
    'alg none',
    () => bearer(`${new UnsecuredJWT({ iss: provider.issuer, aud: apiAudience, sub: 'r', exp: now + 300 }).encode()}x`),
    401,
    'invalid_token',
    'token_algorithm',
  ],
  ['HS256 with the public key', () => bearer(signedWithPublicKey()), 401, 'invalid_token', 'token_algorithm'],
  [
    'a key of the attacker under a kid of their own',
    () => bearer(signedBy(foreign.privateKey, { kid: 'mine' })),
    401,
    'invalid_token',
    'token_signature',
  ],
  [
    'the attacker’s key in the header',
    async () => bearer(signedBy(foreign.privateKey, { jwk: await exportJWK(foreign.publicKey) })),
    401,
    'invalid_token',
    'token_signature',
  ],
  [
    'the attacker’s address of keys',
    () => bearer(signedBy(foreign.privateKey, { jku: 'https://evil.example.com/jwks' })),
    401,
    'invalid_token',
    'token_signature',
  ],
  ['other claims under a good signature', () => bearer(tampered()), 401, 'invalid_token', 'token_signature'],
  [
    'a critical extension',
    () => bearer(token({}, { crit: ['b64'], b64: true })),
    401,
    'invalid_token',
    'token_malformed',
  ],
  [
    'a payload that is a list',
    async () => bearer(`${(await token()).split('.')[0] ?? ''}.W10.AAAA`),
    401,
    'invalid_token',
    'token_malformed',
  ],
  // kinds of token
  [
    'an ID token by its nonce',
    () => bearer(plain({ aud: 'client', nonce: 'n', scope: undefined, client_id: undefined })),
    401,
    'invalid_token',
    'token_type',
  ],
  [
    'an ID token by its at_hash',
    () => bearer(plain({ aud: 'client', at_hash: 'h' })),
    401,
    'invalid_token',
    'token_type',
  ],
  [
    'an ID token of a refresh, by nothing but its aud',
    () => bearer(plain({ aud: 'client', scope: undefined, client_id: undefined })),
    401,
    'invalid_token',
    'token_type',
  ],
  ['an ID token as Keycloak calls it', () => bearer(plain({ typ: 'ID' })), 401, 'invalid_token', 'token_type'],
  ['an ID token as Cognito calls it', () => bearer(plain({ token_use: 'id' })), 401, 'invalid_token', 'token_type'],
  ['a refresh token that is a JWT', () => bearer(plain({ typ: 'Refresh' })), 401, 'invalid_token', 'token_type'],
  [
    'a logout token',
    async () => bearer(provider.logoutToken({ aud: apiAudience, sub: 'robot' })),
    401,
    'invalid_token',
    'token_type',
  ],
  [
    'a logout token without its typ',
    async () => bearer(provider.logoutToken({ aud: apiAudience, sub: 'robot' }, { typ: 'JWT' })),
    401,
    'invalid_token',
    'token_type',
  ],
  ['a security event', () => bearer(token({}, { typ: 'secevent+jwt' })), 401, 'invalid_token', 'token_type'],
  ['a proof as the token', () => bearer(token({}, { typ: 'dpop+jwt' })), 401, 'invalid_token', 'token_type'],
  // claims
  ['no iss', () => bearer(token({ iss: undefined })), 401, 'invalid_token', 'token_issuer'],
  ['another issuer', () => bearer(token({ iss: 'https://evil.example.com' })), 401, 'invalid_token', 'token_issuer'],
  [
    'the issuer with a slash more',
    () => bearer(token({ iss: `${provider.issuer}/` })),
    401,
    'invalid_token',
    'token_issuer',
  ],
  ['a list of issuers', () => bearer(token({ iss: [provider.issuer] })), 401, 'invalid_token', 'token_issuer'],
  ['no aud', () => bearer(token({ aud: undefined })), 401, 'invalid_token', 'token_audience'],
  [
    'another aud',
    () => bearer(token({ aud: 'https://api.example.com.evil.example' })),
    401,
    'invalid_token',
    'token_audience',
  ],
  [
    'aud within a list in a list',
    () => bearer(token({ aud: [[apiAudience]] })),
    401,
    'invalid_token',
    'token_audience',
  ],
  ['no sub', () => bearer(token({ sub: undefined })), 401, 'invalid_token', 'token_subject'],
  ['an empty sub', () => bearer(token({ sub: '' })), 401, 'invalid_token', 'token_subject'],
  ['a number for sub', () => bearer(token({ sub: 7 })), 401, 'invalid_token', 'token_subject'],
  ['no exp', () => bearer(token({ exp: undefined })), 401, 'invalid_token', 'token_expired'],
  ['exp two minutes ago', () => bearer(token({ exp: now - 120 })), 401, 'invalid_token', 'token_expired'],
  ['exp as text', () => bearer(token({ exp: String(now + 300) })), 401, 'invalid_token', 'token_expired'],
  ['exp past the end of time', () => bearer(token({ exp: 1e300 })), 401, 'invalid_token', 'token_expired'],
  ['nbf in an hour', () => bearer(token({ nbf: now + 3_600 })), 401, 'invalid_token', 'token_not_yet_valid'],
  ['iat in an hour', () => bearer(token({ iat: now + 3_600 })), 401, 'invalid_token', 'token_issued_at'],
  // introspection
  ['opaque and unknown', () => bearer('opaque-and-unknown-123'), 401, 'invalid_token', 'token_inactive'],
  [
    'opaque, active as text',
    () => bearer('opaque-not-active-1234'),
    503,
    'provider_unavailable',
    'provider_unavailable',
  ],
  ['opaque without aud', () => bearer('opaque-for-nobody-1234'), 401, 'invalid_token', 'token_audience'],
  ['opaque for another', () => bearer('opaque-for-another-123'), 401, 'invalid_token', 'token_audience'],
  ['opaque, ended', () => bearer('opaque-ended-123456789'), 401, 'invalid_token', 'token_expired'],
  ['opaque, exp as text', () => bearer('opaque-odd-exp-1234567'), 401, 'invalid_token', 'token_expired'],
  ['opaque, not before', () => bearer('opaque-later-123456789'), 401, 'invalid_token', 'token_not_yet_valid'],
  ['opaque of another issuer', () => bearer('opaque-of-another-1234'), 401, 'invalid_token', 'token_issuer'],
  ['opaque without sub', () => bearer('opaque-without-sub-123'), 401, 'invalid_token', 'token_subject'],
  [
    'a refresh token, which the provider calls active',
    () => bearer('opaque-refresh-1234567'),
    401,
    'invalid_token',
    'token_type',
  ],
  ['a refresh token as Ory Hydra calls it', () => bearer('opaque-hydra-refresh-1'), 401, 'invalid_token', 'token_type'],
  ['a refresh token by its token_type', () => bearer('opaque-typed-refresh-1'), 401, 'invalid_token', 'token_type'],
  ['opaque, bound to a certificate', () => bearer('opaque-certificate-123'), 401, 'invalid_token', 'token_binding'],
  // binding and proofs
  ['bound to a key, sent as Bearer', () => bearer(bound()), 401, 'invalid_token', 'token_binding'],
  [
    'bound to a key, sent as Bearer with a good proof',
    async () => {
      const { authorization, dpop } = await withProof()
      return { authorization: String(authorization).replace('DPoP', 'Bearer'), dpop: dpop ?? '' }
    },
    401,
    'invalid_token',
    'token_binding',
  ],
  [
    'bound to a certificate',
    () => bearer(token({ cnf: { 'x5t#S256': 'x'.repeat(43) } })),
    401,
    'invalid_token',
    'token_binding',
  ],
  [
    'bound to a key and a certificate',
    () => withProof({}, { cnf: { jkt: key.thumbprint, 'x5t#S256': 'x' } }),
    401,
    'invalid_token',
    'token_binding',
  ],
  [
    'opaque, bound, and nobody says to which key',
    () => bearer('opaque-bound-to-what-1'),
    401,
    'invalid_token',
    'token_binding',
  ],
  [
    'a JWT that is called DPoP, without a key',
    () => bearer(token({ typ: 'DPoP' })),
    401,
    'invalid_token',
    'token_binding',
  ],
  ['cnf as text', () => bearer(token({ cnf: 'jkt' })), 401, 'invalid_token', 'token_binding'],
  [
    'bound to nothing, sent as DPoP',
    async () => {
      const value = await token()
      return { authorization: `DPoP ${value}`, dpop: await proof({ key, token: value, url, clock }) }
    },
    401,
    'invalid_token',
    'token_binding',
  ],
  ['no proof', async () => ({ authorization: `DPoP ${await bound()}` }), 401, 'invalid_dpop_proof', 'dpop_missing'],
  [
    'two proofs',
    async () => {
      const headers = await withProof()
      return { ...headers, dpop: [String(headers['dpop']), 'x'] }
    },
    401,
    'invalid_dpop_proof',
    'dpop_malformed',
  ],
  [
    'a proof that is no JWT',
    async () => ({ ...(await withProof()), dpop: 'abc' }),
    401,
    'invalid_dpop_proof',
    'dpop_malformed',
  ],
  [
    'a proof of 5 KB',
    async () => ({ ...(await withProof()), dpop: 'a'.repeat(5_000) }),
    401,
    'invalid_dpop_proof',
    'dpop_malformed',
  ],
  ['a proof of another typ', () => withProof({ header: { typ: 'JWT' } }), 401, 'invalid_dpop_proof', 'dpop_type'],
  [
    'a proof without a key',
    () => withProof({ header: { jwk: undefined } }),
    401,
    'invalid_dpop_proof',
    'dpop_malformed',
  ],
  [
    'a proof with the private key in it',
    async () => {
      const { privateKey } = await generateKeyPair('ES256', { extractable: true })
      return withProof({ header: { jwk: await exportJWK(privateKey) } })
    },
    401,
    'invalid_dpop_proof',
    'dpop_malformed',
  ],
  [
    'a proof with a symmetric key',
    async () => {
      const head = Buffer.from(
        JSON.stringify({ alg: 'HS256', typ: 'dpop+jwt', jwk: { kty: 'oct', k: 'c2VjcmV0' } }),
      ).toString('base64url')
      const signed = `${head}.${Buffer.from('{}').toString('base64url')}`
      const signature = createHmac('sha256', 'secret').update(signed).digest('base64url')
      return { ...(await withProof()), dpop: `${signed}.${signature}` }
    },
    401,
    'invalid_dpop_proof',
    'dpop_algorithm',
  ],
  [
    'a proof signed with another key than it names',
    async () => withProof({ key: { ...otherKey, jwk: key.jwk } }),
    401,
    'invalid_dpop_proof',
    'dpop_signature',
  ],
  ['a proof of another key', () => withProof({ key: otherKey }), 401, 'invalid_dpop_proof', 'dpop_key'],
  ['a proof for another method', () => withProof({ method: 'POST' }), 401, 'invalid_dpop_proof', 'dpop_method'],
  [
    'a proof for the method in small letters',
    () => withProof({ method: 'get' }),
    401,
    'invalid_dpop_proof',
    'dpop_method',
  ],
  ['a proof for another path', () => withProof({ url: `${url}other` }), 401, 'invalid_dpop_proof', 'dpop_url'],
  [
    'a proof for another host',
    () => withProof({ url: 'http://evil.example.com/' }),
    401,
    'invalid_dpop_proof',
    'dpop_url',
  ],
  [
    'a proof for another scheme',
    () => withProof({ url: url.replace('http:', 'https:') }),
    401,
    'invalid_dpop_proof',
    'dpop_url',
  ],
  ['a proof for no URL', () => withProof({ claims: { htu: 7 } }), 401, 'invalid_dpop_proof', 'dpop_url'],
  [
    'a proof of three minutes ago',
    () => withProof({ claims: { iat: now - 180 } }),
    401,
    'invalid_dpop_proof',
    'dpop_time',
  ],
  ['a proof from the future', () => withProof({ claims: { iat: now + 180 } }), 401, 'invalid_dpop_proof', 'dpop_time'],
  ['a proof without iat', () => withProof({ claims: { iat: undefined } }), 401, 'invalid_dpop_proof', 'dpop_time'],
  ['a proof without jti', () => withProof({ claims: { jti: undefined } }), 401, 'invalid_dpop_proof', 'dpop_malformed'],
  ['a proof without ath', () => withProof({ claims: { ath: undefined } }), 401, 'invalid_dpop_proof', 'dpop_token'],
  [
    'a proof for another token',
    async () => withProof({ token: await bound() }),
    401,
    'invalid_dpop_proof',
    'dpop_token',
  ],
  // rights
  [
    'a good token without a scope that the rule needs',
    () => bearer(token({ scope: 'read' })),
    403,
    'insufficient_scope',
    'scope_not_granted',
  ],
]

for (const [name, headers, status, error, reason] of rows) {
  test(`${name}: ${status} ${reason}`, async () => {
    const uri = status === 403 ? '/admin' : '/'
    const series = `foregate_auth_decisions_total{contract="traefik",decision="${status === 503 ? 'error' : 'deny'}",reason="${reason}"}`
    const before = await app.metric(series)
    const reply = await app.ask('traefik', { uri, cookie, headers: { ...scriptHeaders, ...(await headers()) } })
    assert.equal(reply.status, status, reply.body)
    // Always an object: anything else fails below.
    const body = reply.json() as Record<string, unknown>
    assert.equal(body['error'], error)
    if (status !== 503) assert.equal(body['reason'], reason)
    assert.equal((await app.metric(series)) - before, 1)
    assert.deepEqual(reply.setCookies, [])
    const challenge = reply.headers['www-authenticate'] ?? ''
    if (status === 503) assert.equal(reply.headers['retry-after'], '5')
    else
      assert.match(
        challenge,
        new RegExp(`^${reason.startsWith('dpop_') ? 'DPoP' : 'Bearer'} realm="foregate", error="${error}"`),
      )
    if (status === 403) assert.match(challenge, /scope="admin read"/)
  })
}

test('the rows differ from what is let in by what they name alone', async () => {
  const good: [string, Headers][] = [
    ['a token', await bearer(token())],
    ['one of plain typ', await bearer(plain())],
    ['one without typ', await bearer(token({}, { typ: undefined }))],
    ['several audiences', await bearer(token({ aud: ['another', apiAudience] }))],
    ['this client’s own id, and a scope', await bearer(plain({ aud: 'client' }))],
    ['bound, with its proof', await withProof()],
    ['the proof’s address in another spelling', await withProof({ url: 'HTTP://APP.example.com:80/?x=1#y' })],
    ['the scheme in small letters', { authorization: `bearer ${await token()}` }],
    ['exp half a minute ago: clocks differ', await bearer(token({ exp: now - 30 }))],
  ]
  for (const [name, headers] of good) {
    const reply = await app.ask('traefik', { headers: { ...scriptHeaders, ...headers } })
    assert.equal(reply.status, 200, `${name}: ${reply.body}`)
    assert.equal(reply.headers['x-auth-request-user'], 'robot', name)
  }
})

test('nothing of a token is in any line of the log, nor in any answer', async () => {
  const value = await token({ sub: 'very-odd-subject', exp: now - 500 })
  const reply = await app.ask('traefik', { headers: await bearer(value) })
  const [, payload = '', signature = ''] = value.split('.')
  for (const text of [...app.written, JSON.stringify(app.handed), reply.body, JSON.stringify(reply.headers)]) {
    assert.ok(!text.includes(payload) && !text.includes(signature))
    for (const opaqueToken of Object.keys(opaque)) assert.ok(!text.includes(opaqueToken))
  }
})

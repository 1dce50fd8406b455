// Tokens that are bound to a key of their session (RFC 9449), at a provider that checks every proof.
import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { describe, test, type TestContext } from 'node:test'
import type { ProviderConfig } from '../../src/config/config.ts'
import { newProofKey, thumbprintOf } from '../../src/oidc/dpop.ts'
import type { FaultyProviderOptions } from '../fixtures/provider.ts'
import { aWorld, flow, outcomeOf, type WorldOptions } from './setup.ts'

type Mode = ProviderConfig['dpop']

async function aBoundWorld(
  t: TestContext,
  { provider, config, ...rest }: WorldOptions & { provider?: FaultyProviderOptions } = {},
) {
  const world = await aWorld(t, {
    ...rest,
    provider: { dpop: true, ...provider },
    config: { dpop: 'require', ...config },
  })
  /** As a browser makes it, with the key that the login began with. */
  async function logIn(key?: string) {
    const proofKey = key ?? (await world.provider.newProofKey())
    const address = await world.provider.authorizationURL({ ...flow, proofKey })
    const answer = await fetch(address, { redirect: 'manual' })
    const query = new URL(answer.headers.get('location') ?? '').search.slice(1)
    return { query, proofKey, grant: () => world.provider.exchangeCode({ ...flow, query, proofKey }) }
  }
  const expected = { issuer: world.op.issuer, subject: 'alice' }
  return { ...world, logIn, expected }
}

describe('a session whose tokens are bound to its key', () => {
  for (const wantsNonces of [false, true]) {
    test(`logs in, asks UserInfo and refreshes ${wantsNonces ? 'with a nonce that changes each time' : 'without nonces'}`, async (t) => {
      const { op, provider, logIn, expected, another } = await aBoundWorld(t, {
        provider: { wantsNonces, person: { sub: 'alice' } },
        options: { claimsWanted: ['groups'] },
      })
      op.userInfo = { sub: 'alice', groups: ['staff'] }
      const { grant, proofKey } = await logIn()
      const { tokens, claims } = await grant()
      assert.deepEqual(claims['groups'], ['staff'])
      assert.equal(tokens.proofKey, proofKey)
      const first = await provider.refresh(tokens, expected)
      // Another replica, which has spoken to nobody yet.
      const elsewhere = another()
      elsewhere.start()
      await elsewhere.known()
      const second = await elsewhere.refresh(first.tokens, expected)
      assert.equal(second.tokens.proofKey, proofKey)
      assert.equal(op.reuses, 0)
      const sent = op.received.filter(({ headers }) => headers['dpop'] !== undefined)
      assert.equal(JSON.stringify(sent).includes(proofKey ?? '?'), false, 'the key itself is never sent')
    })
  }

  test('is given a code that is worth nothing with another key', async (t) => {
    const { provider, logIn } = await aBoundWorld(t)
    const { query } = await logIn()
    const thief = newProofKey(randomBytes)
    assert.equal(await outcomeOf(provider.exchangeCode({ ...flow, query, proofKey: thief })), 'code_rejected')
  })

  test('has another key than the next one', async (t) => {
    const { provider } = await aBoundWorld(t)
    assert.notEqual(await provider.newProofKey(), await provider.newProofKey())
  })

  test('whose provider never has enough of nonces is kept: that is no word on its tokens', async (t) => {
    const { op, provider, logIn, expected } = await aBoundWorld(t)
    const { tokens } = await (await logIn()).grant()
    const before = op.calls.refresh
    op.fault('refresh', { status: 400, body: { error: 'use_dpop_nonce' }, headers: { 'dpop-nonce': 'again' } })
    assert.equal(await outcomeOf(provider.refresh(tokens, expected)), 'PROVIDER_UNAVAILABLE')
    assert.equal(op.calls.refresh - before, 3)
    op.fault('refresh', { status: 400, body: { error: 'invalid_dpop_proof' } })
    assert.equal(await outcomeOf(provider.refresh(tokens, expected)), 'PROVIDER_UNAVAILABLE')
    assert.equal(op.calls.refresh - before, 4)
  })

  test('proves who the client is by a new assertion each time', async (t) => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const privateKeyPEM = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const { op, logIn } = await aBoundWorld(t, {
      // The library tells the time of an assertion by its own clock.
      provider: { clock: Date.now, wantsNonces: true, clientKey: publicKey.export({ format: 'jwk' }) },
      config: {
        clientAuthMethod: 'private_key_jwt',
        clientAssertion: { privateKeyPEM, keyID: undefined, algorithm: 'ES256' },
      },
      options: { clock: Date.now },
    })
    await outcomeOf((await logIn()).grant())
    const assertions = op.received
      .filter(({ endpoint }) => endpoint === 'token')
      .map(({ form }) => form.get('client_assertion'))
    assert.equal(assertions.length, 2)
    assert.equal(new Set(assertions).size, 2)
  })
})

describe('a login', () => {
  const rows: [mode: Mode, offered: boolean, answered: string, outcome: string][] = [
    ['off', true, 'Bearer', 'bearer'],
    ['auto', false, 'Bearer', 'bearer'],
    ['auto', true, 'DPoP', 'bound'],
    // A provider may say so for others and not for this client.
    ['auto', true, 'Bearer', 'bearer'],
    ['require', true, 'DPoP', 'bound'],
    ['require', false, 'DPoP', 'bound'],
    ['require', true, 'Bearer', 'token_response_invalid'],
    ['auto', true, 'MAC', 'token_response_invalid'],
    ['off', true, 'DPoP', 'token_response_invalid'],
  ]
  for (const [mode, offered, answered, outcome] of rows) {
    test(`with dpop ${mode}, which the provider ${offered ? 'offers' : 'keeps to itself'}, answered by a ${answered} token: ${outcome}`, async (t) => {
      const { op, logIn } = await aBoundWorld(t, {
        config: { dpop: mode },
        provider: {
          discovery: (document) => ({ ...document, ...(!offered && { dpop_signing_alg_values_supported: undefined }) }),
        },
      })
      op.tokenResponse = (body) => ({ ...body, token_type: answered })
      const { grant, proofKey } = await logIn()
      const found = await grant().then(
        ({ tokens }) => (tokens.proofKey === undefined ? 'bearer' : 'bound'),
        (error: unknown) => outcomeOf(Promise.reject(error as Error)),
      )
      assert.equal(found, outcome)
      assert.equal(proofKey !== undefined, mode === 'require' || (mode === 'auto' && offered))
    })
  }

  test('that requires what the provider does not offer is told at the start', async (t) => {
    const { log, provider } = await aBoundWorld(t, { provider: { dpop: false } })
    assert.equal(log.lines.filter(({ event }) => event === 'provider_dpop').length, 1)
    assert.match(provider.concerns()[0] ?? '', /dpop is require/)
  })
})

test('a key has the thumbprint of its public half (RFC 7638)', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { d = '' } = privateKey.export({ format: 'jwk' })
  const { calculateJwkThumbprint } = await import('jose')
  assert.equal(await thumbprintOf(d), await calculateJwkThumbprint(publicKey.export({ format: 'jwk' }) as never))
})

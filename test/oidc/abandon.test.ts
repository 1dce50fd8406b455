// Tokens that came, of a login that did not come about: taken back, and nobody waits for it (RFC 7009).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ProviderOptions } from '../../src/oidc/openid-provider.ts'
import { startProvider, type FaultyProvider } from '../fixtures/provider.ts'
import { aWorld, outcomeOf } from './setup.ts'

const rows: [name: string, options: Partial<ProviderOptions>, outcome: string, spoil: (op: FaultyProvider) => void][] =
  [
    [
      'whose ID token is for another client',
      {},
      'id_token_audience',
      (op) => (op.idToken = (draft) => ({ ...draft, claims: { ...draft.claims, aud: 'other' } })),
    ],
    [
      'without an ID token',
      {},
      'id_token_missing',
      (op) => (op.tokenResponse = (body) => ({ ...body, id_token: undefined })),
    ],
    [
      'of an address that is not verified',
      { requireVerifiedEmail: true },
      'email_not_verified',
      (op) => (op.person = { ...op.person, email_verified: false }),
    ],
    [
      'with a UserInfo about somebody else',
      { claimsWanted: ['groups'] },
      'userinfo_subject',
      (op) => (op.userInfo = { sub: 'mallory' }),
    ],
    [
      'of somebody who may not pass while UserInfo fails',
      { claimsWanted: ['groups'], admits: () => false },
      'PROVIDER_UNAVAILABLE',
      (op) => op.fault('userinfo', { status: 500 }),
    ],
  ]

describe('the tokens of a login', () => {
  for (const [name, options, outcome, spoil] of rows) {
    test(`${name} are revoked`, async (t) => {
      const { op, login, leftovers } = await aWorld(t, { options })
      spoil(op)
      assert.equal(await outcomeOf(login()), outcome)
      assert.equal(leftovers.length, 1)
      await Promise.all(leftovers)
      assert.deepEqual(op.revoked.map((token) => token.slice(0, 3)).toSorted(), ['at-', 'rt-'])
    })
  }

  test('that came about are not', async (t) => {
    const { login, leftovers } = await aWorld(t)
    await login()
    assert.equal(leftovers.length, 0)
  })

  test('of a code that the provider refuses are none', async (t) => {
    const { op, login, leftovers } = await aWorld(t)
    op.fault('token', { status: 400, body: { error: 'invalid_grant' } })
    assert.equal(await outcomeOf(login()), 'code_rejected')
    assert.equal(leftovers.length, 0)
  })

  test('are left alone at Google, where taking back one ends the person’s other sessions', async (t) => {
    const google = 'https://accounts.google.com'
    const op = await startProvider({ sendsIss: false, discovery: (document) => ({ ...document, issuer: google }) })
    const { login, leftovers } = await aWorld(t, {
      op,
      config: {
        providerURL: google,
        discoveryURL: `${op.issuer}/.well-known/openid-configuration`,
        allowInsecureProvider: true,
      },
    })
    op.tokenResponse = (body) => ({ ...body, id_token: undefined })
    assert.equal(await outcomeOf(login()), 'id_token_missing')
    assert.equal(leftovers.length, 0)
  })

  test('are waited for by nobody, though their revocation hangs', async (t) => {
    const { op, login, time, leftovers, log } = await aWorld(t)
    op.tokenResponse = (body) => ({ ...body, id_token: undefined })
    op.fault('revocation', { hang: true })
    const asked = op.nextCall('revocation')
    assert.equal(await outcomeOf(login()), 'id_token_missing')
    await asked
    time.advance(5_001)
    await Promise.all(leftovers)
    assert.ok(log.lines.some(({ event }) => event === 'revocation_failed'))
  })
})

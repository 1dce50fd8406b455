import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { hours, seconds } from '../../src/time.ts'
import type { RefreshGrant, Tokens } from '../../src/oidc/provider.ts'
import type { Fault } from '../fixtures/provider.ts'
import type { World, WorldOptions } from './setup.ts'
import { startOfTest } from '../fixtures/fake-time.ts'
import { aWorld, outcomeOf } from './setup.ts'

interface Session extends World {
  tokens: Tokens
  refresh: (tokens?: Tokens) => Promise<RefreshGrant>
}

async function aSession(t: TestContext, options: WorldOptions = {}): Promise<Session> {
  const world = await aWorld(t, options)
  const { tokens } = await world.login()
  const expected = { issuer: world.op.issuer, subject: 'alice' }
  return { ...world, tokens, refresh: (given = tokens) => world.provider.refresh(given, expected) }
}

describe('a refresh', () => {
  test('brings new tokens, a new end and the new groups', async (t) => {
    const { op, refresh, tokens, time } = await aSession(t)
    time.advance(seconds(290))
    op.person = { ...op.person, groups: ['new'] }
    const grant = await refresh()
    assert.notEqual(grant.tokens.accessToken, tokens.accessToken)
    assert.notEqual(grant.tokens.refreshToken, tokens.refreshToken)
    assert.notEqual(grant.tokens.idToken, tokens.idToken)
    assert.deepEqual(grant.claims?.['groups'], ['new'])
    assert.equal(grant.expiresAt, startOfTest + seconds(590))
    assert.equal(await outcomeOf(refresh(grant.tokens)), 'ok')
    assert.equal(op.reuses, 0)
  })

  test('without a new ID token keeps the old one and the identity', async (t) => {
    const { refresh, tokens } = await aSession(t, { provider: { issuesIdTokenOnRefresh: false } })
    const grant = await refresh()
    assert.equal(grant.claims, undefined)
    assert.equal(grant.tokens.idToken, tokens.idToken)
  })

  test('without a new refresh token keeps the old one', async (t) => {
    const { op, refresh, tokens } = await aSession(t)
    op.tokenResponse = (body) => ({ ...body, refresh_token: undefined })
    assert.equal((await refresh()).tokens.refreshToken, tokens.refreshToken)
  })

  for (const [name, hasIDToken, expected] of [
    ['the ID token', true, seconds(300)],
    ['caution', false, seconds(300)],
  ] satisfies [string, boolean, number][]) {
    test(`without expires_in ends as ${name} has it`, async (t) => {
      const { op, refresh } = await aSession(t, { provider: { issuesIdTokenOnRefresh: hasIDToken } })
      op.accessTokenLifetime = undefined
      assert.equal((await refresh()).expiresAt, startOfTest + expected)
    })
  }

  test('accepts an ID token without nonce, with an old iat: it is of the same login (Core 12.2)', async (t) => {
    const { op, refresh, time } = await aSession(t)
    time.advance(hours(8))
    op.idToken = (draft) => ({ ...draft, claims: { ...draft.claims, iat: startOfTest / 1_000, nonce: undefined } })
    assert.equal(await outcomeOf(refresh()), 'ok')
  })

  const now = startOfTest / 1_000
  const claims: [name: string, changes: Record<string, unknown>, reason: string][] = [
    ['about somebody else', { sub: 'mallory' }, 'subject_changed'],
    ['about nobody', { sub: undefined }, 'subject_changed'],
    ['of another issuer', { iss: 'https://evil.example' }, 'issuer_changed'],
    ['for another client', { aud: 'other' }, 'id_token_invalid'],
    ['with another azp', { azp: 'other' }, 'id_token_invalid'],
    ['that has expired', { exp: now - 61 }, 'id_token_invalid'],
    ['issued in the future', { iat: now + 61 }, 'id_token_invalid'],
    ['of another access token', { at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' }, 'id_token_invalid'],
  ]
  for (const [name, changes, reason] of claims) {
    test(`with an ID token ${name} ends the session: ${reason}`, async (t) => {
      const { op, refresh } = await aSession(t)
      op.idToken = (draft) => ({ ...draft, claims: { ...draft.claims, ...changes } })
      assert.equal(await outcomeOf(refresh()), reason)
    })
  }

  for (const [name, idToken] of [
    ['that is opaque', 'opaque'],
    ['that is a number', 42],
    ['that is not signed', `${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.`],
  ] satisfies [string, unknown][]) {
    test(`with an ID token ${name} ends the session: id_token_invalid`, async (t) => {
      const { op, refresh } = await aSession(t)
      op.tokenResponse = (body) => ({ ...body, id_token: idToken })
      assert.equal(await outcomeOf(refresh()), 'id_token_invalid')
    })
  }

  test('with an ID token whose key is unknown to the provider itself ends the session', async (t) => {
    const { op, refresh } = await aSession(t)
    await op.rotateKeys({ publish: false })
    assert.equal(await outcomeOf(refresh()), 'id_token_invalid')
  })

  test('after the keys were rotated succeeds', async (t) => {
    const { op, refresh } = await aSession(t)
    await op.rotateKeys()
    assert.equal(await outcomeOf(refresh()), 'ok')
  })

  test('whose ID token cannot be verified for want of keys keeps the identity and the new refresh token', async (t) => {
    const { op, refresh, tokens, log } = await aSession(t)
    await op.rotateKeys()
    op.fault('jwks', { status: 500 })
    const grant = await refresh()
    assert.equal(grant.claims, undefined)
    assert.notEqual(grant.tokens.refreshToken, tokens.refreshToken)
    assert.equal(grant.tokens.idToken, tokens.idToken)
    assert.ok(log.lines.some(({ event }) => event === 'refresh_identity_unverified'))
  })

  test('about somebody else ends the session even for want of keys', async (t) => {
    const { op, refresh } = await aSession(t)
    await op.rotateKeys()
    op.fault('jwks', { status: 500 })
    op.idToken = (draft) => ({ ...draft, claims: { ...draft.claims, sub: 'mallory' } })
    assert.equal(await outcomeOf(refresh()), 'subject_changed')
  })

  test('completes the new identity from UserInfo, and keeps the old one while that fails', async (t) => {
    const { op, refresh } = await aSession(t, { options: { claimsWanted: ['groups'] } })
    op.userInfo = { sub: 'alice', groups: ['staff'] }
    const first = await refresh()
    assert.deepEqual(first.claims?.['groups'], ['staff'])
    op.fault('userinfo', { status: 500 })
    const second = await refresh(first.tokens)
    assert.equal(second.claims, undefined)
    op.fault('userinfo', { body: { sub: 'mallory', groups: ['admin'] } })
    assert.equal(await outcomeOf(refresh(second.tokens)), 'subject_changed')
  })

  test('that is refused with invalid_grant ends the session', async (t) => {
    const { op, refresh } = await aSession(t)
    op.revokeRefreshTokens()
    assert.equal(await outcomeOf(refresh()), 'invalid_grant')
    assert.equal(op.calls.refresh, 1)
  })

  const passing: [name: string, fault: Fault][] = [
    ['invalid_client', { status: 401, body: { error: 'invalid_client' } }],
    ['unauthorized_client', { status: 400, body: { error: 'unauthorized_client' } }],
    ['invalid_request', { status: 400, body: { error: 'invalid_request' } }],
    ['status 500', { status: 500 }],
    ['status 503 that says invalid_grant', { status: 503, body: { error: 'invalid_grant' } }],
    ['status 429', { status: 429 }],
    ['status 403 in HTML', { status: 403, body: '<html>blocked' }],
    ['a page of HTML with status 200', { status: 200, body: '<html>' }],
    ['a list', { status: 200, body: [] }],
    ['an answer without access token', { status: 200, body: { token_type: 'Bearer' } }],
    ['a cut connection', { drop: true }],
  ]
  for (const [name, fault] of passing) {
    test(`that meets ${name} ends nothing, and is not repeated`, async (t) => {
      const { op, refresh } = await aSession(t)
      op.fault('refresh', fault)
      assert.equal(await outcomeOf(refresh()), 'PROVIDER_UNAVAILABLE')
      assert.equal(op.calls.refresh, 1)
    })
  }

  test('that hangs is given up after providerTimeout, and is not repeated', async (t) => {
    const { op, refresh, time, requests } = await aSession(t)
    op.fault('refresh', { hang: true })
    const arrived = op.nextCall('refresh')
    const outcome = outcomeOf(refresh())
    await arrived
    time.advance(seconds(5))
    assert.equal(await outcome, 'PROVIDER_UNAVAILABLE')
    assert.equal(op.calls.refresh, 1)
    assert.equal(requests.at(-1), 'refresh timeout')
  })

  test('without a refresh token asks nobody', async (t) => {
    const { op, refresh, tokens } = await aSession(t)
    assert.equal(await outcomeOf(refresh({ ...tokens, refreshToken: undefined })), 'PROVIDER_UNAVAILABLE')
    assert.equal(op.calls.refresh, 0)
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { AnswerLost, ProviderUnavailable } from '../../src/errors.ts'
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

  const words: [name: string, fault: Fault, reason?: string][] = [
    ['invalid_grant', { status: 400, body: { error: 'invalid_grant' } }, 'invalid_grant'],
    ['invalid_grant with status 403 (Auth0)', { status: 403, body: { error: 'invalid_grant' } }, 'invalid_grant'],
    ['invalid_grant with status 401', { status: 401, body: { error: 'invalid_grant' } }, 'invalid_grant'],
    ['invalid_request (Dex, for a spent token)', { status: 400, body: { error: 'invalid_request' } }],
    ['unauthorized_client', { status: 400, body: { error: 'unauthorized_client' } }],
    ['unsupported_grant_type', { status: 400, body: { error: 'unsupported_grant_type' } }],
    ['invalid_scope', { status: 400, body: { error: 'invalid_scope' } }],
    ['a word of its own', { status: 400, body: { error: 'interaction_required' } }],
    ['a word of its own with status 403', { status: 403, body: { error: 'consent_required' } }],
    ['access_denied with status 403', { status: 403, body: { error: 'access_denied' } }],
    ['an error with status 200 (GitHub)', { status: 200, body: { error: 'bad_refresh_token' } }],
    ['JSON that says it is text', { status: 400, body: '{"error":"invalid_request"}', contentType: 'text/plain' }],
  ]
  for (const [name, fault, reason = 'refresh_refused'] of words) {
    test(`that is refused with ${name} has got the provider's word: ${reason} (E1)`, async (t) => {
      const { op, refresh } = await aSession(t)
      op.fault('refresh', fault)
      assert.equal(await outcomeOf(refresh()), reason)
      assert.equal(op.calls.refresh, 1)
    })
  }

  const passing: [name: string, fault: Fault][] = [
    ['invalid_client', { status: 401, body: { error: 'invalid_client' } }],
    ['invalid_client with status 400', { status: 400, body: { error: 'invalid_client' } }],
    ['unauthorized_client with status 401 (Keycloak)', { status: 401, body: { error: 'unauthorized_client' } }],
    ['access_denied with status 401 (Auth0)', { status: 401, body: { error: 'access_denied' } }],
    ['temporarily_unavailable', { status: 400, body: { error: 'temporarily_unavailable' } }],
    ['server_error', { status: 400, body: { error: 'server_error' } }],
    ['slow_down', { status: 400, body: { error: 'slow_down' } }],
    ['status 500', { status: 500 }],
    ['status 503 that says invalid_grant', { status: 503, body: { error: 'invalid_grant' } }],
    ['status 429', { status: 429 }],
    ['status 429 that says invalid_grant', { status: 429, body: { error: 'invalid_grant' } }],
    ['status 408 in HTML', { status: 408, body: '<html>' }],
    ['status 404 in HTML', { status: 404, body: '<html>' }],
    ['status 404 in JSON', { status: 404, body: { error: 'not_found' } }],
    ['status 403 in HTML', { status: 403, body: '<html>blocked' }],
    ['status 403 of a gateway', { status: 403, body: { error: 'Forbidden', status: 403 } }],
    ['status 400 without an error', { status: 400, body: { message: 'no Route matched' } }],
    ['status 400 with an error that is an object', { status: 400, body: { error: { code: 400 } } }],
    ['status 400 with an empty error', { status: 400, body: { error: '' } }],
    ['a redirect that says invalid_grant', { status: 302, body: { error: 'invalid_grant' } }],
    ['a page of HTML with status 200', { status: 200, body: '<html>' }],
    ['a list', { status: 200, body: [] }],
    ['an answer without access token', { status: 200, body: { token_type: 'Bearer' } }],
  ]
  for (const [name, fault] of passing) {
    test(`that meets ${name} ends nothing, and is not repeated (E1)`, async (t) => {
      const { op, refresh } = await aSession(t)
      op.fault('refresh', fault)
      await assert.rejects(refresh(), (error) => error instanceof ProviderUnavailable && !(error instanceof AnswerLost))
      assert.equal(op.calls.refresh, 1)
    })
  }

  const lost: [name: string, fault: Fault][] = [
    ['the connection is cut', { drop: true }],
    ['the connection is cut in the middle of the answer', { stall: true, drop: true }],
  ]
  for (const [name, fault] of lost) {
    test(`of which ${name} may have spent the token, and is not repeated (E2)`, async (t) => {
      const { op, refresh } = await aSession(t)
      op.fault('refresh', fault)
      await assert.rejects(refresh(), AnswerLost)
      assert.equal(op.calls.refresh, 1)
    })
  }

  test('that never reached the provider has spent nothing (E2)', async (t) => {
    const { op, refresh } = await aSession(t)
    await op.close()
    await assert.rejects(refresh(), (error) => error instanceof ProviderUnavailable && !(error instanceof AnswerLost))
  })

  for (const [name, fault] of [
    ['hangs', { hang: true }],
    ['begins to be answered and hangs', { stall: true }],
  ] satisfies [string, Fault][]) {
    test(`that ${name} is given 30 s, whatever providerTimeout is, and is not repeated (E2)`, async (t) => {
      const { op, refresh, time, requests } = await aSession(t, { config: { providerTimeoutMs: 1_500 } })
      op.fault('refresh', fault)
      const arrived = op.nextCall('refresh')
      const outcome = assert.rejects(refresh(), AnswerLost)
      await arrived
      time.advance(seconds(30) - 1)
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
      assert.ok(!requests.includes('refresh timeout'))
      time.advance(1)
      await outcome
      assert.equal(op.calls.refresh, 1)
      assert.equal(requests.at(-1), 'refresh timeout')
    })
  }

  test('that is answered after 29 s brings its tokens (E2)', async (t) => {
    const { op, refresh, time } = await aSession(t)
    const gate = Promise.withResolvers<void>()
    op.fault('refresh', { gate: gate.promise })
    const arrived = op.nextCall('refresh')
    const outcome = outcomeOf(refresh())
    await arrived
    time.advance(seconds(29))
    gate.resolve()
    assert.equal(await outcome, 'ok')
  })

  for (const [name, changes] of [
    ['an empty id_token', { id_token: '' }],
    ['an id_token that is null', { id_token: null }],
    ['no id_token', { id_token: undefined }],
  ] satisfies [string, Record<string, unknown>][]) {
    test(`with ${name} brings no news of the person: the identity stays (C7)`, async (t) => {
      const { op, refresh, tokens } = await aSession(t)
      op.tokenResponse = (body) => ({ ...body, ...changes })
      const grant = await refresh()
      assert.equal(grant.claims, undefined)
      assert.equal(grant.tokens.idToken, tokens.idToken)
    })
  }

  for (const value of ['', null, undefined, 42]) {
    test(`with the refresh token ${JSON.stringify(value)} keeps the old one (C7)`, async (t) => {
      const { op, refresh, tokens } = await aSession(t)
      op.tokenResponse = (body) => ({ ...body, refresh_token: value })
      assert.equal((await refresh()).tokens.refreshToken, tokens.refreshToken)
    })
  }

  for (const value of ['', null, 0, '0', -1, 'soon', {}]) {
    test(`with expires_in ${JSON.stringify(value)} ends with its ID token (C7)`, async (t) => {
      const { op, refresh } = await aSession(t)
      op.tokenResponse = (body) => ({ ...body, expires_in: value })
      assert.equal((await refresh()).expiresAt, startOfTest + seconds(300))
    })
  }

  test('that is refused says in the log what the provider says, cleaned and cut, and repeats no token (C12)', async (t) => {
    const { op, refresh, tokens } = await aSession(t)
    const description = `Token ${tokens.refreshToken} is\n\u001b[31mnot\u202e active; refresh_token ${'x'.repeat(500)} ${'long '.repeat(500)}`
    op.fault('refresh', { status: 400, body: { error: 'invalid_grant', error_description: description } })
    await assert.rejects(refresh(), (error: Error) => {
      assert.match(
        error.message,
        /: invalid_grant: Token \[redacted\] is \[31mnot active; refresh_token \[redacted\] long long/,
      )
      assert.ok(error.message.length < 300)
      return true
    })
  })

  test('without a refresh token asks nobody', async (t) => {
    const { op, refresh, tokens } = await aSession(t)
    assert.equal(await outcomeOf(refresh({ ...tokens, refreshToken: undefined })), 'PROVIDER_UNAVAILABLE')
    assert.equal(op.calls.refresh, 0)
  })
})

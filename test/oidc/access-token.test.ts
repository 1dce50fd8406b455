// Claims of the access token (E5): Keycloak's default mappers put roles there and nowhere else.
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { generateKeyPair, SignJWT } from 'jose'
import type { ClaimsSource } from '../../src/config/config.ts'
import type { Claims } from '../fixtures/provider.ts'
import { startOfTest } from '../fixtures/fake-time.ts'
import { aWorld, flow, outcomeOf } from './setup.ts'

const wanted = { claimsWanted: ['realm_access.roles'] }
const roles = { realm_access: { roles: ['admin'] } }

async function aKeycloak(t: TestContext, claimsFrom: readonly ClaimsSource[] = ['idToken', 'accessToken']) {
  const world = await aWorld(t, { options: wanted, config: { claimsFrom }, provider: { algorithm: 'RS256' } })
  const { op } = world
  const base = { iss: op.issuer, sub: 'alice', exp: startOfTest / 1_000 + 300, azp: 'client', typ: 'Bearer', ...roles }
  const gives = (accessToken: string) => {
    op.tokenResponse = (body) => ({ ...body, access_token: accessToken })
    // It is hashed into the ID token, which the fixture makes before the token is exchanged.
    op.idToken = ({ claims: { at_hash: _hash, ...claims }, ...draft }) => ({ ...draft, claims })
  }
  const signed = async (changes: Claims = {}, header?: Claims) => gives(await op.sign({ ...base, ...changes }, header))
  return { ...world, base, gives, signed, rolesOf: async () => (await world.login()).claims['realm_access'] }
}

describe('claimsFrom with the access token', () => {
  test('takes what the ID token lacks, and asks UserInfo for nothing that it does not name', async (t) => {
    const { signed, rolesOf, op } = await aKeycloak(t)
    await signed()
    assert.deepEqual(await rolesOf(), { roles: ['admin'] })
    assert.equal(op.calls.userinfo, 0)
  })

  test('by default takes nothing from it', async (t) => {
    const { signed, rolesOf } = await aKeycloak(t, ['idToken', 'userinfo'])
    await signed()
    assert.equal(await rolesOf(), undefined)
  })

  test('asks UserInfo first where that stands first', async (t) => {
    const { signed, rolesOf, op } = await aKeycloak(t, ['idToken', 'userinfo', 'accessToken'])
    await signed()
    op.fault('userinfo', { body: { sub: 'alice', realm_access: { roles: ['from userinfo'] } } })
    assert.deepEqual(await rolesOf(), { roles: ['from userinfo'] })
  })

  test('leaves what the ID token says, and who it is, alone', async (t) => {
    const { signed, login } = await aKeycloak(t)
    await signed({ email: 'else@example.com', sid: 'else', auth_time: 1, acr: '9', scope: 'openid' })
    const { claims } = await login()
    assert.equal(claims['email'], 'alice@example.com')
    assert.equal(claims['acr'], undefined)
    assert.equal(claims['auth_time'], undefined)
    assert.notEqual(claims['sid'], 'else')
  })

  test('a verified mark counts for its own address only', async (t) => {
    const { signed, login, op } = await aKeycloak(t)
    op.person = { sub: 'alice', email: 'alice@example.com' }
    await signed({ email: 'else@example.com', email_verified: true })
    assert.equal((await login()).claims['email_verified'], undefined)
  })

  const unusable: [name: string, changes: Claims, header?: Claims][] = [
    ['of another issuer', { iss: 'https://evil.example' }],
    ['without issuer', { iss: undefined }],
    ['about somebody else', { sub: 'mallory' }],
    ['that has expired', { exp: startOfTest / 1_000 - 61 }],
    ['with an exp that is no number', { exp: 'never' }],
    ['with a key that the provider does not have', {}, { kid: 'unknown' }],
    ['that asks for an extension', {}, { crit: ['x'], x: 1 }],
  ]
  for (const [name, changes, header] of unusable) {
    test(`takes nothing from a token ${name}, and says so`, async (t) => {
      const { signed, rolesOf, log } = await aKeycloak(t)
      await signed(changes, header).catch(() => t.skip('cannot be made'))
      assert.equal(await rolesOf(), undefined)
      assert.ok(log.lines.some(({ event }) => event === 'access_token_unusable'))
    })
  }

  test('takes nothing from a token that somebody else signed, under a kid of the provider', async (t) => {
    const { base, gives, rolesOf, op } = await aKeycloak(t)
    const { privateKey } = await generateKeyPair('RS256')
    const { keys } = (await (await fetch(`${op.issuer}/jwks`)).json()) as { keys: { kid: string }[] }
    gives(await new SignJWT(base).setProtectedHeader({ alg: 'RS256', kid: keys[0]?.kid ?? '' }).sign(privateKey))
    assert.equal(await rolesOf(), undefined)
  })

  for (const [name, token] of [
    ['that is opaque', 'opaque'],
    ['that is not signed', `${btoa('{"alg":"none"}')}.${btoa('{"iss":"x"}').replaceAll('=', '')}.`],
    ['that is two dots', 'a.b.c'],
  ] as const) {
    test(`takes nothing from a token ${name}, and lets the person in`, async (t) => {
      const { gives, rolesOf } = await aKeycloak(t)
      gives(token)
      assert.equal(await rolesOf(), undefined)
    })
  }

  test('a light access token without sub is of the person it came for', async (t) => {
    const { signed, rolesOf } = await aKeycloak(t)
    await signed({ sub: undefined })
    assert.deepEqual(await rolesOf(), { roles: ['admin'] })
  })

  test('a refresh brings the new roles, and takes away those that are gone', async (t) => {
    const { signed, login, op, provider } = await aKeycloak(t)
    await signed()
    const { tokens } = await login()
    await signed({ realm_access: undefined })
    const grant = await provider.refresh(tokens, { issuer: op.issuer, subject: 'alice' })
    assert.equal(grant.claims?.['realm_access'], undefined)
    assert.equal(grant.claims?.['sub'], 'alice')
  })
})

describe('allowMissingNonce', () => {
  const rows: [
    name: string,
    config: { allowMissingNonce: boolean; enablePKCE?: boolean },
    nonce: unknown,
    outcome: string,
  ][] = [
    ['off: a token without nonce is refused', { allowMissingNonce: false }, undefined, 'id_token_nonce'],
    ['on: a token without nonce is accepted', { allowMissingNonce: true }, undefined, 'ok'],
    ['on: a token with another nonce is refused', { allowMissingNonce: true }, 'another', 'id_token_nonce'],
    ['on: a token with an empty nonce is refused', { allowMissingNonce: true }, '', 'id_token_nonce'],
    ['on: a token whose nonce is null is refused', { allowMissingNonce: true }, null, 'id_token_nonce'],
    ['on without PKCE: refused as ever', { allowMissingNonce: true, enablePKCE: false }, undefined, 'id_token_nonce'],
  ]
  for (const [name, config, nonce, outcome] of rows) {
    test(`${name} (C14)`, async (t) => {
      const { op, login, log } = await aWorld(t, { config })
      op.idToken = (draft) => ({ ...draft, claims: { ...draft.claims, nonce } })
      // The fixture would ask for the verifier otherwise.
      const { redirectURI, state } = flow
      const withoutChallenge = `${op.issueCode({ redirectURI, nonce: flow.nonce })}&state=${state}`
      assert.equal(await outcomeOf(login(config.enablePKCE === false ? { query: withoutChallenge } : {})), outcome)
      assert.equal(
        log.lines.some(({ event }) => event === 'provider_nonce_optional'),
        config.allowMissingNonce,
      )
    })
  }
})

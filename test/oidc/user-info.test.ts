import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { generateKeyPair, SignJWT } from 'jose'
import { seconds } from '../../src/time.ts'
import type { Fault } from '../fixtures/provider.ts'
import { aWorld, outcomeOf } from './setup.ts'

const wantsGroups = { claimsWanted: ['email', 'groups'] }
const idTokenOnly = { sub: 'alice', email: 'alice@example.com' }

describe('UserInfo', () => {
  test('is not asked while the ID token has every configured claim', async (t) => {
    const { op, login } = await aWorld(t, { options: wantsGroups })
    await login({ claims: { groups: [] } })
    assert.equal(op.calls.userinfo, 0)
  })

  test('completes what the ID token lacks, and changes nothing that it has', async (t) => {
    const { op, login } = await aWorld(t, {
      provider: { person: { ...idTokenOnly, realm_access: { level: 1 } } },
      options: { claimsWanted: ['groups', 'realm_access.roles'] },
    })
    op.userInfo = {
      sub: 'alice',
      email: 'else@example.com',
      groups: ['staff'],
      realm_access: { level: 9, roles: ['admin'] },
    }
    const { claims } = await login()
    assert.equal(op.calls.userinfo, 1)
    assert.equal(claims['email'], 'alice@example.com')
    assert.deepEqual(claims['groups'], ['staff'])
    assert.deepEqual(claims['realm_access'], { level: 1, roles: ['admin'] })
  })

  test('finds namespaced claims, whose names hold dots', async (t) => {
    const { op, login } = await aWorld(t, { options: { claimsWanted: ['https://example.com/groups'] } })
    await login({ claims: { 'https://example.com/groups': ['a'] } })
    assert.equal(op.calls.userinfo, 0)
  })

  test('cannot speak of the login: issuer, session, time and strength stay those of the ID token', async (t) => {
    const { op, login } = await aWorld(t, { provider: { person: idTokenOnly }, options: wantsGroups })
    op.userInfo = { sub: 'alice', groups: [], iss: 'evil', sid: 'evil', acr: 'gold', amr: ['x'], auth_time: 1, exp: 1 }
    const { claims } = await login()
    assert.equal(claims['iss'], op.issuer)
    assert.notEqual(claims['sid'], 'evil')
    for (const name of ['acr', 'amr', 'auth_time', 'exp']) assert.ok(!Object.hasOwn(claims, name))
  })

  test('with a claim named __proto__ pollutes nothing', async (t) => {
    const { op, login } = await aWorld(t, { provider: { person: idTokenOnly }, options: wantsGroups })
    op.fault('userinfo', { body: '{"sub":"alice","__proto__":{"groups":["admin"]}}', contentType: 'application/json' })
    const { claims } = await login()
    assert.equal(claims['groups'], undefined)
    assert.equal(Object.getPrototypeOf(claims), Object.prototype)
  })

  const rows: [name: string, fault: Fault, outcome: string][] = [
    ['is about somebody else', { body: { sub: 'mallory', groups: ['admin'] } }, 'userinfo_subject'],
    ['has no sub', { body: { groups: ['admin'] } }, 'userinfo_subject'],
    ['has a sub that is a list', { body: { sub: ['alice'] } }, 'userinfo_subject'],
    ['is a list', { body: [{ sub: 'alice' }] }, 'userinfo_invalid'],
    ['is null', { body: null }, 'userinfo_invalid'],
    ['is a page of HTML', { body: '<html>' }, 'userinfo_invalid'],
    ['is longer than 64 KB', { body: { sub: 'alice', filler: 'x'.repeat(70_000) } }, 'claims_too_large'],
    ['is a JWT that is none', { body: 'opaque', contentType: 'application/jwt' }, 'userinfo_invalid'],
  ]
  for (const [name, fault, outcome] of rows) {
    test(`that ${name} ends the login: ${outcome}`, async (t) => {
      const { op, login } = await aWorld(t, { options: wantsGroups })
      op.fault('userinfo', fault)
      assert.equal(await outcomeOf(login()), outcome)
    })
  }

  const passing: [name: string, fault: Fault][] = [
    ['status 500', { status: 500 }],
    ['status 403', { status: 403, body: { error: 'insufficient_scope' } }],
    ['a redirect', { status: 302, headers: { location: 'https://evil.example/' } }],
    ['a cut connection', { drop: true }],
  ]
  for (const [name, fault] of passing) {
    test(`that fails with ${name} is passed over with a warning: our trouble locks nobody out`, async (t) => {
      const { op, login, log } = await aWorld(t, { options: wantsGroups })
      op.fault('userinfo', fault)
      const { claims } = await login()
      assert.equal(claims['groups'], undefined)
      assert.equal(log.lines.filter(({ event }) => event === 'userinfo_unavailable').length, 1)
    })
  }

  test('that hangs is passed over after providerTimeout', async (t) => {
    const { op, login, time } = await aWorld(t, { options: wantsGroups })
    op.fault('userinfo', { hang: true })
    const arrived = op.nextCall('userinfo')
    const outcome = outcomeOf(login())
    await arrived
    time.advance(seconds(5))
    assert.equal(await outcome, 'ok')
  })

  test('is not asked with an access token that was not granted openid', async (t) => {
    const { op, login } = await aWorld(t, { options: wantsGroups })
    op.tokenResponse = (body) => ({ ...body, scope: 'profile email' })
    assert.equal(await outcomeOf(login()), 'ok')
    assert.equal(op.calls.userinfo, 0)
  })

  test('may be signed, and is then verified', async (t) => {
    const { op, login } = await aWorld(t, { options: wantsGroups })
    const claims = { sub: 'alice', groups: ['staff'], iss: op.issuer, aud: 'client' }
    op.fault('userinfo', { body: await op.sign(claims), contentType: 'application/jwt; charset=utf-8' })
    assert.deepEqual((await login()).claims['groups'], ['staff'])
    op.fault('userinfo', { body: await op.sign({ ...claims, aud: 'other' }), contentType: 'application/jwt' })
    assert.equal(await outcomeOf(login()), 'userinfo_invalid')
    const { privateKey } = await generateKeyPair('ES256')
    const forged = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256' }).sign(privateKey)
    op.fault('userinfo', { body: forged, contentType: 'application/jwt' })
    assert.equal(await outcomeOf(login()), 'userinfo_invalid')
  })
})

describe('requireVerifiedEmail', () => {
  const rows: [name: string, idToken: Record<string, unknown>, userInfo: Record<string, unknown>, outcome: string][] = [
    ['accepts true', { email_verified: true }, {}, 'ok'],
    ['accepts "true" (Cognito)', { email_verified: 'true' }, {}, 'ok'],
    ['refuses false', { email_verified: false }, { email_verified: true }, 'email_not_verified'],
    ['refuses 1', { email_verified: 1 }, {}, 'email_not_verified'],
    ['refuses where nobody says anything', {}, {}, 'email_not_verified'],
    ['accepts what UserInfo says', {}, { email_verified: true }, 'ok'],
    [
      'refuses what UserInfo says of another address',
      {},
      { email: 'other@example.com', email_verified: true },
      'email_not_verified',
    ],
  ]
  for (const [name, idToken, userInfo, outcome] of rows) {
    test(name, async (t) => {
      const { op, login } = await aWorld(t, { options: { requireVerifiedEmail: true } })
      op.person = { ...idTokenOnly, ...idToken }
      op.userInfo = { sub: 'alice', ...userInfo }
      assert.equal(await outcomeOf(login()), outcome)
    })
  }

  test('blames the provider, not the person, while UserInfo cannot be reached', async (t) => {
    const { op, login } = await aWorld(t, {
      provider: { person: idTokenOnly },
      options: { requireVerifiedEmail: true },
    })
    op.fault('userinfo', { status: 500 })
    assert.equal(await outcomeOf(login()), 'PROVIDER_UNAVAILABLE')
  })
})

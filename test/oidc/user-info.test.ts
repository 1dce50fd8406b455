import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { generateKeyPair, SignJWT } from 'jose'
import { globalRequirement } from '../../src/access/requirement.ts'
import type { AccessConfig } from '../../src/config/config.ts'
import { seconds } from '../../src/time.ts'
import { anAccess, anIdentity } from '../access/fixtures.ts'
import type { Fault } from '../fixtures/provider.ts'
import { aWorld, outcomeOf } from './setup.ts'

const wantsGroups = { claimsWanted: ['email', 'groups'] }
const idTokenOnly = { sub: 'alice', email: 'alice@example.com' }

/** As the service has it: who the global lists refuse is not admitted. */
function admitting(access: Partial<AccessConfig>) {
  const check = globalRequirement(anAccess(access))
  return { admits: (claims: Record<string, unknown>) => check(anIdentity(claims)).ok }
}

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

  for (const [status, isFinal] of [
    [401, true],
    [403, true],
    [404, true],
    [500, false],
  ] as const) {
    test(`that answers ${status} is told with the remedy where trying again is none`, async (t) => {
      const { op, login, log } = await aWorld(t, { options: wantsGroups })
      op.fault('userinfo', { status })
      await login()
      const told = log.lines.find(({ event }) => event === 'userinfo_unavailable')
      assert.equal(String(told?.['detail']).includes('claimsFrom: [idToken]'), isFinal)
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
      options: { requireVerifiedEmail: true, ...admitting({ requireVerifiedEmail: true }) },
    })
    op.fault('userinfo', { status: 500 })
    assert.equal(await outcomeOf(login()), 'PROVIDER_UNAVAILABLE')
  })
})

// Whether an address may count is often UserInfo's to say. While it cannot be asked, `false` is what it might have said (B8).
describe('email_verified where only UserInfo says it', () => {
  const lists: [name: string, access: Partial<AccessConfig>, isByEmail: boolean][] = [
    ['no list', {}, false],
    ['a list of groups', { allowedRolesAndGroups: ['staff'] }, false],
    ['allowedUsers by another claim', { allowedUsers: ['al'], userIdentifierClaim: 'preferred_username' }, false],
    ['allowedUsers', { allowedUsers: ['alice@example.com'] }, true],
    ['allowedUserDomains', { allowedUserDomains: ['example.com'] }, true],
    [
      'allowedUsers by a claim that holds the address',
      { allowedUsers: ['alice@example.com'], userIdentifierClaim: 'upn' },
      true,
    ],
    ['both', { allowedUserDomains: ['example.com'], allowedRolesAndGroups: ['staff'] }, true],
  ]
  const person = { ...idTokenOnly, upn: 'alice@example.com', preferred_username: 'al', groups: ['staff'] }
  const failing: [name: string, fault: Fault][] = [
    ['status 500', { status: 500 }],
    ['status 403', { status: 403 }],
    ['a cut connection', { drop: true }],
  ]
  const wantsMark = { claimsWanted: ['email', 'email_verified'] }

  for (const [name, access, isByEmail] of lists) {
    for (const [how, fault] of failing) {
      const outcome = isByEmail ? 'PROVIDER_UNAVAILABLE' : 'ok'
      test(`with ${name}, UserInfo failing with ${how}: ${outcome} (B8)`, async (t) => {
        const { op, login } = await aWorld(t, { provider: { person }, options: { ...wantsMark, ...admitting(access) } })
        op.fault('userinfo', fault)
        const answer = login()
        assert.equal(await outcomeOf(answer), outcome)
        if (!isByEmail) assert.equal((await answer).claims['email_verified'], false)
      })
    }

    test(`with ${name}, UserInfo saying nothing of it: as the list says (B8)`, async (t) => {
      const { op, login } = await aWorld(t, { provider: { person }, options: { ...wantsMark, ...admitting(access) } })
      op.userInfo = { sub: 'alice' }
      const { claims } = await login()
      assert.equal(claims['email_verified'], undefined)
      assert.ok(admitting(access).admits(claims))
    })

    test(`with ${name}, the ID token saying it: UserInfo failing changes nothing (B8)`, async (t) => {
      const { op, login } = await aWorld(t, {
        provider: { person: { ...person, email_verified: true } },
        options: { claimsWanted: ['email_verified', 'name'], ...admitting(access) },
      })
      op.fault('userinfo', { status: 500 })
      assert.equal((await login()).claims['email_verified'], true)
    })
  }

  test('a list of groups that UserInfo would have filled blames the provider, not the person', async (t) => {
    const { op, login } = await aWorld(t, {
      provider: { person: idTokenOnly },
      options: { claimsWanted: ['groups'], ...admitting({ allowedRolesAndGroups: ['staff'] }) },
    })
    op.fault('userinfo', { status: 500, times: 1 })
    assert.equal(await outcomeOf(login()), 'PROVIDER_UNAVAILABLE')
    op.userInfo = { sub: 'alice', groups: ['staff'] }
    assert.equal(await outcomeOf(login()), 'ok')
  })

  const marks: [name: string, idToken: Record<string, unknown>, userInfo: Record<string, unknown>, mark: unknown][] = [
    ['null in the ID token says nothing', { email_verified: null }, { email_verified: false }, false],
    ['false for the address in other letters counts', {}, { email: 'Alice@example.com', email_verified: false }, false],
    ['true for another address does not', {}, { email: 'else@example.com', email_verified: true }, undefined],
    ['"true" for another address does not', {}, { email: 'else@example.com', email_verified: 'true' }, undefined],
    ['what the ID token says stays', { email_verified: false }, { email_verified: true }, false],
  ]
  for (const [name, idToken, userInfo, mark] of marks) {
    test(`${name} (B8)`, async (t) => {
      const { op, login } = await aWorld(t, {
        provider: { person: { ...idTokenOnly, ...idToken } },
        options: { claimsWanted: ['email_verified', 'groups'] },
      })
      op.userInfo = { sub: 'alice', ...userInfo }
      assert.equal((await login()).claims['email_verified'], mark)
    })
  }

  test('at a refresh while UserInfo fails what was known before counts, and what it says later after that (B8)', async (t) => {
    const { op, provider, login } = await aWorld(t, { provider: { person: idTokenOnly }, options: wantsMark })
    op.userInfo = { sub: 'alice', email_verified: true }
    const { tokens } = await login()
    const expected = { issuer: op.issuer, subject: 'alice' }
    op.fault('userinfo', { status: 500, times: 1 })
    const during = await provider.refresh(tokens, expected)
    assert.equal(during.claims, undefined)
    op.userInfo = { sub: 'alice', email_verified: false }
    const after = await provider.refresh(during.tokens, expected)
    assert.equal(after.claims?.['email_verified'], false)
  })

  for (const [name, changes, groups, isTold] of [
    ['UserInfo is asked again and says all', {}, ['staff'], false],
    ['UserInfo that fails again is passed over again', { status: 500 }, undefined, true],
  ] as const) {
    test(`at a refresh without an ID token of a login that UserInfo had failed, ${name}`, async (t) => {
      const { op, provider, login, log } = await aWorld(t, {
        provider: { person: idTokenOnly, issuesIdTokenOnRefresh: false },
        options: { ...wantsMark, claimsWanted: ['groups'] },
      })
      op.userInfo = { sub: 'alice', email_verified: true, groups: ['staff'] }
      op.fault('userinfo', { status: 500, times: 1 })
      const grant = await login()
      assert.deepEqual([grant.isHalfKnown, grant.claims['email_verified']], [true, false])
      const before = log.lines.length
      if ('status' in changes) op.fault('userinfo', changes)
      const expected = { issuer: op.issuer, subject: 'alice' }
      const { claims, tokens } = await provider.refresh(grant.tokens, { ...expected, isHalfKnown: true })
      assert.deepEqual(claims?.['groups'], groups)
      assert.equal(claims?.['email_verified'], isTold ? undefined : true)
      assert.equal(tokens.idToken, grant.tokens.idToken)
      assert.equal(
        log.lines.slice(before).some(({ event }) => event === 'userinfo_unavailable'),
        isTold,
      )
      // Of a login that lacks nothing it is not asked with each refresh.
      const { userinfo } = op.calls
      assert.equal((await provider.refresh(tokens, expected)).claims, undefined)
      assert.equal(op.calls.userinfo, userinfo)
    })
  }

  test('at such a refresh a UserInfo about somebody else ends the session', async (t) => {
    const { op, provider, login } = await aWorld(t, {
      provider: { person: idTokenOnly, issuesIdTokenOnRefresh: false },
      options: wantsMark,
    })
    op.fault('userinfo', { status: 500, times: 1 })
    const { tokens } = await login()
    op.userInfo = { sub: 'mallory', email_verified: true }
    const refresh = provider.refresh(tokens, { issuer: op.issuer, subject: 'alice', isHalfKnown: true })
    assert.equal(await outcomeOf(refresh), 'subject_changed')
  })

  test('the other sources are asked all the same', async (t) => {
    const { op, login } = await aWorld(t, {
      provider: { person: idTokenOnly, algorithm: 'RS256', accessTokenClaims: { groups: ['staff'] } },
      config: { claimsFrom: ['idToken', 'userinfo', 'accessToken'] },
      options: { claimsWanted: ['groups', 'email_verified'] },
    })
    op.fault('userinfo', { status: 500 })
    const { claims } = await login()
    assert.deepEqual([claims['groups'], claims['email_verified']], [['staff'], false])
  })
})

// A login that was begun for a certain authentication: what the ID token must say of it (OpenID Connect Core 3.1.2.1 and 3.1.3.7),
// each through a whole code exchange.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StepUp } from '../../src/oidc/provider.ts'
import { startOfTest } from '../fixtures/fake-time.ts'
import { aWorld, flow, outcomeOf } from './setup.ts'

const second = 1_000
const now = startOfTest / second
const fiveMinutes: StepUp = { acr: undefined, maxAgeMs: 300 * second }
const gold: StepUp = { acr: ['gold', 'platinum'], maxAgeMs: undefined }
/** Half a minute at the provider. */
const startedAt = startOfTest - 30 * second

const table: [name: string, stepUp: StepUp, claims: Record<string, unknown>, outcome: string][] = [
  ['max_age, authenticated in this login', fiveMinutes, { auth_time: now - 5 }, 'ok'],
  ['max_age, authenticated not long before', fiveMinutes, { auth_time: now - 200 }, 'ok'],
  [
    'max_age, authenticated too long ago (a provider that ignores it)',
    fiveMinutes,
    { auth_time: now - 301 },
    'id_token_auth_time',
  ],
  ['max_age, and no auth_time', fiveMinutes, {}, 'id_token_auth_time'],
  ['max_age, and an auth_time that is text', fiveMinutes, { auth_time: String(now) }, 'id_token_auth_time'],
  ['max_age, and auth_time in milliseconds', fiveMinutes, { auth_time: startOfTest }, 'id_token_auth_time'],
  ['max_age, and auth_time beyond all dates', fiveMinutes, { auth_time: 1e300 }, 'id_token_auth_time'],
  ['max_age, and auth_time before all dates', fiveMinutes, { auth_time: -1 }, 'id_token_auth_time'],
  ['max_age, and auth_time in the future', fiveMinutes, { auth_time: now + 61 }, 'id_token_auth_time'],
  ['max_age, and a clock that is fast by less than the skew', fiveMinutes, { auth_time: now + 59 }, 'ok'],
  ['acr_values, and the second of them', gold, { acr: 'platinum' }, 'ok'],
  ['acr_values, and another acr (a provider for which they are voluntary)', gold, { acr: 'silver' }, 'id_token_acr'],
  ['acr_values, and no acr', gold, {}, 'id_token_acr'],
  ['acr_values, and a list of all', gold, { acr: ['gold'] }, 'id_token_acr'],
  ['both, and the acr alone', { ...gold, maxAgeMs: 60 * second }, { acr: 'gold' }, 'id_token_auth_time'],
]
for (const [name, stepUp, claims, outcome] of table) {
  test(`a login for ${name}: ${outcome}`, async (t) => {
    const world = await aWorld(t)
    assert.equal(await outcomeOf(world.login({ claims, stepUp, startedAt })), outcome)
  })
}

const times: [name: string, authTime: number, at: number][] = [
  ['is believed', now - 200, startOfTest - 200 * second + 999],
  ['in the future by less than the skew is now', now + 30, startOfTest],
  ['shorter before the login than the skew may have been in it: the clock is slow', now - 80, startedAt],
]
for (const [name, authTime, at] of times) {
  test(`an auth_time that ${name}`, async (t) => {
    const world = await aWorld(t)
    const grant = await world.login({ claims: { auth_time: authTime, acr: 'gold' }, startedAt })
    assert.deepEqual(grant.authentication, { acr: 'gold', at })
  })
}

test('what nobody says of an authentication is not made up', async (t) => {
  const world = await aWorld(t)
  assert.deepEqual((await world.login({ startedAt })).authentication, { acr: undefined, at: undefined })
})

test('UserInfo says nothing of a login', async (t) => {
  const world = await aWorld(t, { options: { claimsWanted: ['acr', 'auth_time'] } })
  world.op.userInfo = { sub: 'alice', acr: 'gold', auth_time: now }
  assert.deepEqual((await world.login({ startedAt })).authentication, { acr: undefined, at: undefined })
})

test('the provider is asked by acr_values and max_age, past what the operator always adds', async (t) => {
  const extraAuthParams = { acr_values: 'silver', max_age: '86400' }
  const world = await aWorld(t, { config: { extraAuthParams } })
  const url = await world.provider.authorizationURL({
    ...flow,
    stepUp: { acr: ['gold', 'platinum'], maxAgeMs: 90_500 },
  })
  assert.deepEqual(url.searchParams.getAll('acr_values'), ['gold platinum'])
  assert.deepEqual(url.searchParams.getAll('max_age'), ['90'])
  const plain = await world.provider.authorizationURL(flow)
  assert.deepEqual(plain.searchParams.getAll('acr_values'), ['silver'])
})

test('a provider that says so itself (unmet_authentication_requirements) is understood', async (t) => {
  const world = await aWorld(t)
  const query = `error=unmet_authentication_requirements&iss=${world.op.issuer}&state=${flow.state}`
  assert.equal(await outcomeOf(world.login({ query, stepUp: gold, startedAt })), 'id_token_acr')
})

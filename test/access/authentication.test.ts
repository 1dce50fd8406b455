import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Identity, Verdict } from '../../src/access/access.ts'
import { bothOf } from '../../src/access/authentication.ts'
import { compileRules } from '../../src/access/rules.ts'
import type { Requirement } from '../../src/config/config.ts'
import type { StepUp } from '../../src/oidc/provider.ts'
import { anAccess, anIdentity, aRequestFor, aRequirement, aRule } from './fixtures.ts'

const minutes = 60_000

/** What a rule with this requirement says of somebody. */
function verdictOn(who: Partial<Identity>, given: Partial<Requirement>): Verdict {
  const rules = compileRules({ access: anAccess({ rules: [aRule({ require: aRequirement(given) })] }) })
  const policy = rules.policyFor(aRequestFor('/admin'))
  assert.ok(policy.kind === 'login')
  return rules.meets(policy.requirements[0] ?? 0, { ...anIdentity(), ...who })
}

const gold = { acr: ['gold', 'platinum'] }
const recent = { maxAgeMs: 5 * minutes }
const table: [name: string, who: Partial<Identity>, given: Partial<Requirement>, verdict: string][] = [
  ['one of the acr', { acr: 'platinum' }, gold, 'met'],
  ['another acr', { acr: 'silver' }, gold, 'insufficient_user_authentication'],
  ['an acr in another letter case', { acr: 'Gold' }, gold, 'insufficient_user_authentication'],
  ['no acr', {}, gold, 'insufficient_user_authentication'],
  ['all of the acr in one', { acr: 'gold platinum' }, gold, 'insufficient_user_authentication'],
  [
    'a claim named acr, which is not what the ID token said',
    { claims: { acr: 'gold' } },
    gold,
    'insufficient_user_authentication',
  ],
  ['an auth_time', { authenticatedAt: 1_000 }, recent, `met until ${1_000 + 5 * minutes}`],
  ['no auth_time, as sessions of before', {}, recent, 'insufficient_user_authentication'],
  ['both', { acr: 'gold', authenticatedAt: 0 }, { ...gold, ...recent }, `met until ${5 * minutes}`],
  ['the acr alone', { acr: 'gold' }, { ...gold, ...recent }, 'insufficient_user_authentication'],
  ['neither the group nor the acr', {}, { ...gold, groups: ['ops'] }, 'group_not_allowed'],
]
for (const [name, who, given, expected] of table) {
  test(`a rule that asks for ${Object.keys(given).join(' and ')} finds ${name}: ${expected}`, () => {
    const verdict = verdictOn(who, given)
    assert.equal(
      verdict.ok ? (verdict.until === undefined ? 'met' : `met until ${verdict.until}`) : verdict.reason,
      expected,
    )
    const isAboutAuthentication = expected !== 'group_not_allowed'
    assert.equal(verdict.stepUp !== undefined, isAboutAuthentication, 'says what it asked for, met or not')
  })
}

test('a rule that asks for neither says nothing of authentication', () => {
  assert.deepEqual(verdictOn({}, { users: ['alice@example.com'] }), { ok: true })
})

const pairs: [one: StepUp, other: StepUp, both: StepUp][] = [
  [
    { acr: ['a', 'b'], maxAgeMs: 5 },
    { acr: ['b', 'c'], maxAgeMs: 3 },
    { acr: ['b'], maxAgeMs: 3 },
  ],
  [
    { acr: ['a'], maxAgeMs: undefined },
    { acr: undefined, maxAgeMs: 3 },
    { acr: ['a'], maxAgeMs: 3 },
  ],
  [
    { acr: ['a'], maxAgeMs: undefined },
    { acr: ['b'], maxAgeMs: undefined },
    { acr: [], maxAgeMs: undefined },
  ],
]
for (const [one, other, both] of pairs) {
  test(`what meets ${JSON.stringify(one)} and ${JSON.stringify(other)} is ${JSON.stringify(both)}`, () => {
    assert.deepEqual(bothOf(one, other), both)
    assert.deepEqual(bothOf(other, one), both)
  })
}

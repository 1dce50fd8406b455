import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileIdentityHeaders } from '../../src/access/identity-headers.ts'
import { compileLackingClaims } from '../../src/access/lacking-claims.ts'
import type { AccessConfig } from '../../src/config/config.ts'
import { anUpstream } from '../fixtures/upstream.ts'
import { aRequirement, aRule, anAccess } from './fixtures.ts'

function lackingOf(given: Partial<AccessConfig>, upstreams = [anUpstream()]) {
  const access = anAccess(given)
  const { templateClaims } = compileIdentityHeaders({ access })
  return compileLackingClaims({ access, upstreams, templateClaims })
}

const email = 'alice@example.com'
const groups: Partial<AccessConfig> = { allowedRolesAndGroups: ['staff'] }
const byCity: Partial<AccessConfig> = { headers: [{ name: 'X-City', template: '{{.Claims.address.city}}' }] }
const ofRule = (require: Parameters<typeof aRequirement>[0]) => ({
  rules: [aRule(), aRule({ require: aRequirement(require) })],
})

const table: [name: string, access: Partial<AccessConfig>, claims: Record<string, unknown>, lacking: string[]][] = [
  ['no address', {}, {}, ['missing email: userIdentifierClaim']],
  ['null for the address', {}, { email: null }, ['missing email: userIdentifierClaim']],
  ['an empty address', {}, { email: '' }, ['missing email: userIdentifierClaim']],
  ['an address', {}, { email }, []],
  ['an address in a list of one', {}, { email: [email] }, []],
  ['two addresses', {}, { email: [email, email] }, ['unreadable email: userIdentifierClaim']],
  ['an object for the address', {}, { email: { work: email } }, ['unreadable email: userIdentifierClaim']],
  ['an address that is not verified', {}, { email, email_verified: false }, ['not_verified email_verified: ']],
  ['no groups that anything counts on', {}, { email }, []],
  ['no groups, nor roles', groups, { email }, ['missing groups or roles: allowedRolesAndGroups']],
  ['roles only', groups, { email, roles: ['a'] }, []],
  ['groups only', groups, { email, groups: ['a'] }, []],
  ['groups as one text', groups, { email, groups: 'a,b' }, []],
  ['groups as JSON text', groups, { email, groups: '["a"]' }, []],
  ['groups as keys', groups, { email, groups: { a: {} } }, []],
  ['an empty list of groups', groups, { email, groups: [] }, []],
  [
    'groups as a list of objects',
    groups,
    { email, groups: [{ name: 'a' }] },
    ['unreadable groups or roles: allowedRolesAndGroups'],
  ],
  ['no claim of the name given', { groupClaimName: 'g' }, { email, groups: ['a'] }, ['missing g: groupClaimName']],
  [
    'no claim that lists and the name given count on',
    { roleClaimName: 'realm_access.roles', ...groups, ...ofRule({ roles: ['admin'] }) },
    { email, groups: ['staff'], realm_access: {} },
    ['missing realm_access.roles: rules[1].require.roles'],
  ],
  [
    'no address for lists',
    { allowedUsers: [email], allowedUserDomains: ['example.com'], ...ofRule({ users: [email], domains: [] }) },
    {},
    [
      'missing email: userIdentifierClaim, allowedUsers, allowedUserDomains, rules[1].require.users, rules[1].require.domains',
    ],
  ],
  ['a upn for the domain', { allowedUserDomains: ['example.com'], userIdentifierClaim: 'upn' }, { upn: email }, []],
  [
    'neither for the domain',
    { allowedUserDomains: ['example.com'], userIdentifierClaim: 'upn' },
    {},
    ['missing upn: userIdentifierClaim', 'missing email or upn: allowedUserDomains'],
  ],
  ['no claim of a rule', ofRule({ claims: { dept: ['it'] } }), { email }, ['missing dept: rules[1].require.claims']],
  ['no claim of a template', byCity, { email, address: { street: 'x' } }, ['missing address.city: headers[] x-city']],
  ['any claim of a template', byCity, { email, address: { city: { a: 1 } } }, []],
  [
    'no claim of a template that has a default',
    {
      headers: [{ name: 'X-A', template: '{{default "x" .Claims.y}}{{.Claims.z | default .Claims.y | default "x"}}' }],
    },
    { email },
    [],
  ],
]
for (const [name, access, claims, lacking] of table) {
  test(`what the configuration counts on, of somebody with ${name} (C13)`, () => {
    const found = lackingOf(access)(claims)
    assert.deepEqual(
      found.map(({ reason, claim, options }) => `${reason} ${claim}: ${options.join(', ')}`),
      lacking,
    )
  })
}

test('the rules of an upstream are named by their place (C13)', () => {
  const upstreams = [anUpstream(), anUpstream({ rules: [aRule({ require: aRequirement({ groups: ['g'] }) })] })]
  assert.deepEqual(lackingOf({}, upstreams)({ email }), [
    { reason: 'missing', claim: 'groups', options: ['upstreams[1].rules[0].require.groups'] },
  ])
})

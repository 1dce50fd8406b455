import assert from 'node:assert/strict'
import { test } from 'node:test'
import { domainMatcher, emailDomain, globalRequirement, ruleRequirement } from '../../src/access/requirement.ts'
import type { AccessConfig, Requirement } from '../../src/config/config.ts'
import { aRequirement, anAccess, anIdentity } from './fixtures.ts'

type Claims = Record<string, unknown>
const reasonOf = (verdict: ReturnType<ReturnType<typeof globalRequirement>>) => (verdict.ok ? 'ok' : verdict.reason)

const global: [name: string, access: Partial<AccessConfig>, claims: Claims, reason: string][] = [
  ['no list limits nobody', {}, {}, 'ok'],
  ['a listed user passes', { allowedUsers: ['alice@example.com'] }, { email: 'alice@example.com' }, 'ok'],
  [
    'an e-mail address is compared without case',
    { allowedUsers: ['Alice@Example.com'] },
    { email: 'alice@EXAMPLE.com' },
    'ok',
  ],
  [
    'another user does not pass',
    { allowedUsers: ['alice@example.com'] },
    { email: 'bob@example.com' },
    'user_not_allowed',
  ],
  [
    'a longer address does not pass',
    { allowedUsers: ['alice@example.com'] },
    { email: 'alice@example.com.evil.example' },
    'user_not_allowed',
  ],
  ['no claim, no user', { allowedUsers: ['alice@example.com'] }, {}, 'user_not_allowed'],
  ['an empty identifier matches nothing', { allowedUsers: [''] }, { email: '' }, 'user_not_allowed'],
  [
    'an identifier that is a list matches nothing',
    { allowedUsers: ['alice@example.com'] },
    { email: ['alice@example.com', 'bob@example.com'] },
    'user_not_allowed',
  ],
  ['an e-mail address in a list of one is that address (C13)', { allowedUsers: ['a@b.c'] }, { email: ['a@b.c'] }, 'ok'],
  [
    'the domain of an address in a list of one counts (C13)',
    { allowedUserDomains: ['b.c'] },
    { email: ['a@b.c'] },
    'ok',
  ],
  ['a list in a list is no address (C13)', { allowedUserDomains: ['b.c'] }, { email: [['a@b.c']] }, 'user_not_allowed'],
  [
    'the identifier is the configured claim',
    { allowedUsers: ['alice'], userIdentifierClaim: 'preferred_username' },
    { preferred_username: 'alice' },
    'ok',
  ],
  [
    'another claim with the right value does not count',
    { allowedUsers: ['alice@example.com'], userIdentifierClaim: 'upn' },
    { email: 'alice@example.com' },
    'user_not_allowed',
  ],
  ['sub never stands in for the identifier', { allowedUsers: ['subject-1'] }, { sub: 'subject-1' }, 'user_not_allowed'],
  [
    'what is no e-mail address is compared exactly',
    { allowedUsers: ['alice'], userIdentifierClaim: 'sub' },
    { sub: 'Alice' },
    'user_not_allowed',
  ],
  ['a number is compared as text', { allowedUsers: ['42'], userIdentifierClaim: 'uid' }, { uid: 42 }, 'ok'],
  ['a listed domain passes', { allowedUserDomains: ['Example.com'] }, { email: 'x@EXAMPLE.COM' }, 'ok'],
  ['another domain does not', { allowedUserDomains: ['example.com'] }, { email: 'x@evil.example' }, 'user_not_allowed'],
  [
    'a domain is not a suffix',
    { allowedUserDomains: ['example.com'] },
    { email: 'x@badexample.com' },
    'user_not_allowed',
  ],
  [
    'a domain is not its subdomains',
    { allowedUserDomains: ['example.com'] },
    { email: 'x@sub.example.com' },
    'user_not_allowed',
  ],
  ['.example.com means the subdomains', { allowedUserDomains: ['.example.com'] }, { email: 'x@a.b.example.com' }, 'ok'],
  [
    '*.example.com means the subdomains',
    { allowedUserDomains: ['*.example.com'] },
    { email: 'x@sub.example.com' },
    'ok',
  ],
  [
    '*.example.com is not example.com',
    { allowedUserDomains: ['*.example.com'] },
    { email: 'x@example.com' },
    'user_not_allowed',
  ],
  [
    '*.example.com is not badexample.com',
    { allowedUserDomains: ['*.example.com'] },
    { email: 'x@badexample.com' },
    'user_not_allowed',
  ],
  [
    'oauth2-proxy CVE-2026-40574: two @ are no address',
    { allowedUserDomains: ['corp.com'] },
    { email: 'a@evil.com@corp.com' },
    'user_not_allowed',
  ],
  [
    'a quoted local part is no way round it',
    { allowedUserDomains: ['corp.com'] },
    { email: '"a@evil.com"@corp.com' },
    'user_not_allowed',
  ],
  ['no local part, no address', { allowedUserDomains: ['corp.com'] }, { email: '@corp.com' }, 'user_not_allowed'],
  [
    'a space or line break in it, no address',
    { allowedUserDomains: ['corp.com'] },
    { email: 'a@corp.com\n' },
    'user_not_allowed',
  ],
  [
    'a trailing dot is another domain',
    { allowedUserDomains: ['corp.com'] },
    { email: 'a@corp.com.' },
    'user_not_allowed',
  ],
  [
    'the Kelvin sign is no k',
    { allowedUserDomains: ['kit.example'] },
    { email: 'a@\u212Ait.example' },
    'user_not_allowed',
  ],
  [
    'the Kelvin sign is no k in a user either',
    { allowedUsers: ['kim@x.example'] },
    { email: '\u212Aim@x.example' },
    'user_not_allowed',
  ],
  [
    'users or domains: either is enough',
    { allowedUsers: ['bob@x.example'], allowedUserDomains: ['example.com'] },
    { email: 'bob@x.example' },
    'ok',
  ],
  [
    'users or domains: neither is not',
    { allowedUsers: ['bob@x.example'], allowedUserDomains: ['example.com'] },
    { email: 'eve@x.example' },
    'user_not_allowed',
  ],
  [
    'without e-mail the identifier has the domain',
    { allowedUserDomains: ['example.com'], userIdentifierClaim: 'upn' },
    { upn: 'a@example.com' },
    'ok',
  ],
  [
    'the e-mail counts where there is one',
    { allowedUserDomains: ['example.com'], userIdentifierClaim: 'upn' },
    { upn: 'a@example.com', email: 'a@evil.example' },
    'user_not_allowed',
  ],
  ['a listed group passes', { allowedRolesAndGroups: ['dev', 'ops'] }, { groups: ['x', 'ops'] }, 'ok'],
  ['a listed role passes', { allowedRolesAndGroups: ['dev'] }, { roles: ['dev'] }, 'ok'],
  [
    'other groups and roles do not',
    { allowedRolesAndGroups: ['dev'] },
    { groups: ['devs'], roles: ['DEV'] },
    'group_not_allowed',
  ],
  ['no groups, no entry', { allowedRolesAndGroups: ['dev'] }, {}, 'group_not_allowed'],
  ['an empty group matches nothing', { allowedRolesAndGroups: [''] }, { groups: [''] }, 'group_not_allowed'],
  ['one group as a string counts', { allowedRolesAndGroups: ['dev'] }, { groups: 'dev' }, 'ok'],
  ['a string is not searched', { allowedRolesAndGroups: ['dev'] }, { groups: 'devops dev' }, 'group_not_allowed'],
  [
    'roles by dot path (Keycloak)',
    { allowedRolesAndGroups: ['dev'], roleClaimName: 'realm_access.roles' },
    { realm_access: { roles: ['dev'] } },
    'ok',
  ],
  [
    'roles under a name with dots (Auth0)',
    { allowedRolesAndGroups: ['dev'], roleClaimName: 'https://x.example/roles' },
    { 'https://x.example/roles': ['dev'] },
    'ok',
  ],
  [
    'the domain list and the group list both count',
    { allowedUserDomains: ['example.com'], allowedRolesAndGroups: ['dev'] },
    { email: 'a@example.com' },
    'group_not_allowed',
  ],
  // --- an address that is not verified (B8) ---
  [
    'false: not by domain (B8)',
    { allowedUserDomains: ['example.com'] },
    { email: 'a@example.com', email_verified: false },
    'email_not_verified',
  ],
  [
    'false: not by subdomain (B8)',
    { allowedUserDomains: ['.example.com'] },
    { email: 'a@b.example.com', email_verified: false },
    'email_not_verified',
  ],
  [
    'false: not by address (B8)',
    { allowedUsers: ['a@example.com'] },
    { email: 'a@example.com', email_verified: false },
    'email_not_verified',
  ],
  [
    'false in another case of the address: not either (B8)',
    { allowedUsers: ['a@example.com'] },
    { email: 'A@Example.com', email_verified: false },
    'email_not_verified',
  ],
  [
    'false as text (Cognito): not either (B8)',
    { allowedUserDomains: ['example.com'] },
    { email: 'a@example.com', email_verified: 'false' },
    'email_not_verified',
  ],
  [
    'a value that is neither: not either (B8)',
    { allowedUserDomains: ['example.com'] },
    { email: 'a@example.com', email_verified: 0 },
    'email_not_verified',
  ],
  [
    'an odd value: not either (B8)',
    { allowedUserDomains: ['example.com'] },
    { email: 'a@example.com', email_verified: ['false'] },
    'email_not_verified',
  ],
  [
    'null says nothing (B8)',
    { allowedUserDomains: ['example.com'] },
    { email: 'a@example.com', email_verified: null },
    'ok',
  ],
  ['nothing is not false (B8)', { allowedUserDomains: ['example.com'] }, { email: 'a@example.com' }, 'ok'],
  ['true passes (B8)', { allowedUserDomains: ['example.com'] }, { email: 'a@example.com', email_verified: true }, 'ok'],
  [
    'false, and in no list: that is the reason (B8)',
    { allowedUserDomains: ['example.com'] },
    { email: 'a@evil.example', email_verified: false },
    'user_not_allowed',
  ],
  [
    'false: not by an identifier that is the same address (B8)',
    { allowedUsers: ['a@example.com'], userIdentifierClaim: 'preferred_username' },
    { preferred_username: 'A@example.com', email: 'a@example.com', email_verified: false },
    'email_not_verified',
  ],
  [
    'false: not by an identifier that stands in for the address (B8)',
    { allowedUserDomains: ['example.com'], userIdentifierClaim: 'upn' },
    { upn: 'a@example.com', email_verified: false },
    'email_not_verified',
  ],
  [
    'false: not by a user name that is an address, where no address is given (B8)',
    { allowedUsers: ['a@example.com'], userIdentifierClaim: 'upn' },
    { upn: 'a@example.com', email_verified: false },
    'email_not_verified',
  ],
  [
    'false says nothing about a user name (B8)',
    { allowedUsers: ['alice'], userIdentifierClaim: 'preferred_username' },
    { preferred_username: 'alice', email: 'a@example.com', email_verified: false },
    'ok',
  ],
  [
    'nor about a user name where there is no address (B8)',
    { allowedUsers: ['alice'], userIdentifierClaim: 'sub' },
    { sub: 'alice', email_verified: false },
    'ok',
  ],
  [
    'nor about another address that the directory vouches for (B8)',
    { allowedUsers: ['a@corp.example'], userIdentifierClaim: 'upn' },
    { upn: 'a@corp.example', email: 'a@home.example', email_verified: false },
    'ok',
  ],
  [
    'nor about groups (B8)',
    { allowedRolesAndGroups: ['dev'] },
    { groups: ['dev'], email: 'a@example.com', email_verified: false },
    'ok',
  ],
  ['a verified e-mail passes', { requireVerifiedEmail: true }, { email_verified: true }, 'ok'],
  ['Cognito writes it as a string', { requireVerifiedEmail: true }, { email_verified: 'true' }, 'ok'],
  ['an unverified one does not', { requireVerifiedEmail: true }, { email_verified: false }, 'email_not_verified'],
  [
    'a missing email_verified is not verified',
    { requireVerifiedEmail: true },
    { email: 'a@example.com' },
    'email_not_verified',
  ],
  ['nor is the number 1', { requireVerifiedEmail: true }, { email_verified: 1 }, 'email_not_verified'],
]
for (const [name, access, claims, reason] of global) {
  test(`global requirement: ${name}`, () =>
    assert.equal(reasonOf(globalRequirement(anAccess(access))(anIdentity(claims))), reason))
}

const ofRule: [name: string, require: Partial<Requirement>, claims: Claims, reason: string][] = [
  ['users', { users: ['a@example.com'] }, { email: 'a@example.com' }, 'ok'],
  ['users, another one', { users: ['a@example.com'] }, { email: 'b@example.com' }, 'user_not_allowed'],
  ['domains', { domains: ['example.com'] }, { email: 'a@example.com' }, 'ok'],
  ['domains, another one', { domains: ['example.com'] }, { email: 'a@evil.example' }, 'user_not_allowed'],
  ['users or domains', { users: ['b@x.example'], domains: ['example.com'] }, { email: 'b@x.example' }, 'ok'],
  [
    'users, not verified (B8)',
    { users: ['a@example.com'] },
    { email: 'a@example.com', email_verified: false },
    'email_not_verified',
  ],
  [
    'domains, not verified (B8)',
    { domains: ['example.com'] },
    { email: 'a@example.com', email_verified: 'false' },
    'email_not_verified',
  ],
  [
    'the claim email, not verified (B8)',
    { claims: { email: ['a@example.com'] } },
    { email: 'a@example.com', email_verified: false },
    'email_not_verified',
  ],
  [
    'the claim email, verified (B8)',
    { claims: { email: ['a@example.com'] } },
    { email: 'a@example.com', email_verified: true },
    'ok',
  ],
  [
    'the claim email with two addresses, not verified (B8)',
    { claims: { email: ['a@example.com'] } },
    { email: ['b@example.com', 'a@example.com'], email_verified: false },
    'email_not_verified',
  ],
  [
    'another claim that holds the address, not verified (B8)',
    { claims: { preferred_username: ['a@example.com'] } },
    { preferred_username: 'a@example.com', email: 'A@example.com', email_verified: false },
    'email_not_verified',
  ],
  [
    'another claim that holds the address among others, not verified (B8)',
    { claims: { names: ['a@example.com', 'a'] } },
    { names: ['a@example.com', 'a'], email: 'a@example.com', email_verified: false },
    'ok',
  ],
  [
    'another claim, not verified (B8)',
    { claims: { dept: ['it'] } },
    { dept: 'it', email: 'a@example.com', email_verified: false },
    'ok',
  ],
  ['groups', { groups: ['g'] }, { groups: ['g'] }, 'ok'],
  ['groups are not roles', { groups: ['g'] }, { roles: ['g'] }, 'group_not_allowed'],
  ['roles', { roles: ['r'] }, { roles: ['r'] }, 'ok'],
  ['roles are not groups', { roles: ['r'] }, { groups: ['r'] }, 'role_not_allowed'],
  ['every part must hold', { groups: ['g'], roles: ['r'] }, { groups: ['g'] }, 'role_not_allowed'],
  ['an empty list admits nobody', { groups: [] }, { groups: ['g'] }, 'group_not_allowed'],
  ['an empty list of users admits nobody', { users: [] }, { email: 'a@example.com' }, 'user_not_allowed'],
  ['a claim', { claims: { department: ['it', 'hr'] } }, { department: 'hr' }, 'ok'],
  ['a claim, another value', { claims: { department: ['it'] } }, { department: 'sales' }, 'claim_not_allowed'],
  ['a claim, absent', { claims: { department: ['it'] } }, {}, 'claim_not_allowed'],
  ['a claim by path, a list', { claims: { 'a.b': ['x'] } }, { a: { b: ['y', 'x'] } }, 'ok'],
  ['a boolean claim', { claims: { staff: ['true'] } }, { staff: true }, 'ok'],
  ['a number claim', { claims: { level: ['3'] } }, { level: 3 }, 'ok'],
  ['several claims: all of them', { claims: { a: ['1'], b: ['2'] } }, { a: '1', b: '3' }, 'claim_not_allowed'],
  ['an object matches nothing', { claims: { a: ['[object Object]'] } }, { a: {} }, 'claim_not_allowed'],
  ['null matches nothing', { claims: { a: ['null'] } }, { a: null }, 'claim_not_allowed'],
  ['the prototype is not read', { claims: { 'constructor.name': ['Object'] } }, {}, 'claim_not_allowed'],
  ['nor by __proto__', { claims: { '__proto__.constructor.name': ['Object'] } }, {}, 'claim_not_allowed'],
]
for (const [name, require, claims, reason] of ofRule) {
  test(`the require of a rule: ${name}`, () => {
    assert.equal(reasonOf(ruleRequirement(anAccess(), aRequirement(require))(anIdentity(claims))), reason)
  })
}

test('an e-mail domain is what follows the only @', () => {
  assert.equal(emailDomain('a@example.com'), 'example.com')
  for (const wrong of ['', 'a', '@', 'a@', '@b', 'a@b@c', 'a b@c', 'a@b c', 'a@\u00a0b'])
    assert.equal(emailDomain(wrong), undefined, wrong)
})

test('a domain list entry may be written with its @; an empty one and a bare star match nothing', () => {
  assert.equal(domainMatcher(['@example.com'])('example.com'), true)
  for (const entry of ['', '*', '.', '*.', '@']) {
    for (const domain of ['example.com', '', '.', 'com'])
      assert.equal(domainMatcher([entry])(domain), false, `${entry} ${domain}`)
  }
})

const DN = 'CN=admins,OU=groups,DC=example,DC=com'
const asProvidersSend: [what: string, accepted: string, claim: unknown, admitted: boolean][] = [
  ['one text with commas', 'ops', 'dev,ops', true],
  ['one text with commas, of which none is accepted', 'ops', 'dev,devops', false],
  ['JSON text', 'ops', '["dev","ops"]', true],
  ['the keys of an object', 'ops', { ops: { '1': 'x' } }, true],
  ['a value in an object instead of its key', 'x', { ops: 'x' }, false],
  ['a name of a directory', DN, DN, true],
  ['a name of a directory in a list', DN, ['a', DN], true],
  ['a part of a name of a directory', 'CN=admins', DN, false],
  ['a name with a comma as it stands', 'a,b', 'a,b', true],
  ['a list whose element has a comma', 'ops', ['dev,ops'], false],
]
for (const [what, accepted, claim, admitted] of asProvidersSend) {
  test(`groups and roles given as ${what} ${admitted ? 'count' : 'do not count'} (C13, C14)`, () => {
    const global = globalRequirement(anAccess({ allowedRolesAndGroups: [accepted] }))
    assert.equal(global(anIdentity({ groups: claim })).ok, admitted)
    assert.equal(global(anIdentity({ roles: claim })).ok, admitted)
    const rule = ruleRequirement(anAccess(), aRequirement({ groups: [accepted] }))
    assert.equal(rule(anIdentity({ groups: claim })).ok, admitted)
    assert.equal(rule(anIdentity({ roles: claim })).ok, false)
  })
}

// Who may pass: pure checks of an identity against the allow lists of the configuration and the `require` of a rule.
// All of them refuse when in doubt: an absent claim, an empty identifier or an odd e-mail address matches nothing.
import type { AccessConfig, ProviderEntry, Requirement } from '../config/config.ts'
import { claimAt } from '../oidc/claims.ts'
import type { Claims } from '../oidc/provider.ts'
import type { DenialReason, Identity, Verdict } from './access.ts'
import { authenticationCheck } from './authentication.ts'
import { claimText, claimValues, memberships } from './claims.ts'

export type ClaimNames = Pick<AccessConfig, 'userIdentifierClaim' | 'groupClaimName' | 'roleClaimName'>
export type Check = (identity: Identity) => Verdict
type Test = (claims: Claims) => boolean

const passed: Verdict = { ok: true }
const notUser: Verdict = { ok: false, reason: 'user_not_allowed' }
const notGranted: Verdict = { ok: false, reason: 'scope_not_granted' }
const notVerified: Verdict = { ok: false, reason: 'email_not_verified' }

// As text, because Cognito sends the boolean as a string.
const isVerified: Test = (claims) => claimText(claims, 'email_verified') === 'true'

/** The provider says that nobody has shown the `email` claim to be theirs: anybody could have written it. Saying nothing is not that. */
export const isUnverified: Test = (claims) =>
  (claimAt(claims, 'email_verified') ?? undefined) !== undefined && !isVerified(claims)

/**
 * Whether `value` is the address that `isUnverified` is about: the `email` claim, or, where there is none, what looks like one
 * (Entra's `upn`). Whatever matches by it would take whoever wrote it for its owner.
 */
export function isUnverifiedAddress(claims: Claims, value: string): boolean {
  if (value === '' || !isUnverified(claims)) return false
  if (claimAt(claims, 'email') === undefined) return emailDomain(value) !== undefined
  return claimValues(claims, 'email').some((email) => comparableUser(email) === comparableUser(value))
}

/** The global lists: (allowedUsers or allowedUserDomains) and allowedRolesAndGroups and requireVerifiedEmail. Empty: no limit. */
export function globalRequirement(access: ClaimNames & ProviderEntry['lists']): Check {
  const checks: Check[] = []
  if (access.requireVerifiedEmail) checks.push(must(isVerified, 'email_not_verified'))
  if (access.allowedUsers.length + access.allowedUserDomains.length > 0) {
    checks.push(mustBeUser(access, access.allowedUsers, access.allowedUserDomains))
  }
  if (access.allowedRolesAndGroups.length > 0) {
    const inGroup = isMember(access.groupClaimName, access.allowedRolesAndGroups)
    const inRole = isMember(access.roleClaimName, access.allowedRolesAndGroups)
    checks.push(must((claims) => inGroup(claims) || inRole(claims), 'group_not_allowed'))
  }
  return all(checks)
}

/** A rule's own demands: every part that is given must hold (users and domains are one part). An empty list admits nobody. */
export function ruleRequirement(names: ClaimNames, require: Requirement): Check {
  const checks: Check[] = []
  if (require.users !== undefined || require.domains !== undefined) {
    checks.push(mustBeUser(names, require.users ?? [], require.domains ?? []))
  }
  if (require.groups !== undefined) {
    checks.push(must(isMember(names.groupClaimName, require.groups), 'group_not_allowed'))
  }
  if (require.roles !== undefined) checks.push(must(isMember(names.roleClaimName, require.roles), 'role_not_allowed'))
  if (require.scopes !== undefined) checks.push(mustHaveScopes(require.scopes))
  for (const [path, accepted] of Object.entries(require.claims ?? {})) {
    checks.push(must(hasAny(path, accepted), 'claim_not_allowed'))
    checks.push(must(hasAnyProven(path, accepted), 'email_not_verified'))
  }
  // The last: who may not come here anyway is not asked to authenticate once more.
  const authentication = authenticationCheck(require)
  return all(authentication === undefined ? checks : [...checks, authentication])
}

/** Every check in turn; the first refusal counts, and of good verdicts the last. */
export function all(checks: readonly Check[]): Check {
  return (identity) => {
    let verdict = passed
    for (const check of checks) {
      verdict = check(identity)
      if (!verdict.ok) return verdict
    }
    return verdict
  }
}

/**
 * One of the users, or an e-mail address in one of the domains. Users are compared with `userIdentifierClaim` and nothing
 * else: falling back to `sub` here would let a subject that looks like somebody's address stand in for it.
 * The address is the `email` claim, or the identifier where there is none (Entra's `upn`). An address that is not verified
 * matches neither list; an identifier that is something else (`sub`, a user name) still does.
 */
function mustBeUser(names: ClaimNames, users: readonly string[], domains: readonly string[]): Check {
  const known = new Set(users.map(comparableUser).filter((user) => user !== ''))
  const isAllowedDomain = domainMatcher(domains)
  return ({ claims }) => {
    const identifier = comparableUser(claimText(claims, names.userIdentifierClaim))
    const hasEmail = claimAt(claims, 'email') !== undefined
    const domain = emailDomain(hasEmail ? comparableUser(claimText(claims, 'email')) : identifier)
    const isListed = identifier !== '' && known.has(identifier)
    if (!isListed && (domain === undefined || !isAllowedDomain(domain))) return notUser
    const isProven = isListed ? !isUnverifiedAddress(claims, identifier) : !isUnverified(claims)
    return isProven ? passed : notVerified
  }
}

/** All of them (RFC 6750 section 3: the scopes necessary). Whoever has logged in was granted none. */
function mustHaveScopes(needed: readonly string[]): Check {
  return ({ scopes = [] }) => (needed.length > 0 && needed.every((one) => scopes.includes(one)) ? passed : notGranted)
}

/** What an address that is not verified does not count for, whichever claim it stands in. */
function hasAnyProven(path: string, accepted: readonly string[]): Test {
  const wanted = new Set(accepted)
  return (claims) =>
    !isUnverified(claims) ||
    claimValues(claims, path).some((value) => wanted.has(value) && !isUnverifiedAddress(claims, value))
}

function hasAny(path: string, accepted: readonly string[]): Test {
  const wanted = new Set(accepted.filter((value) => value !== ''))
  return (claims) => claimValues(claims, path).some((value) => wanted.has(value))
}

/** The whole text counts, too: a single name may have a comma in it. */
function isMember(path: string, accepted: readonly string[]): Test {
  const wanted = new Set(accepted.filter((value) => value !== ''))
  return (claims) => wanted.has(claimText(claims, path)) || memberships(claims, path).some((name) => wanted.has(name))
}

/** Exact names; `.example.com` and `*.example.com` mean the names below it, label by label (oauth2-proxy CVE-2021-21291). */
export function domainMatcher(domains: readonly string[]): (domain: string) => boolean {
  const entries = domains.map((entry) => asciiLowerCase(entry).replace(/^@/, ''))
  const parents = entries.flatMap((entry) => /^\*?(\..+)$/.exec(entry)?.[1] ?? [])
  const exact = new Set(entries.filter((entry) => entry !== '' && !/^\*?\./.test(entry)))
  return (domain) => {
    const name = asciiLowerCase(domain)
    return exact.has(name) || parents.some((parent) => name.length > parent.length && name.endsWith(parent))
  }
}

/** The part after the only `@` (oauth2-proxy CVE-2026-40574: `a@evil.com@corp.com`), or undefined. */
export function emailDomain(email: string): string | undefined {
  return /^[^@\s]+@([^@\s]+)$/.exec(email)?.[1]
}

function comparableUser(user: string): string {
  return emailDomain(user) === undefined ? user : asciiLowerCase(user)
}

/** `toLowerCase` would turn the Kelvin sign into a `k`, and with it a stranger's domain into ours. */
function asciiLowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

function must(test: Test, reason: DenialReason): Check {
  const refused: Verdict = { ok: false, reason }
  return ({ claims }) => (test(claims) ? passed : refused)
}

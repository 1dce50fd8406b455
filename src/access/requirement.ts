// Who may pass: pure checks of an identity against the allow lists of the configuration and the `require` of a rule.
// All of them refuse when in doubt: an absent claim, an empty identifier or an odd e-mail address matches nothing.
import type { AccessConfig, Requirement } from '../config/config.ts'
import { claimAt } from '../oidc/claims.ts'
import type { Claims } from '../oidc/provider.ts'
import type { DenialReason, Identity, Verdict } from './access.ts'
import { claimText, claimValues } from './claims.ts'

export type ClaimNames = Pick<AccessConfig, 'userIdentifierClaim' | 'groupClaimName' | 'roleClaimName'>
export type Check = (identity: Identity) => Verdict
type Test = (claims: Claims) => boolean

const passed: Verdict = { ok: true }

// As text, because Cognito sends the boolean as a string.
const isVerified: Test = (claims) => claimText(claims, 'email_verified') === 'true'

/** The global lists: (allowedUsers or allowedUserDomains) and allowedRolesAndGroups and requireVerifiedEmail. Empty: no limit. */
export function globalRequirement(access: AccessConfig): Check {
  const checks: Check[] = []
  if (access.requireVerifiedEmail) checks.push(must(isVerified, 'email_not_verified'))
  if (access.allowedUsers.length + access.allowedUserDomains.length > 0) {
    checks.push(must(isUser(access, access.allowedUsers, access.allowedUserDomains), 'user_not_allowed'))
  }
  if (access.allowedRolesAndGroups.length > 0) {
    const inGroup = hasAny(access.groupClaimName, access.allowedRolesAndGroups)
    const inRole = hasAny(access.roleClaimName, access.allowedRolesAndGroups)
    checks.push(must((claims) => inGroup(claims) || inRole(claims), 'group_not_allowed'))
  }
  return all(checks)
}

/** A rule's own demands: every part that is given must hold (users and domains are one part). An empty list admits nobody. */
export function ruleRequirement(names: ClaimNames, require: Requirement): Check {
  const checks: Check[] = []
  if (require.users !== undefined || require.domains !== undefined) {
    checks.push(must(isUser(names, require.users ?? [], require.domains ?? []), 'user_not_allowed'))
  }
  if (require.groups !== undefined) {
    checks.push(must(hasAny(names.groupClaimName, require.groups), 'group_not_allowed'))
  }
  if (require.roles !== undefined) checks.push(must(hasAny(names.roleClaimName, require.roles), 'role_not_allowed'))
  for (const [path, accepted] of Object.entries(require.claims ?? {})) {
    checks.push(must(hasAny(path, accepted), 'claim_not_allowed'))
  }
  return all(checks)
}

/** Every check in turn; the first refusal counts. */
export function all(checks: readonly Check[]): Check {
  return (identity) => {
    for (const check of checks) {
      const verdict = check(identity)
      if (!verdict.ok) return verdict
    }
    return passed
  }
}

/**
 * One of the users, or an e-mail address in one of the domains. Users are compared with `userIdentifierClaim` and nothing
 * else: falling back to `sub` here would let a subject that looks like somebody's address stand in for it.
 * The address is the `email` claim, or the identifier where there is none (Entra's `upn`).
 */
function isUser(names: ClaimNames, users: readonly string[], domains: readonly string[]): Test {
  const known = new Set(users.map(comparableUser).filter((user) => user !== ''))
  const isAllowedDomain = domainMatcher(domains)
  return (claims) => {
    const identifier = claimText(claims, names.userIdentifierClaim)
    if (identifier !== '' && known.has(comparableUser(identifier))) return true
    const hasEmail = claimAt(claims, 'email') !== undefined
    const domain = emailDomain(hasEmail ? claimText(claims, 'email') : identifier)
    return domain !== undefined && isAllowedDomain(domain)
  }
}

function hasAny(path: string, accepted: readonly string[]): Test {
  const wanted = new Set(accepted.filter((value) => value !== ''))
  return (claims) => claimValues(claims, path).some((value) => wanted.has(value))
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

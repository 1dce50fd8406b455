// The constraints that oauth2-proxy's `/oauth2/auth` takes in its query: `allowed_groups`, `allowed_emails`,
// `allowed_email_domains`. Comma lists, repeated or not; any of one list, all of the lists.
import type { Identity } from '../access/access.ts'
import { claimText, memberships } from '../access/claims.ts'
import { domainMatcher, emailDomain, isUnverified } from '../access/requirement.ts'

/** A further condition that one subrequest asks for. */
export type Constraint = (identity: Identity) => boolean

/** Undefined when the query asks for nothing. `groupClaimName`: where groups are. */
export function constraintOf(query: string, groupClaimName: string): Constraint | undefined {
  if (query === '') return undefined
  const parameters = new URLSearchParams(query)
  const list = (name: string) =>
    parameters.has(name)
      ? parameters
          .getAll(name)
          .flatMap((value) => value.split(','))
          .map((value) => value.trim())
          .filter((value) => value !== '')
      : undefined
  // Sets: the query is the asker's and the groups are the person's, so the product of their numbers must not count.
  const groups = set(list('allowed_groups'))
  const emails = set(list('allowed_emails')?.map((email) => email.toLowerCase()))
  const domains = list('allowed_email_domains')
  const inDomain = domains === undefined ? undefined : domainMatcher(domains)
  const checks: Constraint[] = []
  if (groups !== undefined) {
    checks.push((session) => memberships(session.claims, groupClaimName).some((group) => groups.has(group)))
  }
  if (emails !== undefined || inDomain !== undefined) checks.push(({ claims }) => !isUnverified(claims))
  if (emails !== undefined) checks.push((session) => emails.has(claimText(session.claims, 'email').toLowerCase()))
  if (inDomain !== undefined) {
    checks.push((session) => {
      const domain = emailDomain(claimText(session.claims, 'email'))
      return domain !== undefined && inDomain(domain)
    })
  }
  return checks.length === 0 ? undefined : (session) => checks.every((check) => check(session))
}

const set = (values: readonly string[] | undefined): ReadonlySet<string> | undefined => values && new Set(values)

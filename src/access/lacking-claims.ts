// Which claims the configuration counts on, and which of them somebody's claims lack: a list then matches nobody and a header is
// empty, without an error anywhere. Who tells the operator is login/.
import type { AccessConfig, Requirement, UpstreamConfig } from '../config/config.ts'
import { claimAt, isSaid } from '../oidc/claims.ts'
import type { Claims } from '../oidc/provider.ts'
import { claimText, claimValues, memberships } from './claims.ts'
import type { IdentityHeaders } from './identity-headers.ts'
import { isUnverified } from './requirement.ts'

export interface LackingClaim {
  /** `unreadable`: it is there, in a form that nothing can be compared with. */
  readonly reason: 'missing' | 'unreadable' | 'not_verified'
  /** Dot path, or several with ` or ` where any of them would do. */
  readonly claim: string
  /** The options that count on it. */
  readonly options: readonly string[]
}

type Read = (claims: Claims, path: string) => string | readonly string[]

interface Want {
  /** Any of them will do. */
  readonly paths: readonly string[]
  readonly read: Read
  readonly options: string[]
}

export function compileLackingClaims(counted: {
  readonly access: AccessConfig
  readonly upstreams: readonly UpstreamConfig[]
  readonly templateClaims: IdentityHeaders['templateClaims']
}): (claims: Claims) => readonly LackingClaim[] {
  const wants = wantsOf(counted)
  return (claims) => {
    const lacking = wants.flatMap(({ paths, read, options }): LackingClaim[] => {
      const lacks = new Set(paths.map((path) => lackOf(claims, path, read)))
      const reason = lacks.has('unreadable') ? 'unreadable' : 'missing'
      return lacks.has(undefined) ? [] : [{ reason, claim: paths.join(' or '), options }]
    })
    return isUnverified(claims) && claimText(claims, 'email') !== ''
      ? [...lacking, { reason: 'not_verified', claim: 'email_verified', options: [] }]
      : lacking
  }
}

function lackOf(claims: Claims, path: string, read: Read): 'missing' | 'unreadable' | undefined {
  const value = claimAt(claims, path)
  if (!isSaid(value) || value === '') return 'missing'
  // An empty list is an answer: somebody in no group.
  const isEmptyList = typeof value === 'object' && value !== null && Object.keys(value).length === 0
  return isEmptyList || read(claims, path).length > 0 ? undefined : 'unreadable'
}

function wantsOf({ access, upstreams, templateClaims }: Parameters<typeof compileLackingClaims>[0]): readonly Want[] {
  const wants = new Map<string, Want>()
  const want = (option: string, read: Read, ...paths: readonly string[]) => {
    const distinct = [...new Set(paths)]
    const key = distinct.join(' ')
    wants.set(key, wants.get(key) ?? { paths: distinct, read, options: [] })
    wants.get(key)?.options.push(option)
  }
  const { userIdentifierClaim: user, groupClaimName: groups, roleClaimName: roles } = access

  want('userIdentifierClaim', claimText, user)
  if (access.allowedUsers.length > 0) want('allowedUsers', claimText, user)
  if (access.allowedUserDomains.length > 0) want('allowedUserDomains', claimText, 'email', user)
  if (access.allowedRolesAndGroups.length > 0) want('allowedRolesAndGroups', memberships, groups, roles)
  // By default it is there for those whose provider has groups.
  if (groups !== 'groups') want('groupClaimName', memberships, groups)
  for (const { claim, header } of templateClaims) want(`headers[] ${header}`, anything, claim)
  for (const [index, { require }] of access.rules.entries()) wantRequired(`rules[${index}].require`, require)
  for (const [index, upstream] of upstreams.entries()) {
    for (const [number, { require }] of upstream.rules.entries()) {
      wantRequired(`upstreams[${index}].rules[${number}].require`, require)
    }
  }
  return [...wants.values()]

  function wantRequired(at: string, require: Requirement | undefined): void {
    if (require?.users !== undefined) want(`${at}.users`, claimText, user)
    if (require?.domains !== undefined) want(`${at}.domains`, claimText, 'email', user)
    if (require?.groups !== undefined) want(`${at}.groups`, memberships, groups)
    if (require?.roles !== undefined) want(`${at}.roles`, memberships, roles)
    for (const path of Object.keys(require?.claims ?? {})) want(`${at}.claims`, claimValues, path)
  }
}

const anything: Read = () => 'a template writes whatever it is'

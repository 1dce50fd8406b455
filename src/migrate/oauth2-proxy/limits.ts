// Who may come in, as oauth2-proxy says it. A limit that cannot be said here leaves the door shut until somebody has decided: an
// empty list would let in everybody who can log in.
import { oauth2ProxyMove } from '../../config/moving.ts'
import { mailDomain } from '../../config/network.ts'
import { Wrong } from '../../config/option.ts'
import { type Found, isOn, itemsOf, textOf } from '../found.ts'
import { setText } from '../shared-settings.ts'
import type { Options } from './options.ts'

export function addLimits(options: Options): void {
  const { draft, take } = options
  const emailClaim = take('oidc_email_claim')
  const userClaim = take('user_id_claim')
  const identifier = emailClaim ?? userClaim
  if (identifier !== undefined) {
    draft.set('userIdentifierClaim', draft.text(textOf(identifier.value) ?? '', identifier.name), identifier.name)
    for (const found of [emailClaim, userClaim]) {
      if (found === undefined) continue
      const isDefault = textOf(found.value) === 'email'
      draft.note(
        found,
        isDefault ? 'kept' : 'changed',
        'userIdentifierClaim',
        isDefault ? undefined : oauth2ProxyMove('oidc_email_claim')?.note,
      )
    }
  }
  const groupsClaim = take('oidc_groups_claim')
  if (groupsClaim !== undefined) setText(draft, groupsClaim, 'groupClaimName')
  addresses(options, emailClaim === undefined || textOf(emailClaim.value) === 'email')
  groups(options)
  tenants(options)
  const unverified = take('insecure_oidc_allow_unverified_email')
  if (unverified !== undefined)
    draft.note(
      unverified,
      isOn(unverified.value) ? 'changed' : 'kept',
      'requireVerifiedEmail',
      isOn(unverified.value)
        ? oauth2ProxyMove('insecure_oidc_allow_unverified_email')?.note
        : 'who has email_verified: false matches no list by address',
    )
}

function addresses({ draft, take }: Options, isEmail: boolean): void {
  const domains = take('email_domain')
  const file = take('authenticated_emails_file')
  const written = itemsOf(domains?.value).map((item) => draft.text(item, domains?.name ?? ''))
  // Everybody: with or without others beside it.
  if (domains !== undefined && written.includes('*')) {
    draft.note(
      domains,
      'changed',
      'allowedUserDomains',
      'everybody who can log in, as there. There nobody came in whose email_verified is false; requireVerifiedEmail: true keeps them out here, and those of whom the provider does not say it',
    )
    if (file !== undefined) draft.note(file, 'dropped', undefined, 'had no effect there beside email_domain = *')
    return
  }
  if (domains === undefined && file === undefined) {
    draft.shut('email_domain is in none of these files, without which oauth2-proxy does not start: who may come in?')
    draft.note(
      { name: 'email_domain', place: 'missing' },
      'decide',
      'allowedUserDomains',
      'oauth2-proxy does not start without it: give the file that has it as well. Nobody gets in until then',
    )
    return
  }
  if (domains !== undefined && written.length > 0) {
    const good = written.filter((domain) => domain.includes('${') || !(mailDomain(domain) instanceof Wrong))
    if (good.length > 0) draft.set('allowedUserDomains', good, domains.name)
    // Without one that is left the list would be empty, which is everybody.
    if (good.length === 0 && file === undefined) draft.shut(`${domains.name} names no domain that can be said here`)
    if (good.length < written.length)
      draft.note(
        domains,
        'decide',
        'allowedUserDomains',
        'a domain with all below it (`.example.com`, `*.example.com`) cannot be said here: name each. Those are left out',
      )
    else draft.note(domains, 'kept', 'allowedUserDomains')
    if (!isEmail) {
      draft.shut('domains are those of the claim email here, and oidc_email_claim is another')
      draft.note(
        domains,
        'decide',
        'allowedUserDomains',
        'domains are those of the claim email here, which at some providers everybody may choose; name people in allowedUsers instead',
      )
    }
  } else if (domains !== undefined) {
    draft.shut(`${domains.name} names nobody`)
    draft.note(domains, 'decide', 'allowedUserDomains', 'is empty')
  }
  if (file === undefined) return
  draft.set(
    'allowedUsers',
    draft.variable('ALLOWED_USERS', `the addresses in ${file.name}, with commas between them`, 'text'),
    file.name,
  )
  draft.note(file, 'changed', 'allowedUsers', 'as a list: in ALLOWED_USERS, or here')
}

const AS_GROUPS = ['allowed_group', 'gitlab_group', 'keycloak_group'] as const

/** Their names are nowhere in a token of ours. */
const NOT_HERE = [
  'github_org',
  'github_team',
  'github_repo',
  'github_user',
  'gitlab_project',
  'google_group',
  'bitbucket_team',
  'bitbucket_repository',
] as const

function groups({ draft, take }: Options): void {
  for (const name of NOT_HERE) {
    const found = take(name)
    if (found === undefined || itemsOf(found.value).length === 0) continue
    draft.shut(`${found.name} kept people out, and cannot be said here`)
    draft.note(found, 'decide', oauth2ProxyMove(name)?.option, oauth2ProxyMove(name)?.note)
  }
  const found = AS_GROUPS.map((name) => take(name)).filter((one) => one !== undefined)
  const roles = take('allowed_role')
  const groupNames = found.flatMap((one) => itemsOf(one.value).map((item) => draft.text(item, one.name)))
  const roleNames = [
    ...itemsOf(roles?.value),
    ...groupNames.filter((name) => name.startsWith('role:')).map((name) => name.slice('role:'.length)),
  ]
  const plain = groupNames.filter((name) => !name.startsWith('role:'))
  const claim = rolesClaim(roleNames)
  const by = roles ?? found[0]
  if (roleNames.length > 0 && by !== undefined) {
    if (claim === undefined) {
      draft.shut(`${by.name}: its roles are of several clients`)
      draft.note(
        by,
        'decide',
        'allowedRolesAndGroups',
        'one claim has the roles here: roles of the realm and of clients, or of several clients, are no list',
      )
      return
    }
    draft.set('roleClaimName', claim.path, `${by.name}: where Keycloak puts them`)
    draft.set('claimsFrom', ['idToken', 'userinfo', 'accessToken'], 'Keycloak has roles in the access token')
  }
  // A list of both: a group that has the name of an allowed role would let in, and somebody has to say that none has.
  if (claim !== undefined && roleNames.length > 0 && plain.length === 0) {
    draft.require('roles', claim.names, by?.name ?? 'allowed_role')
    if (by !== undefined)
      draft.note(by, 'changed', 'rules', 'as require: { roles }, from the claim where Keycloak puts them')
    return
  }
  const names = [...(claim?.names ?? []), ...plain]
  if (names.length > 0)
    draft.set(
      'allowedRolesAndGroups',
      [...new Set(names)],
      [...found, ...(roles === undefined ? [] : [roles])].map(({ name }) => name).join(', '),
    )
  // A role that has the name of an allowed group would let in.
  if (roleNames.length === 0 && plain.length > 0)
    draft.set('roleClaimName', draft.get('groupClaimName') ?? 'groups', 'groups alone count, as there')
  if (roles !== undefined)
    draft.note(
      roles,
      'decide',
      'allowedRolesAndGroups',
      'groups and roles are one list here: see that no group has the name of an allowed role, and no role that of a group',
    )
  for (const one of found) draft.note(one, 'kept', 'allowedRolesAndGroups')
}

/** `admin` is a role of the realm, `app:admin` of a client. */
function rolesClaim(roles: readonly string[]): { path: string; names: readonly string[] } | undefined {
  const clients = new Set(roles.map((role) => (role.includes(':') ? role.slice(0, role.indexOf(':')) : '')))
  const [client = ''] = clients
  if (clients.size !== 1 || client.includes('.')) return undefined
  const names = client === '' ? roles : roles.map((role) => role.slice(client.length + 1))
  return { path: client === '' ? 'realm_access.roles' : `resource_access.${client}.roles`, names }
}

function tenants({ draft, take }: Options): void {
  const found: Found | undefined = take('entra_id_allowed_tenant')
  if (found === undefined) return
  draft.require('claims', { tid: itemsOf(found.value).map((item) => draft.text(item, found.name)) }, found.name)
  draft.note(found, 'changed', 'rules', oauth2ProxyMove('entra_id_allowed_tenant')?.note)
}

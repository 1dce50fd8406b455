// Who somebody is, in the headers that the application reads. Every header is present on every answer, empty when there is
// nothing to say: one that is missing would let the client's own copy through (Caddy CVE-2026-30851).
import type { AccessConfig, UpstreamConfig } from '../config/config.ts'
import { isReservedHeader, plainHeaderName } from '../config/header-names.ts'
import { type Finding, refuseFindings } from '../config/problems.ts'
import { ConfigInvalid } from '../errors.ts'
import { encodeUnsafe, headerSafe } from './header-value.ts'
import type { Tokens } from '../oidc/provider.ts'
import type { Identity } from './access.ts'
import { claimText, memberships } from './claims.ts'
import { isUnverified, isUnverifiedAddress } from './requirement.ts'
import { compileTemplate, type Template } from './template.ts'

export type HeaderTokens = Pick<Tokens, 'accessToken' | 'idToken'>
export type HeaderRecord = Readonly<Record<string, string>>

export interface IdentityHeaders {
  /** Every header that the records below hold, lower case. */
  readonly names: readonly string[]
  /** Whether a template uses a token: the session's tokens need not be read otherwise. */
  readonly needsTokens: boolean
  /** Dot paths of all claims that any option reads: what a session has to keep (see `keepClaims`). */
  readonly claimPaths: readonly string[]
  /** Claims without which a header of `headers[]` lacks something. */
  readonly templateClaims: readonly { readonly claim: string; readonly header: string }[]
  /** Lower-case names, header-safe values. Without an identity (a public route) all are empty. */
  headersFor(identity: Identity | undefined, tokens?: HeaderTokens): HeaderRecord
  /**
   * The same as oauth2-proxy means it: `X-Auth-Request-User` is `sub`. Never with a token: its recipes route pages of ours and
   * `/oauth2/auth` alike, so that any script on the site can ask there and read the answer.
   */
  headersForOAuth2Proxy(identity: Identity | undefined): HeaderRecord
}

/** Characters of the groups header: proxies' buffers for a whole answer are 4 or 8 KB. */
const maxGroupsLength = 4_096

const standardNames = [
  'x-auth-request-user',
  'x-auth-request-email',
  'x-auth-request-groups',
  'x-auth-request-preferred-username',
  'x-forwarded-user',
]

/** Texts to know a person by; empty where there is none. */
export interface Names {
  readonly user: string
  readonly email: string
  readonly preferredUsername: string
}

/**
 * What applications are told. They take an address for proof of who it is: one that the provider calls not verified could be
 * anybody's, so that it is left out, and `sub` stands where it would have been the user.
 */
export function provenNames({ claims, subject }: Identity, userIdentifierClaim: string): Names {
  const proven = (text: string) => (isUnverifiedAddress(claims, text) ? '' : text)
  return {
    user: proven(claimText(claims, userIdentifierClaim)) || subject,
    email: isUnverified(claims) ? '' : claimText(claims, 'email'),
    preferredUsername: proven(claimText(claims, 'preferred_username')),
  }
}

/** `onTruncated`: the groups did not fit and some were left out; warn once, not per request. Throws ConfigInvalid where `headerFindings` says something. */
export function compileIdentityHeaders({
  access,
  upstreams = [],
  onTruncated = () => {},
}: {
  readonly access: AccessConfig
  readonly upstreams?: readonly UpstreamConfig[]
  readonly onTruncated?: (identity: Identity) => void
}): IdentityHeaders {
  const { templates, findings } = compileTemplates(access.headers)
  refuseFindings(findings)
  const names = [...new Set([...standardNames, ...templates.keys()])]
  const nobody: HeaderRecord = Object.freeze(Object.fromEntries(names.map((name) => [name, ''])))

  const headersFor: IdentityHeaders['headersFor'] = (identity, tokens) => {
    if (identity === undefined) return nobody
    return record(identity, tokens)
  }
  const headersForOAuth2Proxy: IdentityHeaders['headersForOAuth2Proxy'] = (identity) => {
    if (identity === undefined) return nobody
    return record(identity, undefined, identity.subject)
  }
  const needsTokens = [...templates.values()].some((template) => template.needsTokens)
  const templateClaims = [...templates].flatMap(([header, { neededClaims }]) =>
    neededClaims.map((claim) => ({ claim, header })),
  )
  return { names, needsTokens, claimPaths: claimPathsOf(), templateClaims, headersFor, headersForOAuth2Proxy }

  function record(identity: Identity, tokens: HeaderTokens | undefined, authRequestUser?: string): HeaderRecord {
    const { user, email, preferredUsername } = provenNames(identity, access.userIdentifierClaim)
    const headers: Record<string, string> = {
      'x-auth-request-user': headerSafe(authRequestUser ?? user),
      'x-auth-request-email': headerSafe(email),
      'x-auth-request-groups': joinedGroups(identity),
      'x-auth-request-preferred-username': headerSafe(preferredUsername),
      'x-forwarded-user': headerSafe(user),
    }
    // After the others: a template may redefine a standard header, and says what it says of an address that is not verified, too.
    const context = { claims: identity.claims, tokens }
    for (const [name, template] of templates) headers[name] = template.render(context, headerSafe).trim()
    return headers
  }

  function joinedGroups(identity: Identity): string {
    let joined = ''
    for (const group of memberships(identity.claims, access.groupClaimName)) {
      // A comma inside a name would make two groups of one, the second of the name-giver's choice.
      const safe = headerSafe(group).replaceAll(',', '%2C')
      const longer = joined === '' ? safe : `${joined},${safe}`
      if (longer.length > maxGroupsLength) {
        onTruncated(identity)
        return joined
      }
      joined = longer
    }
    return joined
  }

  function claimPathsOf(): readonly string[] {
    const rules = [...access.rules, ...upstreams.flatMap((upstream) => upstream.rules)]
    return [
      ...new Set([
        access.userIdentifierClaim,
        access.groupClaimName,
        access.roleClaimName,
        'email',
        'email_verified',
        'preferred_username',
        'name',
        ...[...templates.values()].flatMap((template) => template.claimPaths),
        ...rules.flatMap((rule) => Object.keys(rule.require?.claims ?? {})),
      ]),
    ]
  }
}

/** Everything about `headers[]` that could not work. */
export function headerFindings({ headers }: Pick<AccessConfig, 'headers'>): readonly Finding[] {
  return compileTemplates(headers).findings
}

function compileTemplates(headers: AccessConfig['headers']) {
  const templates = new Map<string, Template>()
  const taken = new Set<string>()
  const findings: Finding[] = []
  for (const [index, { name, template }] of headers.entries()) {
    const at = ['headers', index]
    const wrongName = (message: string) => findings.push({ path: [...at, 'name'], message })
    const lowerCase = name.toLowerCase()
    const alias = plainHeaderName(name)
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(lowerCase))
      wrongName('has characters that a header name must not have; use letters, digits and -')
    else if (isReservedHeader(name))
      wrongName('is a header of the connection or the answer itself; choose another name')
    else if (taken.has(alias))
      wrongName('is set by an earlier entry already (case, `_` and `.` do not count); remove one of them')
    taken.add(alias)
    const source = template.trim()
    if (/[\r\n\0]/.test(source)) {
      const message = 'has a line break in its template, which a header cannot hold; write it on one line'
      findings.push({ path: [...at, 'template'], message })
    }
    try {
      templates.set(lowerCase, compileTemplate(source, encodeUnsafe))
    } catch (error) {
      if (!(error instanceof ConfigInvalid)) throw error
      for (const message of error.problems) findings.push({ path: [...at, 'template'], message })
    }
  }
  return { templates, findings }
}

// Who may pass: rules, lists, the headers that tell the application, and the login rate.
import type { AccessConfig, HeaderConfig, Requirement, RuleConfig } from './config.ts'
import type { Checks } from './checks.ts'
import type { Path } from './problems.ts'
import type { RuleSettings } from './schema.ts'
import { callbackAndLogout } from './server.ts'
import { covers, fixedPaths } from './url-path.ts'
import { isToken } from './values.ts'

export function accessConfig(checks: Checks): AccessConfig {
  const { settings } = checks
  checkExclusions(checks)
  return {
    excludedURLs: settings.excludedURLs,
    allowedUsers: settings.allowedUsers,
    allowedUserDomains: settings.allowedUserDomains,
    allowedRolesAndGroups: settings.allowedRolesAndGroups,
    userIdentifierClaim: settings.userIdentifierClaim,
    groupClaimName: settings.groupClaimName,
    roleClaimName: settings.roleClaimName,
    requireVerifiedEmail: settings.requireVerifiedEmail,
    rules: settings.rules.map((rule, index) => ruleConfig(checks, ['rules', index], rule)),
    headers: headers(checks),
    allowedRedirectHosts: settings.allowedRedirectHosts,
    loginsPerMinute: settings.rateLimit.enabled ? settings.rateLimit.loginsPerMinute : Infinity,
  }
}

/** An exclusion over our own paths would let a callback or a logout through to the application. */
function checkExclusions({ settings, refuse }: Checks): void {
  const { callback, logout } = callbackAndLogout(settings)
  const own = [...fixedPaths(settings.pathPrefix), `${settings.pathPrefix}/sign_out`, callback, logout]
  for (const [index, pattern] of settings.excludedURLs.entries()) {
    const hit = own.find((path) => covers(pattern, path))
    if (hit === undefined) continue
    refuse(
      [['excludedURLs', index], ['callbackURL'], ['logoutURL']],
      `would make our own path ${hit} public; name narrower paths (everything public on a host is a rule with policy: public)`,
    )
  }
}

export function ruleConfig({ refuse }: Checks, at: Path, rule: RuleSettings): RuleConfig {
  const methods = rule.methods?.map((method) => method.toUpperCase())
  if (methods?.some((method) => !isToken(method)) === true)
    refuse([...at, 'methods'], 'must be a list of HTTP methods, such as [GET, HEAD]')
  if (rule.require !== undefined && rule.policy !== 'login') {
    refuse([...at, 'require'], `means nothing with policy: ${rule.policy}; use policy: login, or remove it`)
  }
  if (rule.require !== undefined && Object.keys(rule.require).length === 0) {
    refuse([...at, 'require'], 'is empty; name users, domains, groups, roles or claims, or leave it out')
  }
  if (rule.require?.domains?.length === 0)
    refuse([...at, 'require', 'domains'], 'is an empty list; name at least one, or leave it out')
  const host = rule.host === '*' ? undefined : rule.host
  return { host, path: rule.path, methods, policy: rule.policy, require: requirement(rule.require) }
}

function requirement(require: RuleSettings['require']): Requirement | undefined {
  if (require === undefined) return undefined
  const { users, domains, groups, roles, claims } = require
  return { users, domains, groups, roles, claims }
}

/** Headers that carry the connection or the answer itself: as an identity header they would break or hijack it. */
const RESERVED_HEADERS = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'trailers',
  'transfer-encoding',
  'upgrade',
  'content-length',
  'content-type',
  'content-encoding',
  'host',
  'cookie',
  'set-cookie',
  'location',
  'www-authenticate',
  'retry-after',
  'cache-control',
  'date',
  'vary',
  'x-request-id',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-uri',
  'x-forwarded-method',
  'x-forwarded-port',
  'x-forwarded-server',
  'x-real-ip',
  'forwarded',
  'x-original-url',
  'x-original-method',
])

function headers({ settings, refuse }: Checks): HeaderConfig[] {
  const seen = new Set<string>()
  return settings.headers.map(({ name, template, value }, index) => {
    const at = ['headers', index]
    // Applications read `-` and `_` alike (CGI, WSGI): the two spellings are one header.
    const canonical = name.toLowerCase().replaceAll('_', '-')
    if (!isToken(name))
      refuse([...at, 'name'], 'has characters that a header name must not have; use letters, digits and -')
    else if (RESERVED_HEADERS.has(canonical))
      refuse([...at, 'name'], 'is a header of the connection or the answer itself; choose another name')
    else if (seen.has(canonical)) refuse([...at, 'name'], 'is set by an earlier entry already; remove one of them')
    seen.add(canonical)
    if ((template === undefined) === (value === undefined)) {
      refuse(
        at,
        template === undefined
          ? 'has no template; write template: "{{.Claims.email}}"'
          : 'has both template and value; keep one of the two',
      )
    }
    const text = template ?? value ?? ''
    if (/[\r\n\0]/.test(text))
      refuse(at, 'has a line break in its template, which a header cannot hold; write it on one line')
    return { name, template: text }
  })
}

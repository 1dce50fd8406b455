// Who may pass: rules, lists, the headers that tell the application, and how often anybody may try.
import type { AccessConfig, HeaderConfig, RateLimitsConfig, Requirement, RuleConfig } from './config.ts'
import type { Checks } from './checks.ts'
import { coversHost, parseRuleHost } from './host-pattern.ts'
import { isNetworkWithin, parseNetwork } from './network.ts'
import { type Path, pathText } from './problems.ts'
import type { RuleSettings, Settings } from './schema.ts'
import { covers, fixedPaths, movablePaths } from './url-path.ts'

export function accessConfig(checks: Checks): AccessConfig {
  const { settings } = checks
  checkExclusions(checks)
  checkPublicPorts(checks)
  checkOrder(checks)
  checkNetworks(checks)
  checkPreflights(checks)
  return {
    excludedURLs: settings.excludedURLs,
    allowedUsers: settings.allowedUsers,
    allowedUserDomains: settings.allowedUserDomains,
    allowedRolesAndGroups: settings.allowedRolesAndGroups,
    userIdentifierClaim: settings.userIdentifierClaim,
    groupClaimName: settings.groupClaimName,
    roleClaimName: settings.roleClaimName,
    requireVerifiedEmail: settings.requireVerifiedEmail,
    rules: settings.rules.map(ruleConfig),
    headers: headers(checks),
    ignoredExtensions: settings.ignoredExtensions,
    allowedRedirectHosts: settings.allowedRedirectHosts,
  }
}

export function rateLimitsConfig({ rateLimit }: Settings): RateLimitsConfig {
  const { enabled, loginsPerMinute, bearerFailuresPerMinute, adminPerMinute } = rateLimit
  return enabled
    ? { loginsPerMinute, bearerFailuresPerMinute, adminPerMinute }
    : { loginsPerMinute: Infinity, bearerFailuresPerMinute: Infinity, adminPerMinute: Infinity }
}

/** An exclusion over our own paths would let a callback or a logout through to the application. */
function checkExclusions({ settings, refuse }: Checks): void {
  const own = [...fixedPaths(settings.pathPrefix), ...Object.values(movablePaths(settings))]
  for (const [index, pattern] of settings.excludedURLs.entries()) {
    const hit = own.find((path) => covers(pattern, path))
    if (hit === undefined) continue
    refuse(
      [['excludedURLs', index], ['callbackURL'], ['logoutURL']],
      `would make our own path ${hit} public; name narrower paths (everything public on a host is a rule with policy: public)`,
    )
  }
}

/** A proxy chooses by the port that it listens on, and hands on the one that the browser names. */
function checkPublicPorts({ settings, warn }: Checks): void {
  if (settings.upstreams.length > 0) return
  for (const [index, { host, policy }] of settings.rules.entries()) {
    if (policy !== 'public' || host === undefined || !/:\d+$/.test(host)) continue
    warn(
      ['rules', index, 'host'],
      'has a port, which a browser may name at any other port of the same host; give the public application a name of its own',
    )
  }
}

/** The first match wins: whoever writes `deny` behind something wider believes in it, and nobody is denied. */
function checkOrder({ settings, warn }: Checks): void {
  for (const { at, rules } of ruleLists(settings)) {
    for (const [index, rule] of rules.entries()) {
      const before = rules.slice(0, index).findIndex((earlier) => matchesAllOf(earlier, rule))
      if (before === -1) continue
      warn([...at, index], `is never reached: ${pathText([...at, before])} matches all that it does; put it in front`)
    }
  }
}

function checkPreflights({ settings, refuse }: Checks): void {
  for (const { at, rules } of ruleLists(settings)) {
    for (const [index, { policy, preflight }] of rules.entries()) {
      if (preflight === 'refuse') continue
      const path = [...at, index, 'preflight']
      if (policy !== 'login') refuse(path, `means nothing with policy: ${policy}; use policy: login, or remove it`)
      if (settings.cors.allowedOrigins.length > 0) continue
      refuse(
        [path, ['cors', 'allowedOrigins']],
        'needs cors.allowedOrigins: only preflights of listed origins are passed',
      )
    }
  }
}

/** The address of one of our proxies is never taken for a client's (http/client.ts). */
function checkNetworks({ settings, refuse }: Checks): void {
  const proxies = networksIn(settings.trustedProxies)
  for (const { at, rules } of ruleLists(settings)) {
    for (const [index, { networks = [] }] of rules.entries()) {
      for (const [position, written] of networks.entries()) {
        const network = parseNetwork(written)
        if (network === undefined || !proxies.some((proxy) => isNetworkWithin(network, proxy))) continue
        refuse(
          [[...at, index, 'networks', position], ['trustedProxies']],
          'lies within trustedProxies, whose addresses are never taken for a client’s, so no client is in it; name nothing but the proxies there',
        )
      }
    }
  }
}

/** Never true where it is not so; where it is hard to say, false. */
function matchesAllOf(earlier: RuleSettings, later: RuleSettings): boolean {
  return hostsOf(earlier, later) && pathsOf(earlier, later) && methodsOf(earlier, later) && networksOf(earlier, later)
}

function hostsOf(earlier: RuleSettings, later: RuleSettings): boolean {
  const pattern = parseRuleHost(earlier.host)
  if (!pattern.ok || pattern.value === undefined || later.host === undefined) return pattern.ok && !pattern.value
  if (/^\*?\./.test(later.host)) return later.host.toLowerCase() === earlier.host?.toLowerCase()
  return coversHost(pattern.value, later.host.toLowerCase())
}

function pathsOf({ path: wide = '/' }: RuleSettings, { path: narrow = '/' }: RuleSettings): boolean {
  if (wide === narrow || wide === '/' || wide === '/**') return true
  return !(wide.includes('*') && narrow.includes('*')) && covers(wide, narrow)
}

function methodsOf({ methods: wide }: RuleSettings, { methods: narrow }: RuleSettings): boolean {
  if (wide === undefined || narrow === undefined) return wide === undefined
  const named = new Set(wide.map((method) => method.toUpperCase()))
  return narrow.every((method) => named.has(method.toUpperCase()))
}

function networksOf({ networks: wide }: RuleSettings, { networks: narrow }: RuleSettings): boolean {
  if (wide === undefined || narrow === undefined) return wide === undefined
  const outer = networksIn(wide)
  return networksIn(narrow).every((network) => outer.some((one) => isNetworkWithin(network, one)))
}

const networksIn = (written: readonly string[]) => written.map(parseNetwork).filter((network) => network !== undefined)

const ruleLists = ({ rules, upstreams }: Settings): { at: Path; rules: readonly RuleSettings[] }[] => [
  { at: ['rules'], rules },
  ...upstreams.map((upstream, position) => ({ at: ['upstreams', position, 'rules'], rules: upstream.rules })),
]

/** What the rules mean is access/rules.ts's to say. */
export function ruleConfig(rule: RuleSettings): RuleConfig {
  const host = rule.host === '*' ? undefined : rule.host
  const methods = rule.methods?.map((method) => method.toUpperCase())
  return {
    host,
    path: rule.path,
    methods,
    networks: rule.networks,
    policy: rule.policy,
    passesPreflight: rule.preflight === 'pass',
    require: requirement(rule.require),
  }
}

function requirement(require: RuleSettings['require']): Requirement | undefined {
  if (require === undefined) return undefined
  const { users, domains, groups, roles, claims, scopes, acr, maxAge, providers } = require
  return {
    users,
    domains,
    groups,
    roles,
    claims,
    // As one text with spaces is how OAuth itself writes them.
    scopes: scopes?.flatMap((scope) => scope.split(/\s+/)),
    acr,
    maxAgeMs: maxAge,
    providers,
  }
}

/** Names and templates are access/identity-headers.ts's to judge. */
function headers({ settings, refuse }: Checks): HeaderConfig[] {
  return settings.headers.map(({ name, template, value }, index) => {
    if ((template === undefined) === (value === undefined)) {
      refuse(
        ['headers', index],
        template === undefined
          ? 'has no template; write template: "{{.Claims.email}}"'
          : 'has both template and value; keep one of the two',
      )
    }
    return { name, template: template ?? value ?? '' }
  })
}

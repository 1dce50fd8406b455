// Tokens of machines: whose, for what, and how they are verified.
import type { BearerConfig, BearerIssuerConfig, ProviderEntry } from './config.ts'
import type { Checks } from './checks.ts'
import { isLoopback } from './network.ts'
import { hasTopProvider } from './providers.ts'
import { pathText, type Path } from './problems.ts'

export function bearerConfig(checks: Checks, providers: readonly ProviderEntry[]): BearerConfig | undefined {
  const { settings, isGiven, refuse } = checks
  const { bearer, enableBearerAuth } = settings
  if (isGiven(['bearer', 'enabled']) && isGiven(['enableBearerAuth']) && bearer.enabled !== enableBearerAuth) {
    refuse([['enableBearerAuth'], ['bearer', 'enabled']], 'contradicts bearer.enabled, which means the same; keep one')
  }
  if (!bearer.enabled && !enableBearerAuth) {
    warnOfNoUse(checks)
    return undefined
  }
  return {
    audiences: audiences(checks),
    issuers: issuers(checks, providers),
    oneTime: bearer.oneTime,
    ...introspection(checks),
    passAuthorization: bearer.passAuthorization,
  }
}

/** Written down for tokens, of which none counts. */
function warnOfNoUse({ settings, isGiven, warn }: Checks): void {
  const { bearer, rules, upstreams } = settings
  const without = 'has no effect: nobody gets in with a token; set bearer.enabled: true, or remove it'
  if (bearer.audiences.length > 0) warn(['bearer', 'audiences'], without)
  if (bearer.issuers.length > 0) warn(['bearer', 'issuers'], without)
  if (bearer.oneTime) warn(['bearer', 'oneTime'], without)
  // In the plugin they are about the sessions' own access tokens, which may always be opaque here.
  if (settings.allowOpaqueTokens) warn(['allowOpaqueTokens'], without)
  if (settings.requireTokenIntrospection) warn(['requireTokenIntrospection'], without)
  if (isGiven(['introspectionURL'])) warn(['introspectionURL'], without)
  const lists = [
    { at: ['rules'] as Path, rules },
    ...upstreams.map((upstream, position) => ({ at: ['upstreams', position, 'rules'] as Path, rules: upstream.rules })),
  ]
  for (const { at, rules: list } of lists) {
    for (const [index, { require }] of list.entries()) {
      if (require?.scopes === undefined) continue
      const path = [...at, index, 'require', 'scopes']
      warn(path, 'lets nobody in: only tokens have scopes; set bearer.enabled: true')
    }
  }
}

/** The plugin has one, under `audience`. */
function audiences(checks: Checks): readonly string[] {
  const { settings, refuse, warn } = checks
  const { bearer, audience, clientID } = settings
  if (!hasTopProvider(checks)) {
    const isAny = bearer.issuers.length > 0 || Object.values(settings.providers).some((one) => one.bearerAudiences)
    if (bearer.audiences.length > 0)
      refuse(
        ['bearer', 'audiences'],
        'is about a provider at the top of the configuration, of which there is none; give each of providers its bearerAudiences',
      )
    else if (!isAny)
      refuse(
        ['bearer', 'enabled'],
        'lets nobody in: give one of providers its bearerAudiences (what its tokens must be for), or name bearer.issuers',
      )
    return []
  }
  const given = bearer.audiences.length > 0 ? bearer.audiences : audience === undefined ? [] : [audience]
  if (given.length === 0) {
    refuse(
      ['bearer', 'audiences'],
      'is missing; name what a token must be for (its aud), such as [https://api.example.com]: without it every token of the provider would do',
    )
  }
  if (clientID !== undefined && given.includes(clientID)) {
    warn(
      ['bearer', 'audiences'],
      'names this client’s own id, which ID tokens are made out to as well; a name of its own for the API is safer',
    )
  }
  return given
}

function issuers(
  { settings, refuse, warn }: Checks,
  providers: readonly ProviderEntry[],
): readonly BearerIssuerConfig[] {
  const { bearer, providerURL, allowInsecureProvider, requireTokenIntrospection } = settings
  const seen = new Set(providerURL === undefined ? [] : [providerURL])
  for (const [index, { issuer, jwksURI }] of bearer.issuers.entries()) {
    const at = ['bearer', 'issuers', index]
    if (seen.has(issuer)) {
      refuse(
        [...at, 'issuer'],
        issuer === providerURL
          ? 'is the provider itself, whose audiences are bearer.audiences; remove it here'
          : 'is named twice; put its audiences into one entry',
      )
    }
    seen.add(issuer)
    const own = providers.find(({ id, client }) => id !== undefined && client.providerURL === issuer)
    // Its tokens would be held to the lists at the top, and be of no provider.
    if (own !== undefined && issuer !== providerURL)
      refuse([...at, 'issuer'], `is providers.${own.name}, whose audiences are its bearerAudiences; remove it here`)
    for (const [name, url] of [
      ['issuer', issuer],
      ['jwksURI', jwksURI],
    ] as const) {
      const { protocol, hostname } = new URL(url ?? 'https://none')
      if (protocol === 'https:' || isLoopback(hostname)) continue
      const path = [...at, name]
      if (allowInsecureProvider) warn(path, 'is plain http: whoever is on the way can sign tokens of this issuer')
      else
        refuse(
          [path, ['allowInsecureProvider']],
          'must be https (http only on loopback, or with allowInsecureProvider: true)',
        )
    }
  }
  if (requireTokenIntrospection && bearer.issuers.length > 0) {
    refuse(
      [['requireTokenIntrospection'], ['bearer', 'issuers']],
      `asks the provider about every token, which knows none of ${pathText(['bearer', 'issuers'])}; remove one of the two`,
    )
  }
  return bearer.issuers.map(({ issuer, audiences, jwksURI }) => ({ issuer, audiences, jwksURI }))
}

function introspection({
  settings,
  isGiven,
  warn,
}: Checks): Pick<BearerConfig, 'allowsOpaqueTokens' | 'requiresIntrospection'> {
  const { allowOpaqueTokens, requireTokenIntrospection } = settings
  if (!allowOpaqueTokens && !requireTokenIntrospection && isGiven(['introspectionURL'])) {
    warn(['introspectionURL'], 'is not used: set allowOpaqueTokens or requireTokenIntrospection')
  }
  return { allowsOpaqueTokens: allowOpaqueTokens, requiresIntrospection: requireTokenIntrospection }
}

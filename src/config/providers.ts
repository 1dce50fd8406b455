// Several providers by name: each with its client, its people, its hosts, and what it calls things. What stands at the top of the
// configuration is a provider like the others, `default`, whose people, claims and clients are also what the others have where they
// say nothing. How providers are reached (certificates, proxies, time-outs, clocks) is one for all.
import { createHash } from 'node:crypto'
import type { PathsConfig, ProviderConfig, ProviderEntry, ProviderEntries } from './config.ts'
import type { Checks } from './checks.ts'
import { parseRuleHost } from './host-pattern.ts'
import type { Path } from './problems.ts'
import { presets, withPreset } from './presets.ts'
import { defaultProvider, isProviderName } from './provider-name.ts'
import { providerConfig } from './provider.ts'
import { namedProviderShape, type Settings } from './schema.ts'

/** What each may know by another name. */
const claimNames = ['userIdentifierClaim', 'groupClaimName', 'roleClaimName'] as const

type NamedProvider = Settings['providers'][string]
type Lists = ProviderEntry['lists']

/** What says that the options at the top are about a provider, too. */
const topIdentity = ['providerURL', 'clientID', 'clientSecret', 'discoveryURL'] as const

/** The options at the top are about a provider, too. */
export const hasTopProvider = ({ settings, isGiven }: Pick<Checks, 'settings' | 'isGiven'>): boolean =>
  Object.keys(settings.providers).length === 0 ||
  settings.dynamicClientRegistration.enabled ||
  topIdentity.some((name) => isGiven([name]))

export function providerEntries(checks: Checks, paths: PathsConfig): ProviderEntries {
  const { settings, refuse } = checks
  const names = Object.keys(settings.providers)
  for (const name of names) {
    if (name === defaultProvider)
      refuse(['providers', name], 'is the name of the provider at the top of the configuration; choose another')
    else if (!isProviderName(name))
      refuse(['providers', name], 'must be a name of at most 32 lower-case letters, digits and dashes, such as google')
  }
  const entries = [
    ...(hasTopProvider(checks) ? [topEntry(checks, paths)] : []),
    ...names.map((name) => namedEntry(checks, paths, name)),
  ]
  checkTogether(checks, entries)
  const [first, ...others] = entries
  // One of the two there always is.
  if (first === undefined) throw new RangeError('no provider')
  return [first, ...others]
}

function topEntry(checks: Checks, paths: PathsConfig): ProviderEntry {
  const client = providerConfig(checks, paths)
  const { preset } = checks.settings
  return {
    name: defaultProvider,
    id: undefined,
    title: preset === undefined ? hostOf(client.providerURL) : presets[preset].title,
    logo: undefined,
    hosts: [],
    client,
    lists: listsOf(checks.settings),
    claimNames: {},
    bearerAudiences: undefined,
  }
}

function namedEntry(checks: Checks, paths: PathsConfig, name: string): ProviderEntry {
  const { settings } = checks
  const own = ownOf(checks, name)
  const client = providerConfig(checksOf(checks, name), { ...paths, callback: `${paths.callback}/${name}` })
  return {
    name,
    id: idOf(client, name),
    title: own.title ?? (own.preset === undefined ? name : presets[own.preset].title),
    logo: own.logo,
    hosts: own.hosts,
    client,
    lists: withFallback(own, settings),
    claimNames: Object.fromEntries(
      claimNames.flatMap((option) => {
        const theirs = own[option]
        return theirs === undefined || theirs === settings[option] ? [] : [[settings[option], theirs]]
      }),
    ),
    bearerAudiences: own.bearerAudiences,
  }
}

/** As it is written, and what its preset knows. */
function ownOf({ settings, isGiven }: Checks, name: string): NamedProvider {
  const own = settings.providers[name]
  if (own === undefined) throw new RangeError(`no provider ${name}`)
  return withPreset(own, (option) => isGiven(['providers', name, option]))
}

/** What it says nothing of is as at the top. */
const withFallback = (own: NamedProvider, top: Settings): Lists => ({
  allowedUsers: own.allowedUsers ?? top.allowedUsers,
  allowedUserDomains: own.allowedUserDomains ?? top.allowedUserDomains,
  allowedRolesAndGroups: own.allowedRolesAndGroups ?? top.allowedRolesAndGroups,
  requireVerifiedEmail: own.requireVerifiedEmail ?? top.requireVerifiedEmail,
})

const listsOf = ({ allowedUsers, allowedUserDomains, allowedRolesAndGroups, requireVerifiedEmail }: Lists): Lists => ({
  allowedUsers,
  allowedUserDomains,
  allowedRolesAndGroups,
  requireVerifiedEmail,
})

/** The options of one of them, read as if they stood at the top; what is said of them is said where they stand. */
function checksOf(checks: Checks, name: string): Checks {
  const own: Readonly<Record<string, unknown>> = ownOf(checks, name)
  const at = (path: Path): Path =>
    path[0] !== undefined && Object.hasOwn(namedProviderShape, path[0]) ? ['providers', name, ...path] : path
  return {
    ...checks,
    // With the types that they have at the top. What it does not say is not said: another client's secret is not its own.
    settings: {
      ...checks.settings,
      ...Object.fromEntries(ownOptions.map((option) => [option, own[option]])),
    },
    isGiven: (path) => checks.isGiven(at(path)),
    isFromEnvironment: () => false,
    refuse: (paths, message) => checks.refuse(isOne(paths) ? at(paths) : paths.map(at), message),
    warn: (path, message) => checks.warn(at(path), message),
  }
}

const ownOptions = Object.keys(namedProviderShape)

const isOne = (paths: Path | readonly Path[]): paths is Path => !Array.isArray(paths[0])

/** What sessions are bound to: provider and client, not what they are called here. */
function idOf(client: ProviderConfig, name: string): string {
  // A client that is registered by us has no id yet: no id at all is nobody else's.
  const clientID = client.registration === undefined ? client.clientID : null
  const named = [client.providerURL.replace(/\/+$/, ''), clientID, ...(clientID === null ? [name] : [])]
  return createHash('sha256').update(JSON.stringify(named)).digest('base64url').slice(0, 16)
}

function hostOf(url: string): string {
  return URL.parse(url)?.host ?? ''
}

function checkTogether({ settings, refuse, warn, isGiven }: Checks, entries: readonly ProviderEntry[]): void {
  for (const [index, { name, client, hosts }] of entries.entries()) {
    if (name === defaultProvider) continue
    const same = entries.slice(0, index).find((earlier) => isSameClient(earlier.client, client))
    if (same !== undefined)
      refuse(
        ['providers', name, 'clientID'],
        `is the same client of the same provider as ${same.name}; one of them is enough`,
      )
    for (const [position, host] of hosts.entries()) {
      const parsed = parseRuleHost(host)
      if (!parsed.ok) refuse(['providers', name, 'hosts', position], parsed.problem)
    }
  }
  for (const list of ['allowedUsers', 'allowedUserDomains', 'allowedRolesAndGroups'] as const) {
    const sharing = entries.filter(
      ({ name }) => name === defaultProvider || settings.providers[name]?.[list] === undefined,
    )
    if (sharing.length < 2 || !isGiven([list])) continue
    warn(
      [list],
      `holds for ${sharing.map(({ name }) => name).join(', ')}: ${list === 'allowedRolesAndGroups' ? 'a name' : 'an address'} counts whichever of them says it; give each of them ${list} of its own if one is not to speak for another’s people`,
    )
  }
  const isShared = entries.filter(({ hosts }) => hosts.length === 0).length > 1
  for (const { path, require } of requirements(settings)) {
    checkNamed({ path, require }, refuse, entries)
    if (isShared && require.providers === undefined && saysWho.some((part) => require[part] !== undefined))
      warn(path, 'counts whichever provider says it; add providers: [NAME, …], those whose word on it counts')
  }
}

const isSameClient = (one: ProviderConfig, other: ProviderConfig): boolean =>
  one.registration === undefined &&
  other.registration === undefined &&
  one.clientID === other.clientID &&
  one.providerURL.replace(/\/+$/, '') === other.providerURL.replace(/\/+$/, '')

interface RuleRequirement {
  readonly path: Path
  readonly require: NonNullable<Settings['rules'][number]['require']>
}

/** Claims of people, which each provider gives as it likes. */
const saysWho = ['users', 'domains', 'groups', 'roles', 'claims'] as const

function requirements({ rules, upstreams }: Settings): readonly RuleRequirement[] {
  const lists: { at: Path; of: Settings['rules'] }[] = [
    { at: ['rules'], of: rules },
    ...upstreams.map((upstream, position) => ({ at: ['upstreams', position, 'rules'], of: upstream.rules })),
  ]
  return lists.flatMap(({ at, of }) =>
    of.flatMap(({ require }, index) => (require === undefined ? [] : [{ path: [...at, index, 'require'], require }])),
  )
}

/** `require.providers` names what there is. */
function checkNamed(
  { path, require }: RuleRequirement,
  refuse: Checks['refuse'],
  entries: readonly ProviderEntry[],
): void {
  const known = entries.map(({ name }) => name)
  for (const [position, name] of (require.providers ?? []).entries()) {
    if (known.includes(name)) continue
    refuse([...path, 'providers', position], `is none of the configured providers (${known.join(', ')})`)
  }
}

/** Whether a path of the configuration is one of `names` within a provider of `providers`. */
export const withinProvider = (path: Path): Path | undefined =>
  path[0] === 'providers' && path.length > 2 ? path.slice(2) : undefined

// Where several providers are configured: whose people a host is for, and what is asked of them. A session of another provider is
// no good there, whatever it says: each provider speaks for its own people alone.
import type { ProviderEntry } from '../config/config.ts'
import { parseRuleHost } from '../config/host-pattern.ts'
import type { AccessRules, OriginalRequest, Policy, Verdict } from './access.ts'
import { createHostMap } from './host-map.ts'
import { globalRequirement, type Check } from './requirement.ts'

/** Ids of providers; undefined is the one at the top of the configuration. */
export type ProviderIDs = ReadonlySet<string | undefined>

const notTheirs: Verdict = { ok: false, reason: 'provider_not_allowed' }

export const mustBeOf =
  (providers: ProviderIDs): Check =>
  ({ provider }) =>
    providers.has(provider) ? { ok: true } : notTheirs

/** The lists of the provider that somebody comes from; of one that is not configured nobody comes. */
export function requirementByProvider(
  names: Parameters<typeof globalRequirement>[0],
  providers: readonly ProviderEntry[],
): Check {
  const top = globalRequirement(names)
  if (providers.every(({ id }) => id === undefined)) return top
  const byID = new Map(providers.map(({ id, lists }) => [id, globalRequirement({ ...names, ...lists })]))
  // Tokens of further issuers are of none, and held to what stands at the top.
  return (identity) =>
    (identity.provider === undefined ? top : (byID.get(identity.provider) ?? (() => notTheirs)))(identity)
}

/** Those by these names. */
export const idsNamed = (providers: readonly ProviderEntry[], names: readonly string[]): ProviderIDs =>
  new Set(providers.filter(({ name }) => names.includes(name)).map(({ id }) => id))

/**
 * The policies of `policyFor`, for the people of those providers alone whose host it is. `numberOf`: the requirement to be of one
 * of these.
 */
export function forProvidersOfHost(
  policyFor: AccessRules['policyFor'],
  providers: readonly ProviderEntry[],
  numberOf: (providers: ProviderIDs) => number,
): AccessRules['policyFor'] {
  if (providers.every(({ hosts }) => hosts.length === 0)) return policyFor
  const requirementsFor = compileHosts(providers, numberOf)
  const made = new WeakMap<Policy, WeakMap<readonly number[], Policy>>()

  function narrowed(policy: Policy, numbers: readonly number[]): Policy {
    if (policy.kind === 'deny') return policy
    const known = made.get(policy) ?? new WeakMap<readonly number[], Policy>()
    made.set(policy, known)
    const before = known.get(numbers)
    if (before !== undefined) return before
    // First: who is somebody else's is not judged by what they say of themselves.
    const narrow = { ...policy, requirements: [...numbers, ...(policy.requirements ?? [0])] }
    known.set(numbers, narrow)
    return narrow
  }

  return (request, client) => narrowed(policyFor(request, client), requirementsFor(request))
}

function compileHosts(
  providers: readonly ProviderEntry[],
  numberOf: (providers: ProviderIDs) => number,
): (request: OriginalRequest) => readonly number[] {
  const hosts = createHostMap<Set<string | undefined>>(() => new Set())
  for (const { id, hosts: written } of providers) {
    if (written.length === 0) hosts.at(undefined).add(id)
    for (const host of written) {
      const parsed = parseRuleHost(host)
      if (parsed.ok) hosts.at(parsed.value).add(id)
    }
  }
  const known = new Map<string, readonly number[]>()
  const [anyHost = new Set<string | undefined>()] = hosts.matching('')
  const everywhere = hosts.all().map(numberOf)

  function requirementOf(ids: ProviderIDs): readonly number[] {
    const key = [...ids].join(' ')
    const before = known.get(key)
    if (before !== undefined) return before
    const numbers = [numberOf(ids)]
    known.set(key, numbers)
    return numbers
  }

  return ({ host, unstated, ambiguity }) => {
    // Which host was meant nobody can tell: for people who may come to all of them.
    if (unstated === 'request' || ambiguity?.startsWith('host') === true) return everywhere
    const own = hosts.matching(host).filter((ids) => ids !== anyHost)
    return requirementOf(own.length === 0 ? anyHost : new Set(own.flatMap((ids) => [...ids])))
  }
}

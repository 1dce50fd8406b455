// Which policy holds for a request: the first rule that matches, and what else it could be.
// A rule that makes something public matches exactly; one that does not also matches every other spelling of its path that some
// application takes for it (lenient-path.ts). Where such a rule comes before the one that matches exactly, both must be met.
// An ambiguous request is never public, and where any rule for its host denies or requires something it is denied,
// because nobody can tell which rule was meant.
// A rule for some networks holds for the clients in them. A client whose address nobody knows is in none of them for a rule that
// makes something public, and could be in each of them for every other one: such a rule counts as another spelling's does.
import type { HostPattern } from '../config/host-pattern.ts'
import { type IPAddress, isWithin, type Network, parseIP } from '../config/network.ts'
import type { AccessRules, OriginalRequest, Policy } from './access.ts'
import { createHostMap } from './host-map.ts'
import type { LenientForm } from './lenient-path.ts'
import { createPathTrie, type Entry, firstOf, type PathTrie } from './path-trie.ts'

export interface Rule {
  readonly policy: Policy
  /** Undefined: for every client. */
  readonly networks: readonly Network[] | undefined
}

export interface RuleTable {
  add(host: HostPattern | undefined, segments: readonly string[], entry: Entry<Rule>): void
  readonly policyFor: AccessRules['policyFor']
}

interface HostRules {
  /** Those for every client. */
  readonly paths: PathTrie<Rule>
  /** Those for some networks: of them the first by its path need not be the first that matches. */
  readonly inNetworks: PathTrie<Rule>
  hasNetworks: boolean
  /** Those of both that are not public, by their paths' lenient forms. */
  readonly closed: PathTrie<Rule>
  hasClosed: boolean
  /** The path of one of those is not in its lenient form. */
  hasOddClosed: boolean
  /** Those that deny or require something. */
  readonly restrictive: Rule[]
}

export const loginWithGlobalRequirement: Policy = { kind: 'login', requirements: [0] }
const deniedAsAmbiguous: Policy = { kind: 'deny', reason: 'ambiguous_path' }
const deniedAsUnstated: Policy = { kind: 'deny', reason: 'request_not_stated' }

export function createRuleTable(lenient: LenientForm): RuleTable {
  const hosts = createHostMap<HostRules>(() => ({
    paths: createPathTrie<Rule>(),
    inNetworks: createPathTrie<Rule>(),
    hasNetworks: false,
    closed: createPathTrie<Rule>(),
    hasClosed: false,
    hasOddClosed: false,
    restrictive: [],
  }))
  /** For a request that nobody stated: who meets what every rule asks for meets what is asked for there. */
  let whichever = loginWithGlobalRequirement
  /** Those beside it that ask where the client is. */
  const whicheverInNetworks: Rule[] = []

  return {
    add(host, segments, entry) {
      const rules = hosts.at(host)
      const { policy, networks } = entry.value
      const paths = networks === undefined ? rules.paths : rules.inNetworks
      paths.add(segments, entry)
      rules.hasNetworks ||= networks !== undefined
      if (policy.kind === 'public') return
      const lenientSegments = segments.map((segment) => lenientSegment(lenient, segment))
      rules.closed.add(lenientSegments, entry)
      rules.hasClosed = true
      rules.hasOddClosed ||= lenientSegments.some((segment, index) => segment !== segments[index])
      if (policy.kind === 'deny' || policy.requirements[0] !== 0) rules.restrictive.push(entry.value)
      const unstated: Policy = policy.kind === 'deny' ? deniedAsUnstated : policy
      if (networks === undefined) whichever = strictest([whichever, unstated])
      else whicheverInNetworks.push({ policy: unstated, networks })
    },

    policyFor(request, client) {
      const address = client === undefined ? undefined : parseIP(client)
      if (request.unstated === 'request') return whicheverFor(address)
      if (request.ambiguity !== undefined) {
        const concerned = request.ambiguity.startsWith('host') ? hosts.all() : hosts.matching(request.host)
        const isRestricted = concerned.some(({ restrictive }) => restrictive.some((rule) => couldHold(rule, address)))
        return isRestricted ? deniedAsAmbiguous : loginWithGlobalRequirement
      }
      return policyOf(request, address)
    },
  }

  function whicheverFor(address: IPAddress | undefined): Policy {
    if (whicheverInNetworks.length === 0) return whichever
    const others = whicheverInNetworks.filter((rule) => couldHold(rule, address))
    return strictest([whichever, ...others.map(({ policy }) => policy)])
  }

  function policyOf(request: OriginalRequest, address: IPAddress | undefined): Policy {
    const method = request.unstated === 'method' ? undefined : request.method
    const concerned = hosts.matching(request.host)
    let first: Entry<Rule> | undefined
    for (const { paths } of concerned) first = firstOf(first, paths.find(request.path, method))
    if (address !== undefined) first = firstOf(first, firstInNetworks(concerned, request.path, method, address))
    const exact = first?.value.policy ?? loginWithGlobalRequirement
    if (first?.order === 0 || !concerned.some((rules) => rules.hasClosed)) return exact

    const path = lenient(request.path)
    const before = concerned.flatMap(({ closed, hasClosed, hasOddClosed, hasNetworks }) => {
      const isKnown = method !== undefined && (address !== undefined || !hasNetworks)
      // In the form that both are in already, and where all is known, the lenient match is the exact one, and that was the first.
      if (!hasClosed || (path === request.path && !hasOddClosed && isKnown)) return []
      const entries = closed.allBefore(first?.order ?? Infinity, path, method)
      return entries.filter(({ value }) => couldHold(value, address))
    })
    return before.length === 0 ? exact : strictest([...before.map(({ value }) => value.policy), exact])
  }
}

function firstInNetworks(
  concerned: readonly HostRules[],
  path: string,
  method: string | undefined,
  address: IPAddress,
): Entry<Rule> | undefined {
  let first: Entry<Rule> | undefined
  for (const { inNetworks, hasNetworks } of concerned) {
    if (!hasNetworks) continue
    for (const entry of inNetworks.allBefore(Infinity, path, method)) {
      const isExact = method !== undefined || entry.methods === undefined
      if (isExact && isWithin(entry.value.networks ?? [], address)) first = firstOf(first, entry)
    }
  }
  return first
}

/** Whether the rule may be meant for this client, as far as anybody knows. */
const couldHold = ({ networks }: Rule, address: IPAddress | undefined): boolean =>
  networks === undefined || address === undefined || isWithin(networks, address)

/** All of them at once: nobody if one says nobody, else who meets every requirement. */
function strictest(policies: readonly Policy[]): Policy {
  const denial = policies.find(({ kind }) => kind === 'deny')
  if (denial !== undefined) return denial
  const numbers = new Set(policies.flatMap((policy) => (policy.kind === 'login' ? policy.requirements : [])))
  // Every other one contains the global one.
  if (numbers.size > 1) numbers.delete(0)
  const passesPreflight = policies.every(
    (policy) => policy.kind === 'public' || (policy.kind === 'login' && policy.passesPreflight),
  )
  return {
    kind: 'login',
    requirements: [...numbers].toSorted((one, other) => one - other),
    ...(passesPreflight && { passesPreflight }),
  }
}

/** The segment itself where its lenient form would be nothing (`...`): a rule for everything was not meant. */
function lenientSegment(lenient: LenientForm, segment: string): string {
  if (segment === '*' || segment === '**') return segment
  const form = lenient(`/${segment}`).slice(1)
  return form === '' ? segment : form
}

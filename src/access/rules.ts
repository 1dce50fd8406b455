// May this request pass, and who may make it? Order: `rules[]` (first match wins), then `excludedURLs` (public), then
// login with the global allow lists. Everything is compiled at the start; a request costs a walk along its path.
// An ambiguous request is never public, and where any rule for its host denies or requires something it is denied,
// because nobody can tell which rule was meant.
import type { AccessConfig, RuleConfig, UpstreamConfig } from '../config/config.ts'
import { ConfigInvalid } from '../errors.ts'
import type { AccessRules, OriginalRequest, Policy } from './access.ts'
import { createHostMap, type HostMap } from './host-map.ts'
import { createPathTrie, type Entry, type PathTrie } from './path-trie.ts'
import { type HostPattern, parseHostPattern, parsePathPattern } from './patterns.ts'
import { all, type Check, globalRequirement, ruleRequirement } from './requirement.ts'

export interface CompiledRules extends AccessRules {
  /**
   * The same, with the rules of `upstreams[position]` in front: for a request that the proxy has routed there. Requirement
   * numbers mean the same in all of them, so that a verdict remembered with a session cannot be taken for another one's.
   */
  forUpstream(position: number): AccessRules
}

interface HostRules {
  readonly paths: PathTrie<Policy>
  /** A rule here denies or requires something. */
  isRestrictive: boolean
}

/** A rule with the name under which the operator knows it. */
interface NamedRule {
  readonly key: string
  readonly rule: RuleConfig
}

const loginWithGlobalRequirement: Policy = { kind: 'login', requirement: 0 }
const publicByRule: Policy = { kind: 'public', reason: 'public_rule' }
const publicByExclusion: Policy = { kind: 'public', reason: 'excluded_url' }
const deniedByRule: Policy = { kind: 'deny', reason: 'denied_by_rule' }
const deniedAsAmbiguous: Policy = { kind: 'deny', reason: 'ambiguous_path' }

/**
 * A rule's path is a prefix that ends at a segment boundary, case-sensitive, `*` one segment and `**` any number; with
 * wildcards it is a prefix too. `methods: [GET]` holds for HEAD as well. A rule's `require` comes on top of the global
 * allow lists: it narrows, never widens. Throws ConfigInvalid, naming every rule that could not work.
 */
export function compileRules({
  access,
  upstreams = [],
}: {
  readonly access: AccessConfig
  readonly upstreams?: readonly UpstreamConfig[]
}): CompiledRules {
  const problems: string[] = []
  const globally = globalRequirement(access)
  const checks: Check[] = [globally]
  const numberOf = new Map<string, number>()

  const ownRules = access.rules.map((rule, index) => ({ key: `rules[${index}]`, rule }))
  const base = compileList(ownRules)
  const perUpstream = upstreams.map(({ rules }, at) => {
    const upstreamRules = rules.map((rule, index) => ({ key: `upstreams[${at}].rules[${index}]`, rule }))
    return rules.length === 0 ? base : compileList([...upstreamRules, ...ownRules])
  })
  if (problems.length > 0) throw new ConfigInvalid([...new Set(problems)])

  const meets: AccessRules['meets'] = (requirement, identity) => {
    const check = checks[requirement]
    if (check === undefined) throw new RangeError(`there is no requirement number ${requirement}`)
    return check(identity)
  }
  return {
    policyFor: base,
    meets,
    forUpstream(position) {
      const policyFor = perUpstream[position]
      if (policyFor === undefined) throw new RangeError(`there is no upstream number ${position}`)
      return { policyFor, meets }
    },
  }

  function compileList(rules: readonly NamedRule[]): (request: OriginalRequest) => Policy {
    const hosts = createHostMap<HostRules>(() => ({ paths: createPathTrie<Policy>(), isRestrictive: false }))
    let order = 0
    for (const { key, rule } of rules) {
      const methods = methodsOf(key, rule)
      const host = parsed(`${key}.host`, parseHostPattern(rule.host))
      add(`${key}.path`, rule.path ?? '/', host, { order: order++, methods, value: policyOf(key, rule) })
    }
    for (const [index, path] of access.excludedURLs.entries()) {
      add(`excludedURLs[${index}]`, path, undefined, { order: order++, methods: undefined, value: publicByExclusion })
    }
    return order === 0 ? () => loginWithGlobalRequirement : (request) => decide(hosts, request)

    function add(key: string, path: string, host: HostPattern, entry: Entry<Policy>): void {
      const target = hosts.at(host)
      target.paths.add(parsed(key, parsePathPattern(path)) ?? [], entry)
      target.isRestrictive ||= isRestrictive(entry.value)
    }
  }

  function parsed<T>(key: string, result: { ok: true; value: T } | { ok: false; problem: string }): T | undefined {
    if (result.ok) return result.value
    problems.push(`${key}: ${result.problem}`)
    return undefined
  }

  function methodsOf(key: string, { methods }: RuleConfig): readonly string[] | undefined {
    if (methods === undefined) return undefined
    if (methods.length === 0)
      problems.push(`${key}.methods: an empty list matches no request; leave it out for all methods`)
    const names = methods.map((method) => method.toUpperCase())
    if (names.some((name) => !/^[A-Z]{1,32}$/.test(name))) problems.push(`${key}.methods: must be methods such as GET`)
    // To an application HEAD is a GET: denying one and not the other would leave a way round.
    return names.includes('GET') ? [...names, 'HEAD'] : names
  }

  function policyOf(key: string, { policy, require }: RuleConfig): Policy {
    const demands = Object.values(require ?? {}).some((part) => part !== undefined)
    // Ignoring it silently would be the worst reading of the two (oauth2-proxy CVE-2021-21411).
    if (demands && policy !== 'login') problems.push(`${key}.require: only has a meaning with policy: login`)
    if (policy === 'public') return publicByRule
    if (policy === 'deny') return deniedByRule
    if (require === undefined || !demands) return loginWithGlobalRequirement
    const same = JSON.stringify(require)
    let requirement = numberOf.get(same)
    if (requirement === undefined) {
      requirement = checks.push(all([globally, ruleRequirement(access, require)])) - 1
      numberOf.set(same, requirement)
    }
    return { kind: 'login', requirement }
  }
}

function decide(hosts: HostMap<HostRules>, request: OriginalRequest): Policy {
  if (request.ambiguity !== undefined) {
    const concerned = request.ambiguity.startsWith('host') ? hosts.all() : hosts.matching(request.host)
    return concerned.some((rules) => rules.isRestrictive) ? deniedAsAmbiguous : loginWithGlobalRequirement
  }
  let first: Entry<Policy> | undefined
  for (const { paths } of hosts.matching(request.host)) {
    const found = paths.find(request.path, request.method)
    if (found !== undefined && (first === undefined || found.order < first.order)) first = found
  }
  return first?.value ?? loginWithGlobalRequirement
}

function isRestrictive(policy: Policy): boolean {
  return policy.kind === 'deny' || (policy.kind === 'login' && policy.requirement !== 0)
}

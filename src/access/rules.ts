// May this request pass, and who may make it? Order: `rules[]` (first match wins), then `excludedURLs` (public), then
// login with the global allow lists. Everything is compiled at the start; a request costs a walk along its path.
// A rule that makes something public matches exactly; one that does not also matches every other spelling of its path that some
// application takes for it (lenient-path.ts). Where such a rule comes before the one that matches exactly, both must be met.
// An ambiguous request is never public, and where any rule for its host denies or requires something it is denied,
// because nobody can tell which rule was meant.
import type { AccessConfig, RuleConfig, UpstreamConfig } from '../config/config.ts'
import { ConfigInvalid } from '../errors.ts'
import type { AccessRules, OriginalRequest, Policy } from './access.ts'
import { createHostMap, type HostMap } from './host-map.ts'
import { lenientForm, type LenientForm } from './lenient-path.ts'
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
  /** Those of them that are not public, by their paths' lenient forms. */
  readonly closed: PathTrie<Policy>
  /** There are some, and one of their paths is not in its lenient form. */
  hasOddClosed: boolean
  hasClosed: boolean
  /** A rule here denies or requires something. */
  isRestrictive: boolean
}

/** A rule with the name under which the operator knows it. */
interface NamedRule {
  readonly key: string
  readonly rule: RuleConfig
}

const loginWithGlobalRequirement: Policy = { kind: 'login', requirements: [0] }
const publicByRule: Policy = { kind: 'public', reason: 'public_rule' }
const publicByExclusion: Policy = { kind: 'public', reason: 'excluded_url' }
const deniedByRule: Policy = { kind: 'deny', reason: 'denied_by_rule' }
const deniedAsAmbiguous: Policy = { kind: 'deny', reason: 'ambiguous_path' }
const deniedAsUnstated: Policy = { kind: 'deny', reason: 'request_not_stated' }

/**
 * A rule's path is a prefix that ends at a segment boundary, `*` one segment and `**` any number; with wildcards it is a
 * prefix too. `methods: [GET]` holds for HEAD as well. A rule's `require` comes on top of the global
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
  const policyFor = new Map<string, Policy>()
  const lenient = lenientForm(access.ignoredExtensions)

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
    const hosts = createHostMap<HostRules>(() => ({
      paths: createPathTrie<Policy>(),
      closed: createPathTrie<Policy>(),
      hasOddClosed: false,
      hasClosed: false,
      isRestrictive: false,
    }))
    let order = 0
    for (const { key, rule } of rules) {
      const methods = methodsOf(key, rule)
      const host = parsed(`${key}.host`, parseHostPattern(rule.host))
      add(`${key}.path`, rule.path ?? '/', host, { order: order++, methods, value: policyOf(key, rule) })
    }
    for (const [index, path] of access.excludedURLs.entries()) {
      add(`excludedURLs[${index}]`, path, undefined, { order: order++, methods: undefined, value: publicByExclusion })
    }
    return order === 0 ? () => loginWithGlobalRequirement : (request) => decide(hosts, lenient, request)

    function add(key: string, path: string, host: HostPattern, entry: Entry<Policy>): void {
      const target = hosts.at(host)
      const segments = parsed(key, parsePathPattern(path)) ?? []
      target.paths.add(segments, entry)
      if (entry.value.kind === 'public') return
      const lenientSegments = segments.map((segment) => lenientSegment(lenient, segment))
      target.closed.add(lenientSegments, entry)
      target.hasOddClosed ||= lenientSegments.some((segment, index) => segment !== segments[index])
      target.hasClosed = true
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
    const known = policyFor.get(same)
    if (known !== undefined) return known
    const number = checks.push(all([globally, ruleRequirement(access, require)])) - 1
    const made: Policy = { kind: 'login', requirements: [number] }
    policyFor.set(same, made)
    return made
  }
}

function decide(hosts: HostMap<HostRules>, lenient: LenientForm, request: OriginalRequest): Policy {
  if (request.unstated === 'request') {
    return hosts.all().some((rules) => rules.isRestrictive) ? deniedAsUnstated : loginWithGlobalRequirement
  }
  if (request.ambiguity !== undefined) {
    const concerned = request.ambiguity === 'host' ? hosts.all() : hosts.matching(request.host)
    return concerned.some((rules) => rules.isRestrictive) ? deniedAsAmbiguous : loginWithGlobalRequirement
  }
  const method = request.unstated === 'method' ? undefined : request.method
  const concerned = hosts.matching(request.host)
  let first: Entry<Policy> | undefined
  for (const { paths } of concerned) {
    const found = paths.find(request.path, method)
    if (found !== undefined && (first === undefined || found.order < first.order)) first = found
  }
  const exact = first?.value ?? loginWithGlobalRequirement
  if (first?.order === 0 || !concerned.some((rules) => rules.hasClosed)) return exact

  const path = lenient(request.path)
  const before = concerned.flatMap(({ closed, hasClosed, hasOddClosed }) => {
    // In the form that both are in already, and for a known method, the lenient match is the exact one, and that was the first.
    if (!hasClosed || (path === request.path && !hasOddClosed && method !== undefined)) return []
    return closed.allBefore(first?.order ?? Infinity, path, method)
  })
  return before.length === 0 ? exact : strictest([...before.map(({ value }) => value), exact])
}

/** All of them at once: nobody if one says nobody, else who meets every requirement. */
function strictest(policies: readonly Policy[]): Policy {
  const denial = policies.find(({ kind }) => kind === 'deny')
  if (denial !== undefined) return denial
  const numbers = new Set(policies.flatMap((policy) => (policy.kind === 'login' ? policy.requirements : [])))
  // Every other one contains the global one.
  if (numbers.size > 1) numbers.delete(0)
  return { kind: 'login', requirements: [...numbers].toSorted((one, other) => one - other) }
}

/** The segment itself where its lenient form would be nothing (`...`): a rule for everything was not meant. */
function lenientSegment(lenient: LenientForm, segment: string): string {
  if (segment === '*' || segment === '**') return segment
  const form = lenient(`/${segment}`).slice(1)
  return form === '' ? segment : form
}

function isRestrictive(policy: Policy): boolean {
  return policy.kind === 'deny' || (policy.kind === 'login' && policy.requirements[0] !== 0)
}

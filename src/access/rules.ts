// May this request pass, and who may make it? Order: `rules[]` (first match wins), then `excludedURLs` (public), then
// login with the global allow lists. Everything is compiled at the start; a request costs a walk along its path (rule-table.ts).
import type { AccessConfig, ProviderEntry, Requirement, RuleConfig, UpstreamConfig } from '../config/config.ts'
import { type HostPattern, parseRuleHost } from '../config/host-pattern.ts'
import { isWholeNetwork, type Network, parseNetwork } from '../config/network.ts'
import { type Finding, type Parsed, type Path, refuseFindings } from '../config/problems.ts'
import type { AccessRules, Policy } from './access.ts'
import { lenientForm } from './lenient-path.ts'
import type { Entry } from './path-trie.ts'
import { parsePathPattern } from './patterns.ts'
import { forProvidersOfHost, idsNamed, mustBeOf, requirementByProvider, type ProviderIDs } from './provider-rules.ts'
import { all, type Check, ruleRequirement } from './requirement.ts'
import { createRuleTable, loginWithGlobalRequirement, type Rule } from './rule-table.ts'

export interface CompiledRules extends AccessRules {
  /**
   * The same, with the rules of `upstreams[position]` in front: for a request that the proxy has routed there. Requirement
   * numbers mean the same in all of them, so that a verdict remembered with a session cannot be taken for another one's.
   */
  forUpstream(position: number): AccessRules
  /** Every scope that some rule asks for. */
  readonly scopes: readonly string[]
}

/** A rule with the path under which the operator knows it. */
interface NamedRule {
  readonly at: Path
  readonly rule: RuleConfig
}

export interface RuleSource {
  readonly access: AccessConfig
  readonly upstreams?: readonly UpstreamConfig[]
  readonly providers?: readonly ProviderEntry[]
}

const publicByRule: Policy = { kind: 'public', reason: 'public_rule' }
const publicByExclusion: Rule = { policy: { kind: 'public', reason: 'excluded_url' }, networks: undefined }
const deniedByRule: Policy = { kind: 'deny', reason: 'denied_by_rule' }

/**
 * A rule's path is a prefix that ends at a segment boundary, `*` one segment and `**` any number; with wildcards it is a
 * prefix too. `methods: [GET]` holds for HEAD as well; `networks` for the clients in one of them. A rule's `require` comes on top of the global
 * allow lists: it narrows, never widens. Throws ConfigInvalid where `ruleFindings` has something to say.
 */
export function compileRules(source: RuleSource): CompiledRules {
  const { rules, findings } = compile(source)
  refuseFindings(findings)
  return rules
}

/** Everything about the rules that could not work. */
export function ruleFindings(source: RuleSource): readonly Finding[] {
  return compile(source).findings
}

function compile({ access, upstreams = [], providers = [] }: RuleSource): {
  rules: CompiledRules
  findings: readonly Finding[]
} {
  const findings: Finding[] = []
  const globally = requirementByProvider(access, providers)
  const checks: Check[] = [globally]
  const scopesByRequirement: (readonly string[])[] = [[]]
  const providersByRequirement = new Map<number, ProviderIDs>()
  const policyByRequire = new Map<string, Policy>()
  const lenient = lenientForm(access.ignoredExtensions)

  const ownRules = access.rules.map((rule, index) => ({ at: ['rules', index], rule }))
  const base = compileList(ownRules)
  const perUpstream = upstreams.map(({ rules }, position) => {
    const upstreamRules = rules.map((rule, index) => ({ at: ['upstreams', position, 'rules', index], rule }))
    return rules.length === 0 ? base : compileList([...upstreamRules, ...ownRules])
  })

  const meets: AccessRules['meets'] = (requirement, identity) => {
    const check = checks[requirement]
    if (check === undefined) throw new RangeError(`there is no requirement number ${requirement}`)
    return check(identity)
  }
  const scopesOf: AccessRules['scopesOf'] = (requirements) => [
    ...new Set(requirements.flatMap((requirement) => scopesByRequirement[requirement] ?? [])),
  ]
  const admitsProvider: AccessRules['admitsProvider'] = (requirements, provider) =>
    requirements.every((requirement) => providersByRequirement.get(requirement)?.has(provider) !== false)
  const rules: CompiledRules = {
    ...base,
    meets,
    scopesOf,
    admitsProvider,
    scopes: scopesOf(scopesByRequirement.map((_, requirement) => requirement)),
    forUpstream(position) {
      const compiled = perUpstream[position]
      if (compiled === undefined) throw new RangeError(`there is no upstream number ${position}`)
      return { ...compiled, meets, scopesOf, admitsProvider }
    },
  }
  return { rules, findings }

  function compileList(rules: readonly NamedRule[]): Omit<AccessRules, 'meets' | 'scopesOf' | 'admitsProvider'> {
    const table = createRuleTable(lenient)
    let order = 0
    for (const { at, rule } of rules) {
      const methods = methodsOf([...at, 'methods'], rule)
      const host = parsed([...at, 'host'], parseRuleHost(rule.host))
      add([...at, 'path'], rule.path ?? '/', host, {
        order: order++,
        methods,
        value: { policy: policyOf([...at, 'require'], rule), networks: networksOf([...at, 'networks'], rule) },
      })
    }
    for (const [index, path] of access.excludedURLs.entries()) {
      add(['excludedURLs', index], path, undefined, { order: order++, methods: undefined, value: publicByExclusion })
    }
    return {
      usesNetworks: rules.some(({ rule }) => rule.networks !== undefined),
      policyFor: forProvidersOfHost(
        order === 0 ? () => loginWithGlobalRequirement : table.policyFor,
        providers,
        (ids) => numbered(mustBeOf(ids), [], ids),
      ),
    }

    function add(at: Path, path: string, host: HostPattern | undefined, entry: Entry<Rule>): void {
      table.add(host, parsed(at, parsePathPattern(path)) ?? [], entry)
    }
  }

  function requirementOf(require: Requirement): number {
    const ids = require.providers && idsNamed(providers, require.providers)
    const own = ruleRequirement(access, require)
    return numbered(all(ids === undefined ? [globally, own] : [mustBeOf(ids), globally, own]), require.scopes, ids)
  }

  function numbered(check: Check, scopes: readonly string[] = [], ids?: ProviderIDs): number {
    const number = checks.push(check) - 1
    scopesByRequirement[number] = scopes
    if (ids !== undefined) providersByRequirement.set(number, ids)
    return number
  }

  function parsed<T>(at: Path, result: Parsed<T>): T | undefined {
    if (result.ok) return result.value
    findings.push({ path: at, message: result.problem })
    return undefined
  }

  function methodsOf(at: Path, { methods }: RuleConfig): readonly string[] | undefined {
    if (methods === undefined) return undefined
    if (methods.length === 0)
      findings.push({ path: at, message: 'an empty list matches no request; leave it out for all methods' })
    const names = methods.map((method) => method.toUpperCase())
    if (names.some((name) => !/^[A-Z]{1,32}$/.test(name)))
      findings.push({
        path: at,
        message: 'must be a list of HTTP methods, such as [GET, HEAD]; leave it out for all of them',
      })
    // To an application HEAD is a GET: denying one and not the other would leave a way round.
    return names.includes('GET') ? [...names, 'HEAD'] : names
  }

  function networksOf(at: Path, { networks }: RuleConfig): readonly Network[] | undefined {
    if (networks?.length === 0)
      findings.push({ path: at, message: 'an empty list holds for no client; leave it out for all of them' })
    return networks?.flatMap((written, index) => {
      const network = parseNetwork(written)
      if (network === undefined) {
        const message = 'must be an IP address or a CIDR range, such as 10.0.0.0/8 or fd00::/8'
        findings.push({ path: [...at, index], message })
        return []
      }
      if (!isWholeNetwork(network)) {
        const message = 'does not say whether an address or its whole range is meant; write 10.1.2.3 or 10.0.0.0/8'
        findings.push({ path: [...at, index], message })
      }
      return [network]
    })
  }

  function policyOf(at: Path, { policy, require, passesPreflight }: RuleConfig): Policy {
    const demands = Object.values(require ?? {}).some((part) => part !== undefined)
    // Ignoring it silently would be the worst reading of the two (oauth2-proxy CVE-2021-21411).
    if (demands && policy !== 'login')
      findings.push({ path: at, message: `means nothing with policy: ${policy}; use policy: login, or remove it` })
    if (policy === 'public') return publicByRule
    if (policy === 'deny') return deniedByRule
    if (!demands && !passesPreflight) return loginWithGlobalRequirement
    const same = JSON.stringify([require, passesPreflight])
    const known = policyByRequire.get(same)
    if (known !== undefined) return known
    const number = require === undefined || !demands ? 0 : requirementOf(require)
    const made: Policy = { kind: 'login', requirements: [number], ...(passesPreflight && { passesPreflight }) }
    policyByRequire.set(same, made)
    return made
  }
}

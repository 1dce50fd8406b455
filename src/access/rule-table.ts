// Which policy holds for a request: the first rule that matches, and what else it could be.
// A rule that makes something public matches exactly; one that does not also matches every other spelling of its path that some
// application takes for it (lenient-path.ts). Where such a rule comes before the one that matches exactly, both must be met.
// An ambiguous request is never public, and where any rule for its host denies or requires something it is denied,
// because nobody can tell which rule was meant.
import type { OriginalRequest, Policy } from './access.ts'
import { createHostMap } from './host-map.ts'
import type { LenientForm } from './lenient-path.ts'
import { createPathTrie, type Entry, type PathTrie } from './path-trie.ts'
import type { HostPattern } from './host-pattern.ts'

export interface RuleTable {
  add(host: HostPattern | undefined, segments: readonly string[], entry: Entry<Policy>): void
  policyFor(request: OriginalRequest): Policy
}

interface HostRules {
  readonly paths: PathTrie<Policy>
  /** Those of them that are not public, by their paths' lenient forms. */
  readonly closed: PathTrie<Policy>
  hasClosed: boolean
  /** The path of one of those is not in its lenient form. */
  hasOddClosed: boolean
  /** One of those denies or requires something. */
  isRestrictive: boolean
}

export const loginWithGlobalRequirement: Policy = { kind: 'login', requirements: [0] }
const deniedAsAmbiguous: Policy = { kind: 'deny', reason: 'ambiguous_path' }
const deniedAsUnstated: Policy = { kind: 'deny', reason: 'request_not_stated' }

export function createRuleTable(lenient: LenientForm): RuleTable {
  const hosts = createHostMap<HostRules>(() => ({
    paths: createPathTrie<Policy>(),
    closed: createPathTrie<Policy>(),
    hasClosed: false,
    hasOddClosed: false,
    isRestrictive: false,
  }))
  /** For a request that nobody stated: who meets what every rule asks for meets what is asked for there. */
  let whichever = loginWithGlobalRequirement

  return {
    add(host, segments, entry) {
      const rules = hosts.at(host)
      rules.paths.add(segments, entry)
      if (entry.value.kind === 'public') return
      const lenientSegments = segments.map((segment) => lenientSegment(lenient, segment))
      rules.closed.add(lenientSegments, entry)
      rules.hasClosed = true
      rules.hasOddClosed ||= lenientSegments.some((segment, index) => segment !== segments[index])
      rules.isRestrictive ||= entry.value.kind === 'deny' || entry.value.requirements[0] !== 0
      whichever = entry.value.kind === 'deny' ? deniedAsUnstated : strictest([whichever, entry.value])
    },

    policyFor(request) {
      if (request.unstated === 'request') return whichever
      if (request.ambiguity !== undefined) {
        const concerned = request.ambiguity.startsWith('host') ? hosts.all() : hosts.matching(request.host)
        return concerned.some((rules) => rules.isRestrictive) ? deniedAsAmbiguous : loginWithGlobalRequirement
      }
      return policyOf(request)
    },
  }

  function policyOf(request: OriginalRequest): Policy {
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

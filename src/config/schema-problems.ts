// zod's issues in the operator's words: what is wrong; what would be right.
import type { z } from 'zod'
import { oauth2Proxy } from './moving-oauth2-proxy.ts'
import { moveWords, oauth2ProxyMove } from './moving.ts'
import { knownKeys } from './option-names.ts'
import { allOptions } from './schema.ts'
import { pathText } from './problems.ts'
import type { Path } from './problems.ts'
import { nearest } from './suggest.ts'

export interface SchemaProblem {
  readonly path: Path
  readonly message: string
  /** An unknown key: the option that was probably meant. */
  readonly meant?: Path
}

export function schemaProblems(issues: readonly z.core.$ZodIssue[]): SchemaProblem[] {
  return issues.flatMap((issue): SchemaProblem[] => {
    // Symbols cannot come out of YAML; zod's type allows them.
    const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))
    if (issue.code !== 'unrecognized_keys') return [{ path, message: messageOf(issue) + example(path, issue) }]
    return issue.keys.map((key) => unknownKey(path, key))
  })
}

const EXPECTED: Readonly<Record<string, string | undefined>> = {
  array: 'must be a list',
  object: 'must be a group of options (a YAML mapping)',
  record: 'must be a mapping of names to values',
}

function messageOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'custom' || issue.code === 'too_small') return issue.message
  if (issue.code === 'invalid_type') return EXPECTED[issue.expected] ?? `must be ${issue.expected}`
  return 'is not valid here; see config.example.yaml'
}

/** oauth2-proxy's upstreams are addresses, and its providers a list. */
function example([group, , part]: Path, issue: z.core.$ZodIssue): string {
  if (group === 'providers' && part === undefined && issue.code === 'invalid_type') {
    const one = moveWords('oauth2-proxy', oauth2Proxy['providers'] ?? {})
    return `, such as { google: { providerURL: …, clientID: … } }; ${one}`
  }
  const isItem = group === 'upstreams' && part === undefined && issue.code === 'invalid_type'
  return isItem ? ', such as { url: http://app:8080 }; static://202 has no part here' : ''
}

function unknownKey(parent: Path, key: string): SchemaProblem {
  const path = [...parent, key]
  const move = parent.length === 0 ? oauth2ProxyMove(key) : undefined
  const meantThere = move?.option?.split('.')
  const foreign = move && { path, message: moveWords('oauth2-proxy', move), ...(meantThere && { meant: meantThere }) }
  if (foreign !== undefined && (/[_-]/.test(key) || Object.hasOwn(oauth2Proxy, key))) return foreign
  const near = nearest(key, knownKeys(parent))
  const meant = near === undefined ? elsewhere(key) : [...parent, near]
  if (meant !== undefined) return { path, meant, message: `is no known option; did you mean ${pathText(meant)}?` }
  return foreign ?? { path, message: 'is no known option; see config.example.yaml' }
}

/** The right name in the wrong group: `keyPrefix` at the top is `redis.keyPrefix`. Not where several groups have the name. */
function elsewhere(key: string): Path | undefined {
  const wanted = key.toLowerCase()
  const found = allOptions.filter(
    ({ path, info }) => info.ignored === undefined && path.at(-1)?.toLowerCase() === wanted,
  )
  return found.length === 1 ? found[0]?.path : undefined
}

// zod's issues in the operator's words: what is wrong; what would be right.
import { z } from 'zod'
import { allOptions, settingsSchema } from './schema.ts'
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
    if (issue.code !== 'unrecognized_keys') return [{ path, message: messageOf(issue) }]
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

function unknownKey(parent: Path, key: string): SchemaProblem {
  const path = [...parent, key]
  const near = nearest(key, knownKeys(settingsSchema, parent))
  const meant = near === undefined ? elsewhere(key) : [...parent, near]
  if (meant === undefined) return { path, message: 'is no known option; see config.example.yaml' }
  return { path, meant, message: `is no known option; did you mean ${pathText(meant)}?` }
}

/** The right name in the wrong group: `keyPrefix` at the top is `redis.keyPrefix`. */
function elsewhere(key: string): Path | undefined {
  const wanted = key.toLowerCase()
  return allOptions.find(({ path, info }) => info.ignored === undefined && path.at(-1)?.toLowerCase() === wanted)?.path
}

/** The keys that the schema has at a path, seen through its wrappers. */
export function knownKeys(schema: unknown, path: Path): string[] {
  const plain = unwrap(schema)
  const [part, ...rest] = path
  if (plain instanceof z.ZodObject) {
    const shape: Readonly<Record<string, unknown>> = plain.shape
    return part === undefined ? Object.keys(shape) : knownKeys(shape[part], rest)
  }
  if (plain instanceof z.ZodArray && part !== undefined) return knownKeys(plain.element, rest)
  return []
}

function unwrap(schema: unknown): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodPrefault) return unwrap(schema.unwrap())
  // A preprocess step: what comes after it has the keys.
  if (schema instanceof z.ZodPipe) return unwrap(schema.out)
  return schema
}

// The names that options have, for whoever asks which of them was meant.
import { z } from 'zod'
import type { Path } from './problems.ts'
import { optionShape, settingsSchema } from './schema.ts'

/** The top-level names, in lower case. */
export const optionNames: ReadonlySet<string> = new Set(Object.keys(optionShape).map((name) => name.toLowerCase()))

/** The keys that the options have at a path, seen through the schema's wrappers. */
export function knownKeys(path: Path): readonly string[] {
  return keysOf(settingsSchema, path)
}

function keysOf(schema: unknown, path: Path): string[] {
  const plain = unwrap(schema)
  const [part, ...rest] = path
  if (plain instanceof z.ZodObject) {
    const shape: Readonly<Record<string, unknown>> = plain.shape
    return part === undefined ? Object.keys(shape) : keysOf(Object.hasOwn(shape, part) ? shape[part] : undefined, rest)
  }
  if (plain instanceof z.ZodRecord && part !== undefined) return keysOf(plain.valueType, rest)
  if (plain instanceof z.ZodArray && part !== undefined) return keysOf(plain.element, rest)
  return []
}

function unwrap(schema: unknown): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodPrefault) return unwrap(schema.unwrap())
  // A preprocess step: what comes after it has the keys.
  if (schema instanceof z.ZodPipe) return unwrap(schema.out)
  return schema
}

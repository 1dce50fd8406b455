// How one option is described: a zod schema that reads the operator's words, and what else is known of it (its default in
// the operator's words, whether it is a secret). Strings are read by the option's type, wherever they come from, because
// `${VAR}` and the environment have nothing else to give.
import { parse } from 'yaml'
import { z } from 'zod'
import { isDistinguishedName } from './distinguished-name.ts'

/** What was wrong, in words: "must be …". */
export class Wrong {
  readonly message: string
  constructor(message: string) {
    this.message = message
  }
}

/** From what the operator wrote to what the code uses. Never throws. */
export type Reader<T> = (value: unknown) => T | Wrong

export interface OptionInfo {
  /** In the operator's words and units, as the example file states it. */
  readonly default?: unknown
  /** Never shown; may be given as `<NAME>_FILE`, `file:` or `urn:k8s:secret:`. */
  readonly secret?: boolean
  /** The environment's name for it is everybody's (`https_proxy`), and counts in lower case, too. */
  readonly inLowerCase?: boolean
  /** Members of a group; a group is no option itself. */
  readonly members?: Shape
  /** An option of the Traefik plugin that does nothing here: why. Not looked up in the environment. */
  readonly ignored?: string
}

export type Shape = Readonly<Record<string, z.ZodType>>

/** What zod has no place for; weak, so that it lives no longer than the schemas. */
const known = new WeakMap<z.ZodType, OptionInfo>()

function described<S extends z.ZodType>(schema: S, info: OptionInfo): S {
  known.set(schema, info)
  return schema
}

export function infoOf(schema: z.ZodType): OptionInfo {
  return known.get(schema) ?? {}
}

export function leaf<T>(read: Reader<T>) {
  return z.unknown().transform((value, context): T => {
    const result = value === undefined ? new Wrong('is missing') : read(value)
    if (!(result instanceof Wrong)) return result
    context.addIssue({ code: 'custom', message: result.message })
    return z.NEVER
  })
}

/** A list: YAML, or in one string separated by commas or in flow syntax (`[a, b]`). */
export function listOf<S extends z.ZodType>(item: S) {
  return z.preprocess(splitList, z.array(item))
}

/** Maps and lists of maps; in one string they are YAML (or JSON) flow syntax. */
export function structured<S extends z.ZodType>(schema: S) {
  return z.preprocess(parseFlow, schema)
}

export function optional<S extends z.ZodType>(schema: S, info: OptionInfo = {}) {
  return described(schema.optional(), info)
}

/** `value` is read like any other: the default stands in the operator's words. */
export function withDefault<S extends z.ZodType>(value: unknown, schema: S, info: OptionInfo = {}) {
  // zod asks for the schema's input type, which is `unknown` for every reader of ours.
  return described(schema.prefault(value as never), { default: value, ...info })
}

export function group<S extends Record<string, z.ZodType>>(members: S) {
  // Every member is optional or has a default, which zod cannot see through the type parameter.
  return described(z.strictObject(members).prefault({} as never), { members })
}

export interface ListedOption {
  readonly path: readonly string[]
  readonly info: OptionInfo
}

/** Every option of a shape with its path, groups opened. */
export function listOptions(shape: Shape, under: readonly string[] = []): ListedOption[] {
  return Object.entries(shape).flatMap(([name, schema]) => {
    const path = [...under, name]
    const info = infoOf(schema)
    return info.members === undefined ? [{ path, info }] : listOptions(info.members, path)
  })
}

function splitList(value: unknown): unknown {
  if (typeof value !== 'string') return value
  const text = value.trim()
  if (text.startsWith('[')) return parseFlow(text)
  // One name of a directory, and no list of its parts; several of them are a list of YAML.
  if (isDistinguishedName(text)) return [text]
  return text === ''
    ? []
    : text
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '')
}

function parseFlow(value: unknown): unknown {
  if (typeof value !== 'string') return value
  try {
    return parse(value, { maxAliasCount: 0, logLevel: 'silent' })
  } catch {
    return value
  }
}

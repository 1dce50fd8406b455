// What a source's files say, one option at a time, wherever it stood: a flag, a variable, a line, a key of YAML.
import { isDistinguishedName } from '../config/distinguished-name.ts'
import type { Path } from '../config/problems.ts'

/** Whose word counts where two say the same: a flag, then a variable, then a file (oauth2-proxy's own order). */
export type Rank = 'flag' | 'variable' | 'file'

export interface Found {
  /** As it was written: `--email-domain`, `OAUTH2_PROXY_EMAIL_DOMAINS`, `email_domains`. */
  readonly name: string
  /** Text as in the file; a list's items; `true` for a flag without a value; `secret` for a reference to a mounted one. */
  readonly value: unknown
  /** `compose.yaml:12` */
  readonly place: string
  readonly rank: Rank
}

/** A value that stands in another object: Kubernetes' `valueFrom`, or a variable that is handed through without a value. */
export class Elsewhere {
  readonly words: string
  constructor(words: string) {
    this.words = words
  }
}

export const placeOf = (file: string, line: number): string => `${file}:${line}`

/** The items of a list, whether it was a list, repeated, or one text with commas (a directory's name is one). Empty ones are no items. */
export function itemsOf(value: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  return list
    .flatMap((item) => (typeof item === 'string' && !isDistinguishedName(item) ? item.split(',') : scalar(item)))
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** One text, or undefined where there is none: a list of several, a map, a reference. */
export function textOf(value: unknown): string | undefined {
  const [first, ...more] = Array.isArray(value) ? (value as readonly unknown[]) : [value]
  if (more.length > 0) return undefined
  return scalar(first)[0]?.trim()
}

/** As Go's strconv.ParseBool and the flag libraries read it. */
export function isOn(value: unknown): boolean {
  return /^(?:1|t|true|yes|on)$/i.test(textOf(value) ?? '')
}

function scalar(value: unknown): readonly string[] {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? [String(value)] : []
}

export type LineOf = (path: Path) => number

// The kinds of values an operator writes: text, switches, counts, durations, choices. Each reader says what it expects.
import { Wrong } from './option.ts'
import type { Reader } from './option.ts'
import { nearest } from './suggest.ts'

export const text: Reader<string> = (value) => {
  if (typeof value === 'string') {
    const trimmed = value.trim()
    if (trimmed === '') return new Wrong('is empty; leave the option out or give it text')
    return /\p{Cc}/u.test(trimmed) ? new Wrong('has a control character; write plain text on one line') : trimmed
  }
  // YAML would have dropped leading zeros, or read `1e3` as a thousand: never guess it back.
  if (typeof value === 'number' || typeof value === 'boolean') {
    return new Wrong(`must be text, but YAML reads it as a ${typeof value}; put it in quotes`)
  }
  return new Wrong('must be text')
}

/** Text of several lines, such as PEM; `\n` written out (as environments often need it) becomes a line break. */
export const block: Reader<string> = (value) => {
  if (typeof value !== 'string' || value.trim() === '') return new Wrong('must be text')
  return value.includes('-----BEGIN') ? value.replaceAll(String.raw`\n`, '\n') : value
}

const SWITCH: Readonly<Record<string, boolean | undefined>> = {
  true: true,
  yes: true,
  on: true,
  '1': true,
  false: false,
  no: false,
  off: false,
  '0': false,
}

export const flag: Reader<boolean> = (value) => {
  if (typeof value === 'boolean') return value
  const word = typeof value === 'string' ? value.trim().toLowerCase() : ''
  return (Object.hasOwn(SWITCH, word) ? SWITCH[word] : undefined) ?? new Wrong('must be true or false')
}

export function integer(min: number, max: number): Reader<number> {
  return (value) => {
    const number = typeof value === 'string' && /^\s*-?\d+\s*$/.test(value) ? Number(value) : value
    if (typeof number === 'number' && Number.isSafeInteger(number) && number >= min && number <= max) return number
    return new Wrong(`must be a whole number from ${min} to ${max}`)
  }
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const DURATION = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/
const DURATION_PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g
const HOW_TO_WRITE = 'write seconds (30) or 250ms, 5s, 10m, 24h, 7d'

/** Milliseconds, or undefined when it is no duration. A bare number is seconds. */
export function durationMs(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? Math.round(value * 1_000) : undefined
  if (typeof value !== 'string') return undefined
  const written = value.trim()
  if (/^\d+(\.\d+)?$/.test(written)) return durationMs(Number(written))
  if (!DURATION.test(written)) return undefined
  let total = 0
  for (const [, count, unit] of written.matchAll(DURATION_PART)) total += Number(count) * (UNIT_MS[unit ?? ''] ?? 0)
  return Number.isFinite(total) ? Math.round(total) : undefined
}

/** `least`, `most`: in the operator's words, as the message gives them. */
export function duration(least: string, most: string): Reader<number> {
  return (value) => {
    const ms = durationMs(value)
    if (ms === undefined) return new Wrong(`must be a duration; ${HOW_TO_WRITE}`)
    if (ms >= (durationMs(least) ?? 0) && ms <= (durationMs(most) ?? 0)) return ms
    return new Wrong(`must be a duration from ${least} to ${most}; ${HOW_TO_WRITE}`)
  }
}

/** Like `duration`; `off`, `false` and 0 mean that there is no such limit. */
export function durationOrOff(least: string, most: string): Reader<number | 'off'> {
  const read = duration(least, most)
  return (value) => {
    const word = typeof value === 'string' ? value.trim().toLowerCase() : value
    return word === 'off' || word === 'false' || word === false || word === 0 || word === '0' ? 'off' : read(value)
  }
}

/** Like `integer`; `off` and `false` mean that there is no such limit. */
export function integerOrOff(min: number, max: number): Reader<number | 'off'> {
  const read = integer(min, max)
  return (value) => {
    const word = typeof value === 'string' ? value.trim().toLowerCase() : value
    if (word === 'off' || word === 'false' || word === false) return 'off'
    const number = read(value)
    return number instanceof Wrong ? new Wrong(`${number.message}, or off`) : number
  }
}

export function choice<const T extends string>(words: readonly T[]): Reader<T> {
  return (value) => {
    const written = typeof value === 'string' ? value.trim().toLowerCase() : ''
    const found = words.find((word) => word.toLowerCase() === written)
    if (found !== undefined) return found
    const meant = written === '' ? undefined : nearest(written, words)
    return new Wrong(`must be one of ${words.join(', ')}${meant === undefined ? '' : `; did you mean ${meant}?`}`)
  }
}

/** A scalar of any kind as text: claim values and extra parameters, where `true` and `7` mean their text. */
export const scalar: Reader<string> = (value) => {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return typeof value === 'string' && !/\p{Cc}/u.test(value) ? value : new Wrong('must be text, a number or true/false')
}

/** A class of authentication (`acr`): `acr_values` is a list with spaces, and RFC 9470 puts it in quotes into a header. */
export const acrValue: Reader<string> = (value) => {
  const written = text(value)
  if (written instanceof Wrong) return written
  const isPlain = /^[!#-[\]-~]{1,256}$/.test(written)
  return isPlain ? written : new Wrong('must be at most 256 ASCII characters without spaces, quotes and backslashes')
}

/** One scope, or several with spaces between. They stand in a header as they are. */
export const scopeNames: Reader<string> = (value) => {
  const written = text(value)
  if (written instanceof Wrong || /^[\x20\x21\x23-\x5b\x5d-\x7e]+$/.test(written)) return written
  return new Wrong('has characters that RFC 6749 (section 3.3) does not allow in a scope')
}

/** RFC 9110 token: header, method and cookie names. */
export function isToken(name: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)
}

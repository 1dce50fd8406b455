// Secrets: where they are (in the text, in a file, in a mounted Kubernetes secret), how they are read, and which ones are no
// secret at all.
import { Wrong } from './option.ts'
import type { Reader } from './option.ts'

/** Throws when the file cannot be read. */
export type ReadFile = (path: string) => string

export type SecretSource =
  | { readonly from: 'text'; readonly text: string }
  | { readonly from: 'file'; readonly path: string }
  | { readonly from: 'mounted'; readonly name: string; readonly key: string }

const URN = 'urn:k8s:secret:'
/** Kubernetes' own alphabet. `..` (its hidden data directories, and the way out of the directory) is not in it for us. */
const MOUNTED_PART = /^(?!\.\.|\.$)[A-Za-z0-9._-]{1,253}$/

export const secret: Reader<SecretSource> = (value) => {
  if (typeof value === 'number' || typeof value === 'boolean') {
    return new Wrong('must be text, but YAML reads it as something else; put it in quotes')
  }
  if (typeof value !== 'string') return new Wrong('must be text, file:/path or urn:k8s:secret:NAME:KEY')
  const written = value.trim()
  if (written === '') return new Wrong('is empty')
  if (written.startsWith(URN)) {
    const [name = '', key = '', ...rest] = written.slice(URN.length).split(':')
    if (rest.length > 0 || !MOUNTED_PART.test(name) || !MOUNTED_PART.test(key)) {
      return new Wrong('must be urn:k8s:secret:NAME:KEY, both of letters, digits, dots, dashes and underscores')
    }
    return { from: 'mounted', name, key }
  }
  if (written.startsWith('file:')) {
    const path = written.slice('file:'.length).replace(/^\/\/(?=\/)/, '')
    const isGood = path.startsWith('/') && !/\p{Cc}/u.test(path)
    return isGood
      ? { from: 'file', path }
      : new Wrong('must name the file by its absolute path: file:/run/secrets/name')
  }
  // Not trimmed: a space may be part of a password.
  return { from: 'text', text: value }
}

/** What the source holds now. Throws what `readFile` throws. A trailing line break is the editor's, not the secret's. */
export function readSecret(source: SecretSource, secretsDir: string, readFile: ReadFile): string {
  if (source.from === 'text') return source.text
  const path = source.from === 'file' ? source.path : `${secretsDir}/${source.name}/${source.key}`
  return readFile(path).replace(/\r?\n$/, '')
}

/** `ENOENT` and the like; a message could quote what it should not. */
export function failureCode(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : 'unreadable'
}

const PLACEHOLDERS = [
  'your-encryption-key',
  'your-password',
  'your-client-secret',
  'your-client-id',
  'your-elasticache-auth-token',
  'your-redis-password',
  'changeme',
  'change-me',
] as const

/** The documentation's placeholder that this is, if it is one: copied and forgotten, and known to everybody. */
export function placeholderIn(value: string): string | undefined {
  const lower = value.trim().toLowerCase()
  return PLACEHOLDERS.find((placeholder) => placeholder === lower)
}

// What people leave standing when they copy a documentation's key and lengthen it. Words such as `test` or `key` alone prove
// nothing: a long passphrase may hold them.
const EXAMPLE_PARTS = /your[-_ ]|change[-_ ]?me|potato-secret|replace[-_ ]?(?:me|this)/i

/** Why a key of sufficient length can still be guessed, or undefined when nothing speaks against it. */
export function weakness(key: string): string | undefined {
  if (EXAMPLE_PARTS.test(key)) return 'is an example from documentation, known to everybody'
  if (new Set(key).size < 8) return 'has fewer than 8 different characters'
  const codes = Array.from(key, (character) => character.codePointAt(0) ?? 0)
  const steps = codes.slice(1).map((code, index) => Math.abs(code - (codes[index] ?? 0)))
  if (steps.filter((step) => step <= 1).length * 2 > steps.length) return 'is a sequence'
  for (let period = 1; period <= 16; period += 1) {
    if (codes.every((code, index) => index < period || code === codes[index - period])) return 'repeats itself'
  }
  return undefined
}

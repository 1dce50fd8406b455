// Secrets: where they are (in the text, in a file, in a mounted Kubernetes secret) and how they are read. Which ones are no
// secret at all is no-secrets.ts's to say.
import { Wrong } from './option.ts'
import type { Reader } from './option.ts'

/** Throws when the file cannot be read. */
export type ReadFile = (path: string) => string

export type SecretSource =
  | { readonly from: 'text'; readonly text: string }
  | { readonly from: 'file'; readonly path: string }
  | { readonly from: 'mounted'; readonly name: string; readonly key: string }

export const URN = 'urn:k8s:secret:'
/** Kubernetes' own alphabet. `..` (its hidden data directories, and the way out of the directory) is not in it for us. */
const MOUNTED_PART = /^(?!\.\.|\.$)[A-Za-z0-9._-]{1,253}$/

export const secret: Reader<SecretSource> = (value) => {
  if (typeof value === 'number' || typeof value === 'boolean') {
    return new Wrong('must be text, but YAML reads it as something else; put it in quotes')
  }
  if (typeof value !== 'string') return new Wrong('must be text, file:/path or urn:k8s:secret:NAME:KEY')
  const written = value.trim()
  if (written === '') return new Wrong('is empty')
  if (written.startsWith(URN)) return mounted(written)
  if (written.startsWith('file:')) {
    const path = written.slice('file:'.length).replace(/^\/\/(?=\/)/, '')
    const isGood = path.startsWith('/') && !/\p{Cc}/u.test(path)
    return isGood
      ? { from: 'file', path }
      : new Wrong('must name the file by its absolute path: file:/run/secrets/name')
  }
  return { from: 'text', text: value }
}

/** `written` begins with `urn:k8s:secret:`. */
export function mounted(written: string): Extract<SecretSource, { from: 'mounted' }> | Wrong {
  const [name = '', key = '', ...rest] = written.slice(URN.length).split(':')
  if (rest.length > 0 || !MOUNTED_PART.test(name) || !MOUNTED_PART.test(key)) {
    return new Wrong('must be urn:k8s:secret:NAME:KEY, both of letters, digits, dots, dashes and underscores')
  }
  return { from: 'mounted', name, key }
}

/** Why its file could not be read, and what to do. */
export function unreadable(source: Exclude<SecretSource, { from: 'text' }>, error: unknown): string {
  const how =
    source.from === 'file'
      ? 'check the path and its permissions'
      : 'urn:k8s:secret:NAME:KEY is the file NAME/KEY in secretsDir: mount the secret there'
  return `its file cannot be read (${failureCode(error)}); ${how}`
}

/** What the source holds now. Throws what `readFile` throws. */
export function readSecret(source: SecretSource, secretsDir: string, readFile: ReadFile): string {
  return bare(source.from === 'text' ? source.text : readFile(secretPath(source, secretsDir)))
}

export function secretPath(source: Exclude<SecretSource, { from: 'text' }>, secretsDir: string): string {
  return source.from === 'file' ? source.path : `${secretsDir}/${source.name}/${source.key}`
}

/** Line breaks around it and a byte order mark are the editor's, not the secret's. Spaces may be meant, and are told. */
function bare(text: string): string {
  return text.replace(/^[\uFEFF\r\n]+/, '').replace(/(?<![\r\n])[\r\n]+$/, '')
}

/** `ENOENT` and the like; a message could quote what it should not. */
export function failureCode(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : 'unreadable'
}

// What may stand in a log line. Callers do not log secrets; this is the net under them, for the day one does, or a library
// puts a URL with a code in an error's message. It owns no format and no destination.
import { AppError } from '../errors.ts'

const redacted = '[redacted]'
const maxDepth = 3
/** A hostile request must not be able to fill the disk through one line. */
const maxTextLength = 4_096
const maxItems = 50

// Compared without separators and case: `clientSecret`, `client_secret` and `Client-Secret` are one name.
const secretWithin =
  /secret|token|cookie|authorization|password|passphrase|credential|verifier|assertion|ticket|privatekey|encryptionkey/
const secretExactly = new Set(['code', 'state', 'nonce', 'jwt', 'pass', 'authorizationcode', 'sessionstate'])

/** The same fields, safe to write: secrets by name, queries and user info of URLs, and the inside of errors removed. */
export function redactFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return redactRecord(fields, 1)
}

/** Text without query strings, user info in URLs, bearer values or JWTs. In a time that grows with its length and no faster. */
export function redactText(text: string): string {
  let safe = text.length > maxTextLength ? `${text.slice(0, maxTextLength)}…` : text
  if (safe.includes('://')) safe = safe.replace(/:\/\/[^\s/?#"'<>]*@/g, '://')
  if (safe.includes('?') || safe.includes('#')) {
    // Word by word and run by run: an expression that looks for the beginning would look from each of them to the end.
    safe = safe.replace(/[^\s"'<>]+/g, withoutQuery)
    // A bare query, as in `url: '?code=...'`.
    safe = safe.replace(/[?#&][\w.~%-]+=[^\s"'<>]*/g, '')
  }
  if (safe.includes('eyJ')) safe = safe.replace(/[\w.-]+/g, withoutJWT)
  if (/bearer |basic /i.test(safe)) safe = safe.replace(/\b(bearer|basic) +[\w.~+/=-]{8,}/gi, `$1 ${redacted}`)
  return safe
}

/** A URL, or a path from the root, up to its query or fragment. */
function withoutQuery(word: string): string {
  const pathAt = word.search(/:\/\/|(?<![\w/])\//)
  const length = pathAt < 0 ? -1 : word.slice(pathAt).search(/[?#]/)
  return length < 0 ? word : word.slice(0, pathAt + length)
}

function withoutJWT(run: string): string {
  const at = run.search(/\beyJ[\w-]/)
  return at >= 0 && run.includes('.', at) ? run.slice(0, at) + redacted : run
}

function isSecretName(name: string): boolean {
  const plain = name.toLowerCase().replace(/[-_.\s]/g, '')
  return secretExactly.has(plain) || secretWithin.test(plain)
}

function redactRecord(record: Readonly<Record<string, unknown>>, depth: number): Record<string, unknown> {
  const safe: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(record)) {
    // Counts and flags (`hasRefreshToken: true`, `tokens: 3`) tell nothing; text and objects might.
    const harmless = value === undefined || value === null || typeof value === 'boolean' || typeof value === 'number'
    safe[name] = harmless ? value : isSecretName(name) ? redacted : redactValue(value, depth)
  }
  return safe
}

function redactValue(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case 'string':
      return redactText(value)
    case 'bigint':
      return value.toString()
    case 'function':
    case 'symbol':
      return undefined
    case 'object':
      return value === null ? null : redactObject(value, depth)
    default:
      return value
  }
}

function redactObject(value: object, depth: number): unknown {
  if (value instanceof Error) return describeError(value, 1)
  if (value instanceof URL) return redactText(value.href)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  // Keys and ciphertexts are bytes: only their number is safe to say.
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`
  if (depth >= maxDepth) return '[deep]'
  if (Array.isArray(value)) return value.slice(0, maxItems).map((item: unknown) => redactValue(item, depth + 1))
  if (value instanceof Map || value instanceof Set) return `[${value.size} entries]`
  // A request or response of a library: its fields are headers and bodies.
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return `[${value.constructor.name}]`
  return redactRecord(Object.fromEntries(Object.entries(value)), depth + 1)
}

/** What an error says of itself, and nothing that a library hung on it (request, response, headers, body). */
function describeError(error: Error, depth: number): Record<string, unknown> {
  const described: Record<string, unknown> = { type: error.constructor.name, message: redactText(error.message) }
  for (const name of ['code', 'reason', 'status', 'statusCode', 'syscall'] as const) {
    const value: unknown = Reflect.get(error, name)
    // The public codes of our own, of Node and of the libraries: words, never a value that came over the wire.
    if (typeof value === 'number' || (typeof value === 'string' && /^[A-Za-z][\w-]{0,63}$/.test(value))) {
      described[name] = value
    }
  }
  // An expected failure needs no stack: its code says where it belongs.
  if (!(error instanceof AppError) && error.stack !== undefined && depth === 1) {
    described['stack'] = redactText(error.stack)
  }
  if (depth < maxDepth) {
    if (error.cause instanceof Error) described['cause'] = describeError(error.cause, depth + 1)
    if (error instanceof AggregateError) {
      // Node reports a refused connection to a name with two addresses as one of these, with an empty message.
      described['errors'] = error.errors
        .slice(0, 3)
        .map((inner: unknown) => (inner instanceof Error ? describeError(inner, depth + 1) : undefined))
    }
  }
  return described
}

// One reading of "the original request", whichever proxy described it. Rules, cookies and return URLs all start from here.
// The attack it answers is disagreement: we read `/public/..;/admin` one way, the application another, and a rule that
// was meant for one path lets people in at a second one (Oathkeeper CVE-2026-33494, oauth2-proxy CVE-2026-41059, ...).
// So nothing is repaired: whatever two readers could read differently is marked, and rules.ts never makes it public.
import { isIPv4, isIPv6 } from 'node:net'
import { BadRequest } from '../errors.ts'
import type { OriginalRequest } from './access.ts'

/** What makes a request ambiguous; stable words for logs. */
export type Ambiguity =
  | 'method'
  | 'host'
  | 'host_dot'
  | 'fragment'
  | 'dot_segment'
  | 'empty_segment'
  | 'encoded_slash'
  | 'backslash'
  | 'parameter'
  | 'encoded_query'
  | 'control'
  | 'double_encoding'
  | 'escape'
  | 'utf8'
  | 'non_ascii'
  | 'unicode'

/** A request as a proxy describes it. `target`: origin-form (RFC 9112 section 3.2.1), path and query. */
export interface RequestDescription {
  readonly method: string
  readonly scheme: string
  readonly host: string
  readonly target: string
}

const maxTargetLength = 16_384

// Hot path: nearly every target is plain, and this one test says so. Its `(?!...)` keeps `.` and `..` out. A port of four
// digits is nobody's default, so it is plain too.
const plainTarget = /^(?:\/(?!\.{1,2}(?:[/?]|$))[\w.~!$&'()*+,=:@-]+)*\/?(?:\?[\x21\x22\x24-\x7e]*)?$/
const plainHost = /^(?:[a-z0-9_][a-z0-9_-]*\.)*[a-z_][a-z0-9_-]*(?::[1-9][0-9]{3})?$/
const plainMethod = /^[A-Z]{1,32}$/

/**
 * The canonical form of a request. Throws BadRequest for what cannot be a request at all; everything that two readers
 * could read differently sets `ambiguity`, and then `path` is the raw path, for the log rather than for a decision.
 */
export function originalRequest({ method, scheme, host, target }: RequestDescription): OriginalRequest {
  const canonicalScheme = schemeOf(scheme)
  if (target.charCodeAt(0) !== 47) throw new BadRequest('the request target does not start with a slash')
  if (target.length > maxTargetLength) throw new BadRequest(`the request target is longer than ${maxTargetLength}`)
  const queryAt = target.indexOf('?')
  const rawPath = queryAt < 0 ? target : target.slice(0, queryAt)
  const rawQuery = queryAt < 0 ? '' : target.slice(queryAt)

  const isPlain = plainTarget.test(target) && host.length <= 253 && plainHost.test(host)
  if (isPlain && (method === 'GET' || plainMethod.test(method))) {
    return { method, scheme: canonicalScheme, host, rawPath, rawQuery, path: rawPath, ambiguity: undefined }
  }
  const reading = readTarget(target, rawPath)
  const authority = readHost(host, canonicalScheme)
  const verb = readMethod(method)
  return {
    method: verb.method,
    scheme: canonicalScheme,
    host: authority.host,
    rawPath,
    rawQuery,
    path: reading.path,
    ambiguity: authority.ambiguity ?? reading.ambiguity ?? (verb.ambiguous ? 'method' : undefined),
  }
}

/** Traefik names an upgrade's scheme `ws` or `wss`. Throws BadRequest for anything but those, http and https. */
export function schemeOf(value: string): 'http' | 'https' {
  if (value === 'https' || value === 'wss') return 'https'
  if (value === 'http' || value === 'ws') return 'http'
  throw new BadRequest('the scheme is neither http(s) nor ws(s)')
}

/** Methods are case-sensitive (RFC 9110 section 9.1), yet many applications take `get` for GET. */
function readMethod(given: string): { method: string; ambiguous: boolean } {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/.test(given)) throw new BadRequest('the method is not a token')
  const method = given.toUpperCase()
  return { method, ambiguous: method !== given }
}

function readTarget(target: string, rawPath: string): { path: string; ambiguity: Ambiguity | undefined } {
  // oxlint-disable-next-line no-control-regex -- control bytes are what is being refused
  if (/[\x00-\x20\x7f]/.test(target)) throw new BadRequest('the request target holds a control byte or a space')
  // A raw `#` never belongs in a request target, the query included: some readers cut there, some encode it and go on.
  if (target.includes('#')) return { path: rawPath, ambiguity: 'fragment' }
  return canonicalPath(rawPath)
}

/**
 * More combining characters in a row than any language writes (Unicode UAX #15, Stream-Safe Text Format: 30). Normalising sorts
 * such a row in quadratic time: one path of 16 KB would hold up the process for 50 ms.
 */
const notStreamSafe = /[\p{M}\uff9e\uff9f]{31}/u

/** A path percent-decoded once and in NFC, or, when it is ambiguous, as it came with the reason. */
export function canonicalPath(rawPath: string): { path: string; ambiguity: Ambiguity | undefined } {
  const path = decodedOnce(rawPath)
  const ambiguity = ambiguityOf(rawPath, path)
  return ambiguity === undefined && path !== undefined
    ? { path: path.normalize('NFC'), ambiguity }
    : { path: rawPath, ambiguity: ambiguity ?? 'utf8' }
}

function ambiguityOf(rawPath: string, decoded: string | undefined): Ambiguity | undefined {
  // oxlint-disable-next-line no-control-regex -- everything beyond ASCII, however it was read from the wire
  if (/[^\x00-\x7f]/.test(rawPath)) return 'non_ascii'
  if (rawPath.includes('\\') || /%5c/i.test(rawPath)) return 'backslash'
  if (rawPath.includes('//')) return 'empty_segment'
  if (/%2f/i.test(rawPath)) return 'encoded_slash'
  // Tomcat, Jetty and others drop `;x=y` from each segment, so that `/public/..;/admin` is `/admin` there.
  if (rawPath.includes(';') || /%3b/i.test(rawPath)) return 'parameter'
  if (rawPath.includes('#') || /%23/.test(rawPath)) return 'fragment'
  if (/%3f/i.test(rawPath)) return 'encoded_query'
  if (/%(?![0-9a-f]{2})/i.test(rawPath)) return 'escape'
  if (decoded === undefined) return 'utf8'
  // oxlint-disable-next-line no-control-regex -- encoded control bytes, C1 included
  if (/[\x00-\x1f\x7f-\x9f]/.test(decoded)) return 'control'
  if (/(?:^|\/)\.{1,2}\s*(?:\/|$)/.test(decoded)) return 'dot_segment'
  // Looked for after decoding, so that `%25%32%66` is found too; `%u` is IIS's own escape.
  if (/%[0-9a-fu]/i.test(decoded)) return 'double_encoding'
  if (notStreamSafe.test(decoded)) return 'unicode'
  // oxlint-disable-next-line no-control-regex -- what a reader that folds compatibility characters would take for syntax
  if (/[/\\.;%?#]/.test(decoded.replace(/[\x00-\x7f]+/g, 'x').normalize('NFKC'))) return 'unicode'
  return undefined
}

/** Undefined for damaged escapes and for bytes that are not UTF-8, overlong forms included. */
function decodedOnce(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

interface HostReading {
  readonly host: string
  readonly ambiguity: 'host' | 'host_dot' | undefined
}

function readHost(value: string, scheme: 'http' | 'https'): HostReading {
  const parts = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{0,5}))?$/i.exec(value)
  const [, givenName, givenPort] = parts ?? []
  if (givenName === undefined) throw new BadRequest('the host is not a host name or address with an optional port')
  const name = givenName.startsWith('[') ? canonicalIPv6(givenName) : canonicalName(givenName)
  if (givenPort === undefined) return name

  const port = Number(givenPort)
  if (port > 65_535 || (port === 0 && givenPort !== '')) throw new BadRequest('the host has an impossible port')
  const isDefault = givenPort === '' || port === (scheme === 'https' ? 443 : 80)
  return {
    host: isDefault ? name.host : `${name.host}:${port}`,
    ambiguity: String(port) === givenPort ? name.ambiguity : 'host',
  }
}

function canonicalName(given: string): HostReading {
  const host = given.toLowerCase().replace(/\.$/, '')
  if (host.length > 253 || !/^(?:[a-z0-9_][a-z0-9_-]*\.)*[a-z0-9_][a-z0-9_-]*$/.test(host)) {
    throw new BadRequest('the host is not a host name')
  }
  // `127.1`, `0x7f.1` and `017700000001` are addresses to a browser and names to a rule.
  const looksNumeric = /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/.test(host)
  if (looksNumeric && !isIPv4(host)) return { host, ambiguity: 'host' }
  if (host === given) return { host, ambiguity: undefined }
  return { host, ambiguity: given === `${host}.` ? 'host_dot' : 'host' }
}

function canonicalIPv6(given: string): HostReading {
  if (!isIPv6(given.slice(1, -1))) throw new BadRequest('the host is not an IPv6 address')
  const host = new URL(`http://${given}/`).hostname
  return { host, ambiguity: host === given ? undefined : 'host' }
}

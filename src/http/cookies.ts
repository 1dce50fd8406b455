// Cookies on the wire. Reading is a plain scan, as it happens on every request; values are neither decoded nor trusted.
import { stringifySetCookie, type SetCookie } from 'cookie'

const maxValues = 4

export interface CookieAttributes {
  readonly name: string
  readonly domain: string | undefined
  readonly path: string
  readonly sameSite: 'lax' | 'strict' | 'none'
  readonly secure: boolean
  readonly httpOnly: boolean
}

export interface Cookie extends CookieAttributes {
  readonly value: string
  /** Absent: until the browser closes. */
  readonly maxAgeSeconds?: number | undefined
}

/**
 * The values of the cookie with exactly this name, in the order sent, of more than 4 the last: a sibling host can plant others
 * (`Domain=`), and which of them is ours shows only when it is opened. Browsers send those of longer paths first (RFC 6265 section
 * 5.4), as many as somebody plants; behind ours stand at most those of a shorter path or a wider domain. Quotes around a value are
 * removed.
 */
export function cookieValues(header: string | undefined, name: string): string[] {
  const values: string[] = []
  if (header === undefined || name === '') return values
  for (let at = header.indexOf(name); at >= 0; at = header.indexOf(name, at + 1)) {
    const equals = at + name.length
    // `=`; and the name begins here, rather than being the end of another one or part of a value.
    if (header.charCodeAt(equals) !== 61 || !startsPair(header, at)) continue
    values.push(valueAt(header, equals + 1))
    if (values.length > maxValues) values.shift()
  }
  return values
}

/** A Set-Cookie value. Throws TypeError for what would be another cookie than the one meant: a mistake of ours. */
export function setCookie({ maxAgeSeconds, ...cookie }: Cookie): string {
  checkPrefix(cookie)
  const maxAge = maxAgeSeconds === undefined ? {} : { maxAge: Math.max(0, Math.floor(maxAgeSeconds)) }
  return write({ ...cookie, ...maxAge })
}

/** Deletes the cookie: only the same name, domain and path do (Envoy CVE-2025-55162 left `__Secure-` ones behind). */
export function expireCookie(attributes: CookieAttributes): string {
  checkPrefix(attributes)
  return write({ ...attributes, value: '', maxAge: 0, expires: new Date(0) })
}

function write({ domain, ...cookie }: Omit<SetCookie, 'domain'> & Pick<CookieAttributes, 'domain'>): string {
  // Values are taken as they are: what a cookie cannot hold is a mistake, and not to be encoded.
  return stringifySetCookie({ ...cookie, ...(domain !== undefined && { domain }) }, { encode: (value) => value })
}

/** A browser drops a cookie whose prefix promises what its attributes do not keep; better to hear of it here. */
function checkPrefix({ name, secure, path, domain }: CookieAttributes): void {
  if (name.startsWith('__Host-') && (!secure || path !== '/' || domain !== undefined)) {
    throw new TypeError(`cookie ${name} must be Secure, have path / and no domain`)
  }
  if (name.startsWith('__Secure-') && !secure) throw new TypeError(`cookie ${name} must be Secure`)
}

function startsPair(header: string, at: number): boolean {
  let before = at - 1
  while (before >= 0 && header.charCodeAt(before) === 32) before--
  return before < 0 || header.charCodeAt(before) === 59
}

function valueAt(header: string, start: number): string {
  const semicolon = header.indexOf(';', start)
  let end = semicolon < 0 ? header.length : semicolon
  while (end > start && isBlank(header.charCodeAt(end - 1))) end--
  while (start < end && isBlank(header.charCodeAt(start))) start++
  const isQuoted = end - start >= 2 && header.charCodeAt(start) === 34 && header.charCodeAt(end - 1) === 34
  return isQuoted ? header.slice(start + 1, end - 1) : header.slice(start, end)
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9
}

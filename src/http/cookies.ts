// Cookies on the wire. Reading is a plain scan, as it happens on every request; values are neither decoded nor trusted.

const maxValues = 4
const maxWithPrefix = 32

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
 * Every value of the cookie with exactly this name, in the order sent, at most 4: a sibling host can plant a second one
 * (`Domain=`), and which of them is ours shows only when it is opened. Quotes around a value are removed.
 */
export function cookieValues(header: string | undefined, name: string): string[] {
  const values: string[] = []
  if (header === undefined || name === '') return values
  for (let at = header.indexOf(name); at >= 0 && values.length < maxValues; at = header.indexOf(name, at + 1)) {
    const equals = at + name.length
    // `=`; and the name begins here, rather than being the end of another one or part of a value.
    if (header.charCodeAt(equals) === 61 && startsPair(header, at)) values.push(valueAt(header, equals + 1))
  }
  return values
}

/** Name and value of each cookie whose name starts so, in the order sent, at most 32. */
export function cookiesWithPrefix(header: string | undefined, prefix: string): [name: string, value: string][] {
  const cookies: [string, string][] = []
  if (header === undefined || prefix === '') return cookies
  for (
    let at = header.indexOf(prefix);
    at >= 0 && cookies.length < maxWithPrefix;
    at = header.indexOf(prefix, at + 1)
  ) {
    if (!startsPair(header, at)) continue
    // Within this pair: looking on to a `=` far behind would cost each pair without one the whole header.
    const semicolon = header.indexOf(';', at)
    const pair = header.slice(at, semicolon < 0 ? undefined : semicolon)
    const equals = pair.indexOf('=', prefix.length)
    if (equals >= 0) cookies.push([pair.slice(0, equals), valueAt(pair, equals + 1)])
  }
  return cookies
}

/** A Set-Cookie value. Throws TypeError for what would be another cookie than the one meant: a mistake of ours. */
export function setCookie({ name, value, maxAgeSeconds, domain, path, sameSite, secure, httpOnly }: Cookie): string {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) throw new TypeError('a cookie name must be a token')
  if (!/^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*$/.test(value)) {
    throw new TypeError(`the value of cookie ${name} holds a character that cookies cannot`)
  }
  // A browser drops a cookie whose prefix promises what its attributes do not keep; better to hear of it here.
  if (name.startsWith('__Host-') && (!secure || path !== '/' || domain !== undefined)) {
    throw new TypeError(`cookie ${name} must be Secure, have path / and no domain`)
  }
  if (name.startsWith('__Secure-') && !secure) throw new TypeError(`cookie ${name} must be Secure`)
  if (!/^[\x20-\x3a\x3c-\x7e]*$/.test(`${path}${domain ?? ''}`))
    throw new TypeError(`cookie ${name} has bad attributes`)
  return [
    `${name}=${value}`,
    ...(maxAgeSeconds === undefined ? [] : [`Max-Age=${Math.max(0, Math.floor(maxAgeSeconds))}`]),
    ...(domain === undefined ? [] : [`Domain=${domain}`]),
    `Path=${path}`,
    ...(secure ? ['Secure'] : []),
    ...(httpOnly ? ['HttpOnly'] : []),
    `SameSite=${{ lax: 'Lax', strict: 'Strict', none: 'None' }[sameSite]}`,
  ].join('; ')
}

/** Deletes the cookie: only the same name, domain and path do (Envoy CVE-2025-55162 left `__Secure-` ones behind). */
export function expireCookie(attributes: CookieAttributes): string {
  return `${setCookie({ ...attributes, value: '', maxAgeSeconds: 0 })}; Expires=Thu, 01 Jan 1970 00:00:00 GMT`
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

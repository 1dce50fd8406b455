// What the application is told, and what the browser is told back. A header that says who somebody is comes from us or not
// at all, in whatever spelling: applications behind CGI, WSGI and PHP read `X_Auth_Request_User` as the same header.
import type { IncomingHttpHeaders } from 'node:http'
import { plainHeaderName } from '../config/header-names.ts'

export interface Forwarded {
  readonly for: string
  readonly proto: string
  readonly host: string
}

// RFC 9110 section 7.6.1, and what undici refuses to send.
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect',
])
// Say who somebody is, where they come from, or (IIS, Symfony) which path is really meant: ours alone.
const ours = new Set([
  'forwarded',
  'x-real-ip',
  'x-original-url',
  'x-original-uri',
  'x-original-method',
  'x-rewrite-url',
  'x-foregate-jwt',
])
const ourFamilies = /^x-(?:forwarded|auth-request|original-forwarded)(?:-|$)/

export type RequestHeaders = (
  sent: IncomingHttpHeaders,
  identity: Readonly<Record<string, string>>,
  forwarded: Forwarded,
) => IncomingHttpHeaders

export function createRequestHeaders({
  identityHeaderNames,
  ourCookieNames,
}: {
  identityHeaderNames: readonly string[]
  ourCookieNames: (name: string) => boolean
}): RequestHeaders {
  const identityNames = new Set(identityHeaderNames.map(plainHeaderName))
  return (sent, identity, forwarded) => {
    // How long a body is must not be said twice, be it in a spelling that only some read.
    const kept = Object.entries(sent).filter(([name]) => {
      const plain = plainHeaderName(name)
      if (plain === 'content-length' && name !== plain) return false
      return !hopByHop.has(plain) && !ours.has(plain) && !ourFamilies.test(plain) && !identityNames.has(plain)
    })
    // From entries, so that a header named `__proto__` is a header.
    const headers: IncomingHttpHeaders = Object.fromEntries(kept)
    const cookie = withoutOurCookies(sent.cookie, ourCookieNames)
    if (cookie === undefined) delete headers.cookie
    else headers.cookie = cookie
    for (const [name, value] of Object.entries(identity)) headers[name.toLowerCase()] = value
    // An empty one is for nobody's eyes, and some servers choke on it.
    if (headers.authorization === '') delete headers.authorization
    headers['x-forwarded-for'] = forwarded.for
    headers['x-forwarded-proto'] = forwarded.proto
    headers['x-forwarded-host'] = forwarded.host
    return headers
  }
}

/** The Cookie header without our cookies, all others byte for byte; undefined when nothing is left. */
export function withoutOurCookies(header: string | undefined, isOurs: (name: string) => boolean): string | undefined {
  if (header === undefined) return undefined
  const pairs = header.split(';')
  const others = pairs.filter((pair) => !isOurs(cookieName(pair)))
  if (others.length === pairs.length) return header
  const rest = others.join(';').trim()
  return rest === '' ? undefined : rest
}

const cookieName = (pair: string): string => {
  const equals = pair.indexOf('=')
  return (equals < 0 ? pair : pair.slice(0, equals)).trim()
}

/** A cookie without a name (`=a=b`) comes back as its value alone, which reads as one with a name (RFC 6265bis section 5.7). */
const asSentBack = (setCookie: string): string => (setCookie.split(';', 1)[0] ?? '').replace(/^\s*=/, '')

/** Without what `Connection` names: for the next hop alone (RFC 9110 section 7.6.1). */
export function withoutNominated(headers: Readonly<IncomingHttpHeaders>): IncomingHttpHeaders {
  const nominated = new Set(
    valuesOf(headers.connection)
      .join()
      .toLowerCase()
      .split(',')
      .map((name) => name.trim()),
  )
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !nominated.has(name.toLowerCase())))
}

/** What may go back to the browser. An application neither sets nor deletes our cookies. */
export function responseHeaders(
  received: Readonly<IncomingHttpHeaders>,
  {
    ourCookieNames,
    upstreamOrigin,
    publicOrigin,
  }: { ourCookieNames: (name: string) => boolean; upstreamOrigin: string; publicOrigin: string },
): IncomingHttpHeaders {
  const headers: IncomingHttpHeaders = Object.fromEntries(
    Object.entries(withoutNominated(received)).filter(([name]) => !hopByHop.has(name.toLowerCase())),
  )
  const theirs = valuesOf(headers['set-cookie']).filter((cookie) => !ourCookieNames(cookieName(asSentBack(cookie))))
  if (theirs.length === 0) delete headers['set-cookie']
  else headers['set-cookie'] = theirs
  // An application that ignores X-Forwarded-Host redirects to its own address, which no browser reaches.
  const [location] = valuesOf(headers.location)
  if (location === upstreamOrigin || location?.startsWith(`${upstreamOrigin}/`) === true) {
    headers.location = publicOrigin + location.slice(upstreamOrigin.length)
  }
  return headers
}

/** undici gives one value as a string and several as a list, whatever the header; Node's types promise more. */
const valuesOf = (value: string | readonly string[] | undefined): readonly string[] => [value ?? []].flat()

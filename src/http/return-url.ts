// Where a person goes after login or logout. The address comes from outside (`rd`, forwarded headers), and readers of URLs
// disagree in a hundred ways; so only two plain shapes are taken, a path or an http(s) URL of a known host, the browser's
// own parser must agree, and what the path says once and twice decoded must stay on the site as well.
import { coversHost, hostKey, parseHostPattern } from '../config/host-pattern.ts'

export interface ReturnContext {
  /** `scheme://host[:port]` of the request itself, lower case. */
  readonly origin: string
  /** Hosts at and below it are ours too; a leading dot does not count. */
  readonly cookieDomain?: string | undefined
  /** `host[:port]` or `*.example.com[:port]`. An entry without a port means the scheme's own. */
  readonly allowedRedirectHosts: readonly string[]
  /** `scheme://host[:port]` of our own pages, where that is fixed. */
  readonly publicURL?: string | undefined
}

/** Characters: no proxy's default lets a longer request line in. What becomes of a long one on its way: login/flow.ts. */
export const maxReturnURLLength = 8_000

/** Why a return address is not taken; stable words for logs. */
export type ReturnRefusal = 'too_long' | 'control_character' | 'not_a_url' | 'host_not_allowed' | 'leaves_the_site'

/**
 * The absolute URL to go to, with path and query exactly as given (only what no header can carry, a space or non-ASCII, is
 * percent-encoded), or why not: the candidate could lead anywhere but to the request's own host, `publicURL`, a host under
 * `cookieDomain` or one of `allowedRedirectHosts`, or is too long.
 */
export function safeReturnURL(candidate: string, context: ReturnContext): { url: string } | { refused: ReturnRefusal } {
  if (candidate.length > maxReturnURLLength) return { refused: 'too_long' }
  // oxlint-disable-next-line no-control-regex -- browsers drop tab, CR and LF wherever they stand: `/\t/evil.example`
  if (/[\x00-\x1f\x7f-\x9f]/.test(candidate)) return { refused: 'control_character' }
  const own = parsed(context.origin)
  if (own === undefined) return { refused: 'not_a_url' }
  const absolute = /^(https?):\/\/((?:[a-z0-9_-]+\.)*[a-z0-9_-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?([/?#].*)?$/i.exec(
    candidate,
  )
  if (absolute === null) {
    if (!candidate.startsWith('/')) return { refused: 'not_a_url' }
    return onSite(`${own.protocol}//${own.host}`, candidate)
  }
  const [, scheme = '', name = '', port = '', rest = ''] = absolute
  // No host name is longer; the parser would take a long time for it.
  if (name.length > 253) return { refused: 'not_a_url' }
  const site = parsed(`${scheme}://${name}${port}`)
  // The parser must have read the very host that stands there: `127.1`, `0x7f000001` and odd punycode are other names to it.
  if (site === undefined || site.hostname !== name.toLowerCase()) return { refused: 'not_a_url' }
  if (!isAllowed(site, own, context)) return { refused: 'host_not_allowed' }
  return onSite(`${site.protocol}//${site.host}`, rest.startsWith('/') ? rest : `/${rest}`)
}

/**
 * A header's or a request line's text with its bytes beyond ASCII percent-encoded: Node reads them as Latin-1, so that the UTF-8
 * that browsers and proxies write comes as other characters.
 */
export const percentEncodedBytes = (text: string): string =>
  text.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`)

/** No host is longer, with whoever stands before it and a port behind. */
const maxAuthorityLength = 512

/**
 * The origin of an http(s) URL, undefined for anything else. No more of it is parsed than an authority can be long: the parser takes
 * the square of the time for a name without end (combining marks, which it sorts).
 */
export function originOf(url: string): string | undefined {
  const [start] = /^https?:\/\/[^/?#\\]+/i.exec(url) ?? []
  return start === undefined || start.length > maxAuthorityLength ? undefined : URL.parse(start)?.origin
}

function isAllowed(site: URL, own: URL, context: ReturnContext): boolean {
  const { cookieDomain, allowedRedirectHosts, publicURL } = context
  const downgrades = own.protocol === 'https:' && site.protocol === 'http:'
  // `host` leaves out the scheme's own port, so http://app -> https://app is the same host and :8080 is not.
  if (site.host === own.host) return !downgrades
  if (publicURL !== undefined && site.origin === URL.parse(publicURL)?.origin) return true
  if (cookieDomain !== undefined && cookieDomain !== '') {
    const domain = cookieDomain.toLowerCase().replace(/^\./, '')
    const isUnder = site.hostname === domain || site.hostname.endsWith(`.${domain}`)
    // Cookies know no ports; we do: the scheme's own, or the one that this request came to.
    if (isUnder && !downgrades && (site.port === '' || site.port === own.port)) return true
  }
  return allowedRedirectHosts.some((entry) => matchesEntry(site, entry))
}

/** Label by label: `*.example.com` is neither example.com nor badexample.com (oauth2-proxy CVE-2021-21291). */
function matchesEntry(site: URL, entry: string): boolean {
  const pattern = parseHostPattern(entry)
  // The site's `port` is empty where it is the scheme's own, and so is a site's with the entry's.
  if (!pattern.ok || parsed(`${site.protocol}//${hostKey(pattern.value)}`)?.port !== site.port) return false
  return coversHost({ ...pattern.value, port: undefined }, site.hostname)
}

/** `rest` begins with a slash. It is taken when each reading of its path, raw, once and twice decoded, stays on `origin`. */
function onSite(origin: string, rest: string): { url: string } | { refused: ReturnRefusal } {
  let path = /^[^?#]*/.exec(rest)?.[0] ?? ''
  for (let decodings = 0; decodings <= 2; decodings++) {
    if (!staysOn(origin, path)) return { refused: 'leaves_the_site' }
    path = decodedOnce(path)
  }
  const url = origin + encodedBeyondASCII(rest)
  // Last word: what the browser will make of exactly this text.
  return URL.parse(url)?.origin === origin ? { url } : { refused: 'leaves_the_site' }
}

function staysOn(origin: string, path: string): boolean {
  // oxlint-disable-next-line no-control-regex -- `/%09/evil.example` (oauth2-proxy CVE-2020-11053), `/%5cevil.example` (CVE-2020-5233)
  if (/[\x00-\x1f\x7f\\]/.test(path)) return false
  // Said outright, because `//app.example.com/x` would not leave the origin and still not be the path it seems to be.
  const reading = path.startsWith('//') ? null : URL.parse(path, origin)
  if (reading === null || reading.origin !== origin) return false
  // `/..//evil.example` and `/ /evil.example` become `//evil.example` for somebody further down.
  return !/^\/\s*\//.test(asText(reading.pathname))
}

function parsed(url: string): URL | undefined {
  const site = URL.parse(url)
  if (site === null || (site.protocol !== 'https:' && site.protocol !== 'http:')) return undefined
  return site.username === '' && site.password === '' && site.pathname === '/' ? site : undefined
}

/** With its percent-encoded characters, or as it is where they are damaged. */
function asText(pathname: string): string {
  try {
    return decodeURIComponent(pathname)
  } catch {
    return pathname.replaceAll('%20', ' ')
  }
}

/** Byte by byte, as lenient readers do: damaged escapes and damaged UTF-8 do not stop it. */
function decodedOnce(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

function encodedBeyondASCII(text: string): string {
  return text.toWellFormed().replace(/[^\x21-\x7e]+/g, encodeURIComponent)
}

// Hosts, addresses, ranges and URLs as the operator writes them.
import { isIP, isIPv4, isIPv6 } from 'node:net'
import ipaddr from 'ipaddr.js'
import type { Address } from './config.ts'
import { hostPatternText, isHostName, parseHostPattern, parseRuleHost } from './host-pattern.ts'
import { Wrong } from './option.ts'
import type { Reader } from './option.ts'
import { text } from './values.ts'

export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  return (
    bare === 'localhost' || bare.endsWith('.localhost') || bare === '::1' || (isIPv4(bare) && bare.startsWith('127.'))
  )
}

function splitAddress(written: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(written)
  if (match === null) return undefined
  const [, bracketed, plain, digits] = match
  const port = Number(digits)
  if (port > 65_535) return undefined
  if (bracketed !== undefined) return isIPv6(bracketed) ? { host: bracketed, port } : undefined
  return { host: (plain ?? '').toLowerCase(), port }
}

/** `host:port` of a server to connect to. */
export const address: Reader<Address> = (value) => {
  const written = text(value)
  const found = written instanceof Wrong ? undefined : splitAddress(written)
  const isGood = found !== undefined && found.port > 0 && (isIPv6(found.host) || isHostName(found.host))
  return isGood ? found : new Wrong('must be host:port, such as redis:6379 or [::1]:6379')
}

export interface SocketPath {
  readonly socketPath: string
}

/** A server on this machine by the path of its socket, or `host:port`. */
export const redisAddress: Reader<Address | SocketPath> = (value) => {
  const written = typeof value === 'string' ? value.trim() : ''
  const path = /^(?:unix:(?:\/\/)?)?(\/[^\p{Cc}?#]+)$/iu.exec(written)?.[1]
  if (path !== undefined) return { socketPath: path }
  const found = address(value)
  return found instanceof Wrong
    ? new Wrong(
        'must be host:port, such as redis:6379 or [::1]:6379, or the path of a socket, such as /run/redis/redis.sock',
      )
    : found
}

/** Where to listen: `0.0.0.0:4180`, `:4180`, `[::]:4180` or `4180`. Port 0 asks the system for a free one. */
export const listenAddress: Reader<Address> = (value) => {
  const written = typeof value === 'number' ? String(value) : text(value)
  const wrong = new Wrong('must be an address to listen on, such as 0.0.0.0:4180, [::]:4180, :4180 or 4180')
  if (written instanceof Wrong) return wrong
  const found = splitAddress(/^\d+$/.test(written) ? `:${written}` : written)
  if (found === undefined) return wrong
  if (found.host === '') return { host: '0.0.0.0', port: found.port }
  return isIP(found.host) !== 0 || isHostName(found.host) ? found : wrong
}

export type IPAddress = ipaddr.IPv4 | ipaddr.IPv6
export type Network = readonly [address: IPAddress, bits: number]

/** What is IPv4 in IPv6's clothes is IPv4. Undefined: no address. */
export const parseIP = (written: string): IPAddress | undefined =>
  isIP(written) === 0 ? undefined : ipaddr.process(written)

export const isWithin = (networks: readonly Network[], address: IPAddress): boolean =>
  networks.some(([network, bits]) => network.kind() === address.kind() && address.match(network, bits))

/** An address or a CIDR range; undefined when it is neither. What is IPv4 in IPv6's clothes (`::ffff:10.0.0.0/104`) is IPv4 again. */
export function parseNetwork(written: string): Network | undefined {
  const [host = '', length, ...rest] = written.split('/')
  // ipaddr.js also takes `10.1` and `0x7f.1` for addresses.
  if (isIP(host) === 0 || host.includes('%') || rest.length > 0 || !/^\d{1,3}$/.test(length ?? '0')) return undefined
  const address = ipaddr.parse(host)
  const most = address.kind() === 'ipv4' ? 32 : 128
  const bits = length === undefined ? most : Number(length)
  if (bits > most) return undefined
  return address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress()
    ? [address.toIPv4Address(), bits - 96]
    : [address, bits]
}

export const isNetworkWithin = ([address, bits]: Network, outer: Network): boolean =>
  bits >= outer[1] && isWithin([outer], address)

/** Whether its address is where the range begins: `10.1.2.3/8` could mean the address or the range. */
export function isWholeNetwork([address, bits]: Network): boolean {
  const { IPv4, IPv6 } = ipaddr
  const range = `${address.toString()}/${Math.max(bits, 0)}`
  const first = address.kind() === 'ipv4' ? IPv4.networkAddressFromCIDR(range) : IPv6.networkAddressFromCIDR(range)
  return first.toString() === address.toString()
}

/** An address or CIDR range whose forwarded headers count. Never so wide that strangers are in it. */
export const proxyRange: Reader<string> = (value) => {
  const written = text(value)
  const network = written instanceof Wrong ? undefined : parseNetwork(written)
  if (network === undefined || written instanceof Wrong) {
    return new Wrong('must be an IP address or a CIDR range, such as 10.0.0.0/8 or fd00::/8')
  }
  const [address, bits] = network
  return bits >= (address.kind() === 'ipv4' ? 8 : 7)
    ? written
    : new Wrong(
        'is so wide that strangers are in it, who could then say which host, path and address they are; name the proxies',
      )
}

/** A host of ours or a friend's: `app.example.com`, `app.example.com:8443`, `*.example.com` or `.example.com`. */
export const hostPattern: Reader<string> = (value) => {
  const written = text(value)
  if (written instanceof Wrong) return written
  const parsed = parseHostPattern(written)
  return parsed.ok ? hostPatternText(parsed.value) : new Wrong(parsed.problem)
}

/** The host of a rule or an upstream: a pattern, or `*` for any. */
export const ruleHost: Reader<string> = (value) => {
  const written = text(value)
  if (written instanceof Wrong) return written
  const parsed = parseRuleHost(written)
  if (!parsed.ok) return new Wrong(parsed.problem)
  return parsed.value === undefined ? '*' : hostPatternText(parsed.value)
}

/** One name of a host, and no pattern: `foregate.internal`. */
export const hostName: Reader<string> = (value) => {
  const written = text(value)
  const name = written instanceof Wrong ? '' : written.toLowerCase()
  return isIP(name) === 0 && isHostName(name)
    ? name
    : new Wrong('must be the name of a host, such as foregate.internal: no scheme, no port, no address, no *')
}

/** The domain of somebody's e-mail address; `@` in front is allowed. */
export const mailDomain: Reader<string> = (value) => {
  const written = text(value)
  const domain = written instanceof Wrong ? '' : written.toLowerCase().replace(/^@/, '')
  return isHostName(domain) ? domain : new Wrong('must be the domain of an e-mail address, such as example.com')
}

/** Domain for the cookie: a leading dot is dropped (RFC 6265, 5.2.3). */
export const cookieDomain: Reader<string> = (value) => {
  const written = text(value)
  const domain = written instanceof Wrong ? '' : written.toLowerCase().replace(/^\./, '')
  if (isIP(domain) !== 0 || !isHostName(domain)) {
    return new Wrong('must be a bare domain, such as example.com (no scheme, no port, no path, no IP address)')
  }
  return domain.includes('.') ? domain : new Wrong('is a top-level domain, which browsers refuse; use example.com')
}

/** An absolute http or https URL, as written. No user, password or fragment. */
export const webURL: Reader<string> = (value) => {
  const written = text(value)
  const url = written instanceof Wrong ? undefined : parseWebURL(written)
  if (url === undefined || written instanceof Wrong)
    return new Wrong('must be an absolute URL, with https:// or http:// in front, such as https://id.example.com')
  if (url.username !== '' || url.password !== '') return new Wrong('must not carry a user or password')
  return url.hash === '' && !written.includes('#') ? written : new Wrong('must not have a fragment (#…)')
}

export function parseWebURL(written: string): URL | undefined {
  if (!/^https?:\/\/[^/\\\s]+[^\\\s]*$/i.test(written)) return undefined
  return URL.canParse(written) ? new URL(written) : undefined
}

/** Scheme, host and port only; a single trailing slash is dropped. */
export const origin: Reader<string> = (value) => {
  const written = webURL(value)
  if (written instanceof Wrong) return written
  const url = new URL(written)
  if (url.pathname !== '/' || url.search !== '')
    return new Wrong('must be an origin without a path, such as https://auth.example.com')
  return url.origin
}

/** The origin of one site's pages, as browsers write it in `Origin`. */
export const pageOrigin: Reader<string> = (value) => {
  const written = origin(value)
  const host = written instanceof Wrong ? '' : new URL(written).hostname
  const isOne = isHostName(host) || isIP(host.replace(/^\[(.*)\]$/, '$1')) !== 0
  return isOne ? written : new Wrong('must be an origin, such as https://app.example.com: no path, no * and no pattern')
}

// From where a person logs in, as much as a list of sessions tells them: enough to know one's own browsers by, and too little to follow
// anybody around.
import ipaddr from 'ipaddr.js'
import { parseIP } from '../config/network.ts'
import type { WhereFrom } from '../session/session.ts'
import type { EndpointRequest } from './endpoint-request.ts'

export function whereFrom({ clientAddress, headers }: Pick<EndpointRequest, 'clientAddress' | 'headers'>): WhereFrom {
  return { network: networkOf(clientAddress), browser: browserOf(headers['user-agent'] ?? '') }
}

/** The /24 of an IPv4 address, the /48 of an IPv6 address; undefined for what is no address. */
export function networkOf(address: string): string | undefined {
  const ip = parseIP(address)
  if (ip === undefined) return undefined
  const bits = ip.kind() === 'ipv4' ? 24 : 48
  const network =
    ip.kind() === 'ipv4'
      ? ipaddr.IPv4.networkAddressFromCIDR(`${ip.toString()}/${bits}`)
      : ipaddr.IPv6.networkAddressFromCIDR(`${ip.toString()}/${bits}`)
  return `${network.toString()}/${bits}`
}

// The first that its name holds: all of them also call themselves by those further down.
const browsers = [
  ['Edg', 'Edge'],
  ['OPR/', 'Opera'],
  ['SamsungBrowser/', 'Samsung Internet'],
  ['Firefox/', 'Firefox'],
  ['FxiOS/', 'Firefox'],
  ['CriOS/', 'Chrome'],
  ['Chrome/', 'Chrome'],
  ['Safari/', 'Safari'],
  ['curl/', 'curl'],
] as const

const systems = [
  ['Android', 'Android'],
  ['iPhone', 'iOS'],
  ['iPad', 'iPadOS'],
  ['Windows', 'Windows'],
  ['Mac OS X', 'macOS'],
  ['CrOS', 'ChromeOS'],
  ['Linux', 'Linux'],
] as const

const longest = 512

/** Made of words of ours only, whatever the client calls itself: "Firefox on Linux", "Safari", "another browser". */
export function browserOf(userAgent: string): string {
  const name = userAgent.slice(0, longest)
  const browser = meaningOf(name, browsers) ?? 'another browser'
  const system = meaningOf(name, systems)
  return system === undefined ? browser : `${browser} on ${system}`
}

function meaningOf(name: string, table: readonly (readonly [sign: string, meaning: string])[]): string | undefined {
  return table.find(([sign]) => name.includes(sign))?.[1]
}

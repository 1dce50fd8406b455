// Who is on the other end of the connection, and whom it speaks for.
import type { IncomingHttpHeaders } from 'node:http'
import { BlockList, isIP } from 'node:net'

export interface TrustedPeers {
  /** By socket address alone: whatever a header says, it was said by this peer. */
  includes(address: string | undefined): boolean
  /** The browser's address: X-Forwarded-For read from the right over trusted hops; the peer itself if it is not trusted. */
  clientAddress(peer: string | undefined, headers: IncomingHttpHeaders): string
}

const maxRemembered = 1_000

/** `entries`: addresses and CIDR ranges, checked by the configuration. */
export function createTrustedPeers(entries: readonly string[]): TrustedPeers {
  const list = new BlockList()
  for (const entry of entries) {
    const [address = '', bits] = entry.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  // Few peers, asked about on every request.
  const remembered = new Map<string, boolean>()

  function includes(address: string | undefined): boolean {
    if (address === undefined) return false
    const known = remembered.get(address)
    if (known !== undefined) return known
    const plain = unmapped(address)
    const family = isIP(plain)
    const trusted = family !== 0 && list.check(plain, family === 6 ? 'ipv6' : 'ipv4')
    if (remembered.size >= maxRemembered) remembered.clear()
    remembered.set(address, trusted)
    return trusted
  }

  return {
    includes,
    clientAddress(peer, headers) {
      let address = peer === undefined ? 'unknown' : unmapped(peer)
      const forwarded = headers['x-forwarded-for']
      if (forwarded === undefined) return address
      const hops = (Array.isArray(forwarded) ? forwarded.join(',') : forwarded).split(',')
      for (let hop = hops.pop(); hop !== undefined && includes(address); hop = hops.pop()) {
        const next = hop.trim()
        if (isIP(next) === 0) break
        address = unmapped(next)
      }
      return address
    },
  }
}

/** `::ffff:10.0.0.1`, as a dual-stack socket reports an IPv4 peer. */
const unmapped = (address: string) =>
  address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address

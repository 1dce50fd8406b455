// Who is on the other end of the connection, and whom it speaks for.
import type { IncomingHttpHeaders } from 'node:http'
import { isWithin, parseIP, parseNetwork } from '../config/network.ts'

export interface TrustedPeers {
  /** By socket address alone: whatever a header says, it was said by this peer. */
  includes(address: string | undefined): boolean
  /**
   * The browser's address: X-Forwarded-For read from the right over trusted hops, or X-Real-IP where there is no other; the peer
   * itself if it is not trusted. Of two headers that contradict each other one is the client's own, and neither counts.
   */
  clientAddress(peer: string | undefined, headers: IncomingHttpHeaders): string
  /**
   * The same for who decides by it: undefined where nobody whom we believe says it. The address of one of our proxies is nobody's: it
   * is what is left where the proxy says nothing, contradicts itself, or hands on what no proxy wrote.
   */
  statedClient(peer: string | undefined, headers: IncomingHttpHeaders): string | undefined
}

const maxRemembered = 1_000
const unknown = 'unknown'

/** `entries`: addresses and CIDR ranges, checked by the configuration. */
export function createTrustedPeers(entries: readonly string[]): TrustedPeers {
  const networks = entries.map(parseNetwork).filter((network) => network !== undefined)
  // Few peers, asked about on every request.
  const remembered = new Map<string, boolean>()

  function includes(address: string | undefined): boolean {
    if (address === undefined) return false
    const known = remembered.get(address)
    if (known !== undefined) return known
    const plain = parseIP(address)
    const trusted = plain !== undefined && isWithin(networks, plain)
    if (remembered.size >= maxRemembered) remembered.clear()
    remembered.set(address, trusted)
    return trusted
  }

  function clientAddress(peer: string | undefined, headers: IncomingHttpHeaders): string {
    const own = peer === undefined ? undefined : addressIn(peer)
    if (own === undefined || !includes(own)) return own ?? unknown
    const real = addressIn(String(headers['x-real-ip'] ?? ''))
    const forwarded = String(headers['x-forwarded-for'] ?? '')
    if (forwarded.trim() === '') return real ?? own
    const entries = forwarded.split(',')
    const passed = new Set<string>()
    let address = own
    for (let entry = entries.pop(); entry !== undefined && includes(address); entry = entries.pop()) {
      const hop = addressIn(entry)
      if (hop === undefined) break
      address = hop
      passed.add(hop)
    }
    // A proxy that sets both sets them to agree. A recipe that sets one leaves the other to the client and does not say which:
    // believed, it would give whoever makes it up as many addresses as they like.
    return real === undefined || passed.has(real) ? address : own
  }

  return {
    includes,
    clientAddress,
    statedClient(peer, headers) {
      const address = clientAddress(peer, headers)
      return address === unknown || includes(address) ? undefined : address
    },
  }
}

/**
 * One spelling per address: `203.0.113.7:51008` (Azure's gateway), `[2001:db8::1]:443`, `"[2001:db8::1]"` (RFC 7239, section 6) and
 * `::ffff:203.0.113.7` (a dual-stack socket) are addresses; a port or a zone tells nobody apart.
 */
function addressIn(written: string): string | undefined {
  const bare = written.trim().replace(/^"(.*)"$/, '$1')
  const inBrackets = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(bare)?.[1]
  const withoutPort = inBrackets ?? /^([^:]*):\d{1,5}$/.exec(bare)?.[1] ?? bare
  const [address = ''] = withoutPort.split('%', 1)
  return parseIP(address)?.toString()
}

import { isIPv6 } from 'node:net'
import { LRUCache } from 'lru-cache'
import { minutes, type Clock } from '../time.ts'

/**
 * Logins begun per client address (IPv6: per /64) and minute, on this replica. Counts windows of a minute; remembers 10,000
 * addresses.
 */
export interface LoginRateLimit {
  /** False: too many. */
  allows(clientAddress: string): boolean
}

export function createLoginRateLimit(perMinute: number, clock: Clock): LoginRateLimit {
  const windows = new LRUCache<string, { readonly endsAt: number; count: number }>({ max: 10_000 })
  return {
    allows(clientAddress) {
      const now = clock()
      const client = clientNetwork(clientAddress)
      const window = windows.get(client)
      if (window === undefined || now >= window.endsAt) {
        windows.set(client, { endsAt: now + minutes(1), count: 1 })
        return true
      }
      window.count++
      return window.count <= perMinute
    },
  }
}

/** Whoever has one IPv6 address has the 2^64 of its network (RFC 6177): counted one by one they are no limit at all. */
export function clientNetwork(address: string): string {
  if (!isIPv6(address)) return address
  const [plain = ''] = address.split('%')
  const [head = '', tail] = plain.split('::')
  const groups = head === '' ? [] : head.split(':')
  // A `::` stands for the zeros that are missing to eight groups; an IPv4 address at the end stands for two.
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const width = groups.length + after.length + (plain.includes('.') ? 1 : 0)
  const all = tail === undefined ? groups : [...groups, ...Array<string>(8 - width).fill('0'), ...after]
  return all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')
}

import { isIPv6 } from 'node:net'

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

// Which sets of rules hold for a host: its own, those of each `*.parent` above it, and those for any host. The cost
// depends on the number of labels in the name.
import { hostKey, type HostPattern } from '../config/host-pattern.ts'

export interface HostMap<T> {
  /** The value for a pattern, made when it is new. */
  at(pattern: HostPattern | undefined): T
  /** Every value that holds for a canonical host (lower case, port only when it is not the scheme's own). */
  matching(host: string): readonly T[]
  all(): readonly T[]
}

export function createHostMap<T>(create: () => T): HostMap<T> {
  const anyHost = create()
  const everyHost = [anyHost]
  const exact = new Map<string, T>()
  const below = new Map<string, T>()

  return {
    at(pattern) {
      if (pattern === undefined) return anyHost
      const map = pattern.subdomains ? below : exact
      const key = hostKey(pattern)
      const known = map.get(key)
      if (known !== undefined) return known
      const made = create()
      map.set(key, made)
      return made
    },
    matching(host) {
      if (exact.size === 0 && below.size === 0) return everyHost
      const found = [anyHost]
      collect(host, found)
      const colon = host.lastIndexOf(':')
      if (colon > 0 && !host.endsWith(']')) collect(host.slice(0, colon), found)
      return found
    },
    all: () => [anyHost, ...exact.values(), ...below.values()],
  }

  function collect(host: string, found: T[]): void {
    const own = exact.get(host)
    if (own !== undefined) found.push(own)
    if (below.size === 0) return
    for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
      const parent = below.get(host.slice(dot + 1))
      if (parent !== undefined) found.push(parent)
    }
  }
}

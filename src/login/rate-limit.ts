import { LRUCache } from 'lru-cache'
import { minutes, type Clock } from '../time.ts'

/** Logins begun per client address and minute, on this replica. Counts windows of a minute; remembers 10,000 addresses. */
export interface LoginRateLimit {
  /** False: too many. */
  allows(clientAddress: string): boolean
}

export function createLoginRateLimit(perMinute: number, clock: Clock): LoginRateLimit {
  const windows = new LRUCache<string, { readonly endsAt: number; count: number }>({ max: 10_000 })
  return {
    allows(clientAddress) {
      const now = clock()
      const window = windows.get(clientAddress)
      if (window === undefined || now >= window.endsAt) {
        windows.set(clientAddress, { endsAt: now + minutes(1), count: 1 })
        return true
      }
      window.count++
      return window.count <= perMinute
    },
  }
}

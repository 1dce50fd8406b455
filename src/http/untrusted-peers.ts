import type { Logger } from '../telemetry/logger.ts'
import { minutes, type Clock } from '../time.ts'

/** One log line per address and minute: a proxy that is missing from `trustedProxies` would otherwise fill the log. */
export interface UntrustedPeerNotices {
  notice(peer: string | undefined): void
}

const maxAddresses = 1_000

export function createUntrustedPeerNotices(logger: Logger, clock: Clock): UntrustedPeerNotices {
  const noticed = new Map<string, number>()
  return {
    notice(peer = 'unknown') {
      const now = clock()
      if (now < (noticed.get(peer) ?? 0)) return
      if (noticed.size >= maxAddresses) noticed.clear()
      noticed.set(peer, now + minutes(1))
      logger.warn(
        { event: 'untrusted_peer', reason: 'not_in_trusted_proxies', peer },
        `refused a forward-auth request from ${peer}: if this is your proxy, add it to trustedProxies`,
      )
    },
  }
}

import type { Logger } from '../telemetry/logger.ts'
import type { Clock } from '../time.ts'
import { createLogQuota } from '../telemetry/log-quota.ts'

/** One log line per address and minute: a proxy that is missing from `trustedProxies` would otherwise fill the log. */
export interface UntrustedPeerNotices {
  notice(peer: string | undefined): void
}

export function createUntrustedPeerNotices(logger: Logger, clock: Clock): UntrustedPeerNotices {
  const mayTell = createLogQuota(1, clock)
  return {
    notice(peer = 'unknown') {
      if (!mayTell(peer)) return
      logger.warn(
        { event: 'untrusted_peer', reason: 'not_in_trusted_proxies', peer },
        `refused a forward-auth request from ${peer}: if this is your proxy, add it to trustedProxies`,
      )
    },
  }
}

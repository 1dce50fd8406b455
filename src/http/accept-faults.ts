// A listening server tells of a connection that it could not take (no memory, no buffers) by an `error`: without a listener that
// ends the process, and with it everybody's connections.
import type { Server } from 'node:net'
import { createLogQuota } from '../telemetry/log-quota.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Clock } from '../time.ts'

/** Goes on, and tells it once a minute. Where `server` cannot listen at all is left to whoever asked it to. */
export function surviveAcceptFaults(server: Server, logger: Logger, clock: Clock): void {
  const mayTell = createLogQuota(1, clock)
  server.on('error', (error: NodeJS.ErrnoException) => {
    const reason = error.code ?? 'unknown'
    if (!server.listening || !mayTell(reason)) return
    logger.error({ event: 'accept_failed', reason, err: error }, 'a connection could not be taken')
  })
}

// The order in which the service stops. First the proxies notice, while everything is served as before; then what is under way is
// finished; only then goes what that needs: the shared cache, and the provider's connections last.
import type { Connections } from './http/connections.ts'
import type { Logger } from './telemetry/logger.ts'
import type { Timer } from './time.ts'

export interface StopDeps {
  /** How long to serve on, unready: until every proxy has noticed. 0: not at all. */
  readonly drainDelayMs: number
  /** How long what is under way may take after that. */
  readonly shutdownTimeoutMs: number
  readonly connections: Connections
  /** Resolves once nothing is under way at the provider, nor about to be written because of it. */
  readonly workDone: () => Promise<void>
  /** Writes what the store missed and closes everything else, in order. */
  readonly finish: () => Promise<void>
  readonly timer: Timer
  readonly logger: Logger
}

export async function stop(deps: StopDeps): Promise<void> {
  const { drainDelayMs, shutdownTimeoutMs, connections, timer, logger } = deps
  const after = (ms: number) => new Promise<void>((resolve) => void timer(resolve, ms))

  connections.answerLast()
  logger.info(
    { event: 'stopping', drainDelayMs, shutdownTimeoutMs },
    'stopping: not ready any more, serving on for now',
  )
  if (drainDelayMs > 0) await after(drainDelayMs)

  // Requests are what begins work: when the last has gone, no more is added.
  const isDone = connections.close().then(deps.workDone)
  const isInTime = await Promise.race([isDone.then(() => true), after(shutdownTimeoutMs).then(() => false)])
  const cut = connections.cut()
  if (!isInTime) {
    logger.warn(
      { event: 'stop_forced', reason: 'shutdown_timeout', connections: cut },
      'stopped before all was finished: what was still under way is cut',
    )
  }
  await deps.finish()
  logger.info({ event: 'stopped' }, 'stopped')
}

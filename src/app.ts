// The whole service: makes its two halves, starts them, and stops them in order.
import type { Config } from './config/config.ts'
import { createEdge } from './edge.ts'
import type { HealthSources } from './http/health.ts'
import type { Runtime } from './runtime.ts'
import { createService } from './service.ts'
import type { SelectedSessions } from './signals/create-signals.ts'
import { stop } from './stop.ts'

export interface App {
  /** Listens; resolves with the main port. Redis and the provider are reached in the background. */
  start(): Promise<number>
  /** Stops as stop.ts says. Calling it twice is calling it once. */
  stop(): Promise<void>
}

/** Throws ConfigInvalid. */
export function createApp(config: Config, runtime: Runtime, selected?: SelectedSessions): App {
  const { timer, logger } = runtime
  let phase: ReturnType<HealthSources['phase']> = 'starting'
  const service = createService(config, runtime, selected)
  const edge = createEdge(config, service, runtime, () => phase)
  const { cache, providers, calls, sessions, signals, bearer } = service

  let stopping: Promise<void> | undefined
  return {
    async start() {
      // The provider's metadata may lie in the shared store: looked for there first, but nobody waits for it to listen.
      void cache.start().then(() => providers.start())
      const port = await edge.listen()
      if (phase === 'starting') phase = 'serving'
      logger.info(
        { event: 'listening', address: config.server.listen.host, port, cacheMode: cache.mode },
        `listening on port ${port}`,
      )
      return port
    },

    stop() {
      const wasServing = phase === 'serving'
      phase = 'draining'
      stopping ??= stop({
        drainDelayMs: wasServing ? config.server.drainDelayMs : 0,
        shutdownTimeoutMs: config.server.shutdownTimeoutMs,
        connections: edge.connections,
        async workDone() {
          await sessions.settled()
          await calls.settled()
        },
        async finish() {
          await edge.close()
          await cache.stop()
          await edge.closeOperators()
          providers.stop()
          signals.stop()
          bearer?.stop()
        },
        timer,
        logger,
      })
      return stopping
    },
  }
}

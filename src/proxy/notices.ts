// One line when an upstream stops answering and one when it is back: not one for every request in between.
import type { Logger } from '../telemetry/logger.ts'

export interface UpstreamNotices {
  failed(origin: string, error: Error): void
  answered(origin: string): void
}

export function createUpstreamNotices(logger: Logger): UpstreamNotices {
  const failing = new Set<string>()
  return {
    failed(origin, error) {
      if (failing.has(origin)) return
      failing.add(origin)
      logger.warn({ event: 'upstream_failed', upstream: origin, error }, 'upstream does not answer')
    },
    answered(origin) {
      if (failing.delete(origin)) logger.info({ event: 'upstream_answers', upstream: origin }, 'upstream answers again')
    },
  }
}

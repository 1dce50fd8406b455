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
      logger.warn({ event: 'upstream_failed', upstream: origin, ...whatFailed(error) }, 'upstream does not answer')
    },
    answered(origin) {
      if (failing.delete(origin)) logger.info({ event: 'upstream_answers', upstream: origin }, 'upstream answers again')
    },
  }
}

/** The library's own error says 500 for everything; what the system or TLS said is its cause. No stack: it is nobody's bug. */
function whatFailed(error: Error): { reason: string; detail: string } {
  const cause = error.cause instanceof Error ? error.cause : error
  const reason = 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.name
  return { reason, detail: cause.message }
}

import type { Clock } from '../time.ts'
import type { LogFields, Logger } from '../telemetry/logger.ts'

/** Warnings that strangers could cause at will: each reason at most once a minute. */
export function createNotices(logger: Logger, clock: Clock) {
  const toldAt = new Map<string, number>()
  return (fields: LogFields & { readonly reason: string }, message: string): void => {
    const kind = `${fields.event} ${fields.reason}`
    const now = clock()
    if (Math.abs(now - (toldAt.get(kind) ?? Number.NEGATIVE_INFINITY)) < 60_000) return
    toldAt.set(kind, now)
    logger.warn(fields, message)
  }
}

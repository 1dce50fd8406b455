import type { Clock } from '../time.ts'
import type { LogFields, Logger } from '../telemetry/logger.ts'

export type Notice = (fields: LogFields & { readonly reason: string }, message: string) => void

/** Warnings that strangers could cause at will: each reason at most once a minute. */
export function createNotices(logger: Logger, clock: Clock): Notice {
  const toldAt = new Map<string, number>()
  return (fields, message) => {
    const kind = `${fields.event} ${fields.reason}`
    const now = clock()
    if (Math.abs(now - (toldAt.get(kind) ?? Number.NEGATIVE_INFINITY)) < 60_000) return
    toldAt.set(kind, now)
    logger.warn(fields, message)
  }
}

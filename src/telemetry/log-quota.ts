import { minutes, type Clock } from '../time.ts'
import type { Logger } from './logger.ts'

const maxKeys = 1_000

/** True `perMinute` times a minute for each key: what anybody can cause would otherwise fill the log. */
export function createLogQuota(perMinute: number, clock: Clock): (key: string) => boolean {
  // In the order of their ends.
  const windows = new Map<string, { readonly endsAt: number; left: number }>()
  return (key) => {
    const now = clock()
    let window = windows.get(key)
    if (window === undefined || now >= window.endsAt) {
      if (windows.size >= maxKeys) {
        for (const [old, { endsAt }] of windows) {
          if (now < endsAt) break
          windows.delete(old)
        }
        // So many at once are one stranger with many names: the log has heard enough.
        if (windows.size >= maxKeys) return false
      }
      window = { endsAt: now + minutes(1), left: perMinute }
      windows.delete(key)
      windows.set(key, window)
    }
    return window.left-- > 0
  }
}

/** The same log, in which warnings of one event and reason beyond `perMinute` are told at debug only. */
export function withWarningQuota(logger: Logger, perMinute: number, clock: Clock): Logger {
  const mayTell = createLogQuota(perMinute, clock)
  return {
    ...logger,
    warn(fields, message) {
      if (mayTell(`${fields.event} ${fields.reason ?? ''}`)) logger.warn(fields, message)
      else logger.debug(fields, message)
    },
  }
}

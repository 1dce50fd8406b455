import type { LogFields, Logger } from './logger.ts'

/** For what is the same at each request: the first call warns, the others do nothing. */
export function warnOnce(logger: Pick<Logger, 'warn'>, fields: LogFields, message: string): () => void {
  let isTold = false
  return () => {
    if (isTold) return
    isTold = true
    logger.warn(fields, message)
  }
}

import type { LogFields, Logger } from './logger.ts'

/** The same log; each of its lines says this, too. */
export function withFields(logger: Logger, more: Readonly<Record<string, string>>): Logger {
  const both = (fields: LogFields): LogFields => ({ ...fields, ...more })
  return {
    debug: (fields, message) => logger.debug(both(fields), message),
    info: (fields, message) => logger.info(both(fields), message),
    warn: (fields, message) => logger.warn(both(fields), message),
    error: (fields, message) => logger.error(both(fields), message),
  }
}

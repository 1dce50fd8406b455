/** One line per event: every call names a stable `event`, and a `reason` where there is one. Never a secret, at any level. */
export interface Logger {
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
}

export interface LogFields {
  readonly event: string
  readonly reason?: string
  readonly requestId?: string
  readonly [field: string]: unknown
}

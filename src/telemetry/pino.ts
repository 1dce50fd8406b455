// The log: one JSON line per event on standard output, `event` always, time as ISO 8601. Lines are gathered and written in
// blocks, so that logging never waits for a pipe. What may stand in a line is redact.ts's business. The only importer of pino.
import { pino, stdTimeFunctions } from 'pino'
import { systemTimer } from '../time.ts'
import type { LogFields, Logger } from './logger.ts'
import { createOutput, type Output } from './output.ts'
import { redactFields, redactText } from './redact.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Something that takes whole lines: a test's array, a file's stream. */
export interface LogDestination {
  write(line: string): unknown
}

export interface FlushableLogger extends Logger {
  /** Writes what is still gathered, synchronously: before the process ends. Never throws. */
  flush(): void
}

/** `destination` absent: standard output, written once 4 KiB are gathered and each second. */
export function createLogger({
  level,
  destination,
}: {
  level: LogLevel
  destination?: LogDestination
}): FlushableLogger {
  const output = destination === undefined ? standardOutput() : undefined
  const log = pino(
    {
      level,
      // A replica is known by where its lines are collected; pid and host name would only repeat that on each line.
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      // redact.ts has described the error already; pino's own serializer would take the description for an error again.
      serializers: { err: (described: unknown) => described },
      formatters: { level: (label) => ({ level: label }) },
    },
    destination ?? output,
  )
  const at = (at: LogLevel) => (fields: LogFields, message: string) => {
    if (log.isLevelEnabled(at)) log[at](redactFields(fields), redactText(message))
  }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), flush: () => output?.flush() }
}

function standardOutput(): Output {
  // Node makes a pipe or socket non-blocking when its stream is asked for, as output.ts needs it. The stream itself is not used.
  const output = createOutput(process.stdout.fd, systemTimer)
  // Whichever way the process ends, what it said last is what somebody will look for.
  process.once('exit', () => output.flush())
  return output
}

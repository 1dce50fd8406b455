import type { Logger } from './telemetry/logger.ts'
import type { Metrics } from './telemetry/metrics.ts'
import type { Clock, Timer } from './time.ts'

/** Time, chance and output: what a test replaces. */
export interface Runtime {
  readonly clock: Clock
  /** Milliseconds, monotonic: for durations. */
  readonly stopwatch: () => number
  readonly timer: Timer
  /** Runs `task` once everything that has arrived meanwhile was read: `setImmediate`. */
  readonly nextTurn: (task: () => void) => void
  /** 0 <= x < 1 */
  readonly random: () => number
  readonly randomBytes: (size: number) => Buffer
  readonly logger: Logger
  readonly metrics: Metrics
}

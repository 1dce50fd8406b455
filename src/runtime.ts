import { createRandomBytes } from './random.ts'
import type { Logger } from './telemetry/logger.ts'
import type { Metrics } from './telemetry/metrics.ts'
import { createStopwatch, systemTimer, type Clock, type Timer } from './time.ts'

/** Time and chance: what a test replaces. */
export interface Platform {
  readonly clock: Clock
  /** Milliseconds, monotonic: for durations. */
  readonly stopwatch: () => number
  readonly timer: Timer
  /** Runs `task` once everything that has arrived meanwhile was read: `setImmediate`. */
  readonly nextTurn: (task: () => void) => void
  /** 0 <= x < 1 */
  readonly random: () => number
  readonly randomBytes: (size: number) => Buffer
}

/** And output. */
export interface Runtime extends Platform {
  readonly logger: Logger
  readonly metrics: Metrics
}

/** The process's own time and chance. */
export function createPlatform(): Platform {
  return {
    clock: Date.now,
    stopwatch: createStopwatch(() => performance.now(), Date.now),
    timer: systemTimer,
    nextTurn: (task) => void setImmediate(task),
    random: Math.random,
    randomBytes: createRandomBytes(),
  }
}

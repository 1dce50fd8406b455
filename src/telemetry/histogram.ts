// Durations in fixed buckets. prom-client's own histogram costs 0.4 us an observation, this one a few ns.
import type { Duration } from './metrics.ts'

export interface Histogram extends Duration {
  /** Observations per bucket, not cumulative; the last one is above every bound. */
  readonly counts: Float64Array
  /** Seconds. */
  sum(): number
}

/** Upper bounds in seconds, ascending. */
export const bounds = {
  auth: [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
  redis: [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
  provider: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  lag: [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
} as const satisfies Record<string, readonly number[]>

export function createHistogram(upperBounds: readonly number[]): Histogram {
  const limits = Float64Array.from(upperBounds)
  const counts = new Float64Array(limits.length + 1)
  let total = 0
  return {
    observe(seconds) {
      // Two clocks may disagree (a lag measured between replicas), and NaN would poison the sum for ever.
      const value = seconds > 0 ? seconds : 0
      let bucket = 0
      // Linear: most observations land in the first few buckets, where a binary search would cost more.
      while (bucket < limits.length && value > (limits[bucket] ?? Infinity)) bucket++
      counts[bucket] = (counts[bucket] ?? 0) + 1
      total += value
    },
    counts,
    sum: () => total,
  }
}

// What many runs came to.
import type { Counts, Violation } from './judge.ts'

export interface Report {
  readonly seed: number
  readonly violations: readonly Violation[]
  readonly counts: Counts
  readonly events: number
}

export interface Tally {
  /** False: enough have failed. */
  add(report: Report): boolean
  readonly failing: number
  table(): string
}

interface Row {
  runs: number
  readonly seeds: number[]
  readonly first: string
}

const tellEveryMs = 10_000

export function createTally({ seeds, stopAfter }: { seeds: number; stopAfter: number }): Tally {
  const startedAt = performance.now()
  const rows = new Map<string, Row>()
  const refused = new Map<string, number>()
  let toldAt = startedAt
  let runs = 0
  let failing = 0
  let grants = 0
  let exposed = 0
  let longest = 0
  let incomplete = 0
  let events = 0

  const speed = () => {
    const seconds = (performance.now() - startedAt) / 1_000
    return `${runs} runs, ${failing} failing, ${(runs / seconds).toFixed(1)} a second`
  }

  return {
    add(report) {
      const { seed, violations, counts } = report
      runs++
      grants += counts.grants
      exposed += counts.exposed
      longest = Math.max(longest, counts.longestExposureMs)
      incomplete += counts.incompleteLogouts
      events += report.events
      for (const [why, count] of Object.entries(counts.refused)) refused.set(why, (refused.get(why) ?? 0) + count)
      if (violations.length > 0) failing++
      const kinds = new Map(violations.toReversed().map((violation) => [violation.what, violation]))
      for (const [what, { words, at }] of kinds) {
        const row = rows.get(what) ?? { runs: 0, seeds: [], first: `seed ${seed} at ${at}: ${words}` }
        rows.set(what, row)
        row.runs++
        if (row.seeds.length < 8) row.seeds.push(seed)
        console.log(`!!! ${what}: seed ${seed} at ${at}: ${words}`)
      }
      if (performance.now() - toldAt >= tellEveryMs) {
        toldAt = performance.now()
        console.log(`${speed()} (of ${seeds})`)
      }
      return failing < stopAfter
    },
    get failing() {
      return failing
    },
    table() {
      const lines = [speed()]
      for (const [what, row] of [...rows].sort(([, a], [, b]) => b.runs - a.runs)) {
        lines.push(`  ${what}: ${row.runs} runs, seeds ${row.seeds.join(' ')}`, `      ${row.first}`)
      }
      lines.push(
        `  let in ${grants} times, ${exposed} of them after a withdrawal that could not be known (longest ${longest} ms);` +
          ` withdrawals held by one process only: ${incomplete}; ${Math.round(events / Math.max(1, runs))} events a run`,
      )
      for (const [why, count] of [...refused].sort(([, a], [, b]) => b - a))
        lines.push(`  not let in: ${count} x ${why}`)
      return lines.join('\n')
    },
  }
}

// Revocation marks in memory: kept to the end of their life whatever else needs room. Only a count far beyond any real day
// bounds them, so that a flood of logouts cannot end the process; passing it is reported.
import type { Clock } from '../time.ts'

interface Mark {
  readonly value: Buffer
  readonly expiresAt: number
}

export interface Marks {
  get(id: string): Buffer | undefined
  /** Never shortens: of two ends the later one stays. */
  set(id: string, value: Buffer, expiresAt: number): void
  delete(id: string): boolean
  size(): number
}

const sweepEveryMs = 60_000

export function createMarks({
  clock,
  onEvict,
  maxCount = 1_000_000,
}: {
  clock: Clock
  onEvict: () => void
  maxCount?: number
}): Marks {
  const marks = new Map<string, Mark>()
  let sweptAt = clock()

  function sweep(now: number): void {
    sweptAt = now
    for (const [id, mark] of marks) if (mark.expiresAt <= now) marks.delete(id)
  }

  function living(id: string): Mark | undefined {
    const mark = marks.get(id)
    return mark !== undefined && mark.expiresAt > clock() ? mark : undefined
  }

  return {
    get: (id) => living(id)?.value,
    set(id, value, expiresAt) {
      const now = clock()
      // On writing, not by a timer: a process without logouts has nothing to sweep.
      if (now - sweptAt >= (marks.size < maxCount ? sweepEveryMs : 1_000)) sweep(now)
      const before = living(id)
      if (before === undefined && marks.size >= maxCount) {
        const oldest = marks.keys().next()
        if (oldest.done !== true) marks.delete(oldest.value)
        onEvict()
      }
      marks.set(id, { value, expiresAt: Math.max(expiresAt, before?.expiresAt ?? 0) })
    },
    delete(id) {
      const existed = living(id) !== undefined
      marks.delete(id)
      return existed
    },
    size: () => marks.size,
  }
}

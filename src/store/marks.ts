// What must not be forgotten before its time, in memory: kept to the end of its life whatever else needs room. Only a count far
// beyond any real day bounds it, so that a flood of logouts cannot end the process.
import type { Clock } from '../time.ts'

export interface Marks<Value> {
  get(id: string): Value | undefined
  /** Never shortens: of two ends the later one stays. `expiresAt`: ms since the epoch. */
  set(id: string, value: Value, expiresAt: number): void
  delete(id: string): boolean
  entries(): IterableIterator<[id: string, value: Value, expiresAt: number]>
  readonly size: number
}

const sweepEveryMs = 60_000

export function createMarks<Value>(clock: Clock, maxCount = 1_000_000): Marks<Value> {
  const marks = new Map<string, { readonly value: Value; readonly expiresAt: number }>()
  let sweptAt = clock()

  function sweep(now: number): void {
    sweptAt = now
    for (const [id, mark] of marks) if (mark.expiresAt <= now) marks.delete(id)
  }

  function living(id: string) {
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
      }
      marks.set(id, { value, expiresAt: Math.max(expiresAt, before?.expiresAt ?? 0) })
    },
    delete(id) {
      const existed = living(id) !== undefined
      marks.delete(id)
      return existed
    },
    *entries() {
      const now = clock()
      for (const [id, { value, expiresAt }] of marks) if (expiresAt > now) yield [id, value, expiresAt]
    },
    get size() {
      return marks.size
    },
  }
}

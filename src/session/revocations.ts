import type { Clock } from '../time.ts'

/**
 * Sessions that this process knows to be revoked: its own logouts and those it was told of. Bounded by time, not by count:
 * a mark lives exactly as long as the session could have, so cache pressure never brings a session back.
 */
export interface Revocations {
  mark(id: string, expiresAt: number): void
  has(id: string): boolean
  /** All marks still of use: what a store that lost them is given again. */
  live(): IterableIterator<[id: string, expiresAt: number]>
  readonly size: number
}

export function createRevocations(clock: Clock): Revocations {
  const marks = new Map<string, number>()
  let sweepAt = 0

  const sweep = () => {
    const now = clock()
    if (now < sweepAt) return
    sweepAt = now + 60_000
    for (const [id, expiresAt] of marks) if (expiresAt <= now) marks.delete(id)
  }

  return {
    mark(id, expiresAt) {
      sweep()
      marks.set(id, Math.max(expiresAt, marks.get(id) ?? 0))
    },
    has(id) {
      const expiresAt = marks.get(id)
      return expiresAt !== undefined && clock() < expiresAt
    },
    *live() {
      const now = clock()
      for (const mark of marks) if (now < mark[1]) yield mark
    },
    get size() {
      return marks.size
    },
  }
}

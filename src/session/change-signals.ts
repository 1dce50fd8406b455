import type { Timer } from '../time.ts'

/** Wakes whoever waits for a change of one session. */
export interface ChangeSignals {
  raise(id: string): void
  /** Resolves at the next change of `id`, at the latest after `maxMs`. */
  next(id: string, maxMs: number): Promise<void>
}

export function createChangeSignals(timer: Timer): ChangeSignals {
  const waiting = new Map<string, Set<() => void>>()
  return {
    raise(id) {
      for (const wake of waiting.get(id) ?? []) wake()
    },
    next(id, maxMs) {
      return new Promise((resolve) => {
        const waiters = waiting.get(id) ?? new Set()
        waiting.set(id, waiters)
        const wake = () => {
          cancel()
          waiters.delete(wake)
          if (waiters.size === 0) waiting.delete(id)
          resolve()
        }
        const cancel = timer(wake, maxMs)
        waiters.add(wake)
      })
    },
  }
}

import type { Timer } from '../time.ts'

/** A few near copies a second are compared with the store, while they may answer alone: what was proved is also watched in use. */
export interface CopyComparison {
  start(): void
  stop(): void
}

const everyMs = 1_000
const atOnce = 3

export function createCopyComparison(deps: {
  mayAnswer: () => boolean
  compareSome: (count: number) => Promise<void>
  timer: Timer
}): CopyComparison {
  const { mayAnswer, compareSome, timer } = deps
  let isStopped = false

  function later(): void {
    if (isStopped) return
    timer(() => {
      if (isStopped) return
      const due = mayAnswer() ? compareSome(atOnce) : Promise.resolve()
      void due.catch(() => undefined).finally(later)
    }, everyMs)
  }

  return { start: later, stop: () => void (isStopped = true) }
}

import { AsyncLocalStorage } from 'node:async_hooks'

/**
 * One request's budget of waiting for the store. A login makes several calls one after the other; with a store that hangs each would
 * wait for the whole deadline. Once one has, the others of the same request do not wait any more.
 */
export interface RequestBudget {
  run<T>(task: () => T): T
  /** Runs what outlives the request: timers and work begun here are nobody's request. */
  outside<T>(task: () => T): T
  /** The request under way has waited for a whole deadline. */
  exhaust(): void
  /** False outside of any `run`. */
  isExhausted(): boolean
  /** How long a call that is made in any case may be waited for: the deadline, and hardly at all once the budget is exhausted. */
  waitMs(deadlineMs: number): number
}

const exhaustedWaitMs = 50

export function createRequestBudget(): RequestBudget {
  const requests = new AsyncLocalStorage<{ exhausted: boolean }>()
  const isExhausted = () => requests.getStore()?.exhausted ?? false
  return {
    run: (task) => requests.run({ exhausted: false }, task),
    outside: (task) => requests.exit(task),
    exhaust() {
      const request = requests.getStore()
      if (request !== undefined) request.exhausted = true
    },
    isExhausted,
    waitMs: (deadlineMs) => (isExhausted() ? exhaustedWaitMs : deadlineMs),
  }
}

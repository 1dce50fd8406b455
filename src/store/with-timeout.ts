// The longest that anybody waits for the store.
import type { Timer } from '../time.ts'

/**
 * `work`, but rejecting with `late()` once `limitMs` have passed. The work itself goes on: whoever started it must not rely
 * on its not having happened. An answer that comes late is dropped, also when it is a rejection.
 */
export function withTimeout<Value>(work: Promise<Value>, limitMs: number, timer: Timer, late: () => Error): Promise<Value> {
  return new Promise((resolve, reject) => {
    const callOff = timer(() => reject(late()), limitMs)
    work.then(
      (value) => {
        callOff()
        resolve(value)
      },
      (error: unknown) => {
        callOff()
        reject(error)
      },
    )
  })
}

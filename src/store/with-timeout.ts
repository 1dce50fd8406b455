// The longest that anybody waits for the store, told apart: did it not answer, or were we too busy to look?
import type { Runtime } from '../runtime.ts'

/** Time as a wait sees it. */
export type Waiting = Pick<Runtime, 'timer' | 'stopwatch' | 'nextTurn'>

/** A timer that fires this much later than due says that the process itself stood still. */
const ownDelayMs = 40

/**
 * `work`, but rejecting with `late()` once `limitMs` have passed. Before it gives up it looks once more into what has arrived
 * meanwhile: an answer that lies unread in the socket was not late. `late(true)`: the timer itself fired much too late, so that
 * nothing can be said of the other side. The work goes on: whoever started it must not rely on its not having happened. An
 * answer after that is dropped, also when it is a rejection.
 */
export function withTimeout<Value>(
  work: Promise<Value>,
  limitMs: number,
  { timer, stopwatch, nextTurn }: Waiting,
  late: (byOurselves: boolean) => Error,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const dueAt = stopwatch() + limitMs
    let isSettled = false
    const callOff = timer(() => {
      const byOurselves = stopwatch() - dueAt > ownDelayMs
      // Timers come before sockets in a turn of the event loop: after two turns everything that had arrived was read.
      nextTurn(() => nextTurn(() => isSettled || reject(late(byOurselves))))
    }, limitMs)
    work.then(
      (value) => {
        isSettled = true
        callOff()
        resolve(value)
      },
      (error: unknown) => {
        isSettled = true
        callOff()
        reject(error)
      },
    )
  })
}

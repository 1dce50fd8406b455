// Virtual time. One event at a time; every promise that can settle has settled before the next one. What belongs to a process
// happens on its event loop: a process that stalls gets its timers late, then what lay in its sockets, then its next turns.
import { AsyncLocalStorage } from 'node:async_hooks'

/** One life of one process. */
export interface Loop {
  readonly name: string
  hasEnded: boolean
  isPaused: boolean
  readonly late: { readonly timer: Event[]; readonly socket: Event[]; readonly turn: Event[] }
}

export type Phase = 'timer' | 'socket' | 'turn'

interface Event {
  readonly task: () => void
  readonly loop: Loop | undefined
  readonly phase: Phase
  isCancelled: boolean
}

export interface Events {
  /** Milliseconds since the beginning of the run. */
  readonly now: number
  /** How many have happened. */
  readonly count: number
  /** Something happens in the world. Not before now. */
  at(time: number, task: () => void): void
  /** Something happens on a process's event loop, if that still lives then. Returns how to call it off. */
  on(loop: Loop, phase: Phase, time: number, task: () => void): () => void
  /** What was due meanwhile happens now, in the order of an event loop. */
  resume(loop: Loop): void
  /** Until the end of time. `onError`: something threw, which would have ended a real process. */
  run(onError: (error: unknown, loop: Loop | undefined) => void): Promise<void>
}

const requests = new AsyncLocalStorage<true>()

/** What `task` sets in motion belongs to a request, and may ask which: timers keep that, as the platform's do. */
export const asRequest = <T>(task: () => T): T => requests.run(true, task)

export const newLoop = (name: string): Loop => ({
  name,
  hasEnded: false,
  isPaused: false,
  late: { timer: [], socket: [], turn: [] },
})

export function createEvents(end: number, maxEvents = 3_000_000): Events {
  const buckets = Array<Event[] | undefined>(end + 1)
  let now = 0
  let position = 0
  let count = 0

  function add(time: number, event: Event): void {
    const at = Math.max(now, Math.ceil(time))
    if (at > end) return
    const bucket = buckets[at]
    if (bucket === undefined) buckets[at] = [event]
    else bucket.push(event)
  }

  function take(): Event | undefined {
    for (; now <= end; now++, position = 0) {
      const event = buckets[now]?.[position]
      if (event !== undefined) {
        position++
        return event
      }
      buckets[now] = undefined
    }
    now = end
    return undefined
  }

  function dispatch(event: Event): void {
    const { loop } = event
    if (event.isCancelled || loop?.hasEnded === true) return
    if (loop?.isPaused === true) {
      loop.late[event.phase].push(event)
      return
    }
    count++
    if (count > maxEvents) throw new Error('the run does not come to an end')
    event.task()
  }

  return {
    get now() {
      return now
    },
    get count() {
      return count
    },
    at: (time, task) => add(time, { task, loop: undefined, phase: 'socket', isCancelled: false }),
    on(loop, phase, time, task) {
      // As the platform's own timers: the task belongs to the request that set it.
      const own = requests.getStore() === undefined ? task : AsyncLocalStorage.bind(task)
      const event = { task: own, loop, phase, isCancelled: false }
      add(time, event)
      return () => void (event.isCancelled = true)
    },
    resume(loop) {
      loop.isPaused = false
      const { timer, socket, turn } = loop.late
      for (const event of [...timer, ...socket, ...turn]) add(now, event)
      timer.length = socket.length = turn.length = 0
    },
    run(onError) {
      return new Promise((resolve) => {
        // The tick queue is looked at only once no promise has anything left to do.
        const soon = Promise.resolve()
        const again = () => process.nextTick(step)
        function step(): void {
          const event = take()
          if (event === undefined) {
            resolve()
            return
          }
          try {
            dispatch(event)
          } catch (error) {
            onError(error, event.loop)
          }
          void soon.then(again)
        }
        again()
      })
    },
  }
}

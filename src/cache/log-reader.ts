// How far this replica has read the log of withdrawals. What an answer adds is taken in where it goes on from there; the log of
// another history is read anew, from its beginning.
import type { Runtime } from '../runtime.ts'
import type { BeatReply, LogEntry, Position, WithdrawalLog } from '../store/withdrawal-log.ts'
import { withBeatTimeout } from './beat-call.ts'
import type { Floors } from './floors.ts'
import { createTrail, follows, type Trail } from './history.ts'

export interface LogReader {
  /** Undefined: nothing has been read, or not all of it. */
  readonly position: Position | undefined
  readonly trail: Pick<Trail, 'includes'>
  /** The answer with all its entries: too many for one answer are read page by page. Throws StoreUnavailable. */
  complete(reply: BeatReply): Promise<BeatReply>
  /** Takes in what a complete answer adds. False: it does not go on from where this replica has read. */
  follow(reply: BeatReply): boolean
  /**
   * The whole log, page by page. The position is taken before, so that the next beat brings what came meanwhile. Throws
   * StoreUnavailable: then nothing counts as read.
   */
  load(reply: BeatReply): Promise<void>
}

const pageSize = 500

export function createLogReader(deps: {
  log: Pick<WithdrawalLog, 'page'>
  floors: Floors
  /** For how long after it was recorded a withdrawal is of use: no session lives longer. */
  withdrawalLifeMs: number
  runtime: Pick<Runtime, 'clock' | 'stopwatch' | 'timer' | 'nextTurn'>
}): LogReader {
  const { log, floors, withdrawalLifeMs, runtime } = deps
  const { clock } = runtime
  const trail = createTrail()
  let position: Position | undefined

  function learn({ id, floor, n }: LogEntry, { serverTime }: BeatReply): void {
    // Since its session began before it was withdrawn. By the clock that makes it younger: one that has leapt ahead must not make
    // us forget.
    const ageMs = Math.max(0, Math.min(serverTime, clock()) - n)
    floors.raise({ id, floor }, true, clock() + withdrawalLifeMs - ageMs)
  }

  async function readPages(from: number, upTo: number, each: (entry: LogEntry) => unknown): Promise<void> {
    let after = from
    while (after < upTo) {
      const page = await withBeatTimeout(log.page(after, pageSize), runtime)
      for (const entry of page) if (entry.n <= upTo) each(entry)
      const last = page.at(-1)
      if (last === undefined) return
      after = last.n
    }
  }

  return {
    get position() {
      return position
    },
    trail,
    async complete(reply) {
      if (position === undefined || reply.entries !== undefined || reply.head.n <= position.n) return reply
      const entries: LogEntry[] = []
      await readPages(position.n, reply.head.n, (entry) => entries.push(entry))
      return { ...reply, entries }
    },
    follow(reply) {
      const steps = position === undefined ? undefined : follows(position, reply)
      if (steps === undefined) return false
      for (const entry of reply.entries ?? []) learn(entry, reply)
      for (const step of steps) trail.add(step)
      position = reply.head
      return true
    },
    async load(reply) {
      const { head } = reply
      // Forgotten at once: a load that is cut short must not go on from a position of before.
      position = undefined
      // What an earlier load marked may have been of a log that was lost before that load was complete.
      floors.nothingIsLogged()
      await readPages(0, head.n, (entry) => learn(entry, reply))
      position = head
      trail.startAt(head)
    },
  }
}

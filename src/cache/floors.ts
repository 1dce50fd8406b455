// What this process knows to be withdrawn. A floor is the lowest generation of a session that may still be honoured; nothing
// below it counts, whatever it lies in: a near copy, a stored value, a pass, the journal, a seed. Kept for as long as the session
// could live: no pressure on memory brings a withdrawn state back.
import { everyGeneration, type Withdrawal } from '../store/withdrawal-log.ts'
import { createMarks } from '../store/marks.ts'
import type { Clock } from '../time.ts'

interface Floor {
  floor: number
  /** When this process learnt it (ms, monotonic). */
  since: number
  /** The log was seen to have it: not merely sent there. */
  logged: boolean
  expiresAt: number
}

/** A withdrawal with the end of its use (ms since the epoch). */
export type Lasting = Withdrawal & { readonly expiresAt: number }

export interface Floors {
  /** 0: nothing of it was withdrawn. */
  of(id: string): number
  /** Nothing of it counts any more. */
  isEnded(id: string): boolean
  /** For how long its floor has been known here (ms); 0 where there is none. */
  knownForMs(id: string): number
  /**
   * `logged`: it was read from the log. `expiresAt`: after it no such session lives (ms since the epoch; unknown: as long as one
   * can that begins now); of two ends the later one counts. False: no news.
   */
  raise(withdrawal: Withdrawal, logged: boolean, expiresAt?: number): boolean
  /** The log is not the one that was read before: nothing is known to be in it. */
  nothingIsLogged(): void
  /** At most `limit` of those that the log is not known to have. */
  unlogged(limit: number): readonly Lasting[]
  all(): readonly Lasting[]
  isLogged(id: string): boolean
  /** Those learnt after `seq`, in order, at most `limit`: what a peer has not been told. `seq` of 0: from the beginning. */
  learntAfter(seq: number, limit: number): { readonly entries: readonly Lasting[]; readonly seq: number }
  /** Called at once with every floor that is news. */
  onRaise(handler: (withdrawal: Withdrawal) => void): void
  /** Called when the log was seen to have it. */
  onLogged(handler: (id: string) => void): void
  readonly size: number
  readonly unloggedCount: number
}

export function createFloors(deps: {
  clock: Clock
  stopwatch: () => number
  /** How long one is kept whose end is not known: no session lives longer, whosever clock it ends by. */
  lifeMs: number
}): Floors {
  const { clock, stopwatch, lifeMs } = deps
  const floors = createMarks<Floor>(clock)
  const open = new Set<string>()
  // Ids in the order of learning; what was learnt before `forgotten` has been swept.
  let learnt: string[] = []
  let forgotten = 0
  const raiseHandlers: ((withdrawal: Withdrawal) => void)[] = []
  const loggedHandlers: ((id: string) => void)[] = []

  function learn(id: string): void {
    learnt.push(id)
    if (learnt.length % 10_000 !== 0) return
    const firstAlive = learnt.findIndex((known) => floors.get(known) !== undefined)
    const gone = firstAlive < 0 ? learnt.length : firstAlive
    learnt = learnt.slice(gone)
    forgotten += gone
  }

  function setLogged(id: string, known: Floor): void {
    known.logged = true
    open.delete(id)
    for (const handler of loggedHandlers) handler(id)
  }

  return {
    of: (id) => floors.get(id)?.floor ?? 0,
    isEnded: (id) => floors.get(id)?.floor === everyGeneration,
    knownForMs(id) {
      const known = floors.get(id)
      return known === undefined ? 0 : stopwatch() - known.since
    },
    raise({ id, floor }, logged, expiresAt = clock() + lifeMs) {
      if (expiresAt <= clock()) return false
      const known = floors.get(id)
      if (known !== undefined && known.floor >= floor) {
        if (known.floor > floor) return false
        if (logged && !known.logged) setLogged(id, known)
        if (expiresAt > known.expiresAt) {
          known.expiresAt = expiresAt
          floors.set(id, known, expiresAt)
        }
        return false
      }
      const next: Floor = { floor, since: stopwatch(), logged, expiresAt: Math.max(expiresAt, known?.expiresAt ?? 0) }
      floors.set(id, next, next.expiresAt)
      if (logged) setLogged(id, next)
      else open.add(id)
      learn(id)
      for (const handler of raiseHandlers) handler({ id, floor })
      return true
    },
    nothingIsLogged() {
      for (const [id, known] of floors.entries()) {
        known.logged = false
        open.add(id)
      }
    },
    unlogged(limit) {
      const found: Lasting[] = []
      for (const id of open) {
        if (found.length >= limit) break
        const known = floors.get(id)
        if (known === undefined) open.delete(id)
        else found.push({ id, floor: known.floor, expiresAt: known.expiresAt })
      }
      return found
    },
    all: () => Array.from(floors.entries(), ([id, { floor, expiresAt }]) => ({ id, floor, expiresAt })),
    isLogged: (id) => floors.get(id)?.logged === true,
    learntAfter(seq, limit) {
      const from = Math.max(0, seq - forgotten)
      const ids = learnt.slice(from, from + limit)
      const entries = ids.flatMap((id) => {
        const known = floors.get(id)
        return known === undefined ? [] : [{ id, floor: known.floor, expiresAt: known.expiresAt }]
      })
      return { entries, seq: forgotten + from + ids.length }
    },
    onRaise: (handler) => void raiseHandlers.push(handler),
    onLogged: (handler) => void loggedHandlers.push(handler),
    get size() {
      return floors.size
    },
    get unloggedCount() {
      return open.size
    },
  }
}

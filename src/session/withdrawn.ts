// What does not count any more: a session by its id, or because a sweep ends it. Whatever brings one (the store, a pass, a copy, a
// login), this is what is asked before it counts.
import type { Floors } from '../cache/floors.ts'
import type { Withdrawal } from '../store/withdrawal-log.ts'
import type { NearCache } from './near-cache.ts'
import type { Session } from './session.ts'
import { parseSweep, type Sweep, type Sweeps } from './sweeps.ts'

export interface Withdrawn {
  /** Nothing of it counts any more. */
  isEnded(session: Session): boolean
  /** This state of it does not count. */
  is(session: Session): boolean
}

export function createWithdrawn(
  floors: Pick<Floors, 'of' | 'isEnded'>,
  isSwept: (session: Session) => boolean,
): Withdrawn {
  return {
    isEnded: (session) => floors.isEnded(session.id) || isSwept(session),
    is: (session) => session.generation < floors.of(session.id) || isSwept(session),
  }
}

/** A sweep ends the near copies that it reaches as soon as it is known here. */
export function watchSweeps(deps: {
  floors: Pick<Floors, 'all' | 'onRaise'>
  sweeps: Pick<Sweeps, 'add'>
  isSwept: (session: Session) => boolean
  near: Pick<NearCache, 'tagged' | 'entries' | 'delete'>
  /** Hears of each copy that has gone. */
  onEnded: (id: string) => void
}): void {
  const { floors, sweeps, isSwept, near, onEnded } = deps

  function reached(sweep: Sweep): readonly Session[] {
    if (sweep.by !== 'everybody') return near.tagged(sweep.tag)
    return Array.from(near.entries(), ([, { session }]) => session).filter(({ createdAt }) => createdAt <= sweep.until)
  }

  function learn({ id }: Withdrawal): void {
    const sweep = parseSweep(id)
    if (sweep === undefined) return
    sweeps.add(sweep)
    for (const session of reached(sweep)) {
      if (!isSwept(session)) continue
      near.delete(session.id)
      onEnded(session.id)
    }
  }

  for (const known of floors.all()) learn(known)
  floors.onRaise(learn)
}

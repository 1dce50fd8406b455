import { StoreUnavailable, StoreValueRejected } from '../errors.ts'
import type { Floors } from '../cache/floors.ts'
import { revokedKey, sessionKey } from '../store/keys.ts'
import { floorOfMark } from '../store/mark.ts'
import type { Key, Store } from '../store/store.ts'
import type { Session } from './session.ts'

/**
 * Writes a session where none is stored and nobody has withdrawn this state of it: late, from a journal or a near copy. May throw
 * StoreUnavailable or StoreValueRejected.
 */
export type SetUnlessWithdrawn = (
  session: Session,
  value: Buffer,
  ttlMs: number,
) => Promise<'written' | 'exists' | 'marked'>

export function createSetUnlessWithdrawn(
  store: Pick<Store, 'get' | 'setUnlessMarked'>,
  floors: Pick<Floors, 'raise'>,
): SetUnlessWithdrawn {
  /** Withdrawn at another replica, and unheard here: this state at least does not count; how far it goes, the mark says, or the log. */
  async function learnMark(mark: Key, { id, generation }: Session): Promise<void> {
    floors.raise({ id, floor: generation + 1 }, false)
    try {
      const floor = floorOfMark(await store.get(mark))
      if (floor > generation) floors.raise({ id, floor }, false)
    } catch (error) {
      if (!(error instanceof StoreUnavailable || error instanceof StoreValueRejected)) throw error
    }
  }

  return async (session, value, ttlMs) => {
    const { id, generation } = session
    const mark = revokedKey(id)
    const result = await store.setUnlessMarked(sessionKey(id), value, ttlMs, { mark, generation })
    if (result === 'marked') await learnMark(mark, session)
    return result
  }
}

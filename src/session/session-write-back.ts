// Sessions, written back to a store that lost something: those of the last seconds after any loss of the connection, and near copies
// where it lost its data. Which of them are proven is the cache's business (its reseeding.ts).
import { StoreValueRejected } from '../errors.ts'
import type { SharedCache } from '../cache/shared-cache.ts'
import { sessionKey } from '../store/keys.ts'
import { isRefusal } from '../store/redis/faults.ts'
import type { Clock } from '../time.ts'
import { inBatches } from './batches.ts'
import { generationOf, headBytes } from './codec.ts'
import type { SessionLifetimes } from './lifetimes.ts'
import type { NearCache, NearSession } from './near-cache.ts'
import type { Session } from './session.ts'
import type { RecentWrites } from './recent-writes.ts'
import type { SetUnlessWithdrawn } from './set-unless-withdrawn.ts'

/** May throw StoreUnavailable: then it is to be done again. */
export interface SessionWriteBack {
  /**
   * What was acknowledged shortly before the connection was lost (at `lostAt`, ms, monotonic), where it is missing. False: the
   * store refused some of it.
   */
  offerAgain(lostAt: number): Promise<boolean>
  /** Near copies, written to a store that lost them. */
  reseed(
    isProven: (confirmedAt: number) => boolean,
  ): Promise<{ readonly written: number; readonly isComplete: boolean }>
}

export function createSessionWriteBack(deps: {
  cache: Pick<SharedCache, 'store'>
  near: NearCache
  lifetimes: Pick<SessionLifetimes, 'endOf' | 'isIdle' | 'storedTtl'>
  recentWrites: Pick<RecentWrites, 'atRisk'>
  setUnlessWithdrawn: SetUnlessWithdrawn
  isWithdrawn: (session: Session) => boolean
  list: (session: Session) => Promise<void>
  clock: Clock
}): SessionWriteBack {
  const { near, lifetimes, recentWrites, setUnlessWithdrawn, isWithdrawn, list, clock } = deps
  const { store } = deps.cache
  const { endOf, storedTtl } = lifetimes

  /** A copy outlives its session's idle end, and must not bring it back; nor may one whose refresh token was rotated elsewhere. */
  const isAlive = ({ session, lastSeenAt, heardOf }: NearSession) =>
    clock() < endOf(session) && !lifetimes.isIdle(lastSeenAt) && session.generation >= heardOf && !isWithdrawn(session)

  /** Written where it is missing, or where an older state lies. One that cannot be written must not keep the others out. */
  async function writeAgain(id: string, entry: NearSession): Promise<'written' | 'not-needed' | 'refused'> {
    if (!isAlive(entry)) return 'not-needed'
    const ttlMs = storedTtl(entry.session, clock() - entry.lastSeenAt)
    try {
      const result = await setUnlessWithdrawn(entry.session, entry.value, ttlMs)
      // From an old snapshot: its refresh token was rotated since, and using it would end the session.
      if (result === 'exists') await overwriteOlder(id, entry, ttlMs)
      if (result !== 'written') return 'not-needed'
      await list(entry.session)
      return 'written'
    } catch (error) {
      if (error instanceof StoreValueRejected) return 'not-needed'
      if (isRefusal(error)) return 'refused'
      throw error
    }
  }

  async function overwriteOlder(id: string, entry: NearSession, ttlMs: number): Promise<void> {
    const head = await store.get(sessionKey(id), headBytes)
    const stored = head === undefined ? undefined : generationOf(head)
    if (head === undefined || stored === undefined || stored === entry.session.generation) return
    // Another replica was back sooner and has refreshed it meanwhile, unheard.
    if (stored > entry.session.generation) near.changed(id, stored)
    else await store.compareAndSet(sessionKey(id), entry.value, ttlMs, head)
  }

  async function offerAgain(lostAt: number): Promise<boolean> {
    let isComplete = true
    await inBatches(recentWrites.atRisk(lostAt), async (id) => {
      const entry = near.get(id)
      if (entry !== undefined && (await writeAgain(id, entry)) === 'refused') isComplete = false
    })
    return isComplete
  }

  async function reseed(isProven: (confirmedAt: number) => boolean) {
    let written = 0
    let isComplete = true
    const proven = [...near.entries()].filter(([, entry]) => entry.pending !== 'session' && isProven(entry.confirmedAt))
    await inBatches(proven, async ([id, entry]) => {
      const result = await writeAgain(id, entry)
      if (result === 'written') written++
      if (result === 'refused') isComplete = false
    })
    return { written, isComplete }
  }

  return { offerAgain, reseed }
}

// Where sessions are kept: every read and write of the shared store, by ticket. What a failure means for a request is lookup.ts's
// business.
import type { SharedCache } from '../cache/shared-cache.ts'
import type { Clock } from '../time.ts'
import type { SessionCodec } from './codec.ts'
import type { SessionLifetimes } from './lifetimes.ts'
import type { NearCache } from './near-cache.ts'
import type { Session } from './session.ts'
import { createRecentWrites } from './recent-writes.ts'
import { createSetUnlessWithdrawn } from './set-unless-withdrawn.ts'
import { createSessionReader, type SessionReader } from './session-reader.ts'
import type { Withdrawn } from './withdrawn.ts'
import { createSessionWriteBack, type SessionWriteBack } from './session-write-back.ts'
import { createSessionWriter, type SessionWriter } from './session-writer.ts'

export interface SessionStore {
  readonly reader: SessionReader
  readonly writer: SessionWriter
  readonly writeBack: SessionWriteBack
}

export function createSessionStore(deps: {
  cache: SharedCache
  codec: SessionCodec
  near: NearCache
  lifetimes: SessionLifetimes
  withdrawn: Withdrawn
  /** Hears of each session that was written, for lists. Never rejects. */
  list: (session: Session) => Promise<void>
  clock: Clock
  stopwatch: () => number
}): SessionStore {
  const { cache, codec, near, lifetimes, withdrawn, list, clock, stopwatch } = deps
  const isWithdrawn = withdrawn.is
  const recentWrites = createRecentWrites(stopwatch)
  const setUnlessWithdrawn = createSetUnlessWithdrawn(cache.store, cache.floors)
  return {
    reader: createSessionReader({ cache, codec, near, lifetimes, withdrawn }),
    writer: createSessionWriter({
      cache,
      codec,
      near,
      lifetimes,
      recentWrites,
      setUnlessWithdrawn,
      isWithdrawn,
      list,
      clock,
    }),
    writeBack: createSessionWriteBack({
      cache,
      near,
      lifetimes,
      recentWrites,
      setUnlessWithdrawn,
      isWithdrawn,
      list,
      clock,
    }),
  }
}

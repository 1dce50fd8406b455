// Sessions, written: new ones, and the states that follow. A write that the store misses goes to the journal, so that none is lost
// with an outage.
import { StoreUnavailable, StoreValueRejected } from '../errors.ts'
import type { Clock } from '../time.ts'
import type { SharedCache } from '../cache/shared-cache.ts'
import { sessionKey } from '../store/keys.ts'
import { everyGeneration } from '../store/withdrawal-log.ts'
import { headOf, type SessionCodec } from './codec.ts'
import type { SessionLifetimes } from './lifetimes.ts'
import type { NearCache, NearSession } from './near-cache.ts'
import type { RecentWrites } from './recent-writes.ts'
import { sameIdentity } from './same-identity.ts'
import type { SetUnlessWithdrawn } from './set-unless-withdrawn.ts'
import type { Session, SessionWithTokens } from './session.ts'
import type { Ticket } from './ticket.ts'

/** Writes that must not be lost: none of them throws StoreUnavailable. */
export interface SessionWriter {
  /** A new session. False: the store missed it, the journal has it. */
  create(ticket: Ticket, full: SessionWithTokens): Promise<boolean>
  /**
   * The state after `before`; where it makes another person of them (fewer rights, or more), no older state counts any more, here
   * and everywhere. True as well where the store missed it, and the journal has it. False: somebody changed or deleted it since
   * `before` was read.
   */
  replace(ticket: Ticket, before: Session, next: SessionWithTokens): Promise<boolean>
  /** The store lost what this state follows: kept here and in the journal. */
  keepForLater(ticket: Ticket, next: SessionWithTokens): void
  /** Ends it here at once, and everywhere. False: nobody but this process knows it yet. */
  end(id: string): Promise<boolean>
  /** Gives it its whole idle time again. Never rejects. */
  touch(entry: NearSession, now: number): void
}

const journalName = (id: string) => `session:${id}`

export function createSessionWriter(deps: {
  cache: Pick<SharedCache, 'store' | 'journal' | 'outage' | 'changed' | 'withdraw'>
  codec: SessionCodec
  near: NearCache
  lifetimes: Pick<SessionLifetimes, 'endOf' | 'storedTtl' | 'idleTimeoutMs' | 'idleGrainMs'>
  recentWrites: Pick<RecentWrites, 'add'>
  setUnlessWithdrawn: SetUnlessWithdrawn
  isWithdrawn: (session: Session) => boolean
  list: (session: Session) => Promise<void>
  clock: Clock
}): SessionWriter {
  const { cache, codec, near, recentWrites, setUnlessWithdrawn, isWithdrawn, list, clock } = deps
  const { store, journal } = cache
  const { endOf, storedTtl, idleTimeoutMs, idleGrainMs } = deps.lifetimes

  async function create(ticket: Ticket, full: SessionWithTokens): Promise<boolean> {
    const { session } = full
    const value = codec.encode(full, ticket)
    try {
      await Promise.all([store.set(sessionKey(ticket.id), value, storedTtl(session)), list(session)])
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      near.adopt(ticket, session, value, { pending: 'session' })
      createLater(ticket.id, session, value)
      return false
    }
    near.adopt(ticket, session, value)
    recentWrites.add(ticket.id)
    return true
  }

  async function replace(ticket: Ticket, before: Session, next: SessionWithTokens): Promise<boolean> {
    const { id } = ticket
    // Its logout may be known here and have reached nothing that is stored.
    if (isWithdrawn(next.session)) return false
    // A session that the provider no longer prolongs has lost a right as well: no copy or pass of before may outlive its token.
    const isOther = !sameIdentity(before, next.session) || (before.refreshable && !next.session.refreshable)
    const known = near.get(id)
    if (known?.pending === 'session') {
      // Its login waits in the journal: it is still the login that is to be written, in its newer state.
      keepForLater(ticket, next)
      if (isOther) await supersede(next.session)
      return true
    }
    const value = codec.encode(next, ticket)
    // `before` may be in the journal only: what it follows is what lies in the store.
    const stored = known?.session.generation === before.generation ? known.storedGeneration : before.generation
    // Told before it is written: should this process end in between, the session has ended, rather than that a right which was
    // taken away stays in somebody's copy or pass.
    if (isOther) await supersede(next.session)
    try {
      if (!(await overwrite(ticket, next.session, value, stored))) return false
    } catch (error) {
      // Something else lies under its key now: what that means is what a look will say.
      if (error instanceof StoreValueRejected) return false
      if (!(error instanceof StoreUnavailable)) throw error
      keepForLater(ticket, next, stored)
      return true
    }
    journal.drop(journalName(id))
    near.adopt(ticket, next.session, value)
    return true
  }

  async function supersede({ id, generation }: Session): Promise<void> {
    await cache.withdraw({ id, floor: generation })
  }

  function keepForLater(ticket: Ticket, next: SessionWithTokens, stored?: number): void {
    const { id } = ticket
    const { session } = next
    const value = codec.encode(next, ticket)
    const known = near.get(id)
    if (known?.pending === 'session') {
      near.adopt(ticket, session, value, { pending: 'session' })
      createLater(id, session, value)
      return
    }
    const storedGeneration = stored ?? known?.storedGeneration ?? session.generation - 1
    near.adopt(ticket, session, value, { pending: 'state', storedGeneration })
    journal.add({
      name: journalName(id),
      expiresAt: endOf(session),
      async write() {
        // Where it is gone it was ended, or lost with the store's data: the latter is the business of re-seeding, with its caution.
        near.settle(id, !isWithdrawn(session) && (await overwrite(ticket, session, value, storedGeneration)))
      },
    })
  }

  async function overwrite(
    ticket: Ticket,
    session: Session,
    value: Buffer,
    storedGeneration: number,
  ): Promise<boolean> {
    const { id } = ticket
    const ttlMs = await ttlOfNext(ticket, session)
    const note = cache.changed(id, session.generation)
    const head = headOf(value, storedGeneration)
    const written = await store.compareAndSet(sessionKey(id), value, ttlMs, head, note)
    if (!written) return false
    recentWrites.add(id)
    // Nobody waits for it.
    void list(session)
    return true
  }

  /**
   * A refresh is no use of the session: where nobody has asked for it here lately, it keeps what is left of its idle time, of which the
   * store knows best (it may be in use at another replica).
   */
  async function ttlOfNext({ id, unattended }: Ticket, next: Session): Promise<number> {
    const whole = storedTtl(next)
    if (idleTimeoutMs === undefined) return whole
    const entry = near.get(id)
    const idleMs = entry === undefined ? 0 : clock() - entry.lastSeenAt
    if (unattended !== true && idleMs <= idleGrainMs) return whole
    const leftMs = await store.ttl(sessionKey(id))
    return leftMs === undefined ? whole : Math.min(whole, Math.max(leftMs, storedTtl(next, idleMs)))
  }

  function createLater(id: string, session: Session, value: Buffer): void {
    journal.add({
      name: journalName(id),
      expiresAt: endOf(session),
      async write() {
        const result = isWithdrawn(session) ? 'marked' : await setUnlessWithdrawn(session, value, storedTtl(session))
        near.settle(id, result === 'written')
        if (result !== 'written') return
        recentWrites.add(id)
        await list(session)
      },
    })
  }

  function touch(entry: NearSession, now: number): void {
    near.touched(entry, now)
    const { id } = entry.session
    store.touch(sessionKey(id), storedTtl(entry.session)).then(
      (there) => {
        if (!there && entry.pending === undefined && !cache.outage.missProvesNothing()) near.delete(id)
      },
      () => undefined,
    )
  }

  return {
    create,
    replace,
    keepForLater,
    end: (id) => cache.withdraw({ id, floor: everyGeneration }),
    touch,
  }
}

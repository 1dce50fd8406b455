// Where sessions are kept: every read and write of the shared store, by ticket. A write that the store misses goes to the
// journal, and what a read brings becomes the near copy. What a failure means for a request is lookup.ts's business.
import { StoreUnavailable, StoreValueRejected } from '../errors.ts'
import type { SharedCache } from '../cache/shared-cache.ts'
import { isRefusal } from '../store/redis/faults.ts'
import { everyGeneration } from '../store/withdrawal-log.ts'
import { floorOfMark } from '../store/mark.ts'
import type { Key } from '../store/store.ts'
import type { Clock } from '../time.ts'
import { generationOf, headBytes, headOf, identityReadBytes, startsAlike, type SessionCodec } from './codec.ts'
import type { SessionLifetimes } from './lifetimes.ts'
import { presentsSecret, type NearCache, type NearSession } from './near-cache.ts'
import type { FullSession, Session } from './session.ts'
import type { Ticket } from './ticket.ts'

/** Reads and `touch`-like writes may throw StoreUnavailable or StoreValueRejected; writes that must not be lost never do. */
export interface SessionStore {
  /** The stored value, or its first `head` bytes. One read per key and process at a time, however many wait for it. */
  read(id: string, head?: number): Promise<Buffer | undefined>
  /** Somebody wrote: answers under way may be from before. */
  overtakeReads(id: string): void
  readWhole(ticket: Ticket): Promise<FullSession | undefined>
  /**
   * What counts now, by a read of its own: one that was under way before a lease was ours may show what its last owner
   * replaced. 'awaited': the state that counts is still on its way into the store.
   */
  readLatest(ticket: Ticket): Promise<FullSession | 'ended' | 'awaited'>
  /**
   * Whether a newer state than this may still be on its way into the store: others have not written yet what only they know, or
   * this process has heard of one that it cannot find. Its refresh token may have been used: nobody may use it again.
   */
  isNewerAwaited(id: string, generation: number): boolean
  /** A whole stored value, opened; undefined for anything that is not this ticket's. */
  open(value: Buffer, ticket: Ticket): FullSession | undefined
  /**
   * The near copy that agrees with what the store holds; undefined when the stored value is not usable. `whole`: `value` is
   * not just its beginning. Throws StoreUnavailable when more had to be read.
   */
  confirm(ticket: Ticket, value: Buffer, whole: boolean): Promise<NearSession | undefined>
  /** A new session. False: the store missed it, the journal has it. */
  create(ticket: Ticket, full: FullSession): Promise<boolean>
  /**
   * The state after `before`; where it makes another person of them (fewer rights, or more), no older state counts any more, here
   * and everywhere. True as well where the store missed it, and the journal has it. False: somebody changed or deleted it since
   * `before` was read.
   */
  replace(ticket: Ticket, before: Session, next: FullSession): Promise<boolean>
  /** The store lost what this state follows: kept here and in the journal. */
  keepForLater(ticket: Ticket, next: FullSession): void
  /** Ends it here at once, and everywhere. False: nobody but this process knows it yet. */
  end(id: string): Promise<boolean>
  /** Gives it its whole idle time again. Never rejects. */
  touch(entry: NearSession, now: number): void
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

const sessionKey = (id: string): Key => ({ kind: 'session', id })
const revokedKey = (id: string): Key => ({ kind: 'revoked', id })
const journalName = (id: string) => `session:${id}`

/** What was acknowledged this long before a loss may be lost with it: a failover takes the last writes. */
const recentMs = 10_000
const maxRecent = 10_000

export function createSessionStore(deps: {
  cache: SharedCache
  codec: SessionCodec
  near: NearCache
  lifetimes: SessionLifetimes
  clock: Clock
  stopwatch: () => number
}): SessionStore {
  const { cache, codec, near, lifetimes, clock, stopwatch } = deps
  const { store, journal, floors } = cache
  const { endOf, storedTtl } = lifetimes

  // --- reading --------------------------------------------------------------------------------------------------------

  interface Reading {
    value: Promise<Buffer | undefined>
    overtaken: boolean
  }
  const reads = new Map<string, Reading>()
  const readName = (id: string, head: number | undefined) => (head === undefined ? id : `${id} ${head}`)

  function read(id: string, head?: number): Promise<Buffer | undefined> {
    const name = readName(id, head)
    const running = reads.get(name)
    if (running !== undefined) return running.value
    const reading: Reading = { value: Promise.resolve(undefined), overtaken: false }
    reading.value = store
      .get(sessionKey(id), head)
      .finally(() => {
        if (reads.get(name) === reading) reads.delete(name)
      })
      .then((value) => (reading.overtaken ? read(id, head) : value))
    reads.set(name, reading)
    return reading.value
  }

  /** Notes come over another connection than answers: the answer under way may be from before the change. */
  function overtakeReads(id: string): void {
    for (const name of [readName(id, undefined), readName(id, identityReadBytes)]) {
      const reading = reads.get(name)
      if (reading === undefined) continue
      reading.overtaken = true
      reads.delete(name)
    }
  }

  async function readWhole(ticket: Ticket): Promise<FullSession | undefined> {
    if (floors.isEnded(ticket.id)) return undefined
    try {
      const value = (await read(ticket.id)) ?? pendingValue(ticket)
      return value === undefined ? undefined : open(value, ticket)
    } catch (error) {
      if (error instanceof StoreValueRejected) return undefined
      throw error
    }
  }

  function pendingValue(ticket: Ticket): Buffer | undefined {
    const entry = near.get(ticket.id)
    return entry?.pending !== undefined && presentsSecret(entry, ticket.secret) ? entry.value : undefined
  }

  /** Ours, where the store does not have it yet, or lost it: only it has the refresh token that was rotated last. */
  function newerHere(ticket: Ticket, stored: Buffer | undefined): Buffer | undefined {
    if (stored === undefined) return pendingValue(ticket)
    const entry = near.get(ticket.id)
    const generation = generationOf(stored)
    if (entry === undefined || generation === undefined || entry.session.generation <= generation) return undefined
    return presentsSecret(entry, ticket.secret) ? entry.value : undefined
  }

  async function readLatest(ticket: Ticket): Promise<FullSession | 'ended' | 'awaited'> {
    // Twice: word of a change may have overtaken the answer that was on its way.
    for (let look = 0; look < 2; look++) {
      if (floors.isEnded(ticket.id)) return 'ended'
      let value
      try {
        value = await store.get(sessionKey(ticket.id))
      } catch (error) {
        if (error instanceof StoreValueRejected) return 'ended'
        throw error
      }
      const isStored = value !== undefined
      value = newerHere(ticket, value) ?? value
      if (value === undefined) return cache.outage.missProvesNothing() ? 'awaited' : 'ended'
      const full = open(value, ticket)
      if (full === undefined) return 'ended'
      if (full.session.generation < floors.of(ticket.id)) continue
      const known = near.get(ticket.id)
      if (isStored && (known === undefined || known.session.generation < full.session.generation)) {
        near.adopt(ticket, full.session, value, { touchedAt: 0 })
      }
      return full
    }
    return 'awaited'
  }

  function isNewerAwaited(id: string, generation: number): boolean {
    return cache.outage.missProvesNothing() || near.heardOf(id) > generation
  }

  function open(value: Buffer, ticket: Ticket): FullSession | undefined {
    const session = codec.decode(value, ticket)
    const tokens = codec.decodeTokens(value, ticket)
    return session === undefined || session === 'short' || tokens === undefined ? undefined : { session, tokens }
  }

  async function confirm(ticket: Ticket, value: Buffer, whole: boolean): Promise<NearSession | undefined> {
    const entry = near.get(ticket.id)
    if (entry !== undefined && presentsSecret(entry, ticket.secret)) {
      if (startsAlike(entry.value, value)) {
        near.confirm(entry)
        return entry
      }
      // A failover can lose the last write: then ours is the newer state, and only ours has the rotated refresh token.
      const stored = generationOf(value)
      if (stored !== undefined && entry.session.generation > stored) {
        await store
          .compareAndSet(
            sessionKey(ticket.id),
            entry.value,
            storedTtl(entry.session),
            value.subarray(0, headBytes),
            cache.changed(ticket.id, entry.session.generation),
          )
          .catch(() => false)
        return entry
      }
    }
    // It changed: a copy without its tokens could not be written again after a restart of the store.
    const all = whole ? value : await read(ticket.id)
    if (all === undefined) return undefined
    const decoded = codec.decode(all, ticket)
    if (decoded === undefined || decoded === 'short') return undefined
    // Read, not written: how much of its idle time is left only the store knows, so the next request touches it.
    return near.adopt(ticket, decoded, all, { touchedAt: 0 })
  }

  // --- writing --------------------------------------------------------------------------------------------------------

  /** Ids by when a write of theirs was last acknowledged (ms, monotonic), oldest first. */
  const recent = new Map<string, number>()

  function wrote(id: string): void {
    recent.delete(id)
    recent.set(id, stopwatch())
    for (const [oldest, at] of recent) {
      if (recent.size <= maxRecent && stopwatch() - at < 2 * recentMs) break
      recent.delete(oldest)
    }
  }

  async function create(ticket: Ticket, full: FullSession): Promise<boolean> {
    const { session } = full
    const value = codec.encode(full, ticket)
    try {
      await store.set(sessionKey(ticket.id), value, storedTtl(session))
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      near.adopt(ticket, session, value, { pending: 'session' })
      createLater(ticket.id, session, value)
      return false
    }
    near.adopt(ticket, session, value)
    wrote(ticket.id)
    return true
  }

  async function replace(ticket: Ticket, before: Session, next: FullSession): Promise<boolean> {
    const { id } = ticket
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
      if (!(await overwrite(id, next.session, value, stored))) return false
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

  function keepForLater(ticket: Ticket, next: FullSession, stored?: number): void {
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
        const isWithdrawn = session.generation < floors.of(id)
        // Where it is gone it was ended, or lost with the store's data: the latter is the business of re-seeding, with its caution.
        near.settle(id, !isWithdrawn && (await overwrite(id, session, value, storedGeneration)))
      },
    })
  }

  async function overwrite(id: string, session: Session, value: Buffer, storedGeneration: number): Promise<boolean> {
    const note = cache.changed(id, session.generation)
    const head = headOf(value, storedGeneration)
    const written = await store.compareAndSet(sessionKey(id), value, storedTtl(session), head, note)
    if (written) wrote(id)
    return written
  }

  function createLater(id: string, session: Session, value: Buffer): void {
    journal.add({
      name: journalName(id),
      expiresAt: endOf(session),
      async write() {
        const isWithdrawn = session.generation < floors.of(id)
        const result = isWithdrawn ? 'marked' : await seed(id, session, value, storedTtl(session))
        near.settle(id, result === 'written')
        if (result === 'written') wrote(id)
      },
    })
  }

  async function seed(id: string, session: Session, value: Buffer, ttlMs: number) {
    const mark = revokedKey(id)
    const result = await store.setUnlessMarked(sessionKey(id), value, ttlMs, { mark, generation: session.generation })
    if (result === 'marked') await learnMark(mark, session)
    return result
  }

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

  // --- a store that lost something --------------------------------------------------------------------------------------

  /** A copy outlives its session's idle end, and must not bring it back; nor may one whose refresh token was rotated elsewhere. */
  const isAlive = ({ session, lastSeenAt, heardOf }: NearSession) =>
    clock() < endOf(session) &&
    !lifetimes.isIdle(lastSeenAt) &&
    session.generation >= Math.max(heardOf, floors.of(session.id))

  /** Written where it is missing, or where an older state lies. One that cannot be written must not keep the others out. */
  async function writeAgain(id: string, entry: NearSession): Promise<'written' | 'not-needed' | 'refused'> {
    if (!isAlive(entry)) return 'not-needed'
    const ttlMs = storedTtl(entry.session, clock() - entry.lastSeenAt)
    try {
      const result = await seed(id, entry.session, entry.value, ttlMs)
      // From an old snapshot: its refresh token was rotated since, and using it would end the session.
      if (result === 'exists') await overwriteOlder(id, entry, ttlMs)
      return result === 'written' ? 'written' : 'not-needed'
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
    const ids = [...recent].filter(([, at]) => at > lostAt - recentMs).map(([id]) => id)
    await inBatches(ids, async (id) => {
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

  return {
    read,
    overtakeReads,
    readWhole,
    readLatest,
    isNewerAwaited,
    open,
    confirm,
    create,
    replace,
    keepForLater,
    end: (id) => cache.withdraw({ id, floor: everyGeneration }),
    touch,
    offerAgain,
    reseed,
  }
}

/** Whether nothing that decisions are made of has changed: names and lists of words (groups) have no order. */
function sameIdentity(a: Session, b: Session): boolean {
  return a.claims === b.claims || inOrder(a.claims) === inOrder(b.claims)
}

/** JSON with one order for names and for lists of words. */
function inOrder(value: unknown): string {
  if (Array.isArray(value)) {
    const items = value.map(inOrder)
    return `[${(value.every((item) => typeof item === 'string') ? items.sort() : items).join()}]`
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const fields = Object.entries(value).map(([name, inner]) => `${JSON.stringify(name)}:${inOrder(inner)}`)
  return `{${fields.sort().join()}}`
}

const batchSize = 64

async function inBatches<T>(items: Iterable<T>, task: (item: T) => Promise<unknown>): Promise<void> {
  let batch: Promise<unknown>[] = []
  for (const item of items) {
    batch.push(task(item))
    if (batch.length < batchSize) continue
    await Promise.all(batch)
    batch = []
  }
  await Promise.all(batch)
}

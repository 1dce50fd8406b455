// Where sessions are kept: every read and write of the shared store, by ticket. A write that the store misses goes to the
// journal, and what a read brings becomes the near copy. What a failure means for a request is find.ts's business.
import { StoreUnavailable, StoreValueRejected } from '../errors.ts'
import type { SharedTier } from '../cache/shared-tier.ts'
import type { Key } from '../store/store.ts'
import type { Clock } from '../time.ts'
import { headBytes, identityReadBytes, readHead, type SessionCodec } from './codec.ts'
import type { Copies } from './copies.ts'
import { presentsSecret, type NearSession, type NearSessions } from './near.ts'
import type { Revocations } from './revocations.ts'
import type { FullSession, Session } from './session.ts'
import type { Ticket } from './ticket.ts'
import type { SessionTimes } from './times.ts'

/** Reads and `touch`-like writes may throw StoreUnavailable or StoreValueRejected; writes that must not be lost never do. */
export interface Shelf {
  /** The stored value, or its first `head` bytes. One read per key and process at a time, however many wait for it. */
  read(id: string, head?: number): Promise<Buffer | undefined>
  /** Somebody wrote: answers under way may be from before. */
  overtakeReads(id: string): void
  /** `fresh`: by a read of its own. One that was under way before a lease was ours may show what its last owner replaced. */
  readWhole(ticket: Ticket, fresh?: boolean): Promise<FullSession | undefined>
  /** A whole stored value, opened; undefined for anything that is not this ticket's. */
  open(value: Buffer, ticket: Ticket): FullSession | undefined
  /**
   * The near copy that agrees with what the store holds; undefined when the stored value is not usable. `whole`: `value` is
   * not just its beginning. Throws StoreUnavailable when more had to be read.
   */
  confirm(ticket: Ticket, value: Buffer, whole: boolean): Promise<NearSession | undefined>
  isMarkedRevoked(id: string): Promise<boolean>
  /** A new session. False: the store missed it, the journal has it. */
  create(ticket: Ticket, full: FullSession): Promise<boolean>
  replace(ticket: Ticket, before: Session, next: FullSession): Promise<boolean>
  keepForLater(ticket: Ticket, before: Session, next: FullSession): void
  /** Ends it here at once, and everywhere as soon as the store takes it. */
  revoke(id: string, expiresAt: number): Promise<void>
  /** Gives it its whole idle time again. Never rejects. */
  touch(entry: NearSession, now: number): void
  /** What this process knows of revocations, written to a store that may have lost them. */
  restoreMarks(): Promise<void>
  /** What this process has near, written to a store that may have lost it. The number of sessions. */
  reseed(): Promise<number>
}

const sessionKey = (id: string): Key => ({ kind: 'session', id })
const revokedKey = (id: string): Key => ({ kind: 'revoked', id })
const markValue = Buffer.from('1')

export function createShelf(deps: {
  tier: SharedTier
  codec: SessionCodec
  near: NearSessions
  revocations: Revocations
  copies: Copies
  times: SessionTimes
  clock: Clock
}): Shelf {
  const { tier, codec, near, revocations, copies, times, clock } = deps
  const { store, journal } = tier
  const { adopt, nextAttention } = copies
  const { endOf, storedTtl } = times

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

  async function readWhole(ticket: Ticket, fresh = false): Promise<FullSession | undefined> {
    if (revocations.has(ticket.id)) return undefined
    let value
    try {
      value = await (fresh ? store.get(sessionKey(ticket.id)) : read(ticket.id))
    } catch (error) {
      if (error instanceof StoreValueRejected) return undefined
      throw error
    }
    if (value === undefined) {
      const entry = near.get(ticket.id)
      if (entry === undefined || !entry.pending || !presentsSecret(entry, ticket.secret)) return undefined
      value = entry.value
    }
    return open(value, ticket)
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
        entry.validatedAt = clock()
        entry.outdated = false
        entry.pending = false
        entry.attentionAt = nextAttention(entry)
        return entry
      }
      // A failover can lose the last write: then ours is the newer state, and only ours has the rotated refresh token.
      const stored = generationOf(value)
      if (!entry.outdated && stored !== undefined && entry.session.generation > stored) {
        store
          .replace(sessionKey(ticket.id), entry.value, storedTtl(entry.session), value.subarray(0, headBytes))
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
    return adopt(ticket, decoded, all, { touchedAt: 0 })
  }

  async function replace(ticket: Ticket, before: Session, next: FullSession): Promise<boolean> {
    const value = codec.encode(next, ticket)
    const expected = Buffer.alloc(5)
    expected.writeUInt8(value[0] ?? 0, 0)
    expected.writeUInt32BE(before.generation, 1)
    const note = tier.note({ what: 'written', id: ticket.id })
    const written = await store.replace(sessionKey(ticket.id), value, storedTtl(next.session), expected, note)
    if (written) adopt(ticket, next.session, value)
    return written
  }

  function keepForLater(ticket: Ticket, before: Session, next: FullSession): void {
    const value = codec.encode(next, ticket)
    adopt(ticket, next.session, value, { pending: true })
    journal.add({
      name: `session:${ticket.id}`,
      revocation: false,
      expiresAt: endOf(next.session),
      write: async () => {
        if (revocations.has(ticket.id) || (await replace(ticket, before, next))) return
        // Its login may have been missed as well: then there is nothing to replace yet.
        await seedPending(ticket.id, value, next.session)
      },
    })
  }

  async function revoke(id: string, expiresAt: number): Promise<void> {
    // Here first: whatever the store does, this replica has stopped serving it.
    revocations.mark(id, expiresAt)
    near.delete(id)
    const write = () => writeRevocation(id, expiresAt)
    try {
      await write()
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      journal.add({ name: `revoked:${id}`, revocation: true, expiresAt, write })
    }
  }

  async function writeRevocation(id: string, expiresAt: number): Promise<void> {
    const ttlMs = Math.max(1, Math.ceil(expiresAt - clock()))
    await store.revoke(sessionKey(id), revokedKey(id), markValue, ttlMs, tier.note({ what: 'revoked', id }))
  }

  async function create(ticket: Ticket, full: FullSession): Promise<boolean> {
    const { session } = full
    const value = codec.encode(full, ticket)
    let pending = false
    try {
      await store.set(sessionKey(ticket.id), value, storedTtl(session))
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      pending = true
      journal.add({
        name: `session:${ticket.id}`,
        revocation: false,
        expiresAt: endOf(session),
        write: async () => {
          if (!revocations.has(ticket.id)) await seedPending(ticket.id, value, session)
        },
      })
    }
    adopt(ticket, session, value, { pending })
    return !pending
  }

  async function seedPending(id: string, value: Buffer, session: Session): Promise<void> {
    const result = await store.seed(sessionKey(id), value, storedTtl(session), revokedKey(id))
    if (result === 'marked') {
      // Logged out at another replica meanwhile, which was back sooner, and unheard here.
      revocations.mark(id, session.expiresAt)
      near.delete(id)
      return
    }
    const entry = near.get(id)
    if (entry !== undefined) entry.pending = false
  }

  function touch(entry: NearSession, now: number): void {
    entry.touchedAt = now
    const { id } = entry.session
    store.touch(sessionKey(id), storedTtl(entry.session)).then(
      (there) => {
        if (!there && !entry.pending) near.delete(id)
      },
      () => undefined,
    )
  }

  async function restoreMarks(): Promise<void> {
    // A server that restarts from an old snapshot brings back what was revoked after it was taken: the mark alone would
    // leave the session standing for whoever has no copy of the mark.
    await inBatches(revocations.live(), ([id, expiresAt]) => writeRevocation(id, expiresAt))
  }

  async function reseed(): Promise<number> {
    // A copy outlives its session's idle end, and must not bring it back.
    const known = [...near.entries()].filter(
      ([, entry]) => !entry.outdated && clock() < endOf(entry.session) && !times.isIdle(entry.lastSeenAt),
    )
    await inBatches(known, async ([id, entry]) => {
      const ttlMs = storedTtl(entry.session, clock() - entry.lastSeenAt)
      const result = await store.seed(sessionKey(id), entry.value, ttlMs, revokedKey(id))
      if (result === 'marked') near.delete(id)
      else entry.validatedAt = clock()
      // From an old snapshot, too: its refresh token was rotated since, and using it would end the session.
      if (result === 'exists') await overwriteOlder(id, entry, ttlMs)
    })
    return known.length
  }

  async function overwriteOlder(id: string, entry: NearSession, ttlMs: number): Promise<void> {
    const head = await store.get(sessionKey(id), headBytes)
    const stored = head === undefined ? undefined : generationOf(head)
    if (head === undefined || stored === undefined || stored === entry.session.generation) return
    if (stored > entry.session.generation) {
      // Another replica was back sooner and has refreshed it meanwhile, unheard.
      entry.outdated = true
      entry.attentionAt = 0
      return
    }
    await store.replace(sessionKey(id), entry.value, ttlMs, head)
  }

  return {
    read,
    overtakeReads,
    readWhole,
    open,
    confirm,
    isMarkedRevoked: async (id) => (await store.get(revokedKey(id))) !== undefined,
    create,
    replace,
    keepForLater,
    revoke,
    touch,
    restoreMarks,
    reseed,
  }
}

/** Whether the shorter is how the longer begins: then both are the same state of the same session. */
function startsAlike(a: Buffer, b: Buffer): boolean {
  const length = Math.min(a.length, b.length)
  return length > headBytes && a.compare(b, 0, length, 0, length) === 0
}

/** Undefined for what is not a session of this format: damaged is not older. */
const generationOf = (value: Buffer) => readHead(value)?.generation

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

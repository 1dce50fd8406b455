// The tier that replicas share, as its users see it: a guarded store, word of what other replicas changed, and how far
// copies in this process may be trusted. In memory mode all of it is local; redis-tier.ts has the other one.
import type { Store } from '../store/store.ts'

export interface SharedTier {
  readonly mode: 'memory' | 'redis' | 'hybrid'
  /** Behind circuit and deadline: no call takes longer than `outage.storeDeadline`. */
  readonly store: Store
  readonly trust: NearTrust
  readonly journal: Journal
  /** Runs one request's work: once one of its calls has used up the deadline, its further calls do not wait at all. */
  withinBudget<T>(task: () => T): T
  /** Makes a note for `Store` methods that announce. */
  note(change: Change): string
  /** Changes made by other replicas. */
  onChange(handler: (change: Change) => void): void
  /** Near copies of before have to go: a partition has ended, or the link was down while others could write. */
  onFlush(handler: () => void): void
  /** The store came back after a restart: what this process knows may be missing there. */
  onRestart(handler: RestartHandler): void
}

/** Called in this order, with the journal replayed in between. Both may throw StoreUnavailable: tried again. */
export interface RestartHandler {
  restoreMarks(): Promise<void>
  reseed(): Promise<void>
}

/** Fields rather than methods: they are read on every request. */
export interface NearTrust {
  /** Near copies answer by themselves before this moment (ms since the epoch). Infinity: always; 0: never. */
  until: number
  /** Since when the store is away; undefined while it answers. */
  awaySince: number | undefined
  /** It answers again and is being told what it missed: still away, as far as reads are concerned. */
  recovering: boolean
  /** Before this moment a miss may only mean that another replica has not yet written what it knew. */
  settlingUntil: number
}

/** What happened to the session `id`. */
export interface Change {
  readonly what: 'written' | 'revoked'
  readonly id: string
}

/** Writes that the store missed. */
export interface Journal {
  /** `revocation`s are replayed first and never dropped for lack of room. A later entry with the same `name` replaces the earlier. */
  add(entry: JournalEntry): void
  readonly size: number
}

export interface JournalEntry {
  readonly name: string
  readonly revocation: boolean
  /** May throw StoreUnavailable: it is kept and tried again at the next recovery. */
  readonly write: () => Promise<void>
  /** After this the write has no meaning any more (ms since the epoch). */
  readonly expiresAt: number
}

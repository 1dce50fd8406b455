// Writes that the store missed, kept until it is back: a bounded list. Withdrawals are not among them: those are floors, which
// every beat writes where they are missing.
import { StoreUnavailable, StoreValueRejected } from '../errors.ts'
import { isRefusal } from '../store/redis/faults.ts'
import type { Count } from '../telemetry/metrics.ts'
import type { Clock } from '../time.ts'

export interface Journal {
  /** A later entry with the same `name` replaces the earlier one. */
  add(entry: JournalEntry): void
  drop(name: string): void
  readonly size: number
}

export interface JournalEntry {
  readonly name: string
  /** May throw StoreUnavailable: it is kept and tried again. */
  readonly write: () => Promise<void>
  /** After this the write has no meaning any more (ms since the epoch). */
  readonly expiresAt: number
}

export interface ReplayableJournal extends Journal {
  /**
   * Writes what is due, in order. Throws StoreUnavailable once nobody answers; what is left stays. What the store refuses
   * (full, read-only) stays, too, and what can never be written (its key holds something else) is dropped.
   */
  replay(): Promise<void>
}

export function createJournal(deps: {
  maxEntries: number
  dropped: Count
  clock: Clock
  /** Something was added: it may have to be written without any outage to end. */
  onAdd?: () => void
}): ReplayableJournal {
  const { maxEntries, dropped, clock, onAdd } = deps
  // In the order of entry; a name written again moves to the end.
  const entries = new Map<string, JournalEntry>()

  async function write(entry: JournalEntry): Promise<void> {
    try {
      await entry.write()
    } catch (error) {
      if (!(error instanceof StoreValueRejected)) throw error
      dropped.value++
    }
  }

  return {
    add(entry) {
      entries.delete(entry.name)
      entries.set(entry.name, entry)
      onAdd?.()
      if (entries.size <= maxEntries) return
      const [oldest] = entries.keys()
      if (oldest !== undefined) entries.delete(oldest)
      dropped.value++
    },
    drop: (name) => void entries.delete(name),
    get size() {
      return entries.size
    },
    async replay() {
      for (const [name, entry] of entries) {
        try {
          if (clock() < entry.expiresAt) await write(entry)
        } catch (error) {
          if (error instanceof StoreUnavailable && isRefusal(error)) continue
          throw error
        }
        // It may have been replaced by a newer one while it was written.
        if (entries.get(name) === entry) entries.delete(name)
      }
    },
  }
}

// Writes that the store missed, kept until it is back: a bounded list, revocations first.
import type { Count } from '../telemetry/metrics.ts'
import type { Clock } from '../time.ts'
import type { Journal, JournalEntry } from './shared-tier.ts'

export interface ReplayableJournal extends Journal {
  /** Writes what is due, in order. Stops at the first StoreUnavailable, which it throws; what is left stays. */
  replay(which: 'revocations' | 'all'): Promise<number>
}

export function createJournal(deps: {
  maxEntries: number
  dropped: Count
  clock: Clock
  /** Something was added: it may have to be written without any outage to end. */
  onAdd?: () => void
}): ReplayableJournal {
  const { maxEntries, dropped, clock, onAdd } = deps
  // Two maps, each in the order of entry; a name written again moves to the end.
  const revocations = new Map<string, JournalEntry>()
  const writes = new Map<string, JournalEntry>()

  async function replayAll(entries: Map<string, JournalEntry>): Promise<number> {
    let written = 0
    for (const [name, entry] of entries) {
      if (clock() < entry.expiresAt) {
        await entry.write()
        written++
      }
      // It may have been replaced by a newer one while it was written.
      if (entries.get(name) === entry) entries.delete(name)
    }
    return written
  }

  return {
    add(entry) {
      const entries = entry.revocation ? revocations : writes
      entries.delete(entry.name)
      entries.set(entry.name, entry)
      onAdd?.()
      if (entry.revocation) writes.delete(entry.name.replace(/^revoked:/, 'session:'))
      if (revocations.size + writes.size <= maxEntries) return
      // The oldest write goes first; a revocation is dropped only when there is nothing else left to drop.
      const victims = writes.size > 0 ? writes : revocations
      const [oldest] = victims.keys()
      if (oldest !== undefined) victims.delete(oldest)
      dropped.value++
    },
    get size() {
      return revocations.size + writes.size
    },
    async replay(which) {
      const revoked = await replayAll(revocations)
      return which === 'revocations' ? revoked : revoked + (await replayAll(writes))
    },
  }
}

/** Which sessions were written lately: a failover takes the last writes, and nobody else would notice. */
export interface RecentWrites {
  /** The store has acknowledged a write of `id` now. */
  add(id: string): void
  /** Ids of what may be lost with a connection that was lost at `lostAt` (ms, monotonic), oldest first. */
  atRisk(lostAt: number): readonly string[]
}

/** What was acknowledged this long before a loss may be lost with it. */
const recentMs = 10_000
const maxRecent = 10_000

export function createRecentWrites(stopwatch: () => number): RecentWrites {
  /** Ids by when a write of theirs was last acknowledged (ms, monotonic), oldest first. */
  const recent = new Map<string, number>()
  return {
    add(id) {
      recent.delete(id)
      recent.set(id, stopwatch())
      for (const [oldest, at] of recent) {
        if (recent.size <= maxRecent && stopwatch() - at < 2 * recentMs) break
        recent.delete(oldest)
      }
    },
    atRisk: (lostAt) => [...recent].filter(([, at]) => at > lostAt - recentMs).map(([id]) => id),
  }
}

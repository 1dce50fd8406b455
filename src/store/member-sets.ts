// Sets whose members each have an end, in memory. Members that have ended go when their set is written to; where there are too many,
// those of the sets that were written to least lately. What a set lists is looked up before it is believed.

export interface MemberSets {
  /** `expiresAt`, `now`: ms since the epoch. */
  add(name: string, member: string, expiresAt: number, now: number): void
  remove(name: string, member: string): void
  /** Whoever leaves first comes first. */
  of(name: string, now: number): readonly string[]
}

const mostMembers = 1_000_000

export function createMemberSets(most = mostMembers): MemberSets {
  const sets = new Map<string, Map<string, number>>()
  let count = 0

  function drop(name: string, set: Map<string, number>, member: string): void {
    if (!set.delete(member)) return
    count--
    if (set.size === 0) sets.delete(name)
  }

  function clean(name: string, set: Map<string, number>, now: number): void {
    for (const [member, expiresAt] of set) if (expiresAt <= now) drop(name, set, member)
  }

  /** The set that was written to least lately. */
  function dropOldest(now: number): void {
    for (const [name, set] of sets) {
      clean(name, set, now)
      if (count <= most) return
      for (const member of set.keys()) {
        drop(name, set, member)
        if (count <= most) return
      }
    }
  }

  return {
    add(name, member, expiresAt, now) {
      const set = sets.get(name) ?? new Map<string, number>()
      // Ends of one set mostly come in order: what has ended lies at its beginning.
      for (const [known, end] of set) {
        if (end > now) break
        drop(name, set, known)
      }
      sets.delete(name)
      sets.set(name, set)
      if (!set.has(member)) count++
      set.set(member, expiresAt)
      if (count > most) dropOldest(now)
    },
    remove(name, member) {
      const set = sets.get(name)
      if (set !== undefined) drop(name, set, member)
    },
    of(name, now) {
      const set = sets.get(name)
      return Array.from(set ?? [])
        .filter(([, expiresAt]) => expiresAt > now)
        .sort(([, one], [, other]) => one - other)
        .map(([member]) => member)
    },
  }
}

import type { Tag } from './sweeps.ts'

/** Which near copies have a tag: a logout that names a person must not look at all of them. */
export interface TagIndex {
  /** From now on it has these and no others. */
  set(id: string, tags: readonly Tag[]): void
  remove(id: string): void
  of(tag: Tag): readonly string[]
}

export function createTagIndex(): TagIndex {
  const tagsOf = new Map<string, readonly Tag[]>()
  /** Mostly one each: a set for that would weigh more than the session's tags. */
  const idsOf = new Map<Tag, string | Set<string>>()

  function remove(id: string): void {
    for (const tag of tagsOf.get(id) ?? []) {
      const ids = idsOf.get(tag)
      if (ids === id) idsOf.delete(tag)
      else if (typeof ids === 'object') {
        ids.delete(id)
        if (ids.size === 0) idsOf.delete(tag)
      }
    }
    tagsOf.delete(id)
  }

  return {
    set(id, tags) {
      remove(id)
      tagsOf.set(id, tags)
      for (const tag of tags) {
        const ids = idsOf.get(tag)
        if (ids === undefined || ids === id) idsOf.set(tag, id)
        else if (typeof ids === 'string') idsOf.set(tag, new Set([ids, id]))
        else ids.add(id)
      }
    },
    remove,
    of(tag) {
      const ids = idsOf.get(tag)
      if (ids === undefined) return []
      return typeof ids === 'string' ? [ids] : [...ids]
    },
  }
}

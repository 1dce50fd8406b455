// Sessions meant by what they have in common: listed, and ended together. Whoever is named is swept, which reaches every session of
// theirs wherever it lies; those that can be listed are ended by their ids as well, so that what is stored of them goes at once.
import type { SharedCache } from '../cache/shared-cache.ts'
import { StoreUnavailable } from '../errors.ts'
import { everyGeneration } from '../store/withdrawal-log.ts'
import type { Count } from '../telemetry/metrics.ts'
import { seconds, type Clock } from '../time.ts'
import { inBatches } from './batches.ts'
import type { Directory, Listing, Page, SessionEntry } from './directory.ts'
import type { NearCache } from './near-cache.ts'
import type { EndSelected, Selection } from './selection.ts'
import { sweepId, type Sweep, type Sweeps, type Tag, type Taggers } from './sweeps.ts'

export interface Selections {
  readonly end: EndSelected
  endListed(entry: SessionEntry): Promise<boolean>
  list(selection: Exclude<Selection, { by: 'everybody' }> | 'all', page: Page): Promise<Listing>
  listed(id: string): Promise<SessionEntry | undefined>
  /** After a login: the oldest sessions of the same user go. Never rejects. */
  keepWithinMax(user: string, id: string): Promise<void>
}

/** Two replicas' clocks may be apart by this much. */
const clocksApartMs = seconds(5)
const pageSize = 500
/** Whoever has more than this is no person: the rest ends by the sweep alone. */
const mostByName = 10_000

export function createSelections(deps: {
  cache: Pick<SharedCache, 'withdraw'>
  taggers: Taggers
  sweeps: Pick<Sweeps, 'renewed' | 'end'>
  directory: Directory
  near: Pick<NearCache, 'tagged' | 'get'>
  maxPerUser: number | undefined
  loggedOut: Count
  clock: Clock
}): Selections {
  const { cache, taggers, sweeps, directory, near, maxPerUser, loggedOut, clock } = deps

  const isSwept = (entry: SessionEntry) => sweeps.end({ ...entry, tags: taggers.map((tagger) => tagger.of(entry)) })

  const tagsOf = (selection: Selection | 'all'): Tag[] =>
    taggers.map((tagger) => {
      if (selection === 'all' || selection.by === 'everybody') return tagger.everybody
      switch (selection.by) {
        case 'sid':
          return tagger.sid(selection.issuer, selection.sid)
        case 'subject':
        case 'person':
          return tagger.subject(selection.issuer, selection.subject)
        case 'user':
          return tagger.user(selection.user)
      }
    })

  function sweepsOf(selection: Selection, now: number): Sweep[] {
    switch (selection.by) {
      case 'everybody':
        return [{ by: 'everybody', until: selection.until < now ? selection.until : now + clocksApartMs }]
      case 'sid':
        return taggers.map((tagger) => {
          const tag = tagger.sid(selection.issuer, selection.sid)
          const until = endOfSecond(selection.issuedAt)
          return selection.subject === undefined
            ? { by: 'sid', tag, until }
            : { by: 'both', tag, subject: tagger.subject(selection.issuer, selection.subject), until }
        })
      case 'subject':
        return tagsOf(selection).map((tag) => ({ by: 'subject', tag, until: endOfSecond(selection.issuedAt) }))
      case 'person':
      case 'user':
        return tagsOf(selection).map((tag) => ({ by: selection.by, tag, until: now + clocksApartMs }))
    }
  }

  async function endListed(entry: SessionEntry): Promise<boolean> {
    const isKept = await cache.withdraw({ id: entry.id, floor: everyGeneration })
    loggedOut.value++
    void directory.leave(entry)
    return isKept
  }

  /** Undefined: they cannot be listed now. */
  async function endThoseListed(selection: Selection): Promise<number | undefined> {
    try {
      const entries: SessionEntry[] = []
      for (let skip: number | undefined = 0; skip !== undefined && skip < mostByName;) {
        const page: Listing = await directory.list(tagsOf(selection), { limit: pageSize, skip })
        entries.push(...page.entries.filter(isSwept))
        skip = page.next
      }
      await inBatches(entries, endListed)
      return entries.length
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      return undefined
    }
  }

  /** Undefined: nobody can say it now. */
  async function isKnown(selection: Selection): Promise<boolean | undefined> {
    const tags = tagsOf(selection)
    if (tags.some((tag) => near.tagged(tag).length > 0)) return true
    try {
      return (await directory.list(tags, { limit: 1 })).entries.length > 0
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      return undefined
    }
  }

  return {
    async end(selection) {
      if (selection.by === 'sid' && selection.onlyKnown === true) {
        const known = await isKnown(selection)
        if (known !== true) return { ended: 0, isKept: known === false }
      }
      const nearby = selection.by === 'everybody' ? [] : tagsOf(selection).flatMap((tag) => near.tagged(tag))
      const isRecorded = sweepsOf(selection, clock()).map((sweep) =>
        cache.withdraw({ id: sweepId(sweeps.renewed(sweep)), floor: everyGeneration }),
      )
      // Known here from now on: who is swept is who is meant.
      const listed = selection.by === 'everybody' ? 0 : await endThoseListed(selection)
      const isKept = (await Promise.all(isRecorded)).every(Boolean)
      return { ended: listed ?? nearby.filter((session) => near.get(session.id) === undefined).length, isKept }
    },

    endListed,

    async list(selection, page) {
      const { entries, next } = await directory.list(tagsOf(selection), page)
      // What a sweep ended may lie in the store until its end.
      return { entries: entries.filter((entry) => !isSwept(entry)), next }
    },

    async listed(id) {
      const entry = await directory.entry(id)
      return entry === undefined || isSwept(entry) ? undefined : entry
    },

    async keepWithinMax(user, id) {
      if (maxPerUser === undefined) return
      try {
        const { entries } = await directory.list(tagsOf({ by: 'user', user }), { limit: maxPerUser + pageSize })
        const alive = entries.filter((entry) => !isSwept(entry))
        const oldest = alive
          .filter((entry) => entry.id !== id)
          .sort((one, other) => one.createdAt - other.createdAt)
          .slice(0, Math.max(0, alive.length - maxPerUser))
        await inBatches(oldest, endListed)
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error
      }
    },
  }
}

/** ms since the epoch. Which of two came first within one second nobody can say. */
const endOfSecond = (second: number): number => Math.floor(second) * 1_000 + 999

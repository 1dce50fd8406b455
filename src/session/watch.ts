// Follows sessions for connections that stay open under them: what a request would be told, whoever keeps one open is told
// at once, for as long as it lasts. Looking is no use of a session; what its person sends is.
import type { SharedCache } from '../cache/shared-cache.ts'
import { sessionKey } from '../store/keys.ts'
import { seconds, type Clock, type Timer } from '../time.ts'
import { revalidateAfterMs, type SessionLifetimes } from './lifetimes.ts'
import type { Lookup } from './lookup.ts'
import type { LookupResult } from './lookup-result.ts'
import type { NearCache } from './near-cache.ts'
import type { Session } from './session.ts'
import type { Withdrawn } from './withdrawn.ts'

/**
 * `ended`: by the provider, or the store has lost it. `unproven`: it may well go on, but a request would not be believed now either
 * (its rights have ended, or are known to be older than what counts).
 */
export type SessionEnd = 'revoked' | 'expired' | 'idle' | 'ended' | 'unproven'

export interface Watcher {
  /** A newer state counts. */
  onChange(session: Session): void
  /** It would not be served any more. The last that is heard. */
  onEnd(reason: SessionEnd): void
}

export interface Watched {
  /** Its person did something over the connection: a use, as a request is. Cheap enough for every piece of data. */
  used(): void
  stop(): void
}

export interface SessionWatch {
  /**
   * `session`: what `find` answered for this ticket, by which the connection was let through; `passes`: what came with it. Told of
   * a withdrawal as soon as this process knows, of an end by time within a second. While nobody can be asked, it goes on for as long
   * as its rights last.
   */
  watch(ticket: string, passes: readonly string[], session: Session, watcher: Watcher): Watched
  /** Something was heard of the session: whether it still stands is seen at once. */
  stir(id: string): void
  /** Somebody's sessions were ended at once: those of them that are kept open here are looked at. */
  stirEnded(): void
  readonly size: number
}

interface Followed {
  readonly ticket: string
  readonly watchers: Set<Watcher>
  passes: readonly string[]
  session: Session
  /** The end of its idle time, as far as this process knows (ms since the epoch). */
  idleAt: number
  usedAt: number
  /** Looks in a row that brought no answer. */
  unanswered: number
  /** Since when it has been known to be superseded by a state that cannot be had (ms, monotonic). */
  behindSince: number | undefined
  isLooking: boolean
  lookAgain: boolean
  callOff: () => void
}

/** Of two clocks that agree on a moment one has always reached it first. */
const justAfterMs = 50
const firstRetryMs = 250
const lastRetryMs = seconds(5)
/** A write follows its announcement within milliseconds; a stream ends within a second of what took its rights. */
const behindAtMostMs = 800
/** A person who types would otherwise cost a look per key. */
const useGrainMs = seconds(5)

export function createSessionWatch(deps: {
  cache: Pick<SharedCache, 'store' | 'outage' | 'inBackground'>
  near: Pick<NearCache, 'get'>
  withdrawn: Withdrawn
  lookup: Lookup
  lifetimes: SessionLifetimes
  clock: Clock
  stopwatch: () => number
  timer: Timer
}): SessionWatch {
  const { cache, near, withdrawn, lookup, lifetimes, clock, stopwatch, timer } = deps
  const { outage } = cache
  const { idleTimeoutMs, idleGrainMs } = lifetimes
  const followedByTicket = new Map<string, Followed>()
  const ticketsById = new Map<string, Set<string>>()

  function follow(ticket: string, passes: readonly string[], session: Session): Followed {
    const known = followedByTicket.get(ticket)
    if (known !== undefined) {
      if (session.generation > known.session.generation) known.session = session
      known.passes = passes
      return known
    }
    const followed: Followed = {
      ticket,
      watchers: new Set(),
      passes,
      session,
      idleAt: idleTimeoutMs === undefined ? Infinity : clock() + idleTimeoutMs,
      usedAt: clock(),
      unanswered: 0,
      behindSince: undefined,
      isLooking: false,
      lookAgain: false,
      callOff: () => undefined,
    }
    followedByTicket.set(ticket, followed)
    const tickets = ticketsById.get(session.id) ?? new Set()
    ticketsById.set(session.id, tickets.add(ticket))
    return followed
  }

  function forget(followed: Followed): void {
    followed.callOff()
    const { ticket, session } = followed
    if (followedByTicket.get(ticket) !== followed) return
    followedByTicket.delete(ticket)
    const tickets = ticketsById.get(session.id)
    tickets?.delete(ticket)
    if (tickets?.size === 0) ticketsById.delete(session.id)
  }

  function end(followed: Followed, reason: SessionEnd): void {
    forget(followed)
    const watchers = [...followed.watchers]
    followed.watchers.clear()
    for (const watcher of watchers) watcher.onEnd(reason)
  }

  function look(followed: Followed): void {
    followed.lookAgain = true
    if (followed.isLooking) return
    followed.isLooking = true
    followed.callOff()
    void cache.inBackground(() => lookUntilQuiet(followed))
  }

  /** Never rejects. */
  async function lookUntilQuiet(followed: Followed): Promise<void> {
    while (followed.lookAgain && followed.watchers.size > 0) {
      followed.lookAgain = false
      let result: LookupResult | undefined
      try {
        result = await lookup.review(followed.ticket, followed.passes)
        if (result.kind === 'found') result = await unlessIdle(followed, result)
      } catch {
        result = undefined
      }
      conclude(followed, result)
    }
    followed.isLooking = false
    if (followed.watchers.size > 0) schedule(followed)
  }

  /** Where it was used last only the store knows: maybe at another replica. */
  async function unlessIdle(
    followed: Followed,
    found: Extract<LookupResult, { kind: 'found' }>,
  ): Promise<LookupResult> {
    if (idleTimeoutMs === undefined || (found.from !== 'near' && found.from !== 'shared')) return found
    const { id } = found.session
    const leftMs = await cache.store.ttl(sessionKey(id))
    if (leftMs !== undefined) {
      followed.idleAt = clock() + leftMs
      return found
    }
    if (near.get(id)?.pending !== undefined || outage.missProvesNothing()) return found
    return { kind: 'absent', reason: 'unknown' }
  }

  function conclude(followed: Followed, result: LookupResult | undefined): void {
    // The last of its connections was closed meanwhile.
    if (followed.watchers.size === 0) return
    const now = clock()
    if (result === undefined) {
      followed.unanswered++
      if (isProven(followed, now)) return
      return end(followed, 'unproven')
    }
    followed.unanswered = 0
    followed.behindSince = undefined
    if (result.kind === 'unproven') return end(followed, 'unproven')
    if (result.kind === 'absent') return end(followed, reasonOf(followed, result.reason, now))
    const { session } = result
    if (session === followed.session) return
    followed.session = session
    for (const watcher of Array.from(followed.watchers)) watcher.onChange(session)
  }

  /** Whether what was known of it last still counts, while nobody can be asked. */
  function isProven(followed: Followed, now: number): boolean {
    const { session } = followed
    if (now >= lifetimes.rightsEnd(session) || now >= followed.idleAt + idleGrainMs) return false
    if (!withdrawn.is(session)) return true
    followed.behindSince ??= stopwatch()
    return stopwatch() - followed.behindSince < behindAtMostMs
  }

  function reasonOf(
    { session, idleAt }: Followed,
    reason: Extract<LookupResult, { kind: 'absent' }>['reason'],
    now: number,
  ): SessionEnd {
    if (reason === 'revoked' || withdrawn.isEnded(session)) return 'revoked'
    if (reason === 'expired' || now >= lifetimes.endOf(session)) return 'expired'
    return reason === 'unknown' && now >= idleAt ? 'idle' : 'ended'
  }

  /** The next moment at which anything can have changed that nobody announces. */
  function schedule(followed: Followed): void {
    const now = clock()
    const { session, unanswered, behindSince } = followed
    let delayMs = revalidateAfterMs
    for (const at of [session.expiresAt, session.tokenExpiresAt, lifetimes.rightsEnd(session), followed.idleAt]) {
      if (at >= now) delayMs = Math.min(delayMs, at - now + justAfterMs)
    }
    if (unanswered > 0) {
      const retryMs = behindSince === undefined ? firstRetryMs * 2 ** Math.min(unanswered - 1, 10) : firstRetryMs
      delayMs = Math.min(delayMs, retryMs, lastRetryMs)
    }
    followed.callOff = timer(() => look(followed), delayMs)
  }

  function used(followed: Followed): void {
    const now = clock()
    if (idleTimeoutMs === undefined || now - followed.usedAt < Math.min(useGrainMs, idleGrainMs)) return
    followed.usedAt = now
    if (lookup.near(followed.ticket) !== undefined) return
    // What it says is for the next look to hear.
    void cache.inBackground(() => lookup.find(followed.ticket, followed.passes)).catch(() => undefined)
  }

  return {
    watch(ticket, passes, session, watcher) {
      const followed = follow(ticket, passes, session)
      followed.watchers.add(watcher)
      // It may have ended between the decision and now.
      look(followed)
      return {
        used: () => used(followed),
        stop() {
          followed.watchers.delete(watcher)
          if (followed.watchers.size === 0) forget(followed)
        },
      }
    },
    stir(id) {
      for (const ticket of ticketsById.get(id) ?? []) {
        const followed = followedByTicket.get(ticket)
        if (followed !== undefined) look(followed)
      }
    },
    stirEnded() {
      for (const followed of followedByTicket.values()) if (withdrawn.isEnded(followed.session)) look(followed)
    },
    get size() {
      return followedByTicket.size
    },
  }
}

// What has to be done for sessions that are in use, beside answering for them: refresh, confirmation, idle time. Started by a
// request, never waited for by one, except where the answer depends on it.
import type { SharedCache } from '../cache/shared-cache.ts'
import type { Count } from '../telemetry/metrics.ts'
import type { Clock, Timer } from '../time.ts'
import { identityReadBytes } from './codec.ts'
import type { NearCache, NearSession } from './near-cache.ts'
import type { Refresher, RefreshOutcome } from './refresh.ts'
import type { SessionReader } from './session-reader.ts'
import type { SessionWriter } from './session-writer.ts'
import { seenGrainMs } from './directory.ts'
import type { Session } from './session.ts'
import type { Ticket } from './ticket.ts'
import { revalidateAfterMs, type SessionLifetimes } from './lifetimes.ts'

export interface Revalidation {
  /**
   * Starts what is due for the entry, in the background, and sets when it is to be looked at next. `unattended`: nobody used it,
   * so that none of its idle time is given back.
   */
  startDue(entry: NearSession, ticket: string, now: number, unattended?: boolean): void
  /**
   * The outcome of a refresh, for a request that depends on it; a failure where it has been under way for longer than anybody
   * waits (`providerTimeout`). It goes on in the background. Never rejects.
   */
  refreshed(ticket: Ticket, entry: NearSession): Promise<RefreshOutcome>
}

export function createRevalidation(deps: {
  near: NearCache
  reader: Pick<SessionReader, 'read' | 'confirm'>
  writer: Pick<SessionWriter, 'touch'>
  refresher: Refresher
  lifetimes: SessionLifetimes
  cache: Pick<SharedCache, 'outage' | 'inBackground'>
  /** Tells lists of sessions. Never rejects. */
  seen: (session: Session) => Promise<void>
  shared: boolean
  ended: Count
  /** The longest that a request waits for a refresh. */
  waitMs: number
  clock: Clock
  stopwatch: () => number
  timer: Timer
}): Revalidation {
  const { near, reader, writer, refresher, lifetimes, shared, ended, waitMs, clock, stopwatch, timer } = deps
  const { outage, inBackground } = deps.cache
  const { idleTimeoutMs, idleGrainMs } = lifetimes

  function startDue(entry: NearSession, ticketText: string, now: number, unattended = false): void {
    const { session } = entry
    const ticket: Ticket = {
      id: session.id,
      secret: ticketText.slice(session.id.length),
      ...(unattended && { unattended }),
    }
    if (session.refreshable && now >= entry.refreshAt && !outage.isAway()) {
      near.refreshing(entry, now)
      inBackground(() => void refresh(ticket, entry))
    }
    if (shared && stopwatch() - entry.confirmedAt >= revalidateAfterMs) inBackground(() => void revalidate(ticket))
    if (!unattended && now - entry.listedAt >= seenGrainMs) {
      near.listed(entry, now)
      inBackground(() => void deps.seen(session))
    }
    if (!unattended && idleTimeoutMs !== undefined && now - entry.touchedAt >= idleGrainMs) writer.touch(entry, now)
    near.attended(entry)
  }

  async function revalidate(ticket: Ticket): Promise<void> {
    try {
      const value = await reader.read(ticket.id, identityReadBytes)
      if (value !== undefined) await reader.confirm(ticket, value, false)
      else if (!outage.missProvesNothing() && near.get(ticket.id)?.pending === undefined) near.delete(ticket.id)
    } catch {
      // Not confirmed: the entry's own age decides how long it may go on answering.
    }
  }

  const noted = new WeakSet<RefreshOutcome>()

  const begunAt = new Map<string, number>()

  /** Its outcome is noted once with the near copy. Never rejects. */
  async function refresh(ticket: Ticket, entry: NearSession): Promise<RefreshOutcome> {
    if (!begunAt.has(ticket.id)) begunAt.set(ticket.id, stopwatch())
    const outcome = await inBackground(() => refresher.refresh(ticket, entry.session))
    begunAt.delete(ticket.id)
    // All who waited share one outcome: a hundred waiters of one failure are still one failure.
    if (noted.has(outcome)) return outcome
    noted.add(outcome)
    if (outcome.kind === 'ended') {
      near.delete(ticket.id)
      ended.value++
    } else if (outcome.kind === 'failed' && outcome.fault === 'store') {
      near.refreshPutOff(near.get(ticket.id) ?? entry, clock())
    } else if (outcome.kind === 'failed' || clock() >= outcome.full.session.tokenExpiresAt) {
      // Tokens that have ended before they came are no better than none: not asked for with each request.
      near.refreshFailed(near.get(ticket.id) ?? entry, clock())
    }
    return outcome
  }

  function refreshed(ticket: Ticket, entry: NearSession): Promise<RefreshOutcome> {
    const outcome = refresh(ticket, entry)
    const leftMs = (begunAt.get(ticket.id) ?? stopwatch()) + waitMs - stopwatch()
    if (leftMs <= 0) return Promise.resolve(stillUnderWay)
    return new Promise((resolve) => {
      const callOff = timer(() => resolve(stillUnderWay), leftMs)
      void outcome.then((settled) => {
        callOff()
        resolve(settled)
      })
    })
  }

  return { startDue, refreshed }
}

const stillUnderWay: RefreshOutcome = { kind: 'failed', fault: 'provider' }

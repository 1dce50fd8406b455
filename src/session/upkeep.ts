// What has to be done for sessions that are in use, beside answering for them: refresh, confirmation, idle time. Started by a
// request, never waited for by one, except where the answer depends on it.
import type { NearTrust } from '../cache/shared-tier.ts'
import type { Count } from '../telemetry/metrics.ts'
import { seconds, type Clock } from '../time.ts'
import { identityReadBytes, type SessionCodec } from './codec.ts'
import type { Copies } from './copies.ts'
import type { NearSession, NearSessions } from './near.ts'
import type { Refresher, RefreshOutcome } from './refresh.ts'
import type { Shelf } from './shelf.ts'
import type { Ticket } from './ticket.ts'
import { revalidateAfterMs, type SessionTimes } from './times.ts'

export interface Upkeep {
  /** Starts what is due for the entry, in the background, and sets when it is to be looked at next. */
  startDue(entry: NearSession, ticket: string, now: number): void
  /** A refresh, its outcome noted once with the near copy. Never rejects. */
  refresh(ticket: Ticket, entry: NearSession): Promise<RefreshOutcome>
}

const firstBackoffMs = seconds(1)
const maxBackoffMs = seconds(60)

export function createUpkeep(deps: {
  near: NearSessions
  copies: Copies
  shelf: Shelf
  refresher: Refresher
  codec: SessionCodec
  times: SessionTimes
  trust: NearTrust
  shared: boolean
  ended: Count
  clock: Clock
}): Upkeep {
  const { near, copies, shelf, refresher, codec, times, trust, shared, ended, clock } = deps
  const { adopt, nextAttention } = copies
  const { idleTimeoutMs, idleGrainMs } = times

  function startDue(entry: NearSession, ticketText: string, now: number): void {
    const { session } = entry
    const ticket: Ticket = { id: session.id, secret: ticketText.slice(session.id.length) }
    if (session.refreshable && now >= entry.refreshAt && trust.awaySince === undefined) {
      entry.refreshAt = now + maxBackoffMs
      void refresh(ticket, entry)
    }
    if (shared && now - entry.validatedAt >= revalidateAfterMs) void revalidate(ticket)
    if (idleTimeoutMs !== undefined && now - entry.touchedAt >= idleGrainMs) shelf.touch(entry, now)
    entry.attentionAt = nextAttention(entry)
  }

  async function revalidate(ticket: Ticket): Promise<void> {
    try {
      const value = await shelf.read(ticket.id, identityReadBytes)
      if (value !== undefined) await shelf.confirm(ticket, value, false)
      else if (clock() >= trust.settlingUntil && near.get(ticket.id)?.pending !== true) near.delete(ticket.id)
    } catch {
      // Not confirmed: the entry's own age decides how long it may go on answering.
    }
  }

  const noted = new WeakSet<RefreshOutcome>()

  async function refresh(ticket: Ticket, entry: NearSession): Promise<RefreshOutcome> {
    const outcome = await refresher.refresh(ticket, entry.session)
    // All who waited share one outcome: a hundred waiters of one failure are still one failure.
    if (noted.has(outcome)) return outcome
    noted.add(outcome)
    switch (outcome.kind) {
      case 'refreshed': {
        const current = near.get(ticket.id)
        if (current !== undefined && current.session.generation >= outcome.full.session.generation) break
        adopt(ticket, outcome.full.session, codec.encode(outcome.full, ticket))
        break
      }
      case 'ended':
        near.delete(ticket.id)
        ended.value++
        break
      case 'failed': {
        const current = near.get(ticket.id) ?? entry
        current.refreshFailures++
        current.refreshAt = clock() + Math.min(maxBackoffMs, firstBackoffMs * 2 ** (current.refreshFailures - 1))
        current.attentionAt = nextAttention(current)
        break
      }
    }
    return outcome
  }

  return { startDue, refresh }
}

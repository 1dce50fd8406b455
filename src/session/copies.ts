// Near copies and when they need attention: who makes one, and until when it may answer without anybody being asked.
import { seconds, type Clock } from '../time.ts'
import type { NearSession, NearSessions } from './near.ts'
import type { Revocations } from './revocations.ts'
import type { Session } from './session.ts'
import type { Ticket } from './ticket.ts'
import { revalidateAfterMs, trustForMs, type SessionTimes } from './times.ts'

export interface Copies {
  /** The copy made from `value`; kept near unless the session was revoked meanwhile. */
  adopt(ticket: Ticket, session: Session, value: Buffer, details?: AdoptDetails): NearSession
  /** When the entry has to be looked at again. */
  nextAttention(entry: NearSession): number
  /** Whether it may answer at all without somebody being asked first. */
  mayAnswer(entry: NearSession, now: number): boolean
}

export interface AdoptDetails {
  readonly pending?: boolean
  /** When the stored value was last given its whole idle time, as far as this process knows. */
  readonly touchedAt?: number
}

const maxJitterMs = seconds(1)

export function createCopies(deps: {
  near: NearSessions
  revocations: Revocations
  times: SessionTimes
  /** Other replicas can change what is stored. */
  shared: boolean
  clock: Clock
  random: () => number
}): Copies {
  const { near, revocations, times, shared, clock, random } = deps
  const { idleTimeoutMs, idleGrainMs } = times

  function adopt(
    ticket: Ticket,
    session: Session,
    value: Buffer,
    { pending = false, touchedAt = clock() }: AdoptDetails = {},
  ): NearSession {
    const now = clock()
    const previous = near.get(ticket.id)
    const entry: NearSession = {
      session,
      secret: ticket.secret,
      value,
      validatedAt: now,
      attentionAt: 0,
      refreshAt: session.refreshAt + random() * maxJitterMs,
      refreshFailures: 0,
      lastSeenAt: now,
      touchedAt: previous?.touchedAt ?? touchedAt,
      outdated: false,
      pending,
    }
    entry.attentionAt = nextAttention(entry)
    // A read or a refresh may have been under way when the session was ended: its answer must not bring it back.
    if (!revocations.has(ticket.id)) near.set(ticket.id, entry)
    return entry
  }

  function nextAttention(entry: NearSession): number {
    const { session } = entry
    // The token's end also while its refresh is under way or put off: from then on an answer has to wait, or is a stale one.
    let at = Math.min(session.expiresAt, session.tokenExpiresAt)
    if (session.refreshable) at = Math.min(at, entry.refreshAt)
    if (shared) at = Math.min(at, entry.validatedAt + revalidateAfterMs)
    if (idleTimeoutMs !== undefined) at = Math.min(at, entry.touchedAt + idleGrainMs, entry.lastSeenAt + idleTimeoutMs)
    return at
  }

  function mayAnswer(entry: NearSession, now: number): boolean {
    const { session } = entry
    if (entry.outdated || now >= session.expiresAt || now >= session.tokenExpiresAt) return false
    if (idleTimeoutMs !== undefined && now - entry.lastSeenAt >= idleTimeoutMs) return false
    return !shared || now - entry.validatedAt < trustForMs
  }

  return { adopt, nextAttention, mayAnswer }
}

// How long sessions and their copies live: every rule about time in one place.
import type { Clock } from '../time.ts'
import { seconds } from '../time.ts'
import type { Session } from './session.ts'

export interface Lifetimes {
  readonly maxAgeMs: number
  readonly idleTimeoutMs: number | undefined
  readonly refreshGraceMs: number
  readonly maxStaleMs: number
  /** Undefined: no passes. */
  readonly passMaxAgeMs: number | undefined
  readonly providerTimeoutMs: number
}

export interface SessionLifetimes {
  /** The session's end: absolute, or the access token's where that cannot be refreshed. */
  endOf(session: Session): number
  /** The end of its rights: nothing that stands in for the store or the provider gives them for longer. */
  rightsEnd(session: Session): number
  /** What a stored session is given to live: until its end, or until it has been idle for too long. `idleMs`: idle so far. */
  storedTtl(session: Session, idleMs?: number): number
  /** Whether a session last seen at `lastSeenAt` has ended by idleness. */
  isIdle(lastSeenAt: number): boolean
  /** When an access token is to be refreshed. */
  refreshTime(obtainedAt: number, tokenExpiresAt: number): number
  readonly idleTimeoutMs: number | undefined
  /** How exactly idleness is kept: a touch per request would be a write per request. */
  readonly idleGrainMs: number
}

/** A near copy older than this is confirmed in the background; twice as old, it is not used unconfirmed. */
export const revalidateAfterMs = seconds(30)
export const trustForMs = 2 * revalidateAfterMs

export function createSessionLifetimes(lifetimes: Lifetimes, clock: Clock): SessionLifetimes {
  const { idleTimeoutMs, refreshGraceMs, maxStaleMs } = lifetimes
  const idleGrainMs = idleTimeoutMs === undefined ? 0 : Math.min(seconds(10), Math.ceil(idleTimeoutMs / 50))

  const endOf = (session: Session) =>
    session.refreshable ? session.expiresAt : Math.min(session.expiresAt, session.tokenExpiresAt)

  return {
    idleTimeoutMs,
    idleGrainMs,
    endOf,
    rightsEnd: (session) => Math.min(endOf(session), session.tokenExpiresAt + maxStaleMs),
    storedTtl(session, idleMs = 0) {
      const rest = endOf(session) - clock()
      const idle = idleTimeoutMs === undefined ? rest : Math.min(rest, idleTimeoutMs + idleGrainMs - idleMs)
      return Math.max(1, Math.ceil(idle))
    },
    isIdle: (lastSeenAt) => idleTimeoutMs !== undefined && clock() - lastSeenAt >= idleTimeoutMs,
    // A grace as long as the token's whole life would mean a refresh per request: then half its life counts.
    refreshTime(obtainedAt, tokenExpiresAt) {
      const life = tokenExpiresAt - obtainedAt
      return tokenExpiresAt - (refreshGraceMs < life ? refreshGraceMs : life / 2)
    },
  }
}

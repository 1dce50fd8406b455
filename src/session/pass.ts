// The pass: a sealed cookie with the session's identity, for the time when the store is unreachable and this replica has no
// copy. It opens only together with its ticket, so that neither is of use without the other.
import type { Sealer } from '../sealing.ts'
import type { Clock } from '../time.ts'
import type { Session } from './session.ts'
import type { Ticket } from './ticket.ts'

const version = 1
/** Browsers drop cookies above 4096 bytes, name and attributes included. */
export const maxPassLength = 3_500

export interface Passes {
  /**
   * The cookie's value; undefined when the identity is too large for one. `unwritten`: the shared store could not be told of
   * the session, so that other replicas will not find it there.
   */
  issue(session: Session, ticket: Ticket, unwritten?: boolean): string | undefined
  /** The session it was issued for, while the pass is younger than `maxAgeMs`; undefined for anything else. */
  open(value: string, ticket: Ticket): Session | undefined
  /** Issued as `unwritten`, less than `withinMs` ago. */
  isUnwritten(value: string, ticket: Ticket, withinMs: number): boolean
}

interface Stored {
  readonly at: number
  readonly session: Session
  readonly unwritten?: true
}

export function createPasses(deps: {
  sealer: Sealer
  clock: Clock
  maxAgeMs: number
  /** `session.maxAge` of today: sessions that were begun under a longer one end by it, too. */
  sessionMaxAgeMs: number
  /** Characters of the cookie's value. */
  maxLength: number
}): Passes {
  const { sealer, clock, maxAgeMs, sessionMaxAgeMs, maxLength } = deps
  const context = (ticket: Ticket) => `pass:${ticket.id} ${version}`

  function stored(value: string, ticket: Ticket): Stored | undefined {
    if (value.length > maxPassLength) return undefined
    const plain = sealer.open(Buffer.from(value, 'base64url'), context(ticket), ticket.secret)
    // Sealed by us under this version: the shape is what `issue` wrote.
    return plain === undefined ? undefined : (JSON.parse(plain.toString()) as Stored)
  }

  return {
    issue(session, ticket, unwritten = false) {
      const pass: Stored = { at: clock(), session, ...(unwritten && { unwritten }) }
      const value = sealer.seal(Buffer.from(JSON.stringify(pass)), context(ticket), ticket.secret).toString('base64url')
      return value.length <= maxLength ? value : undefined
    },
    open(value, ticket) {
      const found = stored(value, ticket)
      if (found === undefined || clock() - found.at >= maxAgeMs) return undefined
      const expiresAt = Math.min(found.session.expiresAt, found.session.createdAt + sessionMaxAgeMs)
      return clock() < expiresAt ? { ...found.session, expiresAt } : undefined
    },

    isUnwritten(value, ticket, withinMs) {
      const found = stored(value, ticket)
      return found?.unwritten === true && clock() - found.at < withinMs
    },
  }
}

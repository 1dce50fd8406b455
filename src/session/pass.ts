// The pass: a sealed cookie with the session's identity, for the time when the store is unreachable and this replica has no
// copy. It opens only together with its ticket, so that neither is of use without the other.
import type { Sealer } from '../sealing.ts'
import type { Clock } from '../time.ts'
import type { Session } from './session.ts'
import type { Ticket } from './ticket.ts'

const version = 1
/** Browsers drop cookies above 4096 bytes, name and attributes included. */
const maxValueLength = 3500

export interface Passes {
  /** The cookie's value; undefined when the identity is too large for one. */
  issue(session: Session, ticket: Ticket): string | undefined
  /** The session it was issued for, while the pass is younger than `maxAgeMs`; undefined for anything else. */
  open(value: string, ticket: Ticket): Session | undefined
}

interface Stored {
  readonly at: number
  readonly session: Session
}

export function createPasses({ sealer, clock, maxAgeMs }: { sealer: Sealer; clock: Clock; maxAgeMs: number }): Passes {
  const context = (ticket: Ticket) => `pass:${ticket.id} ${version}`
  return {
    issue(session, ticket) {
      const stored: Stored = { at: clock(), session }
      const value = sealer
        .seal(Buffer.from(JSON.stringify(stored)), context(ticket), ticket.secret)
        .toString('base64url')
      return value.length <= maxValueLength ? value : undefined
    },
    open(value, ticket) {
      if (value.length > maxValueLength) return undefined
      const plain = sealer.open(Buffer.from(value, 'base64url'), context(ticket), ticket.secret)
      if (plain === undefined) return undefined
      // Sealed by us under this version: the shape is what `issue` wrote.
      const stored = JSON.parse(plain.toString()) as Stored
      const age = clock() - stored.at
      return age < maxAgeMs && clock() < stored.session.expiresAt ? stored.session : undefined
    },
  }
}

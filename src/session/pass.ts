// The pass: a sealed cookie with the session's identity, for the time when the store is unreachable and this replica has no
// copy. It opens only together with its ticket, so that neither is of use without the other.
import type { Sealer } from '../sealing.ts'
import type { Clock } from '../time.ts'
import type { Session } from './session.ts'
import type { Ticket } from './ticket.ts'

/** Of passes of several providers another: replicas that know only one must not take them for theirs. */
const versions = [1, 2] as const
/** Browsers drop cookies above 4096 bytes, name and attributes included. */
export const maxPassLength = 3_500

export interface Passes {
  /**
   * The cookie's value; undefined when the identity is too large for one. `unwritten`: the shared store could not be told of
   * the session, so that other replicas will not find it there.
   */
  issue(session: Session, ticket: Ticket, unwritten?: boolean): string | undefined
  /**
   * The session for which they were issued; undefined where none is a pass of this ticket that is younger than `maxAgeMs`. A
   * sibling host can plant others beside it, so that which of them is ours shows only here. Of several the newest state counts, of
   * that the youngest pass.
   */
  open(values: readonly string[], ticket: Ticket): Session | undefined
  /** The newest of them was issued as `unwritten`, less than `withinMs` ago. */
  isUnwritten(values: readonly string[], ticket: Ticket, withinMs: number): boolean
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
  /** Whether a session's provider is one of those that are configured. */
  isOurs: (provider: string | undefined) => boolean
}): Passes {
  const { sealer, clock, maxAgeMs, sessionMaxAgeMs, maxLength, isOurs } = deps
  const context = (ticket: Ticket, version: (typeof versions)[number]) => `pass:${ticket.id} ${version}`

  function stored(value: string, ticket: Ticket): Stored | undefined {
    if (value.length > maxPassLength) return undefined
    const sealed = Buffer.from(value, 'base64url')
    for (const version of versions) {
      const plain = sealer.open(sealed, context(ticket, version), ticket.secret)
      if (plain === undefined) continue
      // Sealed by us under this version: the shape is what `issue` wrote.
      const found = JSON.parse(plain.toString()) as Stored
      return isOurs(found.session.provider) ? found : undefined
    }
    return undefined
  }

  const endOf = ({ expiresAt, createdAt }: Session) => Math.min(expiresAt, createdAt + sessionMaxAgeMs)

  function newest(
    values: readonly string[],
    ticket: Ticket,
    counts: (found: Stored) => boolean = () => true,
  ): Stored | undefined {
    let best: Stored | undefined
    for (const value of values) {
      const found = stored(value, ticket)
      if (found === undefined || !counts(found)) continue
      if (best === undefined || isNewer(found, best)) best = found
    }
    return best
  }

  return {
    issue(session, ticket, unwritten = false) {
      const pass: Stored = { at: clock(), session, ...(unwritten && { unwritten }) }
      const version = session.provider === undefined ? 1 : 2
      const sealed = sealer.seal(Buffer.from(JSON.stringify(pass)), context(ticket, version), ticket.secret)
      const value = sealed.toString('base64url')
      return value.length <= maxLength ? value : undefined
    },
    open(values, ticket) {
      const now = clock()
      const found = newest(values, ticket, ({ at, session }) => now - at < maxAgeMs && now < endOf(session))
      return found && { ...found.session, expiresAt: endOf(found.session) }
    },

    isUnwritten(values, ticket, withinMs) {
      const found = newest(values, ticket)
      return found?.unwritten === true && clock() - found.at < withinMs
    },
  }
}

function isNewer(one: Stored, other: Stored): boolean {
  const generations = one.session.generation - other.session.generation
  return generations === 0 ? one.at > other.at : generations > 0
}

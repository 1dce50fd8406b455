// A ticket on a host of another domain: the same session, but a value that is worth nothing anywhere else. An application there sees the
// cookie of its own host (a forward-auth proxy passes it on), and must not be able to present it at another one, or at the login host.
import { createKeyedHash } from '../sealing.ts'
import { parseTicket, ticketValue } from '../session/ticket.ts'

export interface BoundTickets {
  /** The cookie's value on this site: as long as a ticket, and of its shape. `site`: see cookieSite. */
  bind(ticket: string, site: string): string
  /** The tickets that a cookie's value may stand for, one for each key (newest first): which of them is good shows when it is opened. */
  unbind(value: string, site: string): string[]
}

/** Of the secret, id and site are no part: whoever has one site's value knows nothing of another's without the key. */
export function createBoundTickets(keys: readonly Buffer[], scope: string): BoundTickets {
  const hashes = keys.map((key) => createKeyedHash([key], `handover ticket ${scope}`))

  function masked(value: string, site: string, hash: (text: string) => Buffer): string | undefined {
    const ticket = parseTicket(value)
    if (ticket === undefined) return undefined
    const mask = hash(`${ticket.id} ${site}`)
    const secret = Buffer.from(ticket.secret, 'base64url').map((byte, at) => byte ^ (mask[at] ?? 0))
    return ticketValue({ id: ticket.id, secret: Buffer.from(secret).toString('base64url') })
  }

  return {
    bind(ticket, site) {
      const [first] = hashes
      const bound = first && masked(ticket, site, first)
      if (bound === undefined) throw new TypeError('not a ticket')
      return bound
    },
    unbind: (value, site) => hashes.flatMap((hash) => masked(value, site, hash) ?? []),
  }
}

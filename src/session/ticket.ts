/** The session cookie's value: opaque, 65 characters, the same for the session's whole life. */
export interface Ticket {
  /** Names the session in the store: 16 random bytes, base64url. No secret. */
  readonly id: string
  /** 32 random bytes, base64url: without it the stored session does not open. Never stored, never logged. */
  readonly secret: string
  /** Shown for a connection that merely stays open: no use of the session, which may idle out meanwhile. */
  readonly unattended?: true
  /** Shown to be looked at, and nothing else: besides, nothing is renewed, and nobody waits for a refresh. */
  readonly onlyLooks?: true
}

const idLength = 22
export const ticketLength = 65
const shape = /^[\w-]{21}[AQgw][\w-]{42}[AEIMQUYcgkosw048]$/

export function newTicket(randomBytes: (size: number) => Buffer): Ticket {
  return { id: randomBytes(16).toString('base64url'), secret: randomBytes(32).toString('base64url') }
}

export const ticketValue = (ticket: Ticket): string => ticket.id + ticket.secret

/** The ticket in a cookie's value; undefined for anything that we cannot have issued. One value has one spelling only. */
export function parseTicket(value: string): Ticket | undefined {
  if (!shape.test(value)) return undefined
  return { id: value.slice(0, idLength), secret: value.slice(idLength) }
}

import type { IncomingHttpHeaders } from 'node:http'
import type { Session } from '../session/session.ts'
import type { Sessions } from '../session/sessions.ts'
import type { BrowserCookies } from './browser-cookies.ts'

/**
 * A Set-Cookie for a pass, where the browser has none any more, or where this replica has given none of the session's newer
 * state yet: the old one says when the old token ended, and perhaps what is not true any more.
 */
export type PassRenewal = (headers: IncomingHttpHeaders, session: Session) => readonly string[]

export function createPassRenewal(sessions: Pick<Sessions, 'passFor'>, cookies: BrowserCookies): PassRenewal {
  const given = new WeakSet<Session>()

  return ({ cookie }, session) => {
    if (cookies.pass(cookie) !== undefined && (session.generation === 1 || given.has(session))) return []
    for (const ticket of cookies.tickets(cookie)) {
      if (!ticket.startsWith(session.id)) continue
      const pass = sessions.passFor(session, ticket)
      if (pass === undefined) continue
      given.add(session)
      return [cookies.setPass(pass)]
    }
    return []
  }
}

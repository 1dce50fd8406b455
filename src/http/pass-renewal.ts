import type { IncomingHttpHeaders } from 'node:http'
import type { Session } from '../session/session.ts'
import type { Sessions } from '../session/sessions.ts'
import type { BrowserCookies } from './browser-cookies.ts'

/**
 * A Set-Cookie for a pass, where the browser has no good one any more, or only one of an older state of the session than this
 * replica has given it: that one says when the old token ended, and perhaps what is not true any more.
 */
export type PassRenewal = (headers: IncomingHttpHeaders, session: Session, host: string) => readonly string[]

/** Of a sealed value: 72 bits, which nobody hits without having seen them. So short that it is a copy, and holds no whole header. */
const endingLength = 12

export function createPassRenewal(
  sessions: Pick<Sessions, 'passFor' | 'generationOfPass'>,
  cookies: BrowserCookies,
): PassRenewal {
  const given = new WeakSet<Session>()
  /** How the pass ends with which there was nothing to do: it is opened once, and not at each request. */
  const fine = new WeakMap<Session, string>()

  return ({ cookie }, session, host) => {
    const here = cookies.on(host)
    const passes = here.passes(cookie)
    const ending = fine.get(session)
    if (ending !== undefined && passes.some((pass) => pass.endsWith(ending))) return []
    for (const ticket of here.tickets(cookie)) {
      if (!ticket.startsWith(session.id)) continue
      const good = passes.find((pass) => {
        const generation = sessions.generationOfPass(pass, ticket)
        return generation !== undefined && (generation >= session.generation || given.has(session))
      })
      if (good !== undefined) {
        fine.set(session, good.slice(-endingLength))
        return []
      }
      const pass = sessions.passFor(session, ticket)
      if (pass === undefined) continue
      given.add(session)
      return [here.setPass(pass)]
    }
    return []
  }
}

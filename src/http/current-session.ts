// Whose browser comes to one of our own paths.
import { StoreUnavailable } from '../errors.ts'
import type { LookupResult } from '../session/lookup-result.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Session } from '../session/session.ts'
import type { BrowserCookies } from './browser-cookies.ts'
import type { EndpointRequest } from './endpoint-request.ts'

export interface Current {
  readonly session: Session
  readonly ticket: string
  /** `unproven`: theirs, but not to be believed now. */
  readonly from: Extract<LookupResult, { kind: 'found' }>['from'] | 'unproven'
}

/** Throws StoreUnavailable or ProviderUnavailable when it cannot be said. */
export type CurrentSession = (request: Pick<EndpointRequest, 'headers' | 'host'>) => Promise<Current | undefined>

export function createCurrentSession({
  sessions,
  cookies,
}: {
  sessions: Pick<Sessions, 'find'>
  cookies: BrowserCookies
}): CurrentSession {
  return async ({ headers, host }) => {
    const here = cookies.on(host)
    const passes = here.passes(headers.cookie)
    let unanswered: unknown
    let unproven: Current | undefined
    for (const ticket of here.tickets(headers.cookie)) {
      try {
        const found: LookupResult = await sessions.find(ticket, passes)
        if (found.kind === 'found') return { session: found.session, ticket, from: found.from }
        if (found.kind !== 'unproven') continue
        if (found.session === undefined)
          unanswered ??= new StoreUnavailable('the store lacks it, which proves nothing now')
        else unproven ??= { session: found.session, ticket, from: 'unproven' }
      } catch (error) {
        // Another cookie of the same name may still be the good one.
        unanswered ??= error
      }
    }
    if (unproven === undefined && unanswered !== undefined) throw unanswered
    return unproven
  }
}

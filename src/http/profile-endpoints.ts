// Who am I: what a session says of its person, as shown to them.
import { claimText, memberships } from '../access/claims.ts'
import type { AccessConfig } from '../config/config.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Session } from '../session/session.ts'
import { json, type HttpResponse } from './http-response.ts'
import type { BrowserCookies } from './browser-cookies.ts'
import type { CurrentSession } from './current-session.ts'
import type { Refusals } from './refusals.ts'
import type { EndpointRequest } from './endpoint-request.ts'

export interface UserProfile {
  readonly user: string
  readonly email: string
  readonly groups: readonly string[]
  readonly preferredUsername: string
}

/** A session's person, by the claims that the operator names. */
export const createDescribe =
  (access: Pick<AccessConfig, 'userIdentifierClaim' | 'groupClaimName'>) =>
  ({ claims, subject }: Session): UserProfile => ({
    user: claimText(claims, access.userIdentifierClaim) || subject,
    email: claimText(claims, 'email'),
    groups: memberships(claims, access.groupClaimName),
    preferredUsername: claimText(claims, 'preferred_username'),
  })

export interface ProfileDeps {
  readonly cookies: BrowserCookies
  readonly sessions: Sessions
  readonly refusals: Refusals
  readonly describe: (session: Session) => UserProfile
  readonly currentSession: CurrentSession
}

export function createProfileEndpoints({ cookies, sessions, refusals, describe, currentSession }: ProfileDeps) {
  return {
    async userinfo(request: EndpointRequest): Promise<HttpResponse> {
      const current = await currentSession(request)
      if (current === undefined) return json(401, { error: 'login_required' })
      if (current.from === 'unproven') return refusals.refuse(request, 503, 'store_unavailable')
      const body = { ...describe(current.session), expiry: new Date(current.session.expiresAt).toISOString() }
      const pass = sessions.passFor(current.session, current.ticket)
      return { ...json(200, body), cookies: pass === undefined ? [] : [cookies.on(request.host).setPass(pass)] }
    },
  }
}

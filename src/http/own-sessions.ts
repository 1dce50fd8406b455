// A person's own sessions: in which browsers they are signed in, and an end to that. Only whoever has one of these sessions may see or
// end the others, and only those of the same person at the same provider: an id alone opens and ends nothing.
import { StoreUnavailable } from '../errors.ts'
import type { RateLimits } from '../cache/rate-limits.ts'
import type { Pages } from '../pages/pages.ts'
import { inBatches } from '../session/batches.ts'
import type { SessionEntry } from '../session/directory.ts'
import type { Session } from '../session/session.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Clock } from '../time.ts'
import type { Addresses } from './addresses.ts'
import type { Current, CurrentSession } from './current-session.ts'
import type { EndpointRequest } from './endpoint-request.ts'
import { json, page, redirect, type HttpResponse } from './http-response.ts'
import type { LoginWish } from './login-endpoints.ts'
import { isNavigation, wantsHTML } from './negotiation.ts'
import { isOwnWish } from './own-wish.ts'
import type { UserProfile } from './profile-endpoints.ts'
import type { Refusals } from './refusals.ts'

export interface OwnSessionsDeps {
  readonly addresses: Addresses
  readonly sessions: Sessions
  readonly pages: Pages
  readonly refusals: Refusals
  readonly describe: (session: Session) => UserProfile
  readonly currentSession: CurrentSession
  /** A list is several reads, and anybody's browser may ask for it. */
  readonly rateLimits: Pick<RateLimits, 'ownSessions'>
  readonly clock: Clock
  readonly logger: Logger
}

/** What is done elsewhere. */
interface Doors {
  readonly sendToLogin: (request: EndpointRequest, wish: LoginWish) => Promise<HttpResponse>
  /** The ordinary end of this browser's session. `endMore`: what ends with it; resolves with whether that is kept. */
  readonly logout: (request: EndpointRequest, endMore?: (session: Session) => Promise<boolean>) => Promise<HttpResponse>
}

const mostShown = 100
const pageSize = 500
/** Whoever has more than this is no person. */
const mostEnded = 10_000

export function createOwnSessions(deps: OwnSessionsDeps & Doors) {
  const { addresses, sessions, pages, refusals, currentSession, clock, logger } = deps

  const pageURL = (request: EndpointRequest) => addresses.origin(request) + addresses.ownPath.sessions
  const isForPerson = ({ method, headers }: EndpointRequest) => isNavigation(method, headers) || wantsHTML(headers)
  const selectionOf = ({ issuer, subject }: Session) => ({ by: 'person', issuer, subject }) as const

  async function ownSessions(request: EndpointRequest): Promise<HttpResponse> {
    if (request.method === 'POST' && !isOwnWish(request, addresses)) {
      // Nothing has happened; a person can see that, and choose for themselves.
      return isForPerson(request) ? redirect(303, pageURL(request)) : json(403, { error: 'foreign_origin' })
    }
    const waitMs = await deps.rateLimits.ownSessions.take(request.clientAddress)
    if (waitMs > 0) return refusals.tooMany(request, waitMs)
    const current = await currentSession(request)
    if (current === undefined) {
      return isForPerson(request)
        ? deps.sendToLogin(request, { returnTo: pageURL(request) })
        : json(401, { error: 'login_required' })
    }
    if (current.from === 'unproven') return refusals.refuse(request, 503, 'store_unavailable')
    try {
      return request.method === 'POST' ? await end(request, current) : await show(request, current)
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      return refusals.refuse(request, 503, 'sessions_unavailable', { retryURL: pageURL(request) })
    }
  }

  async function show(request: EndpointRequest, { session }: Current): Promise<HttpResponse> {
    const { entries, next } = await sessions.list(selectionOf(session), { limit: mostShown })
    const others = entries.filter(({ id }) => id !== session.id).sort((one, other) => other.lastSeenAt - one.lastSeenAt)
    const hasMore = next !== undefined
    if (!isForPerson(request)) {
      const own = { ...session, lastSeenAt: clock() }
      return json(200, {
        sessions: [{ ...told(own), current: true }, ...others.map((other) => ({ ...told(other), current: false }))],
        hasMore,
      })
    }
    const html = pages.sessions({
      user: deps.describe(session).user,
      action: pageURL(request),
      homeURL: `${addresses.origin(request)}/`,
      now: clock(),
      current: session,
      others,
      hasMore,
    })
    return page(200, html, pages.headers)
  }

  async function end(request: EndpointRequest, current: Current): Promise<HttpResponse> {
    const { session } = current
    const asked = new URLSearchParams(request.query).getAll('end')
    const [which] = asked
    if (which === undefined || asked.length > 1) return refusals.refuse(request, 400, 'bad_request')
    if (which === session.id) return deps.logout(request)
    if (which === 'everywhere') {
      return deps.logout(request, async (own) => (await sessions.endSelected(selectionOf(own))).isKept)
    }
    if (which === 'others') return answered(request, await endOthers(session))
    const entry = await sessions.listed(which)
    const isTheirs = entry !== undefined && entry.issuer === session.issuer && entry.subject === session.subject
    // Whether somebody else has a session of this id is nobody's business.
    if (!isTheirs) return refusals.refuse(request, 404, 'not_found')
    return answered(request, { ended: 1, isKept: await sessions.endListed(entry) })
  }

  async function endOthers(session: Session): Promise<{ ended: number; isKept: boolean }> {
    const others: SessionEntry[] = []
    for (let skip: number | undefined = 0; skip !== undefined && skip < mostEnded;) {
      const listing: Awaited<ReturnType<Sessions['list']>> = await sessions.list(selectionOf(session), {
        limit: pageSize,
        skip,
      })
      others.push(...listing.entries.filter(({ id }) => id !== session.id))
      skip = listing.next
    }
    let isKept = true
    await inBatches(others, async (entry) => {
      isKept = (await sessions.endListed(entry)) && isKept
    })
    return { ended: others.length, isKept }
  }

  function answered(request: EndpointRequest, { ended, isKept }: { ended: number; isKept: boolean }): HttpResponse {
    const { requestId } = request
    if (!isKept) {
      logger.warn(
        { event: 'logout_incomplete', requestId },
        'sessions that a person ended are known to have ended here only: neither Redis nor a peer nor the spool took it',
      )
      return refusals.refuse(request, 503, 'sessions_incomplete', { retryURL: pageURL(request) })
    }
    logger.info({ event: 'sessions_ended', count: ended, requestId }, 'a person has ended sessions of their own')
    return isForPerson(request) ? redirect(303, pageURL(request)) : json(200, { ended, complete: true })
  }

  return { ownSessions }
}

const time = (ms: number): string => new Date(ms).toISOString()

const told = ({
  id,
  createdAt,
  lastSeenAt,
  expiresAt,
  network,
  browser,
}: Pick<SessionEntry, 'id' | 'createdAt' | 'lastSeenAt' | 'expiresAt' | 'network' | 'browser'>) => ({
  id,
  createdAt: time(createdAt),
  lastSeenAt: time(lastSeenAt),
  expiresAt: time(expiresAt),
  network: network ?? null,
  browser: browser ?? null,
})

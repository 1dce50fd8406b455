// The questions themselves. `GET /v1/sessions`, `GET /v1/sessions/{id}`, `DELETE /v1/sessions/{id}`, `POST /v1/sessions/revoke`. What
// is answered as done is done: known beyond this process, or the answer is 503 and says what is lacking.
import { StoreUnavailable } from '../errors.ts'
import type { SessionEntry } from '../session/directory.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Clock } from '../time.ts'
import { refusal, WrongQuestion, type AdminAct, type AdminAnswer } from './answer.ts'
import { cursorOf, readListQuestion, readRevocation, selectionOf, type Whom } from './questions.ts'
import { sessionIdShape, type SessionView } from './wire.ts'

export interface AdminQuestion {
  readonly method: string
  /** As it was sent, without the query. */
  readonly path: string
  /** Without `?`. */
  readonly query: string
  /** Parsed JSON. Throws WrongQuestion. */
  readonly body: () => Promise<unknown>
}

export interface Handled {
  readonly answer: AdminAnswer
  readonly act: AdminAct
}

/** Rejects with an error of ours alone. */
export type AdminAPI = (question: AdminQuestion) => Promise<Handled>

/** What was ended by sweeps lies in the list until its end: so many pages of it are looked through for one answer. */
const mostPagesRead = 20

export function createAdminAPI(deps: {
  sessions: Pick<Sessions, 'list' | 'listed' | 'endListed' | 'endSelected'>
  issuer: string
  clockSkewMs: number
  withinBudget: <T>(task: () => T) => T
  clock: Clock
}): AdminAPI {
  const { sessions, issuer, clockSkewMs, clock } = deps

  async function list(query: string): Promise<Handled> {
    const { whom, limit, skip } = readListQuestion(query)
    const selection = whom.by === 'all' ? 'all' : selectionOf(whom, { issuer, now: clock(), clockSkewMs })
    // Never met: a list has no moment.
    if (selection !== 'all' && selection.by === 'everybody') throw new WrongQuestion('olderThan: cannot be listed')
    const found: SessionEntry[] = []
    let next: number | undefined = skip
    for (let read = 0; next !== undefined && found.length < limit && read < mostPagesRead; read++) {
      const page: Awaited<ReturnType<Sessions['list']>> = await sessions.list(selection, {
        limit: limit - found.length,
        skip: next,
      })
      found.push(...page.entries)
      next = page.next
    }
    return {
      answer: { status: 200, body: { sessions: found.map(viewOf), next: next === undefined ? null : cursorOf(next) } },
      act: { action: 'list', outcome: 'done', ...recordOf(whom), count: found.length },
    }
  }

  async function show(id: string): Promise<Handled> {
    const entry = await sessions.listed(id)
    const record = { action: 'show', by: 'session', whom: id } as const
    if (entry === undefined) return { answer: noSuchSession(), act: { ...record, outcome: 'not_found' } }
    return { answer: { status: 200, body: viewOf(entry) }, act: { ...record, outcome: 'done', count: 1 } }
  }

  async function revokeOne(id: string): Promise<Handled> {
    const record = { action: 'revoke', by: 'session', whom: id } as const
    const entry = await sessions.listed(id)
    if (entry === undefined) return { answer: noSuchSession(), act: { ...record, outcome: 'not_found' } }
    return revoked(record, 1, await sessions.endListed(entry))
  }

  async function revokeMany(question: AdminQuestion): Promise<Handled> {
    const whom = readRevocation(await question.body())
    const selection = selectionOf(whom, { issuer, now: clock(), clockSkewMs })
    const { ended, isKept } = await sessions.endSelected(selection)
    return revoked({ action: 'revoke', ...recordOf(whom) }, selection.by === 'everybody' ? null : ended, isKept)
  }

  function revoked(record: Omit<AdminAct, 'outcome'>, ended: number | null, complete: boolean): Handled {
    const act: AdminAct = { ...record, outcome: complete ? 'done' : 'incomplete', count: ended ?? undefined }
    if (complete) return { answer: { status: 200, body: { ended, complete } }, act }
    const { status, headers, body } = refusal(
      503,
      'logout_incomplete',
      'it holds on this replica, and nobody else could be told yet; ask again until complete is true',
      { 'retry-after': '5' },
    )
    return { answer: { status, ...(headers && { headers }), body: { ...body, ended, complete } }, act }
  }

  function route(question: AdminQuestion): Promise<Handled> {
    const { method, path, query } = question
    if (path === '/v1/sessions') return method === 'GET' ? list(query) : Promise.resolve(notByThat(method, 'GET'))
    const [, last] = /^\/v1\/sessions\/([^/]+)$/.exec(path) ?? []
    if (last === undefined) return Promise.resolve(noSuchPath())
    if (last === 'revoke') {
      return method === 'POST' ? revokeMany(question) : Promise.resolve(notByThat(method, 'POST'))
    }
    if (!sessionIdShape.test(last)) {
      return Promise.resolve({ answer: noSuchSession(), act: { action: 'none', outcome: 'not_found' } })
    }
    if (method === 'GET') return show(last)
    return method === 'DELETE' ? revokeOne(last) : Promise.resolve(notByThat(method, 'GET, DELETE'))
  }

  return async (question) => {
    try {
      return await deps.withinBudget(() => route(question))
    } catch (error) {
      if (error instanceof WrongQuestion) {
        return {
          answer: refusal(error.status, error.code, error.message),
          act: { action: actionOf(question), outcome: 'refused' },
        }
      }
      if (!(error instanceof StoreUnavailable)) throw error
      const message =
        'Redis does not answer, and the list of sessions is there; POST /v1/sessions/revoke by user, subject, sid, olderThan or all works meanwhile'
      return {
        answer: refusal(503, 'store_unavailable', message, { 'retry-after': '5' }),
        act: { action: actionOf(question), outcome: 'unavailable' },
      }
    }
  }
}

const actionOf = ({ method }: AdminQuestion): AdminAct['action'] => (method === 'GET' ? 'list' : 'revoke')

const recordOf = (whom: Whom): Pick<AdminAct, 'by' | 'whom' | 'issuer'> => ({
  by: whom.by,
  ...(whom.by !== 'all' && { whom: whom.name }),
  ...('issuer' in whom && whom.issuer !== undefined && { issuer: whom.issuer }),
})

const noSuchSession = (): AdminAnswer =>
  refusal(404, 'not_found', 'no session of this id is listed: it has ended, or the id is not one from a list')

const noSuchPath = (): Handled => ({
  answer: refusal(
    404,
    'not_found',
    'there are GET /v1/sessions, GET and DELETE /v1/sessions/{id}, and POST /v1/sessions/revoke',
  ),
  act: { action: 'none', outcome: 'not_found' },
})

const notByThat = (method: string, allow: string): Handled => ({
  answer: refusal(405, 'method_not_allowed', `${method} is not for this; use ${allow}`, { allow }),
  act: { action: 'none', outcome: 'refused' },
})

const time = (ms: number): string => new Date(ms).toISOString()

const viewOf = (entry: SessionEntry): SessionView => ({
  id: entry.id,
  user: entry.user,
  issuer: entry.issuer,
  subject: entry.subject,
  sid: entry.providerSessionId ?? null,
  createdAt: time(entry.createdAt),
  lastSeenAt: time(entry.lastSeenAt),
  expiresAt: time(entry.expiresAt),
  network: entry.network ?? null,
  browser: entry.browser ?? null,
})

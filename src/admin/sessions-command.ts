// `foregate sessions …`, carried out: asks the service that runs, and says what it answered.
import type { AdminConfig } from '../config/config.ts'
import type { Clock } from '../time.ts'
import { createAdminClient, Unreachable, type AdminReply, type ClientCertificate } from './client.ts'
import type { SessionsAct, SessionsCommand } from './command-line.ts'
import { printable, printableJSON } from './printable.ts'
import { mostPerPage } from './questions.ts'
import { sessionCard, sessionTable } from './session-table.ts'
import type { Refusal, Revocation, SessionPage, SessionView } from './wire.ts'

export interface CommandResult {
  readonly out: string
  readonly err: string
  readonly code: 0 | 1 | 2
}

/** Never throws but for errors of ours. */
export async function runSessionsCommand(
  { act, json }: Pick<SessionsCommand, 'act' | 'json'>,
  deps: { config: AdminConfig; certificate: ClientCertificate | undefined; clock: Clock },
): Promise<CommandResult> {
  const { ask } = createAdminClient(deps.config, deps.certificate)
  try {
    switch (act.do) {
      case 'list':
        return await list(act)
      case 'show': {
        const reply = await ask('GET', `/v1/sessions/${act.id}`)
        if (reply.status !== 200) return refused(reply)
        // The service's own answer, of its own version: as wire.ts says.
        const session = reply.body as SessionView
        return fine(json ? `${printableJSON(session)}\n` : sessionCard(session, deps.clock()))
      }
      case 'revoke':
        return revoked(await ask('DELETE', `/v1/sessions/${act.id}`), act)
      case 'revoke-many':
        return revoked(await ask('POST', '/v1/sessions/revoke', act.whom), act)
    }
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error
    return { out: '', err: `foregate: admin port ${printable(error.message)}\n`, code: 1 }
  }

  async function list({ whom, limit }: Extract<SessionsAct, { do: 'list' }>): Promise<CommandResult> {
    const sessions: SessionView[] = []
    let after: string | null | undefined
    while (after !== null && sessions.length < limit) {
      const wanted = Math.min(mostPerPage, limit - sessions.length)
      const query = new URLSearchParams({ ...whom, limit: String(wanted), ...(after !== undefined && { after }) })
      const reply = await ask('GET', `/v1/sessions?${query.toString()}`)
      if (reply.status !== 200) return refused(reply)
      const page = reply.body as SessionPage
      sessions.push(...page.sessions)
      after = page.next
    }
    const notes: string[] = []
    if (after !== null) notes.push(`there are more; --limit ${limit * 10} shows more of them`)
    const people = new Set(sessions.map(({ issuer, subject }) => JSON.stringify([issuer, subject])))
    if (whom['user'] !== undefined && people.size > 1) {
      notes.push(`${people.size} subjects go by this name; sessions show ID tells which, and --subject means one`)
    }
    if (sessions.length === 0) notes.push('no session is listed')
    const err = notes.map((note) => `foregate: ${note}\n`).join('')
    if (json) return { out: `${printableJSON({ sessions, next: after ?? null })}\n`, err: '', code: 0 }
    return { out: sessions.length === 0 ? '' : sessionTable(sessions, deps.clock()), err, code: 0 }
  }

  function revoked(reply: AdminReply, act: SessionsAct): CommandResult {
    const body = reply.body as (Revocation & Partial<Refusal>) | undefined
    if (body?.complete === undefined) return refused(reply)
    const what = whatEnded(body.ended, act)
    if (json) return { out: `${printableJSON(body)}\n`, err: '', code: body.complete ? 0 : 1 }
    if (body.complete) return fine(`${what}\n`)
    const err =
      'foregate: not complete: it holds on this replica, and neither Redis nor a peer nor the spool took it. Run it again until it is\n'
    return { out: `${what}\n`, err, code: 1 }
  }

  function refused({ status, body }: AdminReply): CommandResult {
    const { error = 'unknown', message = `status ${status}` } = (body ?? {}) as Partial<Refusal>
    const out = json && body !== undefined ? `${printableJSON(body)}\n` : ''
    return { out, err: `foregate: ${printable(`${message} (${error})`)}\n`, code: status === 400 ? 2 : 1 }
  }
}

const fine = (out: string): CommandResult => ({ out, err: '', code: 0 })

function whatEnded(ended: number | null, act: SessionsAct): string {
  if (ended !== null) return `${ended} listed ${ended === 1 ? 'session' : 'sessions'} ended`
  const age = act.do === 'revoke-many' ? act.whom['olderThan'] : undefined
  return age === undefined
    ? 'every session that began until now has ended'
    : `every session that is older than ${printable(String(age))} has ended`
}

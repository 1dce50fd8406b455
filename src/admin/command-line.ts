// `foregate sessions …`, read but not acted on.
import { durationMs } from '../config/values.ts'
import { sessionIdShape } from './wire.ts'

export type SessionsAct =
  | {
      readonly do: 'list'
      /** As in the query of the API. */
      readonly whom: Readonly<Record<string, string>>
      readonly limit: number
    }
  | { readonly do: 'show'; readonly id: string }
  | { readonly do: 'revoke'; readonly id: string }
  /** `whom`: as in the body of the API. */
  | { readonly do: 'revoke-many'; readonly whom: Readonly<Record<string, string | true>> }

export interface SessionsCommand {
  readonly kind: 'sessions'
  readonly file: string | undefined
  readonly act: SessionsAct
  readonly json: boolean
  /** What to show where `admin.tls.clientCAFile` asks for it. */
  readonly clientCertificate: { readonly certFile: string; readonly keyFile: string } | undefined
}

export const sessionsHelp = `Usage:
  foregate sessions list [--user NAME | --subject SUB | --sid SID] [--limit N]
  foregate sessions show ID
  foregate sessions revoke ID
  foregate sessions revoke --user NAME | --subject SUB | --sid SID | --older-than DURATION
  foregate sessions revoke --all --yes

Asks the admin port that the configuration names (admin.listen, admin.token, admin.tls), on this machine.

Whose sessions:
  --user NAME            the value of userIdentifierClaim, most often the e-mail address, in any letter case
  --subject SUB          the provider's own name for a person (sub)
  --sid SID              the provider's own session
  --issuer URL           of which provider SUB or SID is; default: providerURL
  --older-than DURATION  that began before so long: 30m, 12h, 7d
  --all                  everybody's

Options:
  --limit N              list at most so many (default 100)
  --json                 the API's own JSON instead of a table
  --yes                  --all is meant
  --cert FILE --key FILE client certificate, where admin.tls.clientCAFile asks for one
  -c, --config FILE      as for the service

Exit codes: 0 done, 2 bad configuration or usage, 1 anything else: no such session, nobody answers, or what was ended is
known to one replica only (run it again).
`

export const sessionsOptions = {
  user: { type: 'string', multiple: true },
  subject: { type: 'string', multiple: true },
  sid: { type: 'string', multiple: true },
  issuer: { type: 'string', multiple: true },
  'older-than': { type: 'string', multiple: true },
  limit: { type: 'string', multiple: true },
  cert: { type: 'string', multiple: true },
  key: { type: 'string', multiple: true },
  all: { type: 'boolean' },
  json: { type: 'boolean' },
  yes: { type: 'boolean' },
} as const

export const sessionsVerbs = ['list', 'show', 'revoke'] as const
const mostListed = 100_000

/** A problem is told in words; `values`: as `parseArgs` gives them. */
export function readSessionsCommand(
  [verb, id, ...rest]: readonly string[],
  values: Readonly<Record<string, unknown>>,
  file: string | undefined,
): SessionsCommand | { readonly problem: string; readonly name?: string } {
  const given = new Map<string, string>()
  for (const [name, { type }] of Object.entries(sessionsOptions)) {
    const written: unknown = values[name]
    if (type !== 'string' || !Array.isArray(written)) continue
    if (written.length > 1) return { problem: `--${name} is given twice; give it once` }
    given.set(name, String(written[0]))
  }
  const allowed = (...names: string[]) => [...given.keys()].find((name) => !names.includes(name))

  const cert = given.get('cert')
  const key = given.get('key')
  if ((cert === undefined) !== (key === undefined)) return { problem: '--cert and --key belong together' }
  const common = {
    kind: 'sessions',
    file,
    json: values['json'] === true,
    clientCertificate: cert === undefined || key === undefined ? undefined : { certFile: cert, keyFile: key },
  } as const

  const extra = rest[0] ?? (verb === 'list' ? id : undefined)
  if (extra !== undefined) return { problem: `unexpected argument ${JSON.stringify(extra.slice(0, 80))}` }
  if (values['yes'] === true && values['all'] !== true) return { problem: '--yes belongs to --all' }
  const named = ['user', 'subject', 'sid', 'older-than'].filter((name) => given.has(name))
  if (values['all'] === true) named.push('all')
  if (named.length > 1) return { problem: `--${named.join(' and --')} are given together; give one` }
  if (given.has('issuer') && !given.has('subject') && !given.has('sid')) {
    return { problem: '--issuer belongs to --subject or --sid' }
  }
  const issuer = given.has('issuer') ? { issuer: given.get('issuer') ?? '' } : {}
  const [by] = named

  switch (verb) {
    case 'list': {
      const foreign = allowed('user', 'subject', 'sid', 'issuer', 'limit', 'cert', 'key')
      if (foreign !== undefined) return { problem: `--${foreign} does not belong to sessions list` }
      const limit = wholeNumber(given.get('limit') ?? '100')
      if (limit === undefined) return { problem: `--limit must be a whole number from 1 to ${mostListed}` }
      const whom = by === undefined || by === 'all' ? {} : { [by]: given.get(by) ?? '' }
      return { ...common, act: { do: 'list', whom: { ...whom, ...issuer }, limit } }
    }
    case 'show':
    case 'revoke': {
      if (given.has('limit')) return { problem: '--limit belongs to sessions list' }
      if (id !== undefined) {
        if (by !== undefined) return { problem: `a session's id and --${by} are given together; give one` }
        if (!sessionIdShape.test(id)) {
          return { problem: `${JSON.stringify(id.slice(0, 80))} is no session's id, as sessions list shows them` }
        }
        return { ...common, act: { do: verb, id } }
      }
      if (verb === 'show') return { problem: 'sessions show needs the id of a session, as sessions list shows it' }
      if (by === undefined) {
        return { problem: 'sessions revoke needs an id, or one of --user, --subject, --sid, --older-than, --all' }
      }
      if (by === 'all') {
        return values['yes'] === true
          ? { ...common, act: { do: 'revoke-many', whom: { all: true } } }
          : { problem: 'revoke --all ends the session of everybody; if that is meant, add --yes' }
      }
      const value = given.get(by) ?? ''
      if (by !== 'older-than') return { ...common, act: { do: 'revoke-many', whom: { [by]: value, ...issuer } } }
      const ms = durationMs(value)
      return ms === undefined || ms < 1_000
        ? { problem: '--older-than must be a duration of 1s or more, such as 30m, 12h or 7d' }
        : { ...common, act: { do: 'revoke-many', whom: { olderThan: value } } }
    }
    default:
      return {
        problem:
          verb === undefined
            ? 'sessions needs to be told what to do: list, show or revoke'
            : `unknown command sessions ${JSON.stringify(verb.slice(0, 80))}`,
        ...(verb !== undefined && { name: verb }),
      }
  }
}

function wholeNumber(written: string): number | undefined {
  const number = /^\d{1,6}$/.test(written) ? Number(written) : 0
  return number >= 1 && number <= mostListed ? number : undefined
}

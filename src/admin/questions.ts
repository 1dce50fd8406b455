// What an operator asks, read from a query or a JSON body: exactly one way to name sessions, nothing that is not known, nothing
// twice. A misspelt name must not become "all of them".
import { nearest } from '../config/suggest.ts'
import { durationMs } from '../config/values.ts'
import type { Selection } from '../session/selection.ts'
import { WrongQuestion } from './answer.ts'

/** Whose sessions. */
export type Whom =
  | { readonly by: 'user' | 'subject' | 'sid'; readonly name: string; readonly issuer?: string | undefined }
  | { readonly by: 'all' }
  | { readonly by: 'olderThan'; readonly ms: number; readonly name: string }

export interface ListQuestion {
  readonly whom: Whom
  readonly limit: number
  /** How many to leave out: those of the pages before. */
  readonly skip: number
}

export const mostPerPage = 500
const usualPage = 50
const maxNameLength = 1_024
const maxAgeMs = 400 * 86_400_000
const mostSkipped = 10_000_000

const waysToName = ['user', 'subject', 'sid'] as const
const howToName = 'name exactly one of user, subject, sid, olderThan (a duration: 30m, 12h, 7d) or all (true)'

/** Throws WrongQuestion. */
export function readListQuestion(query: string): ListQuestion {
  const given = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(query)) {
    if (given.has(name)) throw new WrongQuestion(`${name}: is given twice; give it once`)
    given.set(name, value)
  }
  const known = [...waysToName, 'issuer', 'limit', 'after'] as const
  for (const name of given.keys()) refuseUnknown(name, known)
  const named = waysToName.filter((way) => given.has(way))
  if (named.length > 1) throw new WrongQuestion(`${named.join(', ')}: are given together; give one, or none for all`)
  const [by] = named
  const issuer = issuerOf(given.get('issuer'), by)
  return {
    whom: by === undefined ? { by: 'all' } : { by, name: nameOf(by, given.get(by)), issuer },
    limit: limitOf(given.get('limit')),
    skip: skipOf(given.get('after')),
  }
}

/** `body`: parsed JSON. Throws WrongQuestion. */
export function readRevocation(body: unknown): Whom {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new WrongQuestion(`the body must be a JSON object; ${howToName}`)
  }
  const given: Record<string, unknown> = { ...body }
  const ways = [...waysToName, 'olderThan', 'all'] as const
  for (const name of Object.keys(given)) refuseUnknown(name, [...ways, 'issuer'])
  const named = ways.filter((way) => given[way] !== undefined)
  const [by] = named
  if (by === undefined || named.length > 1) throw new WrongQuestion(howToName)
  const issuer = issuerOf(given['issuer'], by)
  switch (by) {
    case 'all':
      if (given['all'] !== true) throw new WrongQuestion('all: must be true')
      return { by }
    case 'olderThan': {
      const written = given['olderThan']
      const ms = durationMs(written)
      if (ms === undefined || ms < 1_000 || ms > maxAgeMs) {
        throw new WrongQuestion('olderThan: must be a duration from 1s to 400d, such as 30m, 12h or 7d')
      }
      return { by, ms, name: String(written) }
    }
    default:
      return { by, name: nameOf(by, given[by]), issuer }
  }
}

/**
 * What ends them. Ours are compared by our clock and end up to now; a session of the provider's is compared by the provider's clock,
 * which may be ahead of ours by `clockSkewMs`: a login that it has just told of must not be spared.
 */
export function selectionOf(whom: Whom, deps: { issuer: string; now: number; clockSkewMs: number }): Selection {
  const { issuer, now, clockSkewMs } = deps
  switch (whom.by) {
    case 'user':
      return { by: 'user', user: whom.name }
    case 'subject':
      return { by: 'person', issuer: whom.issuer ?? issuer, subject: whom.name }
    case 'sid':
      return {
        by: 'sid',
        issuer: whom.issuer ?? issuer,
        sid: whom.name,
        issuedAt: Math.floor((now + clockSkewMs) / 1_000),
      }
    case 'olderThan':
      return { by: 'everybody', until: now - whom.ms }
    case 'all':
      return { by: 'everybody', until: now }
  }
}

/** What `after` takes. It says how many were shown, in a form that may change. */
export const cursorOf = (skip: number): string => Buffer.from(`1:${skip}`).toString('base64url')

function skipOf(after: string | undefined): number {
  if (after === undefined) return 0
  const [, skip] = /^1:(\d{1,8})$/.exec(Buffer.from(after.slice(0, 64), 'base64url').toString('latin1')) ?? []
  if (skip === undefined || Number(skip) > mostSkipped) {
    throw new WrongQuestion('after: must be the `next` of the answer before, unchanged')
  }
  return Number(skip)
}

function limitOf(written: string | undefined): number {
  if (written === undefined) return usualPage
  const limit = /^\d{1,4}$/.test(written) ? Number(written) : 0
  if (limit < 1 || limit > mostPerPage)
    throw new WrongQuestion(`limit: must be a whole number from 1 to ${mostPerPage}`)
  return limit
}

function nameOf(by: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new WrongQuestion(`${by}: must be text, and not empty`)
  if (value.length > maxNameLength) throw new WrongQuestion(`${by}: must have at most ${maxNameLength} characters`)
  return value
}

function issuerOf(value: unknown, by: string | undefined): string | undefined {
  if (value === undefined) return undefined
  if (by !== 'subject' && by !== 'sid') throw new WrongQuestion('issuer: belongs to subject or sid')
  return nameOf('issuer', value)
}

function refuseUnknown(name: string, known: readonly string[]): void {
  if (known.includes(name)) return
  const meant = nearest(name, known)
  throw new WrongQuestion(
    `${JSON.stringify(name.slice(0, 80))} is not known${meant === undefined ? `; there are ${known.join(', ')}` : `; did you mean ${meant}?`}`,
  )
}

// The end of many sessions at once: of a person, of a session at the provider, of everybody. A sweep is recorded as the withdrawal of
// an id that spells out whose sessions end and until when. So log, notes, peers and spool carry it as they carry a logout, and
// it ends sessions that nobody can reach or list: those in a journal, in a pass, or of a login that is still under way.
import { createHmac, createSecretKey } from 'node:crypto'
import { createMarks } from '../store/marks.ts'
import type { Clock } from '../time.ts'
import type { Session } from './session.ts'

/** What sessions have in common, as a word that tells nothing to whoever lacks the key: 16 characters, base64url. */
export type Tag = string

/** By what a session can be meant. */
export interface Tags {
  readonly subject: Tag
  readonly user: Tag
  /** Of the provider's own session; undefined where it named none. */
  readonly sid?: Tag
}

/**
 * `until` is compared, in ms since the epoch: `sid`, `both` and `subject` with `issuedAt`, which is the provider's clock; `person`, `user`
 * and `everybody` with `createdAt`, which is ours. `both`: of one provider session, and of this person. Whoever makes a sweep sets
 * `until` as late as clocks may differ; whoever logs in knowing of it is spared (`after` of a session).
 */
export type Sweep =
  | { readonly by: 'sid' | 'subject' | 'person' | 'user'; readonly tag: Tag; readonly until: number }
  | { readonly by: 'both'; readonly tag: Tag; readonly subject: Tag; readonly until: number }
  | { readonly by: 'everybody'; readonly until: number }

/** What a sweep looks at. */
export type Swept = Pick<Session, 'createdAt' | 'issuedAt' | 'after'> & {
  /** Under each key. */
  readonly tags: readonly Tags[]
}

/** What tags are made of. */
export type Named = Pick<Session, 'issuer' | 'subject' | 'providerSessionId'> & {
  /** By which name operators know them. */
  readonly user: string
}

const letters = { sid: 'p', subject: 's', person: 'o', user: 'u' } as const
const meanings = { p: 'sid', s: 'subject', o: 'person', u: 'user' } as const

const shape = /^([psou])_([\w-]{16})_([\da-z]{1,11})$/
const shapeOfBoth = /^q_([\w-]{16})([\w-]{16})_([\da-z]{1,11})$/
const shapeOfAll = /^all_([\da-z]{1,11})$/

/** The id under which a sweep is withdrawn. No session has such a one: those are of 22 characters, in none of these shapes. */
export function sweepId(sweep: Sweep): string {
  const until = Math.floor(sweep.until).toString(36)
  if (sweep.by === 'everybody') return `all_${until}`
  if (sweep.by === 'both') return `q_${sweep.tag}${sweep.subject}_${until}`
  return `${letters[sweep.by]}_${sweep.tag}_${until}`
}

/** Undefined for any other id. */
export function parseSweep(id: string): Sweep | undefined {
  const [, all] = shapeOfAll.exec(id) ?? []
  if (all !== undefined) return { by: 'everybody', until: Number.parseInt(all, 36) }
  const [, sid, subject, both] = shapeOfBoth.exec(id) ?? []
  if (sid !== undefined && subject !== undefined && both !== undefined) {
    return { by: 'both', tag: sid, subject, until: Number.parseInt(both, 36) }
  }
  const [, letter, tag, until] = shape.exec(id) ?? []
  if (tag === undefined || until === undefined) return undefined
  // The shape admits these four only.
  return { by: meanings[letter as keyof typeof meanings], tag, until: Number.parseInt(until, 36) }
}

export interface Tagger {
  readonly subject: (issuer: string, subject: string) => Tag
  readonly sid: (issuer: string, sid: string) => Tag
  readonly user: (user: string) => Tag
  readonly everybody: Tag
  readonly of: (session: Named) => Tags
}

export type Taggers = readonly [Tagger, ...Tagger[]]

/** One per key: what one of them tagged is found under it for as long as it is configured. */
export function createTaggers(keys: readonly Buffer[], scope: string): Taggers {
  const [first, ...others] = keys.map((master): Tagger => {
    const key = createSecretKey(createHmac('sha256', master).update(`foregate tag ${scope}`).digest())
    const tag = (...named: string[]) =>
      createHmac('sha256', key).update(JSON.stringify(named)).digest('base64url').slice(0, 16)
    const tagger: Tagger = {
      subject: (issuer, subject) => tag('subject', issuer, subject),
      sid: (issuer, sid) => tag('sid', issuer, sid),
      // Addresses differ in case and mean the same person.
      user: (user) => tag('user', user.toLowerCase()),
      everybody: tag('everybody'),
      of: ({ issuer, subject, user, providerSessionId: sid }) => ({
        subject: tagger.subject(issuer, subject),
        user: tagger.user(user),
        ...(sid !== undefined && { sid: tagger.sid(issuer, sid) }),
      }),
    }
    return tagger
  })
  if (first === undefined) throw new RangeError('tags need a key')
  return [first, ...others]
}

export interface Sweeps {
  /** What is known from now on. */
  add(sweep: Sweep): void
  /** The same, later than any that is known of its kind, so that nobody who was spared by one of those is spared by this one. */
  renewed(sweep: Sweep): Sweep
  /** 0: no session needs to be asked about. */
  readonly size: number
  /** Whether one of them ends the session. */
  end(session: Swept): boolean
  /**
   * For a login that was begun at `startedAt` (ms since the epoch): the sweeps that it comes after, though clocks do not show it.
   * Undefined: one of them came after it was begun, and ends it.
   */
  before(session: Swept, startedAt: number): Session['after'] | undefined
}

interface Known {
  readonly until: number
  /** By our clock. */
  readonly learntAt: number
}

/** `lifeMs`: how long a sweep is of use; no session that it ends lives longer. */
export function createSweeps(deps: { clock: Clock; lifeMs: number }): Sweeps {
  const { clock, lifeMs } = deps
  /** By the id of its kind: without its moment. */
  const known = createMarks<Known>(clock)
  const kindOf = (sweep: Sweep) => sweepId({ ...sweep, until: 0 })
  const everybody = kindOf({ by: 'everybody', until: 0 })

  /** Those that reach it, by the name under which a session remembers one. */
  function* reaching(session: Swept): IterableIterator<[name: string, Known]> {
    const { createdAt, issuedAt = createdAt } = session
    const found = (kind: string, moment: number): Known[] => {
      const sweep = known.get(kind)
      return sweep !== undefined && sweep.until >= moment ? [sweep] : []
    }
    for (const sweep of found(everybody, createdAt)) yield ['all', sweep]
    for (const { subject, user, sid } of session.tags) {
      const until = 0
      for (const sweep of found(kindOf({ by: 'subject', tag: subject, until }), issuedAt)) yield ['s', sweep]
      for (const sweep of found(kindOf({ by: 'person', tag: subject, until }), createdAt)) yield ['o', sweep]
      for (const sweep of found(kindOf({ by: 'user', tag: user, until }), createdAt)) yield ['u', sweep]
      if (sid === undefined) continue
      for (const sweep of found(kindOf({ by: 'sid', tag: sid, until }), issuedAt)) yield ['p', sweep]
      for (const sweep of found(kindOf({ by: 'both', tag: sid, subject, until }), issuedAt)) yield ['q', sweep]
    }
  }

  return {
    add(sweep) {
      const kind = kindOf(sweep)
      const before = known.get(kind)
      if (before !== undefined && before.until >= sweep.until) return
      known.set(kind, { until: sweep.until, learntAt: clock() }, clock() + lifeMs)
    },
    renewed: (sweep) => ({ ...sweep, until: Math.max(sweep.until, (known.get(kindOf(sweep))?.until ?? -1) + 1) }),
    get size() {
      return known.size
    },
    end(session) {
      for (const [name, { until }] of reaching(session)) if ((session.after?.[name] ?? -1) < until) return true
      return false
    },
    before(session, startedAt) {
      const after: Record<string, number> = {}
      for (const [name, { until, learntAt }] of reaching(session)) {
        if (startedAt <= learntAt) return undefined
        after[name] = Math.max(until, after[name] ?? 0)
      }
      return after
    },
  }
}

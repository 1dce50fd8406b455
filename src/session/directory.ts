// Which sessions there are, for whoever has to list or end those of somebody: sets of ids by what sessions have in common, and beside
// each session what a list tells about it. A help and no authority: what is missing here can still be ended (sweeps.ts), and what
// is listed counts only while its session is stored.
import type { SharedCache } from '../cache/shared-cache.ts'
import { StoreUnavailable, StoreValueRejected } from '../errors.ts'
import type { Sealer } from '../sealing.ts'
import { aboutKey, sessionKey, sessionsKey } from '../store/keys.ts'
import { seconds, type Clock } from '../time.ts'
import { inBatches } from './batches.ts'
import type { SessionLifetimes } from './lifetimes.ts'
import type { Session, WhereFrom } from './session.ts'
import type { Tag, Taggers } from './sweeps.ts'

/** A session as others may see it: no secret, no token. Times are ms since the epoch. */
export interface SessionEntry extends WhereFrom {
  readonly id: string
  readonly issuer: string
  readonly subject: string
  /** The value of `userIdentifierClaim`, else the subject. */
  readonly user: string
  readonly providerSessionId: string | undefined
  readonly createdAt: number
  readonly issuedAt: number
  readonly expiresAt: number
  /** At most five minutes too early. */
  readonly lastSeenAt: number
  readonly after: Session['after']
}

export interface Page {
  readonly limit: number
  readonly skip?: number
}

export interface Listing {
  readonly entries: readonly SessionEntry[]
  /** How many to skip for what follows; undefined: nothing does. */
  readonly next: number | undefined
}

export interface Directory {
  /** Lists it, or what has changed about it. Best effort: never rejects. */
  enter(session: Session): Promise<void>
  /** It has ended. Best effort: never rejects. */
  leave(session: Session | SessionEntry): Promise<void>
  /** It was in use now. Best effort: never rejects. */
  seen(session: Session): Promise<void>
  /** Those under any of the tags whose sessions are stored, the first to end first. Throws StoreUnavailable. */
  list(tags: readonly Tag[], page: Page): Promise<Listing>
  /** Undefined where no such session is stored. Throws StoreUnavailable. */
  entry(id: string): Promise<SessionEntry | undefined>
}

interface StoredAbout {
  readonly i: string
  readonly s: string
  readonly u: string
  readonly p?: string
  readonly b: number
  readonly a: number
  readonly x: number
  readonly z?: Readonly<Record<string, number>>
  readonly n?: string
  readonly w?: string
}

const version = 1
/** Version, then when it was last seen (ms since the epoch), then what is sealed. */
const headBytes = 7

export function createDirectory(deps: {
  cache: Pick<SharedCache, 'store' | 'outage'>
  sealer: Sealer
  taggers: Taggers
  userOf: (session: Session) => string
  lifetimes: Pick<SessionLifetimes, 'endOf'>
  clock: Clock
}): Directory {
  const { cache, sealer, taggers, userOf, lifetimes, clock } = deps
  const { store } = cache
  const [tagger] = taggers
  const context = (id: string) => `about:${id} ${version}`

  const entryOf = (session: Session): SessionEntry => ({
    id: session.id,
    issuer: session.issuer,
    subject: session.subject,
    user: userOf(session),
    providerSessionId: session.providerSessionId,
    createdAt: session.createdAt,
    issuedAt: session.issuedAt ?? session.createdAt,
    expiresAt: lifetimes.endOf(session),
    lastSeenAt: clock(),
    after: session.after,
    network: session.network,
    browser: session.browser,
  })

  function encode(entry: SessionEntry): Buffer {
    const about: StoredAbout = {
      i: entry.issuer,
      s: entry.subject,
      u: entry.user,
      ...(entry.providerSessionId !== undefined && { p: entry.providerSessionId }),
      b: entry.createdAt,
      a: entry.issuedAt,
      x: entry.expiresAt,
      ...(entry.after !== undefined && { z: entry.after }),
      ...(entry.network !== undefined && { n: entry.network }),
      ...(entry.browser !== undefined && { w: entry.browser }),
    }
    return Buffer.concat([head(entry.lastSeenAt), sealer.seal(Buffer.from(JSON.stringify(about)), context(entry.id))])
  }

  function decode(id: string, value: Buffer): SessionEntry | undefined {
    if (value.length < headBytes || value[0] !== version) return undefined
    const plain = sealer.open(value.subarray(headBytes), context(id))
    if (plain === undefined) return undefined
    // Sealed by us under this version: the shape is what `encode` wrote.
    const about = JSON.parse(plain.toString()) as StoredAbout
    return {
      id,
      issuer: about.i,
      subject: about.s,
      user: about.u,
      providerSessionId: about.p,
      createdAt: about.b,
      issuedAt: about.a,
      expiresAt: about.x,
      // Not sealed: nothing depends on it, and it must change without reading the rest.
      lastSeenAt: Math.min(clock(), value.readUIntBE(1, 6)),
      after: about.z,
      network: about.n,
      browser: about.w,
    }
  }

  async function bestEffort(work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (!(error instanceof StoreUnavailable || error instanceof StoreValueRejected)) throw error
    }
  }

  const setsOf = ({ issuer, subject, user, providerSessionId }: SessionEntry): Tag[] => [
    tagger.everybody,
    tagger.subject(issuer, subject),
    tagger.user(user),
    ...(providerSessionId === undefined ? [] : [tagger.sid(issuer, providerSessionId)]),
  ]

  async function write(session: Session): Promise<void> {
    const entry = entryOf(session)
    const now = clock()
    await Promise.all([
      store.set(aboutKey(entry.id), encode(entry), Math.max(1, entry.expiresAt - now)),
      ...setsOf(entry).map((tag) => store.addMember(sessionsKey(tag), entry.id, entry.expiresAt, now)),
    ])
  }

  async function entry(id: string): Promise<SessionEntry | undefined> {
    try {
      const [left, value] = await Promise.all([store.ttl(sessionKey(id)), store.get(aboutKey(id))])
      return left === undefined || value === undefined ? undefined : decode(id, value)
    } catch (error) {
      if (error instanceof StoreValueRejected) return undefined
      throw error
    }
  }

  return {
    enter: (session) => bestEffort(() => write(session)),
    leave: (session) =>
      bestEffort(() => {
        const gone = 'user' in session ? session : entryOf(session)
        return Promise.all([
          store.delete(aboutKey(gone.id)),
          ...setsOf(gone).map((tag) => store.removeMember(sessionsKey(tag), gone.id)),
        ])
      }),
    seen: (session) =>
      bestEffort(async () => {
        // Evicted, or never written: a session that is in use is listed again.
        if (!(await store.overwriteHead(aboutKey(session.id), head(clock())))) await write(session)
      }),
    async list(tags, { limit, skip = 0 }) {
      const now = clock()
      const ids = new Set<string>()
      let isFull = false
      let gone = 0
      for (const tag of tags) {
        try {
          const members = await store.members(sessionsKey(tag), now, limit, skip)
          isFull ||= members.length >= limit
          for (const id of members) ids.add(id)
        } catch (error) {
          if (!(error instanceof StoreValueRejected)) throw error
        }
      }
      const found = new Map<string, SessionEntry>()
      await inBatches(ids, async (id) => {
        const known = await entry(id)
        if (known !== undefined) found.set(id, known)
        // Nobody has to look at it once more; unless it may still be written.
        else if (!cache.outage.missProvesNothing()) {
          gone++
          for (const tag of tags) await bestEffort(() => store.removeMember(sessionsKey(tag), id))
        }
      })
      const entries = [...ids].flatMap((id) => found.get(id) ?? [])
      return { entries, next: isFull ? skip + limit - gone : undefined }
    },
    entry,
  }
}

/** How exactly a list says when a session was last seen: a write per request would be a write per request. */
export const seenGrainMs = seconds(300)

function head(lastSeenAt: number): Buffer {
  const bytes = Buffer.alloc(headBytes)
  bytes.writeUInt8(version, 0)
  bytes.writeUIntBE(Math.floor(lastSeenAt), 1, 6)
  return bytes
}

// The beat: twice a second this replica asks the log of withdrawals what it does not know yet, tells what the log lacks, posts
// how far it has read, and sends a token the way of the notes. Everything that this replica may claim to know rests on it: how
// long near copies answer alone, up to when it knows every withdrawal, whether Redis lost something, who else is there.
// It never waits for the circuit: learning must go on when serving does not.
import { fault, RedisFailure, redisFault } from '../store/redis/faults.ts'
import { StoreUnavailable, StoreValueRejected } from '../errors.ts'
import type { Runtime } from '../runtime.ts'
import { withTimeout } from '../store/with-timeout.ts'
import type { BeatReply, LogEntry, Position, WithdrawalLog } from '../store/withdrawal-log.ts'
import type { Floors } from './floors.ts'
import { createTrail, follows } from './history.ts'
import { settleMs } from './availability.ts'
import { isProven, missing, plan, type Awaited, type ReseedPlan } from './reseeding.ts'

export interface Heartbeat {
  start(): void
  stop(): void
  /** Beats now, until this replica and the log know the same; what already runs is waited for. False: not reached. */
  pull(): Promise<boolean>
  /** Every withdrawal recorded before this moment is known here (ms, monotonic); undefined: of none can that be said. */
  readonly horizon: number | undefined
  /** A peer's horizon, moved to our clock: what it knew and has told us. */
  learnt(horizon: number): void
  /** Near copies answer by themselves before this moment (ms, monotonic): nothing was missed, and notes arrive. */
  readonly trustedUntil: number
  /** Notes may have been missed. */
  notesMissed(): void
  /** From now on notes arrive: beats at once. */
  subscribed(): void
  token(token: number): void
  /** A connection was lost: what was to be written back is planned anew. */
  connectionLost(): void
  /** Somebody left in an orderly way, and told us all: nobody waits for them. */
  memberLeft(replica: string): void
  /** Copies are to be written back, and somebody is still waited for: a miss proves nothing. */
  readonly isReseeding: boolean
  /**
   * After an outage, those who were there before it are heard first, for as long as they may need to notice its end: Redis may
   * have lost what only they know, and not even show that it lost anything.
   */
  readonly awaitsOthers: boolean
  readonly position: Position | undefined
  /** Other replicas at the last beat. */
  readonly members: number
  /** The last beat's round trip (ms); undefined while the last one was not answered. */
  readonly latencyMs: number | undefined
}

export interface HeartbeatParts {
  readonly log: WithdrawalLog
  readonly floors: Floors
  readonly replica: string
  /** How long others are waited for before copies are written back. */
  readonly awaitMembersMs: number
  readonly runtime: Pick<Runtime, 'clock' | 'stopwatch' | 'timer' | 'nextTurn' | 'logger'>
  /** For how long after it was recorded a withdrawal is of use: no session lives longer. */
  readonly withdrawalLifeMs: number
  /** Since when the store is not in use (ms, monotonic); undefined while it is. */
  readonly awaySince: () => number | undefined
  readonly isConnected: () => boolean
  /** Writes floors that the log lacks: log and marks. Throws StoreUnavailable. */
  readonly writeBack: () => Promise<void>
  /** Writes near copies back: those that `isProven` says of. False: some were refused. Throws StoreUnavailable. */
  readonly reseed: (isProven: (confirmedAt: number) => boolean) => Promise<boolean>
  /** Nobody vouches for copies last confirmed before `since` (ms, monotonic). */
  readonly dropUnproven: (since: number) => void
  /** Near copies have to be confirmed before they answer alone again. */
  readonly unconfirmAll: () => void
  readonly onBeat: (outcome: BeatOutcome) => void
  /** The subscription does not deliver what Redis takes. */
  readonly onDeaf: () => void
  readonly onHistoryChange: () => void
  /** Those who were there before the outage have been heard: nobody is waited for any more. */
  readonly onOthersHeard: () => void
  readonly onTrust: (until: number) => void
}

export type BeatOutcome =
  | { readonly kind: 'answered'; readonly tookMs: number }
  /** Nobody answered for this long, and the delay is not our own. */
  | { readonly kind: 'silent' }
  | { readonly kind: 'failed'; readonly error: unknown }
  /** There was nobody to ask. */
  | { readonly kind: 'unconnected' }

const everyMs = 500
/** While others are waited for. */
const eagerMs = 100
const timeoutMs = 1_500
/** A beat that stays out for longer says that Redis is silent, before the last proof runs out. */
const silentAfterMs = 750
/** No near copy answers alone for longer than this after the last proof. */
const proofLastsMs = 2_000
const memberFreshMs = 3_000
const pageSize = 500
const maxRounds = 4
/** Whoever was there before Redis lost its data and is not back by now will hardly come back. */
const longMs = 10_000

const late = (byOurselves: boolean) =>
  new StoreUnavailable('no answer to a beat', {
    cause: new RedisFailure(fault(byOurselves ? 'own_delay' : 'timeout'), undefined),
  })

export function createHeartbeat(parts: HeartbeatParts): Heartbeat {
  const { log, floors, replica, runtime, awaySince } = parts
  const { clock, stopwatch, timer, logger } = runtime
  const trail = createTrail()
  const tokens = new Map<number, number>()
  let lastToken = 0
  let posted: number | undefined
  let position: Position | undefined
  let horizon: number | undefined
  let clean = false
  let syncedAt = Number.NEGATIVE_INFINITY
  let tokenAt = Number.NEGATIVE_INFINITY
  let trustedUntil = 0
  let members: ReadonlySet<string> = new Set()
  let reseedPlan: ReseedPlan | undefined
  let company: Awaited | undefined
  let lostConnection = false
  let running: Promise<boolean> | undefined
  let stopped = false
  let callOff = () => {}
  let latencyMs: number | undefined

  function trust(until: number): void {
    trustedUntil = until
    parts.onTrust(until)
  }

  function trustAsProven(): void {
    if (awaySince() === undefined) trust(Math.max(0, Math.min(syncedAt, tokenAt) + proofLastsMs))
  }

  async function send(): Promise<BeatReply> {
    const sentAt = stopwatch()
    const token = ++lastToken
    tokens.set(token, sentAt)
    const answer = log.beat({ replica, token, position, clean: clean && floors.unloggedCount === 0 })
    let isAnswered = false
    withTimeout(answer, silentAfterMs, runtime, late).catch((error: unknown) => {
      if (!isAnswered && redisFault(error).kind === 'timeout') parts.onBeat({ kind: 'silent' })
    })
    try {
      const reply = await withTimeout(answer, timeoutMs, runtime, late)
      latencyMs = stopwatch() - sentAt
      parts.onBeat({ kind: 'answered', tookMs: latencyMs })
      timer(() => deafUnless(token), timeoutMs)
      noticeLosses(reply, token)
      return reply
    } catch (error) {
      latencyMs = undefined
      tokens.delete(token)
      parts.onBeat({ kind: 'failed', error })
      throw error
    } finally {
      isAnswered = true
    }
  }

  /** Redis took the token, and it never came. */
  function deafUnless(token: number): void {
    if (!tokens.delete(token)) return
    for (const earlier of tokens.keys()) if (earlier < token) tokens.delete(earlier)
    if (!stopped) parts.onDeaf()
  }

  function noticeLosses({ members: before, serverTime }: BeatReply, token: number): void {
    const own = before.find((member) => member.replica === replica)
    if (posted !== undefined && (own === undefined || own.token < posted)) writesLost(serverTime)
    posted = token
    if (reseedPlan !== undefined && lostConnection) writesLost(serverTime)
    if (lostConnection && awaySince() !== undefined) {
      company = { awaited: new Set([...(company?.awaited ?? []), ...members]), serverTime, since: stopwatch() }
    }
    lostConnection = false
  }

  /** Redis lacks what it had. Without a loss of connection that was somebody's wish, or a full store: sessions are not written back. */
  function writesLost(serverTime: number): void {
    const lostAt = awaySince()
    if (lostAt === undefined) return
    reseedPlan = plan(reseedPlan, { members, lostAt, horizon, serverTime, now: stopwatch() })
  }

  async function beat(): Promise<boolean> {
    for (let round = 0; round < maxRounds; round++) {
      const sentAt = stopwatch()
      const before = position
      const reply = await withEntries(before, await send())
      const steps = before === undefined ? undefined : follows(before, reply)
      if (steps === undefined) {
        if (before !== undefined) historyChanged(reply)
        await load(reply)
        continue
      }
      for (const entry of reply.entries ?? []) learn(entry, reply)
      for (const step of steps) trail.add(step)
      position = reply.head
      syncedAt = sentAt
      learnt(sentAt)
      members = new Set(
        reply.members
          .filter((member) => member.replica !== replica && reply.serverTime - member.at < memberFreshMs)
          .map((member) => member.replica),
      )
      trustAsProven()
      if (floors.unloggedCount > 0) {
        clean = false
        await parts.writeBack()
        // To see them in the log: sent is not recorded.
        continue
      }
      clean = true
      if (company !== undefined && (missing(company, reply, trail).length === 0 || isOverdue(company))) {
        company = undefined
        parts.onOthersHeard()
      }
      if (reseedPlan !== undefined) await reseed(reseedPlan, reply)
      return true
    }
    return false
  }

  function historyChanged({ head, serverTime }: BeatReply): void {
    logger.warn(
      { event: 'history_changed', reason: 'log_differs', from: position?.n, to: head.n },
      'the record of withdrawals is another one than before: Redis lost or replaced its data; it is read anew',
    )
    parts.onHistoryChange()
    writesLost(serverTime)
  }

  function learn({ id, floor, n }: LogEntry, { serverTime }: BeatReply): void {
    // Since its session began before it was withdrawn. By the clock that makes it younger: one that has leapt ahead must not make
    // us forget.
    const ageMs = Math.max(0, Math.min(serverTime, clock()) - n)
    floors.raise({ id, floor }, true, clock() + parts.withdrawalLifeMs - ageMs)
  }

  /** The answer with all its entries: too many for one answer are read page by page. */
  async function withEntries(from: Position | undefined, reply: BeatReply): Promise<BeatReply> {
    if (from === undefined || reply.entries !== undefined || reply.head.n <= from.n) return reply
    const entries: LogEntry[] = []
    await readPages(from.n, reply.head.n, (entry) => entries.push(entry))
    return { ...reply, entries }
  }

  async function readPages(from: number, upTo: number, each: (entry: LogEntry) => unknown): Promise<void> {
    let after = from
    while (after < upTo) {
      const page = await withTimeout(log.page(after, pageSize), timeoutMs, runtime, late)
      for (const entry of page) if (entry.n <= upTo) each(entry)
      const last = page.at(-1)
      if (last === undefined) return
      after = last.n
    }
  }

  /** The whole log, page by page. The position is taken before, so that the next beat brings what came meanwhile. */
  async function load(reply: BeatReply): Promise<void> {
    const { head } = reply
    // Forgotten at once: a load that is cut short must not go on from a position of before.
    position = undefined
    clean = false
    // What an earlier load marked may have been of a log that was lost before that load was complete.
    floors.nothingIsLogged()
    await readPages(0, head.n, (entry) => learn(entry, reply))
    position = head
    trail.startAt(head)
  }

  let toldOf = ''
  let hasWarned = false
  async function reseed(current: ReseedPlan, reply: BeatReply): Promise<void> {
    const waitsFor = missing(current, reply, trail)
    if (waitsFor.length > 0 && stopwatch() - current.since >= parts.awaitMembersMs) {
      // Somebody who is gone may have known of a withdrawal that was lost with Redis' data: nobody vouches for these copies.
      logger.warn(
        { event: 'reseeding_given_up', reason: 'replicas_gone', replicas: waitsFor },
        'replicas that were there before Redis lost its data did not come back: near copies of before are dropped',
      )
      reseedPlan = undefined
      hasWarned = false
      parts.dropUnproven(current.since)
      return
    }
    if (waitsFor.length > 0) {
      if (!hasWarned && stopwatch() - current.since >= longMs) {
        hasWarned = true
        logger.warn(
          { event: 'reseeding_waits', reason: 'replicas_gone', replicas: waitsFor, forMs: parts.awaitMembersMs },
          'replicas that were there before Redis lost its data do not come back; until they do, or are given up, sessions are answered from memory and passes, and no token is refreshed',
        )
      }
      if (toldOf !== waitsFor.join()) {
        toldOf = waitsFor.join()
        logger.info(
          { event: 'reseeding_waits', reason: 'replicas_missing', replicas: waitsFor },
          'near copies are written back once every replica that was there has come to the new record of withdrawals',
        )
      }
      return
    }
    toldOf = ''
    hasWarned = false
    const isComplete = await parts.reseed((confirmedAt) => isProven(current, confirmedAt))
    if (isComplete && reseedPlan === current) reseedPlan = undefined
  }

  const isOverdue = ({ since }: Awaited) => stopwatch() - since >= settleMs

  function learnt(upTo: number): void {
    horizon = Math.max(horizon ?? upTo, upTo)
  }

  function pull(): Promise<boolean> {
    running ??= beat()
      .catch((error: unknown) => {
        // A key of a wrong type goes with the next beat.
        if (!(error instanceof StoreUnavailable || error instanceof StoreValueRejected)) {
          logger.error({ event: 'beat_failed', reason: 'internal', err: error }, 'a beat failed, the next one will try')
        }
        return false
      })
      .finally(() => (running = undefined))
    return running
  }

  function schedule(): void {
    if (stopped) return
    callOff = timer(() => void turn(), reseedPlan === undefined && company === undefined ? everyMs : eagerMs)
  }

  async function turn(): Promise<void> {
    if (parts.isConnected()) await pull()
    else parts.onBeat({ kind: 'unconnected' })
    schedule()
  }

  return {
    start: schedule,
    stop() {
      stopped = true
      callOff()
    },
    pull,
    get horizon() {
      return horizon
    },
    learnt,
    get trustedUntil() {
      return trustedUntil
    },
    notesMissed() {
      trust(0)
      // Those under way were sent while the way was broken.
      tokens.clear()
      tokenAt = Number.NEGATIVE_INFINITY
      parts.unconfirmAll()
    },
    subscribed() {
      // What was sent before cannot arrive; nor can word of what was written since a copy was last confirmed.
      tokens.clear()
      parts.unconfirmAll()
      void pull()
    },
    token(token) {
      const sentAt = tokens.get(token)
      if (sentAt === undefined) return
      tokens.delete(token)
      tokenAt = Math.max(tokenAt, sentAt)
      trustAsProven()
    },
    connectionLost() {
      lostConnection = true
      trust(0)
    },
    memberLeft(gone) {
      members = new Set([...members].filter((member) => member !== gone))
      if (company !== undefined) {
        company = { ...company, awaited: new Set([...company.awaited].filter((member) => member !== gone)) }
      }
      if (reseedPlan?.awaited.has(gone) === true) {
        reseedPlan = { ...reseedPlan, awaited: new Set([...reseedPlan.awaited].filter((member) => member !== gone)) }
      }
    },
    get isReseeding() {
      return reseedPlan !== undefined
    },
    get awaitsOthers() {
      return company !== undefined
    },
    get position() {
      return position
    },
    get members() {
      return members.size
    },
    get latencyMs() {
      return latencyMs
    },
  }
}

// The beat: twice a second this replica asks the log of withdrawals what it does not know yet, tells what the log lacks, posts
// how far it has read, and sends a token the way of the notes. Everything that this replica may claim to know rests on it: how
// long near copies answer alone, up to when it knows every withdrawal, whether Redis lost something, who else is there.
// It never waits for the circuit: learning must go on when serving does not.
import { StoreUnavailable, StoreValueRejected } from '../errors.ts'
import type { Runtime } from '../runtime.ts'
import type { BeatReply, Position, WithdrawalLog } from '../store/withdrawal-log.ts'
import { beatTimeoutMs, createBeatCall, type BeatOutcome } from './beat-call.ts'
import type { Floors } from './floors.ts'
import { createLogReader } from './log-reader.ts'
import { createLosses } from './losses.ts'
import { createProof } from './proof.ts'
import { createReseeder } from './reseeder.ts'

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
  /** Somebody says that they are there: known before a beat says it. */
  memberCame(replica: string): void
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
  /** A note that tells the others of it. */
  readonly hello: () => string
  /** How long others are waited for before copies are written back. */
  readonly awaitMembersMs: number
  readonly runtime: Pick<Runtime, 'clock' | 'stopwatch' | 'timer' | 'nextTurn' | 'logger'>
  /** For how long after it was recorded a withdrawal is of use: no session lives longer. */
  readonly withdrawalLifeMs: number
  /** Since when the store is not in use (ms, monotonic); undefined while it is. */
  readonly unavailableSince: () => number | undefined
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

const everyMs = 500
/** While others are waited for. */
const eagerMs = 100
const maxRounds = 4

export function createHeartbeat(parts: HeartbeatParts): Heartbeat {
  const { log, floors, replica, runtime, unavailableSince } = parts
  const { stopwatch, timer, logger } = runtime
  const { reseed, dropUnproven, awaitMembersMs, withdrawalLifeMs, onTrust, onBeat, onOthersHeard } = parts
  const call = createBeatCall({ log, onBeat, runtime })
  const proof = createProof({ isStoreInUse: () => unavailableSince() === undefined, onTrust, stopwatch })
  const reader = createLogReader({ log, floors, withdrawalLifeMs, runtime })
  const { trail } = reader
  const reseeder = createReseeder({ trail, awaitMembersMs, reseed, dropUnproven, stopwatch, logger })
  const losses = createLosses({
    replica,
    trail,
    reseeder,
    unavailableSince,
    horizon: () => horizon,
    onOthersHeard,
    stopwatch,
  })
  let horizon: number | undefined
  /** The log had all that is known here. */
  let clean = false
  let running: Promise<boolean> | undefined
  let stopped = false
  let callOff = () => {}

  async function send(): Promise<BeatReply> {
    const token = proof.nextToken()
    try {
      const { position } = reader
      const reply = await call.send({
        replica,
        token,
        position,
        clean: clean && floors.unloggedCount === 0,
        hello: parts.hello(),
      })
      timer(() => deafUnless(token), beatTimeoutMs)
      losses.notice(reply, token)
      return reply
    } catch (error) {
      proof.notTaken(token)
      throw error
    }
  }

  /** Redis took the token, and it never came. */
  function deafUnless(token: number): void {
    if (proof.giveUp(token) && !stopped) parts.onDeaf()
  }

  async function beat(): Promise<boolean> {
    for (let round = 0; round < maxRounds; round++) {
      const sentAt = stopwatch()
      const reply = await reader.complete(await send())
      if (!reader.follow(reply)) {
        if (reader.position !== undefined) historyChanged(reader.position, reply)
        clean = false
        await reader.load(reply)
        continue
      }
      learnt(sentAt)
      losses.met(reply)
      proof.logRead(sentAt)
      if (floors.unloggedCount > 0) {
        clean = false
        await parts.writeBack()
        // To see them in the log: sent is not recorded.
        continue
      }
      clean = true
      losses.hear(reply)
      if (reseeder.isPlanned) await reseeder.carryOut(reply)
      return true
    }
    return false
  }

  function historyChanged(from: Position, reply: BeatReply): void {
    logger.warn(
      { event: 'history_changed', reason: 'log_differs', from: from.n, to: reply.head.n },
      'the record of withdrawals is another one than before: Redis lost or replaced its data; it is read anew',
    )
    parts.onHistoryChange()
    losses.historyChanged(reply)
  }

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
    callOff = timer(() => void turn(), reseeder.isPlanned || losses.awaitsOthers ? eagerMs : everyMs)
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
      return proof.trustedUntil
    },
    notesMissed() {
      proof.notesMissed()
      parts.unconfirmAll()
    },
    subscribed() {
      proof.resubscribed()
      // Word may be missing of what was written since a copy was last confirmed.
      parts.unconfirmAll()
      void pull()
    },
    token: proof.arrived,
    connectionLost() {
      losses.connectionLost()
      proof.suspend()
    },
    memberCame: losses.memberCame,
    memberLeft: losses.memberLeft,
    get isReseeding() {
      return reseeder.isPlanned
    },
    get awaitsOthers() {
      return losses.awaitsOthers
    },
    get position() {
      return reader.position
    },
    get members() {
      return losses.members
    },
    get latencyMs() {
      return call.latencyMs
    },
  }
}

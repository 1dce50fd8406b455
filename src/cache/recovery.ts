// Away and back: whether the store is in use, and the order in which it comes back into use. What follows from a loss is a step of
// `Availability`; what was missed or may be lost is written until nothing is left.
import { StoreUnavailable } from '../errors.ts'
import type { Runtime } from '../runtime.ts'
import { afterEvent, neverReached, type Availability, type AvailabilityEvent } from './availability.ts'
import type { Heartbeat } from './heartbeat.ts'
import type { ReplayableJournal } from './journal.ts'

export interface Recovery {
  /** The store is in use. */
  isWell(): boolean
  /** Since when it is not (ms, monotonic); undefined while it is. */
  unavailableSince(): number | undefined
  /** It is not in use, or others may not yet have noticed that it is, and write what only they know. */
  isUnsettled(): boolean
  /** Something has changed that decides whether the store is reachable. */
  reconsider(): void
  /** Something was missed: a write can be, without an outage (one slow answer, a full server). Nothing would call that a recovery. */
  replaySoon(): void
  /** Nobody has to be heard any more before what was missed is written. */
  replayNow(): void
  /** Near copies are written back, with all caution: what may be lost is a part of that. */
  leaveOffersToReseeding(): void
  stop(): void
}

const retryMs = 250
/** A single write that timed out while Redis is well is tried again after this. */
const replayAfterMs = 1_000

export function createRecovery(deps: {
  heartbeat: Pick<Heartbeat, 'pull' | 'awaitsOthers' | 'isReseeding'>
  journal: Pick<ReplayableJournal, 'replay' | 'size'>
  /** There is a connection, and the circuit is closed. */
  isReachable: () => boolean
  /** Offers again what was acknowledged shortly before `lostAt` (ms, monotonic). False: not all of it was taken. */
  offerAgain: (lostAt: number) => Promise<boolean>
  /** Near copies have to be confirmed before they answer alone again. */
  unconfirmAll: () => void
  onLost: () => void
  /** The store is in use for the first time. */
  onFirstUse: () => void
  runtime: Pick<Runtime, 'stopwatch' | 'timer' | 'logger'>
}): Recovery {
  const { heartbeat, journal, isReachable, runtime } = deps
  const { stopwatch, timer, logger } = runtime
  let availability: Availability = neverReached
  let lastLossAt = 0
  /** What may be lost is to be offered again, and was not yet, or not all of it was taken. */
  let offersLeft = false
  let isReplayPlanned = false
  let isStopped = false

  function step(event: AvailabilityEvent): Availability {
    return (availability = afterEvent(availability, event, stopwatch()))
  }

  function reconsider(): void {
    if (isStopped) return
    const before = availability
    const after = step({ what: isReachable() ? 'reached' : 'lost' })
    if (before.at === 'well' && after.at === 'away') {
      lastLossAt = after.since
      offersLeft = true
      deps.onLost()
    }
    if (before.at === 'away' && after.at === 'recovering') void recover()
  }

  /** In this order: learn and tell what is withdrawn; write what was missed; offer again what may be lost; copies go back with the beat. */
  async function recover(): Promise<void> {
    const startedAt = stopwatch()
    const { everWell } = availability.at === 'well' ? { everWell: true } : availability
    const entries = journal.size
    try {
      if (!(await heartbeat.pull())) throw new StoreUnavailable('the log of withdrawals was not read')
      // The others are heard first: they may know that what the journal holds was withdrawn.
      if (!heartbeat.awaitsOthers) await replay()
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) {
        logger.error(
          { event: 'recovery_failed', reason: 'internal', err: error },
          'recovery failed, will be tried again',
        )
      }
      step({ what: 'broken-off' })
      // Lost again half-way, or too slow: tried again for as long as Redis seems well.
      timer(reconsider, retryMs)
      return
    }
    if (availability.at !== 'recovering') return
    deps.unconfirmAll()
    step({ what: 'recovered' })
    if (!everWell) deps.onFirstUse()
    if (journal.size > 0 || offersLeft) replaySoon()
    void heartbeat.pull()
    logger.info(
      { event: 'store_recovered', journalEntries: entries, tookMs: Math.round(stopwatch() - startedAt) },
      'Redis is in use',
    )
  }

  /** True: something is left. */
  async function replay(): Promise<boolean> {
    if (heartbeat.awaitsOthers) return true
    await journal.replay()
    // With another history that is the business of re-seeding, with its caution.
    if (heartbeat.isReseeding) offersLeft = false
    if (offersLeft) offersLeft = !(await deps.offerAgain(lastLossAt))
    return journal.size > 0 || offersLeft
  }

  function replaySoon(): void {
    if (isReplayPlanned || isStopped) return
    isReplayPlanned = true
    timer(() => {
      isReplayPlanned = false
      replayNow()
    }, replayAfterMs)
  }

  function replayNow(): void {
    if (availability.at !== 'well') return
    void replay()
      .catch(() => true)
      .then((isLeft) => isLeft && replaySoon())
  }

  return {
    isWell: () => availability.at === 'well',
    unavailableSince: () => (availability.at === 'well' ? undefined : availability.since),
    isUnsettled: () => availability.at !== 'well' || stopwatch() < availability.missCountsFrom,
    reconsider,
    replaySoon,
    replayNow,
    leaveOffersToReseeding: () => void (offersLeft = false),
    stop: () => void (isStopped = true),
  }
}

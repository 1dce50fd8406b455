// Carries out what reseeding.ts plans: waits for those who were there, writes near copies back or gives them up, and tells an
// operator what it waits for.
import type { BeatReply } from '../store/withdrawal-log.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Trail } from './history.ts'
import { isProven, missing, plan, verdict, without, type Loss, type ReseedPlan } from './reseeding.ts'

export interface Reseeder {
  /** Copies are to be written back, and somebody is still waited for. */
  readonly isPlanned: boolean
  /** Redis lacks what it had. */
  lost(loss: Loss): void
  /** Nobody waits for this replica any more. */
  memberLeft(replica: string): void
  /** Everything up to this answer was read: writes copies back if nobody is missing. Throws StoreUnavailable. */
  carryOut(reply: BeatReply): Promise<void>
}

export function createReseeder(deps: {
  trail: Pick<Trail, 'includes'>
  /** How long others are waited for. */
  awaitMembersMs: number
  /** Writes near copies back: those that `isProven` says of. False: some were refused. Throws StoreUnavailable. */
  reseed: (isProven: (confirmedAt: number) => boolean) => Promise<boolean>
  /** Nobody vouches for copies last confirmed before `since` (ms, monotonic). */
  dropUnproven: (since: number) => void
  stopwatch: () => number
  logger: Logger
}): Reseeder {
  const { trail, awaitMembersMs, reseed, dropUnproven, stopwatch, logger } = deps
  let current: ReseedPlan | undefined
  let toldOf = ''
  let hasWarned = false

  function tellWaiting(replicas: readonly string[], isLong: boolean): void {
    if (isLong && !hasWarned) {
      hasWarned = true
      logger.warn(
        { event: 'reseeding_waits', reason: 'replicas_gone', replicas, forMs: awaitMembersMs },
        'replicas that were there before Redis lost its data do not come back; until they do, or are given up, sessions are answered from memory and passes, and no token is refreshed',
      )
    }
    if (toldOf === replicas.join()) return
    toldOf = replicas.join()
    logger.info(
      { event: 'reseeding_waits', reason: 'replicas_missing', replicas },
      'near copies are written back once every replica that was there has come to the new record of withdrawals',
    )
  }

  return {
    get isPlanned() {
      return current !== undefined
    },
    lost: (loss) => void (current = plan(current, loss)),
    memberLeft: (replica) => void (current = current && without(current, replica)),
    async carryOut(reply) {
      if (current === undefined) return
      const planned = current
      const replicas = missing(planned, reply, trail)
      const now = verdict(planned, replicas, { now: stopwatch(), awaitMembersMs })
      switch (now) {
        case 'wait':
        case 'wait-long':
          tellWaiting(replicas, now === 'wait-long')
          return
        case 'give-up':
          // Somebody who is gone may have known of a withdrawal that was lost with Redis' data: nobody vouches for these copies.
          logger.warn(
            { event: 'reseeding_given_up', reason: 'replicas_gone', replicas },
            'replicas that were there before Redis lost its data did not come back: near copies of before are dropped',
          )
          current = undefined
          hasWarned = false
          dropUnproven(planned.since)
          return
        case 'write': {
          toldOf = ''
          hasWarned = false
          const isComplete = await reseed((confirmedAt) => isProven(planned, confirmedAt))
          // Lost again meanwhile: that is a plan of its own.
          if (isComplete && current === planned) current = undefined
        }
      }
    },
  }
}

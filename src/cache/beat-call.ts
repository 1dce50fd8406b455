// One beat, sent: how long it may take, and what is told of how it went.
import { StoreUnavailable } from '../errors.ts'
import type { Runtime } from '../runtime.ts'
import { fault, RedisFailure, redisFault } from '../store/redis/faults.ts'
import { withTimeout } from '../store/with-timeout.ts'
import type { Beat, BeatReply, WithdrawalLog } from '../store/withdrawal-log.ts'

export type BeatOutcome =
  | { readonly kind: 'answered'; readonly tookMs: number }
  /** Nobody answered for this long, and the delay is not our own. */
  | { readonly kind: 'silent' }
  | { readonly kind: 'failed'; readonly error: unknown }
  /** There was nobody to ask. */
  | { readonly kind: 'unconnected' }

export interface BeatCall {
  /** Throws StoreUnavailable. */
  send(beat: Beat): Promise<BeatReply>
  /** The last beat's round trip (ms); undefined while the last one was not answered. */
  readonly latencyMs: number | undefined
}

export const beatTimeoutMs = 1_500
/** A beat that stays out for longer says that Redis is silent, before the last proof runs out. */
const silentAfterMs = 750

const late = (byOurselves: boolean) =>
  new StoreUnavailable('no answer to a beat', {
    cause: new RedisFailure(fault(byOurselves ? 'own_delay' : 'timeout'), undefined),
  })

/** What the log answers to a beat, or to what a beat has to ask besides. */
export function withBeatTimeout<Value>(
  answer: Promise<Value>,
  runtime: Pick<Runtime, 'stopwatch' | 'timer' | 'nextTurn'>,
): Promise<Value> {
  return withTimeout(answer, beatTimeoutMs, runtime, late)
}

export function createBeatCall(deps: {
  log: Pick<WithdrawalLog, 'beat'>
  onBeat: (outcome: BeatOutcome) => void
  runtime: Pick<Runtime, 'stopwatch' | 'timer' | 'nextTurn'>
}): BeatCall {
  const { log, onBeat, runtime } = deps
  const { stopwatch } = runtime
  let latencyMs: number | undefined

  return {
    async send(beat) {
      const sentAt = stopwatch()
      const answer = log.beat(beat)
      let isAnswered = false
      withTimeout(answer, silentAfterMs, runtime, late).catch((error: unknown) => {
        if (!isAnswered && redisFault(error).kind === 'timeout') onBeat({ kind: 'silent' })
      })
      try {
        const reply = await withBeatTimeout(answer, runtime)
        latencyMs = stopwatch() - sentAt
        onBeat({ kind: 'answered', tookMs: latencyMs })
        return reply
      } catch (error) {
        latencyMs = undefined
        onBeat({ kind: 'failed', error })
        throw error
      } finally {
        isAnswered = true
      }
    },
    get latencyMs() {
      return latencyMs
    },
  }
}

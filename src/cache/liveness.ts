// What beats and the connection say of Redis, told to the circuit: without traffic nobody else would notice that it is silent, or
// that it answers again.
import { fault, isOwnDelay, type RedisFault } from '../store/redis/faults.ts'
import type { Count } from '../telemetry/metrics.ts'
import type { GuardedStore } from './guarded.ts'
import type { BeatOutcome } from './beat-call.ts'
import type { Refusals } from './refusals.ts'

export interface Liveness {
  /** Redis has answered, or let itself be connected to. */
  provedAlive(): void
  onBeat(outcome: BeatOutcome): void
}

export function createLiveness(deps: {
  guard: Pick<GuardedStore, 'circuit' | 'failed' | 'get' | 'provedAlive' | 'provedSilent'>
  refusals: Refusals
  /** Beats that this process had no time to look after. */
  ownDelays: Count
  /** Why there is no connection. */
  linkFault: () => RedisFault | undefined
  /** What is too slow for a request is too slow for a beat, or the two would quarrel. */
  deadlineMs: number
  /** Whether beats that are not answered count (`redis.healthCheckInterval`). */
  noticesSilence: boolean
  replica: string
}): Liveness {
  const { guard, refusals, ownDelays, linkFault, deadlineMs, noticesSilence, replica } = deps

  function provedAlive(): void {
    if (guard.circuit() === 'closed') return
    guard.provedAlive()
    // The one probe: without traffic nobody else would make it. When somebody has, this one is turned away.
    if (guard.circuit() === 'half-open')
      void guard.get({ kind: 'lease', id: `probe-${replica}` }).catch(() => undefined)
  }

  return {
    provedAlive,
    onBeat(outcome) {
      switch (outcome.kind) {
        case 'answered':
          refusals.succeeded('beat')
          if (outcome.tookMs <= deadlineMs) provedAlive()
          return
        case 'silent':
          if (noticesSilence) guard.provedSilent()
          return
        case 'unconnected':
          if (noticesSilence) guard.failed(linkFault() ?? fault('reset'))
          return
        case 'failed':
          if (isOwnDelay(outcome.error)) ownDelays.value++
          else refusals.failed('beat', outcome.error)
      }
    },
  }
}

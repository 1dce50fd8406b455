import { redisFault } from '../store/redis/faults.ts'
import type { Timer } from '../time.ts'
import type { Refusals } from './refusals.ts'

/**
 * A write of one byte now and then. A full Redis takes beats and withdrawals, and a quiet replica writes nothing else: without it,
 * nobody would hear that there is no room before somebody's login had nowhere to go.
 */
export interface RoomProbe {
  start(): void
  stop(): void
}

const everyMs = 5_000
/** While there was none: whoever made room wants to see it, and whoever was refused a moment before that no less. */
const whileFullMs = 1_000

export function createRoomProbe(deps: {
  /** While Redis is away there is nothing to ask. */
  isInUse: () => boolean
  write: () => Promise<void>
  refusals: Refusals
  timer: Timer
}): RoomProbe {
  const { isInUse, write, refusals, timer } = deps
  let isStopped = false

  async function ask(): Promise<void> {
    if (!isInUse()) return
    try {
      await write()
      // That there is room is all it proves: a command that an ACL forbids may be another.
      if (refusals.fault()?.kind === 'oom') refusals.succeeded('set')
    } catch (error) {
      // Beats go on where an ACL forbids this command, and end what is told of it: told again each time it would be two lines a probe.
      if (redisFault(error).kind !== 'no_permission') refusals.failed('set', error)
    }
  }

  function later(quietMs = 0): void {
    if (isStopped) return
    timer(() => {
      if (isStopped) return
      const passedMs = quietMs + whileFullMs
      if (passedMs < everyMs && refusals.fault()?.kind !== 'oom') later(passedMs)
      else void ask().finally(() => later())
    }, whileFullMs)
  }

  return { start: () => later(), stop: () => void (isStopped = true) }
}

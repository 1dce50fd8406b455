/** Milliseconds since the epoch. Handed in everywhere, so that tests turn the clock instead of waiting. */
export type Clock = () => number

export const seconds = (count: number): number => count * 1_000
export const minutes = (count: number): number => count * 60_000
export const days = (count: number): number => count * 86_400_000
export const hours = (count: number): number => count * 3_600_000

/** Runs `task` after `delayMs`; the returned function calls it off. Tests hand in a timer that they fire themselves. */
export type Timer = (task: () => void, delayMs: number) => () => void

/** The process's own timer. It never keeps a stopping process alive. */
export const systemTimer: Timer = (task, delayMs) => {
  const handle = setTimeout(task, delayMs)
  handle.unref()
  return () => clearTimeout(handle)
}

const leapMs = 1_000

/**
 * Milliseconds for durations, never back, and on through a suspend of the machine, which `monotonic` does not count: what was
 * known before it is as old as the world has become. A wall clock that gains more than a second on `monotonic` from one look to the
 * next says so; one that was merely set forward makes knowledge older than it is, and shortens a wait.
 */
export function createStopwatch(monotonic: () => number, clock: Clock): () => number {
  let gained = clock() - monotonic()
  let leaptMs = 0
  return () => {
    const now = monotonic()
    const gain = clock() - now
    if (gain - gained > leapMs) leaptMs += gain - gained
    gained = gain
    return now + leaptMs
  }
}

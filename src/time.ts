/** Milliseconds since the epoch. Handed in everywhere, so that tests turn the clock instead of waiting. */
export type Clock = () => number

export const seconds = (count: number): number => count * 1_000
export const minutes = (count: number): number => count * 60_000
export const hours = (count: number): number => count * 3_600_000

/** Runs `task` after `delayMs`; the returned function calls it off. Tests hand in a timer that they fire themselves. */
export type Timer = (task: () => void, delayMs: number) => () => void

/** The process's own timer. It never keeps a stopping process alive. */
export const systemTimer: Timer = (task, delayMs) => {
  const handle = setTimeout(task, delayMs)
  handle.unref()
  return () => clearTimeout(handle)
}

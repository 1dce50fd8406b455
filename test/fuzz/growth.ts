// How the work of a task grows with what it is given. Measured as a ratio between two sizes, so that it says the same on any
// machine; in time of the CPU, so that it does not matter what else the machine does; each figure is the best of several, so that
// the garbage collector is not in it; and what would never end is stopped.
import { createContext, Script } from 'node:vm'

export interface Growth {
  /** Work at eight times the size over the time at the size. Linear: at most about 8. Quadratic: 64. */
  readonly ratio: number
  /** ms of CPU a call. */
  readonly smallMs: number
  readonly largeMs: number
}

/** Between the two sizes. */
export const step = 8
/** Linear work stays far below, whatever the machine does beside it; quadratic work is far above. */
export const highestRatio = 3 * step

/** A call that takes this long is stopped: nothing that a stranger sends may. */
const stopAfterMs = 1_000
/** As fast as reading the input a few times over: at the sizes used here, what grows with their square does not pass by this. */
const nothingMsPerByte = 3e-6
const sampleMs = 0.1
/** Both sizes are looked at in turn: twice where all is well, more often where it seems not to be. */
const fewestRounds = 2
const mostRounds = 25
/** Who is this slow needs no further look. */
const enoughMs = 500

const sandbox: { task: () => unknown } = { task: () => undefined }
const guarded = new Script('task()')
const context = createContext(sandbox)

/** `taskOf`: made for an input of so many characters, to be timed without its making. Throws where a call does not end. */
export function growthOf(taskOf: (size: number) => () => unknown, largest: number): Growth {
  const small = taskOf(Math.floor(largest / step))
  const large = taskOf(largest)
  let smallMs = Infinity
  let largeMs = Infinity
  // From small to large, so that what grows without measure is met where it can still be stopped.
  const tiny = taskOf(Math.floor(largest / step / step))
  stoppable(() => {
    tiny()
    small()
    smallMs = average(small, 1)
    largeMs = average(large, 1)
    largeMs = Math.min(largeMs, average(large, 1))
  })
  if (largeMs < nothingMsPerByte * largest) return { ratio: 0, smallMs, largeMs }

  const smallCalls = callsFor(smallMs)
  const largeCalls = callsFor(largeMs)
  const startedAt = cpuMs()
  for (let round = 1; round <= mostRounds; round++) {
    smallMs = Math.min(smallMs, average(small, smallCalls))
    largeMs = Math.min(largeMs, average(large, largeCalls))
    if (round >= fewestRounds && largeMs / smallMs <= (highestRatio * 2) / 3) break
    if (cpuMs() - startedAt > enoughMs) break
  }
  return { ratio: largeMs / smallMs, smallMs, largeMs }
}

/** Throws where the task does not end in time. */
function stoppable(task: () => void): void {
  sandbox.task = task
  guarded.runInContext(context, { timeout: stopAfterMs })
}

const callsFor = (estimateMs: number): number =>
  Math.max(1, Math.min(1_000, Math.ceil(sampleMs / Math.max(estimateMs, 0.001))))

/** ms of CPU a call. */
function average(task: () => unknown, calls: number): number {
  const startedAt = cpuMs()
  for (let call = 0; call < calls; call++) task()
  return (cpuMs() - startedAt) / calls
}

/** ms of CPU that this process has had, in all its threads. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

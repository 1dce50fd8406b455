// Lines on a file descriptor, gathered and written in blocks off the main thread, so that no request waits for a log collector. The
// descriptor of a pipe or socket is to be non-blocking: a write that waits in the kernel for a reader that has stopped cannot be
// called off, and a process with such a write never ends. Written here because pino's destination (sonic-boom) retries its last
// flush for ever, be the reader stopped or gone: a service whose collector has died could no longer be stopped.
import { write, writeSync } from 'node:fs'
import type { Timer } from '../time.ts'

export interface Output {
  write(line: string): void
  /** Writes what is gathered, synchronously; waits for the reader up to 250 ms in all, and not where it has gone. Never throws. */
  flush(): void
}

interface OutputLimits {
  /** Written as soon as this much is gathered. */
  readonly blockBytes: number
  /** Written at the latest after this time. */
  readonly delayMs: number
  /** More than this waits for a reader that does not read: further lines are dropped, and counted. */
  readonly waitingBytes: number
}

/** How often a full pipe is tried again: soon, as a reader at work empties it at once, then less and less often. */
const retryMs = { first: 1, last: 100 }
const flushTries = { count: 25, everyMs: 10 }

/** A pipe that is not read, or a disk that somebody will make room on. */
const isFull = ({ code = '' }: NodeJS.ErrnoException) => ['EAGAIN', 'ENOSPC', 'EDQUOT'].includes(code)

const nothing = Buffer.alloc(0)

export function createOutput(
  fd: number,
  timer: Timer,
  { blockBytes, delayMs, waitingBytes }: OutputLimits = { blockBytes: 4_096, delayMs: 1_000, waitingBytes: 4_194_304 },
): Output {
  let gathered = ''
  /** Taken from what was gathered, and not written yet. */
  let block: Buffer = nothing
  let writing = false
  let closed = false
  let dropped = 0
  let retryInMs = retryMs.first
  let cancelTick: (() => void) | undefined

  const take = () => {
    const lines = Buffer.from(gathered)
    gathered = dropped === 0 ? '' : `${JSON.stringify({ level: 'warn', event: 'log_lines_dropped', lines: dropped })}\n`
    dropped = 0
    return lines
  }
  const tickIn = (ms: number) => (cancelTick ??= timer(next, ms))
  const next = () => {
    cancelTick?.()
    cancelTick = undefined
    if (writing || closed) return
    if (block.length === 0) block = take()
    if (block.length === 0) return
    writing = true
    write(fd, block, (error, written) => {
      writing = false
      if (error !== null && isFull(error)) {
        tickIn(retryInMs)
        retryInMs = Math.min(2 * retryInMs, retryMs.last)
        return
      }
      // Whoever read our lines has gone. That is no reason to stop serving.
      if (error !== null) return close()
      retryInMs = retryMs.first
      block = block.subarray(written)
      if (block.length > 0 || gathered.length >= blockBytes) next()
      else if (gathered !== '') tickIn(delayMs)
    })
  }
  const close = () => {
    closed = true
    gathered = ''
    block = nothing
  }
  return {
    write(line) {
      if (closed) return
      if (gathered.length > waitingBytes) {
        dropped++
        return
      }
      gathered += line
      // Where a block waits for the reader, its own tick is running.
      if (gathered.length >= blockBytes && block.length === 0) next()
      else if (!writing) tickIn(delayMs)
    },
    flush() {
      if (closed) return
      // What a thread is writing just now is the thread's.
      const rest = writing ? nothing : block
      const left = writtenNow(fd, Buffer.concat([rest, take(), take()]))
      if (left === undefined) close()
      else if (writing) dropped += left.toString().split('\n').length - 1
      else block = left
      if (block.length > 0) tickIn(retryInMs)
    },
  }
}

/** What is left of `block` once the reader took none for a while; undefined where there is no reader any more. */
function writtenNow(fd: number, block: Buffer): Buffer | undefined {
  let left = block
  for (let tries = 0; left.length > 0 && tries < flushTries.count;) {
    try {
      left = left.subarray(writeSync(fd, left))
    } catch (error) {
      // Thrown by node: an error with a code.
      if (!isFull(error as NodeJS.ErrnoException)) return undefined
      tries++
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, flushTries.everyMs)
    }
  }
  return left
}

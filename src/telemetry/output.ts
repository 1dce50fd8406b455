// Lines on a file descriptor, gathered and written in blocks off the main thread, so that no request waits for a log
// collector. Written here because pino's destination never gives up on a closed pipe: its last flush retries for ever, and
// a service whose collector has died could no longer be stopped.
import { write, writeSync } from 'node:fs'
import type { Timer } from '../time.ts'

export interface Output {
  write(line: string): void
  /** Writes what is gathered, synchronously, and gives up where the reader has gone or does not take it. Never throws. */
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

export function createOutput(
  fd: number,
  timer: Timer,
  { blockBytes, delayMs, waitingBytes }: OutputLimits = { blockBytes: 4_096, delayMs: 1_000, waitingBytes: 4_194_304 },
): Output {
  let gathered = ''
  let writing = false
  let closed = false
  let dropped = 0
  let cancelTick: (() => void) | undefined

  const next = () => {
    cancelTick?.()
    cancelTick = undefined
    if (writing || closed || gathered === '') return
    const block = Buffer.from(gathered)
    gathered = dropped === 0 ? '' : `{"level":"warn","event":"log_lines_dropped","lines":${dropped}}\n`
    dropped = 0
    writing = true
    send(block)
  }
  const send = (block: Buffer): void => {
    write(fd, block, (error, written) => {
      if (error?.code === 'EAGAIN') return void timer(() => send(block), 100)
      if (error === null && written < block.length) return send(block.subarray(written))
      writing = false
      // Whoever read our lines has gone. That is no reason to stop serving.
      if (error !== null) closed = true
      if (gathered.length >= blockBytes) next()
      else if (gathered !== '') cancelTick ??= timer(next, delayMs)
    })
  }
  return {
    write(line) {
      if (closed) return
      if (gathered.length > waitingBytes) {
        dropped++
        return
      }
      gathered += line
      if (gathered.length >= blockBytes) next()
      else cancelTick ??= timer(next, delayMs)
    },
    flush() {
      if (closed) return
      let block: Buffer = Buffer.from(gathered)
      gathered = ''
      try {
        while (block.length > 0) block = block.subarray(writeSync(fd, block))
      } catch {
        // Closed, or full and not read: at the end of a process there is nobody left to tell.
      }
    },
  }
}

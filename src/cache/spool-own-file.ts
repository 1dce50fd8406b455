// This life's file in the spool's directory: appended to and flushed, so that what was kept survives the machine's end; gone when
// the log has everything. One writer, one thing at a time: those who come while it writes share the next flush.
import { rename, stat, unlink, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Runtime } from '../runtime.ts'
import type { Spooled } from './spool.ts'
import { create, isMissing, makeDirectory, syncDirectory } from './spool-directory.ts'
import type { SpoolLines } from './spool-line.ts'

export interface OwnFile {
  /** Resolves once it is on the disk; rejects where it is not for certain. */
  keep(spooled: Spooled): Promise<void>
  /** Never throws; the file follows in its own time. */
  release(id: string): void
  close(): Promise<void>
}

interface Waiting {
  readonly spooled: Spooled
  isReleased: boolean
  readonly isKept: Promise<void>
  readonly settle: (error?: unknown) => void
}

/** Written anew when it has so many more lines than it needs. */
const spareLines = 1_000
const maxAttempts = 3

export function createOwnFile(parts: {
  path: string
  encode: SpoolLines['encode']
  /** Another file has it, for certain. */
  isElsewhere: (spooled: Spooled) => Promise<boolean>
  runtime: Pick<Runtime, 'clock' | 'logger'>
}): OwnFile {
  const { path, encode, isElsewhere, runtime } = parts
  const { clock, logger } = runtime
  /** On the disk, and not released. */
  const held = new Map<string, Spooled>()
  let waiting: Waiting[] = []
  let beingWritten: Waiting[] = []
  /** The last of each id among those. */
  const queued = new Map<string, Waiting>()
  let file: FileHandle | undefined
  let isMade = false
  let lines = 0
  let isUntidy = false
  let isTroubled = false
  let isClosed = false
  let running: Promise<void> | undefined

  const floorHeld = (id: string) => held.get(id)?.floor ?? 0

  function work(): void {
    running ??= (async () => {
      // Those who come in the same moment share the first flush.
      await Promise.resolve()
      while (waiting.length > 0 || isUntidy) {
        if (waiting.length > 0) await writeWaiting()
        else await tidy()
      }
    })().finally(() => {
      running = undefined
      if (waiting.length > 0 || isUntidy) work()
    })
  }

  async function writeWaiting(): Promise<void> {
    beingWritten = waiting
    waiting = []
    try {
      const missing: Spooled[] = []
      for (const { spooled } of beingWritten) if (!(await isElsewhere(spooled))) missing.push(spooled)
      if (missing.length > 0) await append(missing)
      const written = new Set(missing)
      for (const { spooled, isReleased } of beingWritten) {
        if (isReleased) isUntidy = true
        else if (written.has(spooled) && floorHeld(spooled.id) < spooled.floor) held.set(spooled.id, spooled)
      }
      for (const { settle } of beingWritten) settle()
    } catch (error) {
      for (const { settle } of beingWritten) settle(error)
    }
    beingWritten = []
  }

  async function append(batch: readonly Spooled[]): Promise<void> {
    try {
      for (let attempt = 0; attempt < maxAttempts; attempt++) {
        if (file === undefined) await startWith([...held.values(), ...batch])
        else await write(file, batch)
        if (file !== undefined && (await isAtItsPlace(file))) return
        // Taken away by somebody who found nothing new in it, or by an operator: what is held must lie where it is looked for.
        await drop()
      }
    } catch (error) {
      // What a disk has not taken it may have forgotten with all before it: the next attempt writes everything.
      await drop()
      throw error
    }
    throw new Error('the file was taken away again and again')
  }

  async function startWith(all: readonly Spooled[]): Promise<void> {
    await makeDirectory(dirname(path))
    file = await create(path)
    isMade = true
    lines = 0
    const { size } = await file.stat()
    // It may end in half a line.
    if (size > 0) await file.appendFile('\n')
    await write(file, all)
    await syncDirectory(dirname(path))
  }

  async function write(to: FileHandle, batch: readonly Spooled[]): Promise<void> {
    lines += batch.length
    await to.appendFile(batch.map((spooled) => `${encode(spooled)}\n`).join(''))
    await to.datasync()
  }

  /** Asked after the flush: whoever takes it away later finds what was written. */
  async function isAtItsPlace(own: FileHandle): Promise<boolean> {
    const [mine, there] = await Promise.all([own.stat(), stat(path).catch(() => undefined)])
    return there !== undefined && there.ino === mine.ino && there.dev === mine.dev
  }

  async function drop(): Promise<void> {
    const old = file
    file = undefined
    await old?.close().catch(() => undefined)
  }

  async function tidy(): Promise<void> {
    isUntidy = false
    const now = clock()
    for (const [id, { expiresAt }] of held) if (expiresAt <= now) held.delete(id)
    try {
      if (held.size === 0) await remove()
      else if (lines > held.size + spareLines) await writeAnew()
    } catch (error) {
      if (isTroubled) return
      isTroubled = true
      logger.warn({ event: 'spool_failed', reason: 'not_tidied', path, err: error }, 'the spool cannot be tidied')
    }
  }

  async function remove(): Promise<void> {
    if (!isMade) return
    await drop()
    await unlink(path).catch((error: unknown) => {
      if (!isMissing(error)) throw error
    })
    isMade = false
  }

  async function writeAnew(): Promise<void> {
    const beside = `${path}.new`
    await unlink(beside).catch(() => undefined)
    const next = await create(beside)
    try {
      await write(next, [...held.values()])
      await rename(beside, path)
    } catch (error) {
      await next.close()
      throw error
    }
    lines = held.size
    await drop()
    file = next
    await syncDirectory(dirname(path))
  }

  return {
    keep(spooled) {
      if (isClosed) return Promise.reject(new Error('the spool is closed'))
      if (floorHeld(spooled.id) >= spooled.floor) return Promise.resolve()
      // Whoever asks again while the disk is slow shares the first one's fate: the queue holds each withdrawal once.
      const same = queued.get(spooled.id)
      if (same !== undefined && !same.isReleased && same.spooled.floor >= spooled.floor) return same.isKept
      const { promise: isKept, resolve, reject } = Promise.withResolvers<void>()
      const one: Waiting = {
        spooled,
        isReleased: false,
        isKept,
        settle(error) {
          if (queued.get(spooled.id) === one) queued.delete(spooled.id)
          if (error === undefined) resolve()
          else reject(error)
        },
      }
      queued.set(spooled.id, one)
      waiting.push(one)
      work()
      return isKept
    },
    release(id) {
      for (const one of [...beingWritten, ...waiting]) if (one.spooled.id === id) one.isReleased = true
      if (!held.delete(id)) return
      isUntidy = true
      work()
    },
    async close() {
      isClosed = true
      for (let task = running; task !== undefined; task = running) await task
      await drop()
    },
  }
}

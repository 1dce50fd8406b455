// The spool behind deadlines, as the store is: a disk that hangs must keep the process neither from its start, nor from its end, nor
// from an answer. What it cannot do is told, and never thrown.
import type { Runtime } from '../runtime.ts'
import { withTimeout } from '../store/with-timeout.ts'
import type { Spool, Spooled } from './spool.ts'

export interface GuardedSpool {
  /** Tells at once, instead of at the first logout that is lost, that nothing can be kept. Never rejects. */
  probe(): Promise<void>
  /** What earlier processes left; nothing where it could not be read within 5 s. Never rejects. */
  load(): Promise<readonly Spooled[]>
  /** False: not written within `limitMs`. What it takes later does no harm. Never rejects. */
  keep(withdrawal: Spooled, limitMs: number): Promise<boolean>
  /** Never throws. */
  release(id: string): void
  /** Takes 2 s at most. Never rejects. */
  close(): Promise<void>
}

const loadMs = 5_000
const probeMs = 5_000
const closeMs = 2_000

const remedies: Readonly<Record<string, string>> = {
  EACCES: 'make it writable for the user that this service runs as',
  EPERM: 'make it writable for the user that this service runs as',
  EROFS: 'what it lies on is read-only; mount a volume there',
  ENOENT: 'it is missing and cannot be made; mount a volume there',
  ENOTDIR: 'a part of its path is no directory',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota of the disk is used up',
}

const remedyFor = (error: unknown): string =>
  (error instanceof Error && 'code' in error ? remedies[String(error.code)] : undefined) ??
  'it has to be a directory on a disk that answers, and ours to write'

export function guardedSpool(
  spool: Spool,
  runtime: Pick<Runtime, 'timer' | 'stopwatch' | 'nextTurn' | 'logger'>,
): GuardedSpool {
  const { logger } = runtime
  const { place: directory } = spool
  return {
    async probe() {
      try {
        await withTimeout(spool.probe(), probeMs, runtime, () => new Error(`not written within ${probeMs} ms`))
      } catch (error) {
        logger.error(
          { event: 'spool_failed', reason: 'not_usable', directory, err: error },
          `outage.spoolDir cannot be used, and a logout that nobody else takes would end with this process: ${remedyFor(error)}`,
        )
      }
    },
    async load() {
      try {
        return await withTimeout(spool.load(), loadMs, runtime, () => new Error(`not read within ${loadMs} ms`))
      } catch (error) {
        logger.error(
          { event: 'spool_failed', reason: 'not_read', directory, err: error },
          'the spool could not be read',
        )
        return []
      }
    },
    async keep(withdrawal, limitMs) {
      try {
        await withTimeout(spool.keep(withdrawal), limitMs, runtime, () => new Error(`not written within ${limitMs} ms`))
        return true
      } catch (error) {
        logger.error(
          { event: 'spool_failed', reason: 'not_written', directory, err: error },
          'the spool could not be written',
        )
        return false
      }
    },
    release: (id) => spool.release(id),
    close: () =>
      withTimeout(spool.close(), closeMs, runtime, () => new Error('the spool cannot be closed')).catch(
        () => undefined,
      ),
  }
}

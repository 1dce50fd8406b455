// The spool behind deadlines, as the store is: a disk that hangs must keep the process neither from its start, nor from its end, nor
// from an answer. What it cannot do is told, and never thrown.
import type { Runtime } from '../runtime.ts'
import { withTimeout } from '../store/with-timeout.ts'
import type { Spool, Spooled } from './spool.ts'

export interface GuardedSpool {
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
const closeMs = 2_000

export function guardedSpool(
  spool: Spool,
  runtime: Pick<Runtime, 'timer' | 'stopwatch' | 'nextTurn' | 'logger'>,
): GuardedSpool {
  const { logger } = runtime
  return {
    async load() {
      try {
        return await withTimeout(spool.load(), loadMs, runtime, () => new Error(`not read within ${loadMs} ms`))
      } catch (error) {
        logger.error({ event: 'spool_failed', reason: 'not_read', err: error }, 'the spool could not be read')
        return []
      }
    },
    async keep(withdrawal, limitMs) {
      try {
        await withTimeout(spool.keep(withdrawal), limitMs, runtime, () => new Error(`not written within ${limitMs} ms`))
        return true
      } catch (error) {
        logger.error({ event: 'spool_failed', reason: 'not_written', err: error }, 'the spool could not be written')
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

// A lock with an owner and a renewal, so that of all replicas one does what is to be done once. It only keeps the others from trying:
// that a late owner does no harm is the compare-and-set's doing (the fencing check), not the lease's.
import { StoreUnavailable } from '../errors.ts'
import type { Store, Key } from '../store/store.ts'
import type { Timer } from '../time.ts'

export interface Lease {
  /** Gives it back at once, if it is still ours. Never throws. */
  release(): Promise<void>
  /** Gives it back and tells those who wait that the work failed: they need not try the same at once. Never throws. */
  fail(): Promise<void>
}

export interface Leases {
  /**
   * Undefined: somebody else has it. `holdMs`: should the owner die, it stands for so long all the same (at least `ttlMs`), because
   * what was begun must not be begun again before. Throws StoreUnavailable.
   */
  acquire(id: string, holdMs?: number): Promise<Lease | undefined>
  /** Whether its last owner failed, a moment ago. Throws StoreUnavailable. */
  failedLately(id: string): Promise<boolean>
}

/** How long the death of an owner can hold the others up. */
const ttlMs = 4_000
const renewEveryMs = 1_000
/** As long as everybody who waits needs to look, and shorter than the first back-off. */
const failureShowsMs = 500
const failure = Buffer.from('failed')

export function createLeases(deps: { store: Store; timer: Timer; randomBytes: (size: number) => Buffer }): Leases {
  const { store, timer, randomBytes } = deps
  return {
    async acquire(id, holdMs = 0) {
      let holdLeftMs = Math.ceil(holdMs)
      const restMs = () => Math.max(ttlMs, holdLeftMs)
      const key: Key = { kind: 'lease', id }
      const owner = randomBytes(16)
      /** Tried until the store has answered: all would wait for its end. */
      async function giveBack(leftMs = restMs()): Promise<void> {
        try {
          await store.compareAndDelete(key, owner)
        } catch (error) {
          if (!(error instanceof StoreUnavailable) || leftMs <= renewEveryMs) return
          timer(() => void giveBack(leftMs - renewEveryMs), renewEveryMs)
        }
      }
      try {
        // Held for long only once it is known to be ours: a store that was silent may carry this out when nobody knows of it any more.
        if (!(await store.add(key, owner, ttlMs, 'even-when-full'))) return undefined
        if (restMs() > ttlMs && !(await store.compareAndTouch(key, owner, restMs()))) return undefined
      } catch (error) {
        // Answered too late, it may be ours all the same: nobody would know it.
        void giveBack()
        throw error
      }
      let held = true
      let stopTimer = timer(renew, renewEveryMs)
      function renew() {
        if (!held) return
        holdLeftMs -= renewEveryMs
        // A renewal that fails is tried again: the store may only have paused.
        const again = () => {
          if (held) stopTimer = timer(renew, renewEveryMs)
        }
        store.compareAndTouch(key, owner, restMs()).then((still) => void (still ? again() : (held = false)), again)
      }
      return {
        async fail() {
          const still = held
          held = false
          stopTimer()
          if (still) await store.set(key, failure, failureShowsMs).catch(() => giveBack())
        },
        async release() {
          held = false
          stopTimer()
          await giveBack()
        },
      }
    },
    failedLately: async (id) => (await store.get({ kind: 'lease', id }))?.equals(failure) === true,
  }
}

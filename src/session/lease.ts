// A lock with an owner and a renewal, so that of all replicas one calls the provider. It only keeps the others from trying:
// that a late owner does no harm is the compare-and-set's doing (the fencing check), not the lease's.
import type { Store, Key } from '../cache/store.ts'
import type { Timer } from '../time.ts'

export interface Lease {
  /** Gives it back at once, if it is still ours. Never throws. */
  release(): Promise<void>
}

export interface Leases {
  /** Undefined: somebody else has it. Throws StoreUnavailable. */
  acquire(id: string): Promise<Lease | undefined>
}

/** How long the death of an owner can hold the others up. */
const ttlMs = 4_000
const renewEveryMs = 1_000

export function createLeases(deps: { store: Store; timer: Timer; randomBytes: (size: number) => Buffer }): Leases {
  const { store, timer, randomBytes } = deps
  return {
    async acquire(id) {
      const key: Key = { kind: 'lease', id }
      const owner = randomBytes(16)
      if (!(await store.add(key, owner, ttlMs))) return undefined
      let held = true
      let stopTimer = timer(renew, renewEveryMs)
      function renew() {
        if (!held) return
        // A renewal that fails is tried again: the store may only have paused.
        const again = () => {
          if (held) stopTimer = timer(renew, renewEveryMs)
        }
        store.touchIf(key, owner, ttlMs).then((still) => void (still ? again() : (held = false)), again)
      }
      return {
        async release() {
          held = false
          stopTimer()
          // Unreleased it ends by itself after ttlMs.
          await store.deleteIf(key, owner).catch(() => false)
        },
      }
    },
  }
}

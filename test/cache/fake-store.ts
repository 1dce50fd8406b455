// Fakes for the wrappers: a store whose calls are answered by the test, and a timer that the test fires.
import { intercept } from '../../src/store/intercept.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import type { StoreMethod } from '../../src/store/intercept.ts'
import type { Store } from '../../src/store/store.ts'
import type { Clock, Timer } from '../../src/time.ts'

export interface HeldCall {
  readonly method: StoreMethod
  /** Does what the store would have done. */
  pass(): void
  fail(error: unknown): void
}

export interface FakeStore {
  readonly store: Store
  /** Calls that wait for the test, oldest first. */
  readonly held: HeldCall[]
  /** 'pass': each call goes on by itself; 'hold': each waits in `held`; a function: each fails with what it makes. */
  mode: 'pass' | 'hold' | (() => Error)
  count: number
  onNote(handler: (note: string) => void): void
}

export function fakeStore(clock: Clock): FakeStore {
  const memory = createMemoryStore({ clock, maxBytes: 1 << 20 })
  const fake: FakeStore = {
    held: [],
    mode: 'pass',
    count: 0,
    onNote: (handler) => void memory.onNote(handler),
    store: intercept(memory, async (method, work) => {
      fake.count++
      if (typeof fake.mode === 'function') throw fake.mode()
      if (fake.mode === 'hold') {
        await new Promise<void>((pass, fail) => {
          fake.held.push({ method, pass: () => pass(), fail })
        })
      }
      return work()
    }),
  }
  return fake
}

export interface FakeTime {
  readonly clock: Clock
  readonly timer: Timer
  /** Turns the clock, and fires what falls due, in order. Lets promises settle in between. */
  pass(ms: number): Promise<void>
  readonly pending: number
}

export function fakeTime(start = 1_000_000): FakeTime {
  let now = start
  const due = new Set<{ at: number; task: () => void }>()
  return {
    clock: () => now,
    timer(task, delayMs) {
      const entry = { at: now + delayMs, task }
      due.add(entry)
      return () => void due.delete(entry)
    },
    async pass(ms) {
      const end = now + ms
      for (;;) {
        await settled()
        const [next] = [...due].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
        if (next === undefined) break
        due.delete(next)
        now = next.at
        next.task()
      }
      now = end
      await settled()
    },
    get pending() {
      return due.size
    },
  }
}

/** Every promise that can settle without time or network has settled. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

import { sessionKey } from '../store/keys.ts'
import type { Store } from '../store/store.ts'
import { identityReadBytes } from './codec.ts'

/** Reads of stored sessions that are under way: one per session and length at a time, however many wait for it. */
export interface CoalescedReads {
  /** The stored value, or its first `head` bytes. May throw what the store's `get` throws. */
  read(id: string, head?: number): Promise<Buffer | undefined>
  /**
   * Somebody wrote. Notes come over another connection than answers: the answer under way may be from before the change, so
   * that whoever waits for it gets the one of a new read.
   */
  overtake(id: string): void
}

interface Reading {
  value: Promise<Buffer | undefined>
  isOvertaken: boolean
}

export function createCoalescedReads(store: Pick<Store, 'get'>): CoalescedReads {
  const reads = new Map<string, Reading>()
  const nameOf = (id: string, head: number | undefined) => (head === undefined ? id : `${id} ${head}`)

  function read(id: string, head?: number): Promise<Buffer | undefined> {
    const name = nameOf(id, head)
    const running = reads.get(name)
    if (running !== undefined) return running.value
    const reading: Reading = { value: Promise.resolve(undefined), isOvertaken: false }
    reading.value = store
      .get(sessionKey(id), head)
      .finally(() => {
        if (reads.get(name) === reading) reads.delete(name)
      })
      .then((value) => (reading.isOvertaken ? read(id, head) : value))
    reads.set(name, reading)
    return reading.value
  }

  return {
    read,
    overtake(id) {
      for (const name of [nameOf(id, undefined), nameOf(id, identityReadBytes)]) {
        const reading = reads.get(name)
        if (reading === undefined) continue
        reading.isOvertaken = true
        reads.delete(name)
      }
    },
  }
}

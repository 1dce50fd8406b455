// Does what answers from here agree with what is stored? A few copies now and then, compared while all is well: a protocol that
// was proved by simulation is also watched in use.
import { sessionKey } from '../store/keys.ts'
import type { Store } from '../store/store.ts'
import { fromZero, type Counts } from '../telemetry/metrics.ts'
import { generationOf, identityReadBytes, startsAlike } from './codec.ts'
import type { NearCache, NearSession } from './near-cache.ts'

/** Compares at most `count` confirmed copies with the store, going round. Throws StoreUnavailable. */
export function createCoherenceCheck(deps: {
  near: NearCache
  store: Pick<Store, 'get'>
  /** `same`; `newer`, `older`: the copy is; `gone`, `changed`: the store has nothing, or something else. */
  checked: Counts<'result'>
}): (count: number) => Promise<void> {
  const { near, store, checked } = deps
  fromZero(
    checked,
    results.map((result) => ({ result })),
  )
  let round: IterableIterator<[string, NearSession]> | undefined

  function next(): [string, NearSession] | undefined {
    round ??= near.entries()
    const { value, done } = round.next()
    if (done !== true) return value
    round = undefined
    return undefined
  }

  async function compare(id: string, entry: NearSession): Promise<void> {
    const stored = await store.get(sessionKey(id), identityReadBytes)
    // Something was heard of it while the answer was on its way: nothing can be said.
    if (near.get(id) !== entry || !entry.isConfirmed) return
    checked.labels({ result: resultOf(entry, stored) }).value++
  }

  return async (count) => {
    for (let compared = 0; compared < count;) {
      const found = next()
      if (found === undefined) return
      const [id, entry] = found
      if (!entry.isConfirmed || entry.pending !== undefined) continue
      compared++
      await compare(id, entry)
    }
  }
}

const results = ['same', 'newer', 'older', 'gone', 'changed'] as const

function resultOf({ value, session }: NearSession, stored: Buffer | undefined): (typeof results)[number] {
  if (stored === undefined) return 'gone'
  if (startsAlike(value, stored)) return 'same'
  const generation = generationOf(stored)
  if (generation === undefined || generation === session.generation) return 'changed'
  return generation > session.generation ? 'older' : 'newer'
}

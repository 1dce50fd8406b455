// What survives a restart: discovery document and keys, in the tier that all replicas share.
import type { Documents } from '../cache/documents.ts'
import type { Clock } from '../time.ts'
import { hours } from '../time.ts'
import { isObject, type JSONObject } from './json.ts'

export interface Kept {
  /** ms since the epoch. */
  readonly fetchedAt: number
  readonly document: JSONObject
}

/** A document is asked for again after this long ... */
export const freshMs = hours(1)
/** ... but serves for this long while the provider cannot be reached. */
export const usableMs = hours(24)

/** What was kept under `id`, unless damaged or too old to be used. */
export async function load(cache: Documents, id: string, clock: Clock): Promise<Kept | undefined> {
  const json = await cache.get(id)
  if (json === undefined) return undefined
  const now = clock()
  try {
    const kept: unknown = JSON.parse(json)
    if (!isObject(kept) || !isObject(kept['document']) || typeof kept['fetchedAt'] !== 'number') return undefined
    // Another replica's clock may run ahead: its document must not count as fresh for longer than one fetched now.
    const fetchedAt = Math.min(kept['fetchedAt'], now)
    return now - fetchedAt < usableMs ? { fetchedAt, document: kept['document'] } : undefined
  } catch {
    return undefined
  }
}

export const save = (cache: Documents, id: string, kept: Kept): Promise<void> =>
  cache.set(id, JSON.stringify(kept), usableMs)

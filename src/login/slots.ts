// Which cookie the next login gets. Logins that begin at once do not see each other's cookies: they choose among the free ones by
// chance, and where two choose the same, the later one stays.
import type { Clock } from '../time.ts'
import { flowIdOf, flowLifetimeMs, flowSlots, flowStartedAt } from './flow.ts'

/** Flow cookies that the browser sent: slot and value. */
export type FlowCookies = readonly (readonly [slot: number, value: string])[]

/** A free slot, else the one of the oldest login. `random`: 0 <= x < 1. */
export function chooseSlot(cookies: FlowCookies, clock: Clock, random: () => number): number {
  const now = clock()
  const taken = new Map<number, number>()
  for (const [slot, value] of cookies) {
    const id = flowIdOf(value)
    const startedAt = id === undefined ? 0 : flowStartedAt(id)
    if (now - startedAt < flowLifetimeMs) taken.set(slot, Math.max(startedAt, taken.get(slot) ?? 0))
  }
  const free = Array.from({ length: flowSlots }, (_, slot) => slot).filter((slot) => !taken.has(slot))
  const chosen = free[Math.floor(random() * free.length)]
  if (chosen !== undefined) return chosen
  const [[oldest] = [0]] = [...taken].sort(([, one], [, other]) => one - other)
  return oldest
}

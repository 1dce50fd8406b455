// New tokens because somebody asks for them, not because they are due: what an application does before a long piece of work.
import { LRUCache } from 'lru-cache'
import type { SharedCache } from '../cache/shared-cache.ts'
import { seconds, type Clock } from '../time.ts'
import { presentsSecret, type NearCache } from './near-cache.ts'
import type { Revalidation } from './revalidation.ts'
import type { Session } from './session.ts'
import { parseTicket } from './ticket.ts'

export type RefreshNow =
  | { readonly kind: 'refreshed'; readonly session: Session }
  /** It cannot be refreshed, any more or from the start, or was a moment ago. */
  | { readonly kind: 'unchanged'; readonly session: Session }
  | { readonly kind: 'ended' }
  | { readonly kind: 'failed'; readonly fault: 'provider' | 'store' }

/** A script that asks in a loop costs the provider no more than this. */
const atMostEveryMs = seconds(10)

export function createRefreshNow(deps: {
  near: Pick<NearCache, 'get' | 'refreshing'>
  revalidation: Pick<Revalidation, 'refreshed'>
  outage: SharedCache['outage']
  clock: Clock
}): (ticket: string, known: Session) => Promise<RefreshNow> {
  const { near, revalidation, outage, clock } = deps
  const askedAt = new LRUCache<string, number>({ max: 10_000 })

  return async (text, known) => {
    const now = clock()
    if (!known.refreshable) return { kind: 'unchanged', session: known }
    const ticket = parseTicket(text)
    const entry = ticket && near.get(ticket.id)
    // Of what stands in for a store that is away the refresh token may have been used by others.
    if (outage.isAway() || ticket === undefined || entry === undefined || !presentsSecret(entry, ticket.secret))
      return { kind: 'failed', fault: 'store' }
    // A token that may be spent, and a provider that failed a moment ago, are not asked with before their time.
    const isPutOff = (entry.session.lostAnswers ?? 0) > 0 || entry.refreshFailures > 0
    if (isPutOff && now < entry.refreshAt) return { kind: 'failed', fault: 'provider' }
    const last = askedAt.get(ticket.id)
    if (last !== undefined && now >= last && now - last < atMostEveryMs) return { kind: 'unchanged', session: known }
    askedAt.set(ticket.id, now)
    near.refreshing(entry, now)
    const outcome = await revalidation.refreshed(ticket, entry)
    if (outcome.kind !== 'refreshed') return outcome
    const { session } = outcome.full
    // Its last state, where the provider refuses another.
    return { kind: session.refreshable ? 'refreshed' : 'unchanged', session }
  }
}

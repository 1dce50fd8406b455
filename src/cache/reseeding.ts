// Redis came back without what it had. When may this process write its near copies back, and which of them? Pure: plans and
// verdicts. A copy goes back only if it was proven up to the loss, and only once everybody who was there has been heard: any of
// them may know of a withdrawal that nobody else knows.
import type { BeatReply } from '../store/withdrawal-log.ts'
import type { Trail } from './history.ts'

/** Who is to be heard before anything is written that they may know to be withdrawn. */
export interface Awaited {
  /** Replicas that were there at the last beat before the loss: each must have come to the new history, with nothing to add. */
  readonly awaited: ReadonlySet<string>
  /** The server's clock when the loss was noticed: positions posted before say nothing of the new history. */
  readonly serverTime: number
  /** Since when they are waited for (ms, monotonic). */
  readonly since: number
}

export interface ReseedPlan extends Awaited {
  /** When this process noticed the loss (ms, monotonic). */
  readonly lostAt: number
  /** Up to when this process knew every withdrawal, before the loss (ms, monotonic); undefined: never. */
  readonly horizon: number | undefined
}

/** What was known up to this long before the loss was known up to the loss: two beats, one of them late. */
export const coverMs = 3_500

export function plan(
  before: ReseedPlan | undefined,
  loss: Omit<ReseedPlan, 'since' | 'awaited'> & { readonly now: number; readonly members: Iterable<string> },
): ReseedPlan {
  const { now, members, ...rest } = loss
  if (before === undefined) return { ...rest, awaited: new Set(members), since: now }
  // Lost again before it could be carried out: what is proven is proven up to the first loss; who was met since counts, too.
  return { ...before, awaited: new Set([...before.awaited, ...members]), serverTime: loss.serverTime }
}

/** Whom it still waits for. */
export function missing({ awaited, serverTime }: Awaited, { members }: BeatReply, trail: Trail): readonly string[] {
  const back = new Set<string>()
  for (const { replica, at, clean, position } of members) {
    if (at > serverTime && clean && position !== undefined && trail.includes(position)) back.add(replica)
  }
  return [...awaited].filter((replica) => !back.has(replica))
}

/** Whether a copy last confirmed at `confirmedAt` (ms, monotonic) was known to be good at the loss. */
export function isProven({ lostAt, horizon }: ReseedPlan, confirmedAt: number): boolean {
  return Math.max(confirmedAt, horizon ?? Number.NEGATIVE_INFINITY) >= lostAt - coverMs
}

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

/** What is known when a loss is noticed. */
export interface Loss extends Omit<ReseedPlan, 'since' | 'awaited'> {
  /** ms, monotonic. */
  readonly now: number
  /** Who was there at the last beat. */
  readonly members: Iterable<string>
}

export function plan(before: ReseedPlan | undefined, loss: Loss): ReseedPlan {
  const { now, members, ...rest } = loss
  if (before === undefined) return { ...rest, awaited: new Set(members), since: now }
  // Lost again before it could be carried out: what is proven is proven up to the first loss; who was met since counts, too.
  return { ...before, awaited: new Set([...before.awaited, ...members]), serverTime: loss.serverTime }
}

/** Somebody is not waited for any more. The very same where nobody did: a plan that is carried out is known by that. */
export function without<Waiting extends Awaited>(waiting: Waiting, replica: string): Waiting {
  if (!waiting.awaited.has(replica)) return waiting
  return { ...waiting, awaited: new Set([...waiting.awaited].filter((member) => member !== replica)) }
}

/** Whom it still waits for. */
export function missing(
  { awaited, serverTime }: Awaited,
  { members }: BeatReply,
  trail: Pick<Trail, 'includes'>,
): readonly string[] {
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

/** Whoever was there before Redis lost its data and is not back by now will hardly come back. */
const longMs = 10_000

/** What is to be done, now that `waitsFor` are missing. 'wait-long': an operator should hear of it. */
export function verdict(
  { since }: ReseedPlan,
  waitsFor: readonly string[],
  { now, awaitMembersMs }: { readonly now: number; readonly awaitMembersMs: number },
): 'wait' | 'wait-long' | 'give-up' | 'write' {
  if (waitsFor.length === 0) return 'write'
  if (now - since >= awaitMembersMs) return 'give-up'
  return now - since >= longMs ? 'wait-long' : 'wait'
}

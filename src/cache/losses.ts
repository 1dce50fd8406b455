// Who else is there, and what Redis lost while this replica was cut off from it. Redis may have lost what only others know, and
// not even show that it lost anything: after an outage those who were there before it are heard first.
import type { BeatReply } from '../store/withdrawal-log.ts'
import { settleMs } from './availability.ts'
import type { Trail } from './history.ts'
import type { Reseeder } from './reseeder.ts'
import { missing, without, type Awaited } from './reseeding.ts'

export interface Losses {
  /** Other replicas at the last beat. */
  readonly members: number
  /** Those who were there before an outage are waited for, for as long as they may need to notice its end. */
  readonly awaitsOthers: boolean
  /** What was to be written back is planned anew. */
  connectionLost(): void
  /** The answer to the beat with this token: does Redis lack what it had? */
  notice(reply: BeatReply, token: number): void
  /** The log is another one than before. */
  historyChanged(reply: BeatReply): void
  /** Everything up to this answer was read: who is there now is who will be waited for. */
  met(reply: BeatReply): void
  /** And the log has all that is known here: whoever is waited for may have come, too. */
  hear(reply: BeatReply): void
  /** Somebody says that they are there. One that an answer still under way does not know is there all the same. */
  memberCame(replica: string): void
  /** Somebody left in an orderly way, and told us all: nobody waits for them. */
  memberLeft(replica: string): void
}

const memberFreshMs = 3_000

export function createLosses(deps: {
  replica: string
  trail: Pick<Trail, 'includes'>
  reseeder: Pick<Reseeder, 'isPlanned' | 'lost' | 'memberLeft'>
  /** Since when the store is not in use (ms, monotonic); undefined while it is. */
  unavailableSince: () => number | undefined
  /** Up to when every withdrawal is known here (ms, monotonic). */
  horizon: () => number | undefined
  /** Those who were there before the outage have been heard: nobody is waited for any more. */
  onOthersHeard: () => void
  stopwatch: () => number
}): Losses {
  const { replica, trail, reseeder, unavailableSince, horizon, stopwatch } = deps
  let members: ReadonlySet<string> = new Set()
  /** Replicas that said so, and the token of the last beat that Redis had taken then. */
  const newcomers = new Map<string, number>()
  let company: Awaited | undefined
  /** The token of the last beat that Redis took. */
  let posted: number | undefined
  let lostConnection = false

  /** Redis lacks what it had. Without a loss of connection that was somebody's wish, or a full store: sessions are not written back. */
  function writesLost(serverTime: number): void {
    const lostAt = unavailableSince()
    if (lostAt === undefined) return
    reseeder.lost({ members, lostAt, horizon: horizon(), serverTime, now: stopwatch() })
  }

  return {
    get members() {
      return members.size
    },
    get awaitsOthers() {
      return company !== undefined
    },
    connectionLost: () => void (lostConnection = true),
    notice({ members: before, serverTime }, token) {
      const own = before.find((member) => member.replica === replica)
      if (posted !== undefined && (own === undefined || own.token < posted)) writesLost(serverTime)
      posted = token
      if (reseeder.isPlanned && lostConnection) writesLost(serverTime)
      if (lostConnection && unavailableSince() !== undefined) {
        company = { awaited: new Set([...(company?.awaited ?? []), ...members]), serverTime, since: stopwatch() }
      }
      lostConnection = false
    },
    historyChanged: ({ serverTime }) => writesLost(serverTime),
    met(reply) {
      const found = reply.members
        .filter((member) => member.replica !== replica && reply.serverTime - member.at < memberFreshMs)
        .map((member) => member.replica)
      // The answer to a beat that was under way when they said it may be from before.
      for (const [newcomer, token] of newcomers) if (token + 1 < (posted ?? 0)) newcomers.delete(newcomer)
      members = new Set([...found, ...newcomers.keys()])
    },
    hear(reply) {
      if (company === undefined) return
      const isOverdue = stopwatch() - company.since >= settleMs
      if (missing(company, reply, trail).length > 0 && !isOverdue) return
      company = undefined
      deps.onOthersHeard()
    },
    memberCame(newcomer) {
      newcomers.set(newcomer, posted ?? 0)
      members = new Set([...members, newcomer])
    },
    memberLeft(gone) {
      newcomers.delete(gone)
      members = new Set([...members].filter((member) => member !== gone))
      company = company && without(company, gone)
      reseeder.memberLeft(gone)
    },
  }
}

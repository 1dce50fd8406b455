// The record of withdrawals that all replicas share: which sessions ended, or lost their older states, in one order. A replica
// that has read all of it up to a moment knows every withdrawal recorded until then; that is what lets anything stand in for
// the store while that is away. Beside it: who is there, and how far each has read.
import { createHash } from 'node:crypto'

/** The floor of a logout: above every generation, so that no state of the session counts any more. */
export const everyGeneration = 0xffff_ffff

/** From now on no state of `id` below generation `floor` counts. */
export interface Withdrawal {
  readonly id: string
  /** 1 to `everyGeneration`. */
  readonly floor: number
}

/** `n` grows with each entry, not by one (it is the server's time in ms where that is greater). */
export interface LogEntry extends Withdrawal {
  readonly n: number
}

/**
 * How far somebody has read. `chain`: a hash over all entries in order, so that two histories that happen to have come to the
 * same `n` (an emptied log, an old snapshot, a failover that lost the last writes) are told apart.
 */
export interface Position {
  readonly n: number
  readonly chain: string
}

export interface Member {
  /** One life of one process. */
  readonly replica: string
  /** When it last beat: ms since the epoch by the server's clock. */
  readonly at: number
  /** Of that beat. */
  readonly token: number
  /** How far it had read; undefined: it had nothing to compare yet. */
  readonly position: Position | undefined
  /** At that moment the log had all that it knew. */
  readonly clean: boolean
}

export interface Beat {
  readonly replica: string
  /** Grows with each beat. Published on the beat's channel, so that its arrival proves that notes arrive. */
  readonly token: number
  readonly position: Position | undefined
  readonly clean: boolean
  /** A note for the others: published with the first beat, and with any after which the server did not know the replica any more. */
  readonly hello: string
}

export interface BeatReply {
  readonly head: Position
  /** What lies after the position that was sent, in order; undefined: too much for one answer, or no position was sent. */
  readonly entries: readonly LogEntry[] | undefined
  /** As they were before this beat, its own sender included where the server still has it. */
  readonly members: readonly Member[]
  /** ms since the epoch by the server's clock. */
  readonly serverTime: number
}

/** Every method may throw StoreUnavailable; none leaves half of its work done. */
export interface WithdrawalLog {
  /** One atomic step that contains a write, so that only a primary can answer it. */
  beat(beat: Beat): Promise<BeatReply>
  /** At most `limit` entries after `n`, in order; none: there are no more. */
  page(n: number, limit: number): Promise<readonly LogEntry[]>
  /** Adds what it lacks, in order, and forgets what is older than any session. Works on a server whose memory is full. */
  append(withdrawals: readonly Withdrawal[]): Promise<void>
  /** This replica ends in an orderly way and leaves nothing unsaid. */
  leave(replica: string): Promise<void>
}

/** The chain after one more entry: what the server computes, too. SHA-1 because Redis' scripts have no other; not a secret. */
export const chainAfter = (chain: string, { id, floor }: Withdrawal): string =>
  createHash('sha1').update(`${chain} ${id}:${floor}`).digest('hex')

// How long near copies may answer alone: until two seconds after the earlier of two proofs. That the log of withdrawals was read to
// its end is one; that notes arrive is the other: a token goes with each beat and comes back the way of the notes. Both count from
// the moment when they were sent.
export interface Proof {
  /** The token of a beat that goes out now. */
  nextToken(): number
  /** Redis did not take the beat: its token cannot come. */
  notTaken(token: number): void
  /** It came the way of the notes. */
  arrived(token: number): void
  /** Nobody waits for it any more, nor for those sent before. False: it is not waited for, it may have come. */
  giveUp(token: number): boolean
  /** The log was read up to what was in it when a beat was sent at `sentAt` (ms, monotonic). */
  logRead(sentAt: number): void
  /** The way of the notes is a new one: what was sent before cannot arrive. */
  resubscribed(): void
  /** Notes may have been missed: what is proven now was sent while the way was broken. */
  notesMissed(): void
  /** Copies do not answer alone until the next proof. */
  suspend(): void
  /** ms, monotonic. */
  readonly trustedUntil: number
}

/** No near copy answers alone for longer than this after the last proof. */
const proofLastsMs = 2_000

export function createProof(deps: {
  /** Only then does a proof count: what stands in for a store that is not in use has rules of its own. */
  isStoreInUse: () => boolean
  onTrust: (until: number) => void
  stopwatch: () => number
}): Proof {
  const { isStoreInUse, onTrust, stopwatch } = deps
  /** Those under way, by when they were sent. */
  const tokens = new Map<number, number>()
  let lastToken = 0
  let syncedAt = Number.NEGATIVE_INFINITY
  let tokenAt = Number.NEGATIVE_INFINITY
  let trustedUntil = 0

  function trust(until: number): void {
    trustedUntil = until
    onTrust(until)
  }

  function trustAsProven(): void {
    if (isStoreInUse()) trust(Math.max(0, Math.min(syncedAt, tokenAt) + proofLastsMs))
  }

  return {
    nextToken() {
      tokens.set(++lastToken, stopwatch())
      return lastToken
    },
    notTaken: (token) => void tokens.delete(token),
    arrived(token) {
      const sentAt = tokens.get(token)
      if (sentAt === undefined) return
      tokens.delete(token)
      tokenAt = Math.max(tokenAt, sentAt)
      trustAsProven()
    },
    giveUp(token) {
      if (!tokens.delete(token)) return false
      for (const earlier of tokens.keys()) if (earlier < token) tokens.delete(earlier)
      return true
    },
    logRead(sentAt) {
      syncedAt = sentAt
      trustAsProven()
    },
    resubscribed: () => tokens.clear(),
    notesMissed() {
      trust(0)
      tokens.clear()
      tokenAt = Number.NEGATIVE_INFINITY
    },
    suspend: () => trust(0),
    get trustedUntil() {
      return trustedUntil
    },
  }
}

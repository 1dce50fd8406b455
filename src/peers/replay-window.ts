// A message counts once. What an attacker has recorded on the network is genuine, and stays so: only memory tells it from a new
// one. Messages of one sender may overtake each other, so a window of numbers is remembered (as IPsec does, RFC 4303, 3.4.3);
// and since memory is bounded, and a life of ours begins without any, a sender that is not remembered counts only if it wrote
// after everything that was forgotten.
import type { Clock } from '../time.ts'

/** `stale`: too old or too new to be told from a replay, by its own clock. */
export type Admission = 'new' | 'replayed' | 'stale'

export interface ReplayWindow {
  /** Call it for genuine messages only: whoever can call it, can fill it. */
  admit(stamp: { readonly origin: string; readonly seq: number; readonly sentAt: number }): Admission
  readonly size: number
}

export const windowSize = 1_024
export const maxOrigins = 256
export const maxOffMs = 300_000

interface Sender {
  highest: number
  latestSentAt: number
  /** One bit for each of the last `windowSize` numbers. */
  readonly seen: Uint32Array
}

export function createReplayWindow(clock: Clock): ReplayWindow {
  const senders = new Map<string, Sender>()
  // Of a sender that is not remembered, nothing counts that was sent up to here.
  let forgottenUpTo = clock()

  function forgetOne(): void {
    let quietest: [origin: string, latestSentAt: number] | undefined
    for (const [origin, { latestSentAt }] of senders) {
      if (quietest === undefined || latestSentAt < quietest[1]) quietest = [origin, latestSentAt]
    }
    if (quietest === undefined) return
    senders.delete(quietest[0])
    forgottenUpTo = Math.max(forgottenUpTo, quietest[1])
  }

  return {
    admit({ origin, seq, sentAt }) {
      const now = clock()
      if (Math.abs(now - sentAt) > maxOffMs) return 'stale'
      // Our clock was set back: what lies so far ahead would shut out everybody until then.
      if (forgottenUpTo > now + maxOffMs) forgottenUpTo = now
      let sender = senders.get(origin)
      if (sender === undefined) {
        if (sentAt <= forgottenUpTo) return 'stale'
        if (senders.size >= maxOrigins) forgetOne()
        sender = { highest: -1, latestSentAt: sentAt, seen: new Uint32Array(windowSize / 32) }
        senders.set(origin, sender)
      }
      const admission = take(sender, seq)
      if (admission === 'new') sender.latestSentAt = Math.max(sender.latestSentAt, sentAt)
      return admission
    },
    get size() {
      return senders.size
    },
  }
}

function take(sender: Sender, seq: number): Admission {
  const { seen, highest } = sender
  const word = Math.floor((seq % windowSize) / 32)
  const bit = 1 << (seq % 32)
  if (seq > highest) {
    if (seq - highest >= windowSize) seen.fill(0)
    else for (let skipped = highest + 1; skipped < seq; skipped++) clear(seen, skipped)
    sender.highest = seq
  } else if (highest - seq >= windowSize || ((seen[word] ?? 0) & bit) !== 0) {
    return 'replayed'
  }
  seen[word] = (seen[word] ?? 0) | bit
  return 'new'
}

function clear(seen: Uint32Array, seq: number): void {
  const word = Math.floor((seq % windowSize) / 32)
  seen[word] = (seen[word] ?? 0) & ~(1 << (seq % 32))
}

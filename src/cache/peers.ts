// The second road: what replicas tell each other directly, so that a logout made while Redis is away holds everywhere and
// outlives the replica that took it. No quorum, no election: each sends what the other has not acknowledged, and a peer that is
// gone is skipped. How messages travel, and that they are a peer's, is the transport's business.
import type { Runtime } from '../runtime.ts'
import type { Floors, Lasting } from './floors.ts'

export interface PeerMessage {
  /** The sender's life. */
  readonly origin: string
  readonly entries: readonly Lasting[]
  /** What the receiver has told the sender so far: its life, and how far in the order of its learning. */
  readonly after: { readonly origin: string; readonly seq: number } | undefined
  /** The sender ends in an orderly way and has told everything. */
  readonly leaving: boolean
}

export interface PeerReply {
  readonly origin: string
  readonly entries: readonly Lasting[]
  readonly seq: number
  /** There is more after `seq`. */
  readonly more: boolean
  /** How long ago the receiver knew every recorded withdrawal (ms); undefined: it is blind. */
  readonly horizonAgeMs: number | undefined
}

/** Authenticated messages between the replicas of one deployment; replays are refused there. */
export interface PeerTransport {
  /** Peers to try, by any name that `send` takes; this process itself may be among them. */
  addresses(): readonly string[]
  /** Rejects when no peer's answer comes within `timeoutMs`. */
  send(address: string, message: PeerMessage, timeoutMs: number): Promise<PeerReply>
  /** Starts to listen and to look for peers. Rejects where it cannot listen. */
  start(answer: (message: PeerMessage) => PeerReply): Promise<void>
  stop(): Promise<void>
}

export interface Peers {
  /** Begins the exchanges. */
  start(): Promise<void>
  /** Tells every peer what it has not heard, now. How many have acknowledged it. */
  push(isEnough?: () => void): Promise<number>
  /** As `push`, for the last time. */
  leave(): Promise<number>
  stop(): Promise<void>
  counts(): { readonly up: number; readonly down: number }
}

export interface PeersParts {
  readonly transport: PeerTransport
  readonly replica: string
  readonly floors: Floors
  readonly isAway: () => boolean
  readonly horizonAgeMs: () => number | undefined
  /** A peer knew every withdrawal up to this moment (ms, monotonic), and we know what it knew. */
  readonly learnt: (horizon: number) => void
  readonly onLeft: (replica: string) => void
  readonly runtime: Pick<Runtime, 'stopwatch' | 'timer' | 'logger'>
}

/** One life of a peer: all that is counted ends with it. */
interface Life {
  readonly origin: string
  /** How far it has told us, in its order. */
  heard: number
  /** How far it has acknowledged what we told it, in ours. */
  acknowledged: number
}

interface Peer {
  life: Life | undefined
  answeredAt: number | undefined
}

const everyMs = 1_000
const everyAwayMs = 500
const timeoutMs = 1_000
const perMessage = 1_000
const upForMs = 3_000
/** An address that led back to us is tried again after this: it may lead elsewhere, or somebody has misled us once. */
const ourselvesForMs = 60_000
/** Behind one address there may be several processes: at some point an exchange with it ends without having told all to one. */
const maxStrangers = 2

export function createPeers(parts: PeersParts): Peers {
  const { transport, replica, floors, runtime } = parts
  const { stopwatch, timer, logger } = runtime
  const peers = new Map<string, Peer>()
  const ourselves = new Map<string, number>()
  const busy = new Set<string>()
  let stopped = false
  let callOff = () => {}

  function peerAt(address: string): Peer {
    let peer = peers.get(address)
    if (peer === undefined) peers.set(address, (peer = { life: undefined, answeredAt: undefined }))
    return peer
  }

  function apply(entries: readonly Lasting[]): void {
    for (const { id, floor, expiresAt } of entries) floors.raise({ id, floor }, false, expiresAt)
  }

  const isAll = (seq: number) => floors.learntAfter(seq, 1).seq === seq

  /** Until both have told all. True: the peer has acknowledged everything that we knew at the beginning. */
  async function exchange(address: string, leaving: boolean): Promise<boolean> {
    const peer = peerAt(address)
    let strangers = 0
    try {
      for (;;) {
        const sentAt = stopwatch()
        const { life } = peer
        const { entries, seq } = floors.learntAfter(life?.acknowledged ?? 0, perMessage)
        const isLast = isAll(seq)
        // Said to a life that we have met, and with the last that it has to hear: others would believe it too early.
        const saysLeaving = leaving && isLast && life !== undefined
        const after = life && { origin: life.origin, seq: life.heard }
        const reply = await transport.send(
          address,
          { origin: replica, entries, after, leaving: saysLeaving },
          timeoutMs,
        )
        if (reply.origin === replica) {
          ourselves.set(address, stopwatch())
          peers.delete(address)
          return false
        }
        ourselves.delete(address)
        apply(reply.entries)
        peer.answeredAt = stopwatch()
        // Other exchanges with it may have gone on meanwhile: what is known of it only grows.
        if (peer.life?.origin !== reply.origin) peer.life = { origin: reply.origin, heard: 0, acknowledged: 0 }
        peer.life.heard = Math.max(peer.life.heard, reply.seq)
        if (life !== undefined && life.origin !== reply.origin) {
          // Another process at that address: what we sent went on from where the one before had stopped.
          if (++strangers > maxStrangers) return false
          continue
        }
        peer.life.acknowledged = Math.max(peer.life.acknowledged, seq)
        if (reply.more || !isLast) continue
        // Only the answer to a question of ours says anything of time: what it knew then, we know now.
        if (reply.horizonAgeMs !== undefined) parts.learnt(sentAt - reply.horizonAgeMs)
        if (leaving && !saysLeaving) continue
        return true
      }
    } catch {
      return false
    }
  }

  const others = () => transport.addresses().filter((address) => !ourselves.has(address))

  const isDue = (address: string) =>
    !busy.has(address) && stopwatch() - (ourselves.get(address) ?? Number.NEGATIVE_INFINITY) >= ourselvesForMs

  async function toAll(leaving: boolean, isEnough?: () => void): Promise<number> {
    const results = await Promise.all(
      others().map(async (address) => {
        const isAcknowledged = await exchange(address, leaving)
        if (isAcknowledged) isEnough?.()
        return isAcknowledged
      }),
    )
    return results.filter(Boolean).length
  }

  async function turn(): Promise<void> {
    // The next one comes in time: nobody waits for a peer that is silent.
    schedule()
    await Promise.all(
      transport
        .addresses()
        .filter(isDue)
        .map(async (address) => {
          busy.add(address)
          await exchange(address, false)
          busy.delete(address)
        }),
    )
    if (stopped) return
    forgetGone()
    tellChange()
  }

  function schedule(): void {
    if (!stopped) callOff = timer(() => void turn(), parts.isAway() ? everyAwayMs : everyMs)
  }

  function forgetGone(): void {
    const named = new Set(transport.addresses())
    for (const address of peers.keys()) if (!named.has(address)) peers.delete(address)
    for (const address of ourselves.keys()) if (!named.has(address)) ourselves.delete(address)
  }

  function counts() {
    const now = stopwatch()
    const up = [...peers.values()].filter(({ answeredAt }) => answeredAt !== undefined && now - answeredAt < upForMs)
    return { up: up.length, down: Math.max(0, others().length - up.length) }
  }

  let told: string | undefined
  function tellChange(): void {
    const { up, down } = counts()
    const state = `${up} ${down}`
    if (state === told) return
    told = state
    logger.info({ event: 'peers_changed', up, down }, `${up} peers answer, ${down} do not`)
  }

  function answer({ origin, entries, after, leaving }: PeerMessage): PeerReply {
    apply(entries)
    const isMeantForUs = after?.origin === replica
    // What it told somebody else may be what we have not heard.
    if (leaving && isMeantForUs) parts.onLeft(origin)
    const told = floors.learntAfter(isMeantForUs ? after.seq : 0, perMessage)
    return {
      origin: replica,
      ...told,
      // By their order, not their number: some may have expired.
      more: !isAll(told.seq),
      horizonAgeMs: parts.horizonAgeMs(),
    }
  }

  return {
    async start() {
      await transport.start(answer)
      void turn()
    },
    push: (isEnough) => toAll(false, isEnough),
    leave: () => toAll(true),
    async stop() {
      stopped = true
      callOff()
      await transport.stop()
    },
    counts,
  }
}

// Hears what other replicas announce, over a connection of its own. One connection lives one life: when it ends, for whatever
// reason, the next one is opened from scratch (so a Sentinel or Cluster is asked again who is there). "Live" is said only once
// Redis has confirmed the subscription, "dead" before anything may be missed unnoticed.
import type { Timer } from '../../time.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { retryDelayMs } from './connection.ts'
import type { Redis } from './connection.ts'
import { fault, redisFault } from './faults.ts'
import type { RedisFault } from './faults.ts'

/** What is heard, and whether anything can be. */
export interface Listener {
  onNote(text: string): void
  /** A token that this process had published has come the whole way of a note. */
  onToken(token: number): void
  /** Subscribed: every note from now on is heard. Those of before are lost. */
  onLive(): void
  /** Notes may be missed from now on. */
  onDead(): void
}

export interface SubscriptionParts {
  /** A new, unconnected client without retries of its own. */
  readonly open: () => Redis
  readonly channel: string
  /** Heard by this process only. */
  readonly tokenChannel: string
  readonly listener: Listener
  readonly timer: Timer
  readonly random: () => number
  readonly logger: Logger
}

export interface Subscription {
  /**
   * Lets go of a connection that proved deaf although Redis takes what is published (half-open, or on a node cut off from the
   * rest), and opens another.
   */
  renew(): void
  close(): void
}

export function openSubscription(parts: SubscriptionParts): Subscription {
  const { open, channel, tokenChannel, listener, timer, random, logger } = parts
  let client: Redis | undefined
  let live = false
  let closed = false
  let attempts = 0
  let complained = false

  function connect(): void {
    if (closed) return
    const own = open()
    client = own
    let lastError: unknown
    own.on('error', (error: Error) => (lastError = error))
    own.on('message', (from: string, text: string) => {
      if (own !== client) return
      if (from === tokenChannel) listener.onToken(Number(text))
      else listener.onNote(text)
    })
    own.once('end', () => abandon(own, lastError === undefined ? fault('reset') : redisFault(lastError)))
    own.once('ready', () => {
      own.subscribe(channel, tokenChannel).then(
        () => becomeLive(own),
        (error: unknown) => abandon(own, redisFault(error)),
      )
    })
    own.connect().catch((error: unknown) => (lastError ??= error))
  }

  function becomeLive(own: Redis): void {
    if (own !== client) return
    attempts = 0
    complained = false
    live = true
    logger.info({ event: 'redis_subscription_live' }, 'hearing the changes of other replicas')
    listener.onLive()
  }

  /** The next client takes over at once: whatever the old one may still deliver no longer counts. */
  function abandon(own: Redis, reason: RedisFault): void {
    if (own !== client) return
    client = undefined
    own.disconnect()
    if (live || !complained) {
      complained = true
      if (!closed)
        logger.warn(
          { event: 'redis_subscription_lost', reason: reason.kind, detail: reason.message },
          'no word of other replicas',
        )
    }
    if (live) {
      live = false
      listener.onDead()
    }
    if (!closed) timer(connect, retryDelayMs(++attempts, random))
  }

  connect()

  return {
    renew() {
      if (client !== undefined && live) abandon(client, fault('timeout'))
    },
    close() {
      closed = true
      const own = client
      if (own !== undefined) abandon(own, fault('reset'))
    },
  }
}

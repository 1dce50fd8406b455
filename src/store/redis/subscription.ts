// Hears what other replicas announce, over a connection of its own. One connection lives one life: when it ends, for whatever
// reason, the next one is opened from scratch (so a Sentinel or Cluster is asked again who is there). "Live" is said only once
// Redis has confirmed the subscription, "dead" before anything may be missed unnoticed.
import { StoreUnavailable } from '../../errors.ts'
import type { Timer } from '../../time.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { retryDelayMs } from './connection.ts'
import type { Redis } from './connection.ts'
import { fault, RedisFailure, redisFault } from './faults.ts'
import type { RedisFault } from './faults.ts'

export interface LinkState {
  /** Subscribed: every note from now on is heard. Those of before are lost. */
  onLive(): void
  /** Notes may be missed from now on. */
  onDead(): void
}

export interface SubscriptionParts {
  /** A new, unconnected client without retries of its own. */
  readonly open: () => Redis
  readonly channel: string
  /** Heard by this process only: proof that the whole way works. */
  readonly heartbeatChannel: string
  readonly handler: (note: string) => void
  readonly state: LinkState
  readonly timer: Timer
  readonly random: () => number
  readonly logger: Logger
}

export interface Subscription {
  readonly live: boolean
  /** Resolves once a token sent by `publish` has come back. Rejects with StoreUnavailable after `timeoutMs`. */
  probe(publish: (channel: string, token: string) => Promise<unknown>, timeoutMs: number): Promise<void>
  close(): void
}

export function openSubscription(parts: SubscriptionParts): Subscription {
  const { open, channel, heartbeatChannel, handler, state, timer, random, logger } = parts
  const awaited = new Map<string, () => void>()
  let client: Redis | undefined
  let live = false
  let closed = false
  let attempts = 0
  let tokens = 0
  let complained = false

  function connect(): void {
    if (closed) return
    const own = open()
    client = own
    let lastError: unknown
    own.on('error', (error: Error) => (lastError = error))
    own.on('message', (from: string, text: string) => {
      if (own !== client) return
      if (from === heartbeatChannel) awaited.get(text)?.()
      else handler(text)
    })
    own.once('end', () => abandon(own, lastError === undefined ? fault('reset') : redisFault(lastError)))
    own.once('ready', () => {
      own.subscribe(channel, heartbeatChannel).then(
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
    state.onLive()
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
          { event: 'redis_subscription_lost', reason: reason.kind, detail: reason.words },
          'no word of other replicas',
        )
    }
    if (live) {
      live = false
      state.onDead()
    }
    if (!closed) timer(connect, retryDelayMs(++attempts, random))
  }

  connect()

  return {
    get live() {
      return live
    },
    async probe(publish, timeoutMs) {
      const probed = client
      if (!live || probed === undefined) throw silent('the subscription is not live', fault('reset'))
      const token = String(++tokens)
      let published = false
      let callOff: (() => void) | undefined
      try {
        await new Promise<void>((resolve, reject) => {
          awaited.set(token, resolve)
          callOff = timer(() => reject(silent('no heartbeat', fault('timeout'))), timeoutMs)
          publish(heartbeatChannel, token).then(() => (published = true), reject)
        })
      } catch (error) {
        // Redis took the token and it never came: this connection is deaf (half-open, or on a node cut off from the rest).
        // Where even publishing failed, it is not to blame.
        if (published) abandon(probed, fault('timeout'))
        throw error
      } finally {
        callOff?.()
        awaited.delete(token)
      }
    },
    close() {
      closed = true
      const own = client
      if (own !== undefined) abandon(own, fault('reset'))
    },
  }
}

const silent = (words: string, found: RedisFault): StoreUnavailable =>
  new StoreUnavailable(words, { cause: new RedisFailure(found, undefined) })

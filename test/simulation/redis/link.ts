// The link to a simulated Redis: the real store, log and subscription over the simulated driver.
import type { Runtime } from '../../../src/runtime.ts'
import { fault, redisFault, type RedisFault } from '../../../src/store/redis/faults.ts'
import type { RedisLink } from '../../../src/store/redis/link.ts'
import { redisLog } from '../../../src/store/redis/log.ts'
import type { ServerInfo } from '../../../src/store/redis/server-info.ts'
import { noteChannel, redisCalls, redisStore } from '../../../src/store/redis/store.ts'
import { openSubscription, type Subscription } from '../../../src/store/redis/subscription.ts'
import type { Events, Loop } from '../events.ts'
import { createClient } from './client.ts'
import type { Network, Roads } from './network.ts'
import type { Server } from './servers.ts'
import { createSubscribers } from './subscriber.ts'

export interface SimulatedLink extends RedisLink {
  /** Cut from the other side. */
  cutData(): void
  cutNotes(): void
  /** The servers at the other ends of its connections. */
  ends(): { readonly data: Server | undefined; readonly notes: Server | undefined }
}

const keyPrefix = 'foregate:'
export const scope = 'simulated'
export const names = {
  log: `${keyPrefix}revoked-log:{${scope}}`,
  head: `${keyPrefix}revoked-head:{${scope}}`,
  members: `${keyPrefix}members:{${scope}}`,
  session: (id: string) => `${keyPrefix}session:${id}`,
  mark: (id: string) => `${keyPrefix}revoked:${id}`,
}

/** The session of a key's name. */
export const sessionOf = (name: string): string | undefined =>
  name.startsWith(`${keyPrefix}session:`) ? name.slice(keyPrefix.length + 8) : undefined

export function simulatedLink(deps: {
  events: Events
  loop: Loop
  network: Network
  roads: Roads
  replica: number
  origin: string
  maxAgeMs: number
  runtime: Pick<Runtime, 'timer' | 'stopwatch' | 'nextTurn' | 'random' | 'randomBytes' | 'logger'>
  onLost: () => void
  onAnswer: () => void
  /** A message that Redis sent never comes, and nothing else is wrong. */
  onNoteLost: () => void
  /** A token of a beat came back the way of the notes. */
  onToken: () => void
}): SimulatedLink {
  const { events, loop, network, origin, runtime } = deps
  const client = createClient(deps)
  const subscribers = createSubscribers(deps)
  const upHandlers: (() => void)[] = []
  const downHandlers: ((reason: RedisFault) => void)[] = []
  const first = Promise.withResolvers<RedisFault | undefined>()
  let status: ReturnType<RedisLink['status']> = 'connecting'
  let reason: RedisFault | undefined = fault('connecting')
  let subscription: Subscription | undefined

  client.onReady = () => {
    if (status === 'closed') return
    status = 'up'
    reason = undefined
    runtime.logger.info({ event: 'redis_connected' }, 'connected to Redis')
    first.resolve(undefined)
    for (const handler of upHandlers) handler()
  }
  client.onClose = (error) => {
    if (status === 'closed') return
    if (status === 'up') deps.onLost()
    const found = redisFault(error)
    if (status !== 'down' || found.kind !== reason?.kind) {
      runtime.logger.warn({ event: 'redis_lost', reason: found.kind }, 'Redis cannot be reached')
    }
    status = 'down'
    reason = found
    first.resolve(found)
    for (const handler of downHandlers) handler(found)
  }

  const calls = redisCalls({ readTimeoutMs: 3_000, writeTimeoutMs: 3_000, waiting: runtime, down: () => reason })
  const tokenChannel = `${keyPrefix}heartbeat:${origin}`
  client.connect()

  return {
    store: redisStore({ client: client.commands, calls, keyPrefix, hashTags: false }),
    log: redisLog({
      client: client.commands,
      calls,
      keyPrefix,
      scope,
      tokenChannel,
      noteChannel: noteChannel(keyPrefix),
      withdrawalLifeMs: deps.maxAgeMs,
      randomBytes: runtime.randomBytes,
    }),
    subscribe(listener) {
      subscription = openSubscription({
        open: subscribers.open,
        channel: noteChannel(keyPrefix),
        tokenChannel,
        listener: {
          ...listener,
          onToken(token) {
            deps.onToken()
            listener.onToken(token)
          },
        },
        timer: runtime.timer,
        random: runtime.random,
        logger: runtime.logger,
      })
    },
    resubscribe: () => subscription?.renew(),
    serverInfo: () =>
      calls.read(
        () =>
          new Promise<ServerInfo>((resolve) => {
            const { server } = client
            if (server === undefined) return
            events.at(events.now + network.latency(), () =>
              network.servers.whenAwake(server, () => {
                const info = { runIds: [`${server.index}-${server.incarnation}`], uncheckable: [] }
                events.on(loop, 'socket', events.now + network.latency(), () => resolve(info))
              }),
            )
          }),
      ),
    onUp: (handler) => void upHandlers.push(handler),
    onDown: (handler) => void downHandlers.push(handler),
    firstContact: first.promise,
    status: () => status,
    fault: () => reason,
    poolStats: () => ({ size: 1, inUse: 0, idle: 1 }),
    close() {
      status = 'closed'
      reason = fault('reset')
      first.resolve(reason)
      subscription?.close()
      client.close()
    },
    cutData: client.cut,
    cutNotes: subscribers.cut,
    ends: () => ({ data: client.server, notes: subscribers.server }),
  }
}

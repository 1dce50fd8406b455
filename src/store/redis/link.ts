// The link to Redis: one data connection (per node, in a Cluster) with the store on it, one connection that hears other
// replicas, and word of when Redis is reached and lost. It retries for ever in the background and never blocks a start.
// It leaves to others: when to stop asking (guarded.ts), when to check (liveness.ts), what a loss means (the rooms).
import type { RedisConfig } from '../../config/config.ts'
import type { Runtime } from '../../runtime.ts'
import { openDataClient, openSubscriber } from './connection.ts'
import type { Cluster, DataClient } from './connection.ts'
import { fault, redisFault } from './faults.ts'
import type { RedisFault } from './faults.ts'
import { readServerInfo } from './server-info.ts'
import type { ServerInfo } from './server-info.ts'
import { redisLog } from './log.ts'
import { noteChannel, redisCalls, redisStore } from './store.ts'
import { openSubscription } from './subscription.ts'
import type { Listener, Subscription } from './subscription.ts'
import type { Store } from '../store.ts'
import type { WithdrawalLog } from '../withdrawal-log.ts'

export interface RedisLink {
  /** Raw: without circuit and deadline; `readTimeout` and `writeTimeout` bound each call. */
  readonly store: Store
  /** Raw, as the store. */
  readonly log: WithdrawalLog
  /** Starts hearing notes (our own too). One subscription per link. */
  subscribe(listener: Listener): void
  /** Opens the subscription anew: it proved deaf. */
  resubscribe(): void
  /** Throws StoreUnavailable; what an ACL forbids is listed instead. */
  serverInfo(): Promise<ServerInfo>
  /** Connected, or connected again. */
  onUp(handler: () => void): void
  /** Once for the loss of a connection, and once for each attempt after it that fails. */
  onDown(handler: (reason: RedisFault) => void): void
  /** Settles with the first attempt to connect: undefined when it succeeded. */
  readonly firstContact: Promise<RedisFault | undefined>
  status(): 'connecting' | 'up' | 'down' | 'closed'
  /** Why it is down. */
  fault(): RedisFault | undefined
  /** Data connections: open, with calls in flight, and the rest. */
  poolStats(): { readonly size: number; readonly inUse: number; readonly idle: number }
  close(): void
}

export interface RedisLinkParts {
  readonly config: RedisConfig
  /** Names this life of this process: unique among replicas; characters A-Z a-z 0-9 - _ */
  readonly origin: string
  /** Names this deployment among those that share a Redis: characters as above. */
  readonly scope: string
  readonly withdrawalLifeMs: number
  readonly runtime: Pick<Runtime, 'timer' | 'stopwatch' | 'nextTurn' | 'random' | 'randomBytes' | 'logger'>
}

/** Throws ConfigInvalid when there is nothing to connect to. */
export function openRedis({ config, origin, scope, withdrawalLifeMs, runtime }: RedisLinkParts): RedisLink {
  const { timer, random, randomBytes, logger } = runtime
  const client = openDataClient({ config, random, logger })
  const cluster = isCluster(client) ? client : undefined
  const upHandlers: (() => void)[] = []
  const downHandlers: ((reason: RedisFault) => void)[] = []
  const first = Promise.withResolvers<RedisFault | undefined>()
  let status: ReturnType<RedisLink['status']> = 'connecting'
  let reason: RedisFault | undefined = fault('connecting')
  let everUp = false
  // The first error of an attempt is the reason; those after it are how the connection then came apart.
  let attemptError: unknown
  let subscription: Subscription | undefined

  function wentUp(): void {
    attemptError = undefined
    if (status === 'closed') return
    status = 'up'
    everUp = true
    reason = undefined
    logger.info({ event: 'redis_connected' }, 'connected to Redis')
    first.resolve(undefined)
    for (const handler of upHandlers) handler()
  }

  function wentDown(): void {
    if (status === 'closed') return
    const found = whyDown(attemptError === undefined ? fault('reset') : redisFault(attemptError))
    attemptError = undefined
    // Attempts fail every second: one line per change.
    if (status !== 'down' || found.kind !== reason?.kind) {
      logger.warn({ event: 'redis_lost', reason: found.kind, detail: found.message }, 'Redis cannot be reached')
    }
    status = 'down'
    reason = found
    first.resolve(found)
    for (const handler of downHandlers) handler(found)
  }

  /** Both ends wait for each other, or one hangs up without a word, where only one of them speaks TLS. */
  function whyDown(found: RedisFault): RedisFault {
    // The refusal of a certificate races with what is written meanwhile: some attempts only see the connection go.
    if (found.kind === 'reset' && reason?.kind === 'tls_client_certificate') return reason
    if (everUp) return found
    if (found.kind === 'reset' && config.tls === undefined) return fault('tls_required')
    if (found.kind === 'timeout' && config.tls !== undefined) return fault('tls_not_offered')
    return found
  }

  client.on('ready', wentUp)
  client.on('close', wentDown)
  client.on('error', (error: Error) => {
    // "It came apart" is also an echo of the attempt before: a SELECT that was under way is given up after the close. It
    // would hide what goes wrong with this one.
    if (redisFault(error).kind !== 'reset') attemptError ??= error
    // With Sentinels there may be no connection whose end could be noticed.
    if (/All sentinels are unreachable/.test(error.message)) wentDown()
  })
  cluster?.on('node error', (error: Error) => (attemptError ??= error))
  // The driver waits without a word for a server that loads its data.
  if (cluster === undefined) client.on('connect', () => void timer(() => void tellLoading(), loadingShowsMs))
  // The driver gives up for ever where no attempt was possible (an unreadable certificate): it is asked again.
  client.on('end', () => {
    if (status === 'closed') return
    timer(connect, 1_000)
  })

  async function tellLoading(): Promise<void> {
    if (client.status !== 'connect') return
    const persistence = await client.info('persistence').catch(() => '')
    if (status === 'closed' || status === 'up' || !/^loading:1/m.test(persistence)) return
    attemptError ??= new Error('LOADING')
    wentDown()
  }

  function connect(): void {
    // The events tell; the promise repeats them.
    if (status !== 'closed') client.connect().catch(() => {})
  }

  const calls = redisCalls({
    readTimeoutMs: config.readTimeoutMs,
    writeTimeoutMs: config.writeTimeoutMs,
    waiting: runtime,
    down: () => reason,
  })
  const { keyPrefix } = config
  const tokenChannel = `${keyPrefix}heartbeat:${origin}`

  connect()

  return {
    store: redisStore({ client, calls, keyPrefix, hashTags: cluster !== undefined }),
    log: redisLog({
      client,
      calls,
      keyPrefix,
      scope,
      tokenChannel,
      noteChannel: noteChannel(keyPrefix),
      withdrawalLifeMs,
      randomBytes,
    }),
    subscribe(listener) {
      if (subscription !== undefined) throw new TypeError('this link has its subscription already')
      subscription = openSubscription({
        open: () => openSubscriber({ config, random, logger }, cluster && someNode(cluster, config, random)),
        channel: noteChannel(keyPrefix),
        tokenChannel,
        listener,
        timer,
        random,
        logger,
      })
    },
    resubscribe: () => subscription?.renew(),
    async serverInfo() {
      const info = await calls.read(() => readServerInfo(client))
      // The driver's own check at each connect would fail too, and complain on the console.
      if (cluster === undefined && info.uncheckable.includes('INFO')) {
        Object.assign(client.options, { enableReadyCheck: false })
      }
      return info
    },
    onUp: (handler) => upHandlers.push(handler),
    onDown: (handler) => downHandlers.push(handler),
    firstContact: first.promise,
    status: () => status,
    fault: () => reason,
    poolStats() {
      const size = cluster?.nodes('master').length ?? (status === 'up' ? 1 : 0)
      const inUse = Math.min(size, calls.inFlight())
      return { size, inUse, idle: size - inUse }
    },
    close() {
      status = 'closed'
      reason = fault('reset')
      first.resolve(reason)
      subscription?.close()
      client.disconnect()
    },
  }
}

/** Longer than a handshake takes. */
const loadingShowsMs = 100

const isCluster = (client: DataClient): client is DataClient & Cluster => 'nodes' in client

/** A primary that the data client knows; before it knows any, one of those configured. */
function someNode(cluster: Cluster, config: RedisConfig, random: () => number) {
  const known = cluster
    .nodes('master')
    .flatMap(({ options: { host, port } }) => (host === undefined || port === undefined ? [] : [{ host, port }]))
  const nodes = known.length > 0 ? known : (config.cluster?.addresses ?? [])
  return nodes[Math.floor(random() * nodes.length)]
}

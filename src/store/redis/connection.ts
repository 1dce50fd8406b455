// The one door to ioredis: builds its clients from our configuration. What each option is there for was tried against a real
// server; the reasons stand beside them.
//
// `poolSize` is an upper bound that one data connection stays under. The driver multiplexes: with 64 calls in flight, one
// pipelining connection beat 4 and 16 connections (62 k against 46 and 45 k reads per second); more connections only help
// against head-of-line blocking by large values, and ours are small. A Cluster has one connection per node. Beside these
// there is one connection for subscriptions, which Redis does not let share.
import { isIP } from 'node:net'
import { Cluster, Redis } from 'ioredis'
import type { ClusterOptions, RedisOptions } from 'ioredis'
import { ConfigInvalid } from '../../errors.ts'
import type { Address, RedisConfig, RedisTlsConfig } from '../../config/config.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { redisScripts } from './scripts.ts'
import type { RedisScripts } from './scripts.ts'

export type { Cluster, Redis }
/** Either client, with our scripts on it. */
export type DataClient = (Redis | Cluster) & RedisScripts

// Without the option that exactOptionalPropertyTypes and the driver's own types cannot agree on.
type Options = Omit<RedisOptions, 'replyMapping'>

export interface ConnectionParts {
  readonly config: RedisConfig
  /** In [0, 1): spreads the reconnects of many replicas. */
  readonly random: () => number
  readonly logger: Logger
}

/** 50 ms, doubling to 1 s, plus up to a quarter: the driver's own 5 s cap left a recovered Redis unused for 3 s. */
export function retryDelayMs(attempt: number, random: () => number): number {
  const delay = Math.min(50 * 2 ** Math.min(attempt - 1, 10), 1_000)
  return Math.round(delay * (1 + random() / 4))
}

export function openDataClient(parts: ConnectionParts): DataClient {
  const { config, random } = parts
  const live = livePasswords(parts)
  if (config.cluster !== undefined) {
    const cluster = new Cluster([...config.cluster.addresses], clusterOptions(parts))
    // Before it connects: every node, also one discovered years later, asks for the password of that moment.
    cluster.on('+node', (node: Redis) => {
      live(node)
      introduce(node)
      overhearTwins(node, (error) => cluster.emit('node error', error))
    })
    // The `scripts` option adds the methods; its types do not say so.
    return cluster as Cluster & RedisScripts
  }
  const redis = new Redis({
    ...commonOptions(config),
    ...whereabouts(config),
    enableAutoPipelining: true,
    scripts: redisScripts,
    retryStrategy: (attempt) => retryDelayMs(attempt, random),
    sentinelRetryStrategy: (attempt) => retryDelayMs(attempt, random),
  })
  live(redis)
  introduce(redis)
  if (config.sentinel !== undefined) overhearSentinels(redis)
  // As above.
  return redis as Redis & RedisScripts
}

/** A client for one subscription on one connection: when it ends it has ended, the caller opens another. `node`: Cluster only. */
export function openSubscriber(parts: ConnectionParts, node: Address | undefined): Redis {
  const redis = new Redis({
    ...commonOptions(parts.config),
    ...(node === undefined ? whereabouts(parts.config) : { ...node, ...tlsOption(parts.config.tls, node.host) }),
    autoResubscribe: false,
    // It asks INFO, and complains on the console where an ACL forbids that; a server that is loading refuses SUBSCRIBE as well.
    enableReadyCheck: false,
    retryStrategy: null,
    sentinelRetryStrategy: () => null,
  })
  livePasswords(parts)(redis)
  introduce(redis)
  if (parts.config.sentinel !== undefined && node === undefined) overhearSentinels(redis)
  return redis
}

/**
 * The driver keeps what goes wrong with its own connections to Sentinels to itself ("Connection is closed"), or, for those
 * that listen for failovers, tells the console, every second that a Sentinel is away. Here the last error becomes the cause
 * of "All sentinels are unreachable", and the console stays quiet. The method is not in the driver's types: a test holds it.
 */
function overhearSentinels(redis: Redis): void {
  let last: Error | undefined
  const connector: unknown = Reflect.get(redis, 'connector')
  if (typeof connector !== 'object' || connector === null) return
  const connectToSentinel: unknown = Reflect.get(connector, 'connectToSentinel')
  if (typeof connectToSentinel !== 'function') return
  Reflect.set(connector, 'connectToSentinel', (...given: unknown[]) => {
    const sentinel: unknown = Reflect.apply(connectToSentinel, connector, given)
    if (sentinel instanceof Redis) sentinel.on('error', (error: Error) => (last = error))
    return sentinel
  })
  redis.on('error', (error: Error) => {
    if (!/All sentinels are unreachable/.test(error.message)) return
    error.cause ??= last
    last = undefined
  })
}

/** A Cluster asks its nodes for the slots over short-lived twins, and only says that their connection was closed. */
function overhearTwins(node: Redis, heard: (error: Error) => void): void {
  const duplicate = node.duplicate.bind(node)
  Object.assign(node, {
    duplicate: (...given: Parameters<typeof duplicate>) => duplicate(...given).on('error', heard),
  })
}

/**
 * A name for CLIENT LIST. Not by `connectionName`: that makes it the first command of a connection and drops its error,
 * which is where "max number of clients reached" arrives.
 */
function introduce(redis: Redis): void {
  redis.on('ready', () => {
    // Where an ACL forbids it there is no name.
    redis.client('SETNAME', 'foregate').catch(() => {})
  })
}

const readOnlyReconnectMs = 5_000

/**
 * After a failover behind a name or a Sentinel the old connection leads to a replica. 1: reconnect, do not resend. Not again
 * and again: where the address itself is a replica's, every write would cut the connection for everybody.
 */
function reconnectOnReadOnly(): (error: Error) => 1 | false {
  let notBefore = 0
  return (error) => {
    if (!/\bREADONLY\b/.test(error.message) || performance.now() < notBefore) return false
    notBefore = performance.now() + readOnlyReconnectMs
    return 1
  }
}

function commonOptions(config: RedisConfig): Options {
  return {
    lazyConnect: true,
    disableClientInfo: true,
    // RESP2: understood by every server, proxy and managed service; RESP3 was not measurably faster.
    protocol: 2,
    ...defined({ username: config.username }),
    db: config.cluster === undefined ? config.db : 0,
    connectTimeout: config.connectTimeoutMs,
    // A peer that stops answering without closing (black hole, frozen host) is given up with its connection, also during the
    // handshake: the kernel alone would take a quarter of an hour.
    socketTimeout: Math.max(config.readTimeoutMs, config.writeTimeoutMs),
    keepAlive: 10_000,
    disconnectTimeout: 250,
    // Fail at once instead of queueing while disconnected; never send a write again that may have been done.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    enableReadyCheck: true,
    maxLoadingRetryTime: 500,
    reconnectOnError: reconnectOnReadOnly(),
  }
}

function whereabouts(config: RedisConfig): Options {
  const { sentinel, address, tls } = config
  if (sentinel !== undefined) {
    return {
      sentinels: [...sentinel.addresses],
      name: sentinel.masterName,
      role: 'master',
      ...defined({ sentinelUsername: sentinel.username }),
      ...(sentinel.enableTLS ? { sentinelTLS: tlsOptions(tls, undefined) } : {}),
      ...tlsOption(tls, undefined),
      // Means the data connections: their TLS is independent of the Sentinels'.
      enableTLSForSentinelMode: tls !== undefined,
      // Listens to +switch-master: a failover is followed at once instead of by the first failing write.
      failoverDetector: true,
      sentinelReconnectStrategy: () => 1_000,
      sentinelCommandTimeout: config.connectTimeoutMs,
    }
  }
  if (config.socketPath !== undefined) return { path: config.socketPath }
  if (address === undefined) throw new ConfigInvalid(['redis.address: missing; expected host:port'])
  return { host: address.host, port: address.port, ...tlsOption(tls, address.host) }
}

function clusterOptions({
  config,
  random,
}: ConnectionParts): Omit<ClusterOptions, 'redisOptions'> & { redisOptions: Options } {
  // A brace of the prefix would take the part of the key that chooses the slot, and pairs of keys would come apart.
  if (/[{}]/.test(config.keyPrefix))
    throw new ConfigInvalid(['redis.keyPrefix: must not contain { or } with a Cluster'])
  return {
    lazyConnect: true,
    redisOptions: { ...commonOptions(config), ...tlsOption(config.tls, undefined) },
    scripts: redisScripts,
    enableOfflineQueue: false,
    // Off: in a pipeline one moved key fails its neighbours with MOVED, and writes are not retried.
    enableAutoPipelining: false,
    maxRedirections: 3,
    retryDelayOnFailover: 50,
    retryDelayOnClusterDown: 50,
    retryDelayOnTryAgain: 50,
    slotsRefreshTimeout: Math.min(config.connectTimeoutMs, 1_000),
    slotsRefreshInterval: 30_000,
    clusterRetryStrategy: (attempt) => retryDelayMs(attempt, random),
    // With TLS the name must reach the handshake: an address would not match the certificate.
    ...(config.tls === undefined ? {} : { dnsLookup: (name, found) => found(null, name) }),
  }
}

function tlsOption(tls: RedisTlsConfig | undefined, host: string | undefined): Pick<RedisOptions, 'tls'> {
  return tls === undefined ? {} : { tls: tlsOptions(tls, host) }
}

function tlsOptions(tls: RedisTlsConfig | undefined, host: string | undefined): NonNullable<RedisOptions['tls']> {
  // Node sends no server name of its own accord, and managed services choose the certificate by it.
  const servername = tls?.serverName ?? (host === undefined || isIP(host) !== 0 ? undefined : host)
  return {
    ...defined({ ca: tls?.ca, cert: tls?.cert, key: tls?.key, servername }),
    rejectUnauthorized: tls?.skipVerify !== true,
  }
}

/**
 * ioredis reads `options.password` at each connect: a getter there makes a rotated secret work without a restart. It must
 * not throw (the client would stay "connecting" for ever): while the file is away, the password read last is tried.
 */
function livePasswords({ config, logger }: ConnectionParts): (client: Redis) => void {
  const password = lastKnown(config.password, logger)
  const sentinelPassword = lastKnown(config.sentinel?.password, logger)
  return ({ options }) => {
    if (password !== undefined) Object.defineProperty(options, 'password', { get: password, enumerable: true })
    if (sentinelPassword === undefined) return
    Object.defineProperty(options, 'sentinelPassword', { get: sentinelPassword, enumerable: true })
  }
}

function lastKnown(read: (() => string | undefined) | undefined, logger: Logger) {
  if (read === undefined) return undefined
  let known: string | undefined
  let failing = false
  return () => {
    try {
      known = read()
      failing = false
    } catch {
      if (!failing) logger.warn({ event: 'redis_password_unreadable' }, 'the password of Redis cannot be read again')
      failing = true
    }
    return known
  }
}

/** Without the undefined ones: to the driver "given as undefined" differs from "not given". */
function defined<Options extends object>(options: Options): { [Name in keyof Options]?: NonNullable<Options[Name]> } {
  // Object.fromEntries forgets the names that it was given.
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Options]?: NonNullable<Options[Name]>
  }
}

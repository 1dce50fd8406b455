// The `redis` group: the options of the Traefik plugin word for word, then what a real Redis also needs (ACL user, URL, private CA and client
// certificate, Sentinel, Cluster).
import { address, redisAddress } from './network.ts'
import { group, leaf, listOf, optional, withDefault, Wrong } from './option.ts'
import type { Reader } from './option.ts'
import { secret } from './secrets.ts'
import { choice, duration, flag, integer, text } from './values.ts'

const timeout = duration('1ms', '1h')

/** How many there are is `databases`' to say. */
const database: Reader<number> = (value) => {
  const number = integer(0, 1_000_000)(value)
  return number instanceof Wrong ? new Wrong('must be a whole number from 0 to 15') : number
}

export const redisOptions = {
  enabled: withDefault(false, leaf(flag)),
  address: optional(leaf(redisAddress)),
  password: optional(leaf(secret), { secret: true }),
  db: withDefault(0, leaf(database)),
  databases: withDefault(16, leaf(integer(1, 1_000_000))),
  keyPrefix: withDefault('traefikoidc:', leaf(text)),
  cacheMode: optional(leaf(choice(['memory', 'redis', 'hybrid']))),
  poolSize: withDefault(10, leaf(integer(1, 1_000))),
  connectTimeout: withDefault(5, leaf(timeout)),
  readTimeout: withDefault(3, leaf(timeout)),
  writeTimeout: withDefault(3, leaf(timeout)),
  enableTLS: withDefault(false, leaf(flag)),
  tlsSkipVerify: withDefault(false, leaf(flag)),
  enableCircuitBreaker: withDefault(true, leaf(flag)),
  circuitBreakerThreshold: withDefault(5, leaf(integer(1, 10_000))),
  circuitBreakerTimeout: withDefault(60, leaf(duration('1ms', '1d'))),
  enableHealthCheck: withDefault(true, leaf(flag)),
  healthCheckInterval: withDefault(30, leaf(duration('1ms', '1d'))),
  hybridL1Size: withDefault(500, leaf(integer(1, 100_000_000))),
  hybridL1MemoryMB: withDefault(10, leaf(integer(1, 1_048_576))),

  username: optional(leaf(text)),
  url: optional(leaf(secret), { secret: true }),
  caFile: optional(leaf(text)),
  certFile: optional(leaf(text)),
  keyFile: optional(leaf(text)),
  serverName: optional(leaf(text)),
  sentinel: group({
    masterName: optional(leaf(text)),
    addresses: withDefault([], listOf(leaf(address))),
    username: optional(leaf(text)),
    password: optional(leaf(secret), { secret: true }),
    enableTLS: withDefault(false, leaf(flag)),
  }),
  cluster: group({ addresses: withDefault([], listOf(leaf(address))) }),
}

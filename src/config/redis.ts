// The `redis` group as a whole: which server(s), with which identity, in which mode.
import type { RedisConfig, RedisTlsConfig } from './config.ts'
import { checkCertificates, fileText, privateKey, secretText } from './checks.ts'
import type { Checks } from './checks.ts'
import { Wrong } from './option.ts'
import { parseRedisUrl } from './redis-url.ts'
import type { RedisUrl } from './redis-url.ts'
import { readSecret } from './secrets.ts'
import type { SecretSource } from './secrets.ts'

const MB = 1_048_576

export function redisConfig(checks: Checks): RedisConfig {
  const { redis } = checks.settings
  const url = redisUrl(checks)
  checkServers(checks)
  checkAgainstUrl(checks, url)
  const db = checks.isGiven(['redis', 'db']) ? redis.db : (url?.db ?? redis.db)
  const isCluster = redis.cluster.addresses.length > 0
  if (isCluster && db !== 0) refuseDb(checks)
  return {
    mode: mode(checks),
    address: redis.address ?? url?.address,
    username: redis.username ?? url?.username,
    password: password(checks, ['redis', 'password'], redis.password) ?? urlPassword(checks, url),
    db,
    keyPrefix: keyPrefix(checks),
    poolSize: redis.poolSize,
    connectTimeoutMs: redis.connectTimeout,
    readTimeoutMs: redis.readTimeout,
    writeTimeoutMs: redis.writeTimeout,
    tls: tls(checks, url),
    circuitBreaker: redis.enableCircuitBreaker
      ? { threshold: redis.circuitBreakerThreshold, openMs: redis.circuitBreakerTimeout }
      : undefined,
    healthCheckIntervalMs: redis.enableHealthCheck ? redis.healthCheckInterval : undefined,
    l1: { maxItems: redis.hybridL1Size, maxBytes: redis.hybridL1MemoryMB * MB },
    sentinel: sentinel(checks),
    cluster: isCluster ? { addresses: redis.cluster.addresses } : undefined,
  }
}

function mode({ settings, refuse, warn }: Checks): RedisConfig['mode'] {
  const { enabled, cacheMode } = settings.redis
  if (cacheMode === undefined) return enabled ? 'redis' : 'memory'
  if (cacheMode !== 'memory' && !enabled) {
    refuse(
      [
        ['redis', 'cacheMode'],
        ['redis', 'enabled'],
      ],
      `${cacheMode} needs Redis; set redis.enabled: true (or REDIS_ENABLED=true), or use cacheMode: memory`,
    )
  }
  if (cacheMode === 'memory' && enabled)
    warn(['redis', 'cacheMode'], 'is memory, so Redis is not used and replicas share nothing')
  return cacheMode
}

function keyPrefix({ settings, refuse }: Checks): string {
  const prefix = settings.redis.keyPrefix
  // Braces decide the Cluster slot of every key; the others are wildcards of SCAN and of ACL rules.
  if (/[{}*?[\]\\\s]/.test(prefix)) refuse(['redis', 'keyPrefix'], 'must not have spaces or any of { } * ? [ ] \\')
  if (prefix.length > 100) refuse(['redis', 'keyPrefix'], 'is longer than 100 characters; it stands in every key')
  return prefix
}

function redisUrl(checks: Checks): RedisUrl | undefined {
  const path = ['redis', 'url']
  const written = secretText(checks, path, checks.settings.redis.url)
  if (written === undefined) return undefined
  const url = parseRedisUrl(written)
  if (!(url instanceof Wrong)) return url
  checks.refuse(path, url.message)
  return undefined
}

function checkServers({ settings, refuse, warn, isGiven }: Checks): void {
  const { redis } = settings
  const hasAddress = isGiven(['redis', 'address'])
  const hasUrl = isGiven(['redis', 'url'])
  const hasSentinel = isGiven(['redis', 'sentinel', 'addresses']) || isGiven(['redis', 'sentinel', 'masterName'])
  const hasCluster = isGiven(['redis', 'cluster', 'addresses'])
  const ways = [hasUrl, hasSentinel, hasCluster].filter(Boolean).length
  if (redis.enabled && ways === 0 && !hasAddress) {
    refuse(['redis', 'address'], 'is missing; give address, url, sentinel or cluster, or set redis.enabled: false')
  }
  if (ways > 1) refuse(['redis'], 'names its servers in more than one way; keep one of url, sentinel and cluster')
  // Left from before the move to a Sentinel or Cluster: those say where the servers are.
  if (hasAddress && (hasSentinel || hasCluster)) {
    warn(
      ['redis', 'address'],
      `is not used: redis.${hasSentinel ? 'sentinel' : 'cluster'}.addresses says where Redis is`,
    )
  }
  if (!hasSentinel && hasCluster && redis.cluster.addresses.length === 0) {
    refuse(['redis', 'cluster', 'addresses'], 'is an empty list; name at least one node')
  }
  if (!hasSentinel) return
  const masterName = ['redis', 'sentinel', 'masterName']
  const addresses = ['redis', 'sentinel', 'addresses']
  if (redis.sentinel.masterName === undefined)
    refuse([masterName], 'is missing; it is the name that the sentinels watch, often mymaster')
  if (redis.sentinel.addresses.length === 0)
    refuse([addresses], 'is missing; name the sentinels, such as [sentinel-1:26379]')
}

/** An explicit option wins where the URL says nothing; where both speak and differ, nobody can know what was meant. */
function checkAgainstUrl(checks: Checks, url: RedisUrl | undefined): void {
  if (url === undefined) return
  const { settings, refuse, isGiven } = checks
  const { redis } = settings
  const differs = (name: string, isDifferent: boolean): void => {
    if (isDifferent && isGiven(['redis', name])) {
      refuse(
        [
          ['redis', name],
          ['redis', 'url'],
        ],
        'contradicts redis.url; keep one of the two',
      )
    }
  }
  const { address } = redis
  differs('address', address !== undefined && (address.host !== url.address.host || address.port !== url.address.port))
  differs('username', url.username !== undefined && redis.username !== url.username)
  differs('db', url.db !== undefined && redis.db !== url.db)
  differs('enableTLS', url.tls && !redis.enableTLS)
  if (url.password !== undefined && redis.password !== undefined) {
    const explicit = secretText(checks, ['redis', 'password'], redis.password)
    differs('password', explicit !== undefined && explicit !== url.password)
  }
}

function refuseDb({ refuse, isGiven }: Checks): void {
  const path = isGiven(['redis', 'db']) ? ['redis', 'db'] : ['redis', 'url']
  refuse(path, 'must be 0 with redis.cluster: a Cluster has no other database')
}

/** Reads a mounted secret again at each call; the first read is now, so that a wrong path is a problem of the start. */
function password(checks: Checks, path: string[], source: SecretSource | undefined): RedisConfig['password'] {
  if (source === undefined || secretText(checks, path, source) === undefined) return undefined
  const { readFile } = checks
  const { secretsDir } = checks.settings
  return () => readSecret(source, secretsDir, readFile)
}

function urlPassword(checks: Checks, url: RedisUrl | undefined): RedisConfig['password'] {
  const source = checks.settings.redis.url
  if (source === undefined || url?.password === undefined) return undefined
  if (placeholderRefused(checks, url.password)) return undefined
  const { readFile } = checks
  const { secretsDir } = checks.settings
  return () => {
    const current = parseRedisUrl(readSecret(source, secretsDir, readFile))
    return current instanceof Wrong ? url.password : current.password
  }
}

function placeholderRefused(checks: Checks, value: string): boolean {
  return secretText(checks, ['redis', 'url'], { from: 'text', text: value }) === undefined
}

function tls(checks: Checks, url: RedisUrl | undefined): RedisTlsConfig | undefined {
  const { settings, refuse, warn, isGiven } = checks
  const { redis } = settings
  if (!redis.enableTLS && url?.tls !== true) {
    for (const name of ['tlsSkipVerify', 'caFile', 'certFile', 'keyFile', 'serverName'] as const) {
      if (isGiven(['redis', name]) && redis[name] !== false) {
        warn(['redis', name], 'has no effect without redis.enableTLS: true (or a rediss:// URL)')
      }
    }
    if (redis.sentinel.enableTLS) {
      refuse(
        [
          ['redis', 'sentinel', 'enableTLS'],
          ['redis', 'enableTLS'],
        ],
        'protects the question where the sessions are, but not the sessions; set redis.enableTLS: true too',
      )
    }
    return undefined
  }
  if (redis.tlsSkipVerify)
    warn(
      ['redis', 'tlsSkipVerify'],
      'Redis’s certificate is not checked: anybody on the way can read and change sessions; for tests only',
    )
  if ((redis.certFile === undefined) !== (redis.keyFile === undefined)) {
    const [missing, present] = redis.certFile === undefined ? ['certFile', 'keyFile'] : ['keyFile', 'certFile']
    refuse(
      [
        ['redis', missing],
        ['redis', present],
      ],
      `is missing; a client certificate needs both certFile and keyFile`,
    )
  }
  const ca = fileText(checks, ['redis', 'caFile'], redis.caFile)
  const cert = fileText(checks, ['redis', 'certFile'], redis.certFile)
  const key = fileText(checks, ['redis', 'keyFile'], redis.keyFile)
  if (ca !== undefined) checkCertificates(checks, ['redis', 'caFile'], ca)
  if (cert !== undefined) checkCertificates(checks, ['redis', 'certFile'], cert)
  if (key !== undefined) privateKey(checks, ['redis', 'keyFile'], key)
  return { ca, cert, key, serverName: redis.serverName, skipVerify: redis.tlsSkipVerify }
}

function sentinel(checks: Checks): RedisConfig['sentinel'] {
  const { masterName, addresses, username, enableTLS, password: source } = checks.settings.redis.sentinel
  if (masterName === undefined || addresses.length === 0) return undefined
  return {
    masterName,
    addresses,
    username,
    password: password(checks, ['redis', 'sentinel', 'password'], source),
    enableTLS,
  }
}

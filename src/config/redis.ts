// The `redis` group as a whole: which server(s), with which identity, in which mode.
import { isDeepStrictEqual } from 'node:util'
import type { RedisConfig, RedisTlsConfig } from './config.ts'
import { belongsTo, checkCertificates, fileText, privateKey, secretText } from './checks.ts'
import type { Checks } from './checks.ts'
import { Wrong } from './option.ts'
import { pathText } from './problems.ts'
import type { Path } from './problems.ts'
import { parseRedisUrl } from './redis-url.ts'
import type { RedisUrl } from './redis-url.ts'
import { readSecret } from './secrets.ts'
import type { SecretSource } from './secrets.ts'

const MB = 1_048_576

export function redisConfig(checks: Checks): RedisConfig {
  const { redis } = checks.settings
  const written = redisUrl(checks)
  const url = usedUrl(checks, written)
  // One that was refused is not missing as well.
  checkServers(checks, url !== undefined || (written === undefined && checks.isGiven(['redis', 'url'])))
  // What the environment says only fills what the file leaves open.
  const yields = checkAgainstUrl(checks, url)
  const isSaid = (name: string): boolean => checks.isGiven(['redis', name]) && !yields.has(name)
  const db = isSaid('db') ? redis.db : (url?.db ?? 0)
  const isCluster = redis.cluster.addresses.length > 0
  checkDb(checks, db, isCluster)
  const place = (isSaid('address') ? redis.address : undefined) ?? url?.address
  const isSocket = place !== undefined && 'socketPath' in place
  const secure = tls(checks, url)
  if (isSocket && secure !== undefined) {
    checks.refuse(['redis', 'enableTLS'], 'means nothing on a Unix socket; remove it')
  }
  const ownPassword = password(checks, ['redis', 'password'], redis.password)
  return {
    mode: mode(checks),
    address: isSocket ? undefined : place,
    ...(isSocket && { socketPath: place.socketPath }),
    username: (isSaid('username') ? redis.username : undefined) ?? url?.username,
    password: (isSaid('password') ? ownPassword : undefined) ?? urlPassword(checks, url),
    db,
    keyPrefix: keyPrefix(checks),
    poolSize: redis.poolSize,
    connectTimeoutMs: redis.connectTimeout,
    readTimeoutMs: redis.readTimeout,
    writeTimeoutMs: redis.writeTimeout,
    tls: secure,
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

const PLACES: readonly Path[] = [
  ['redis', 'address'],
  ['redis', 'sentinel', 'addresses'],
  ['redis', 'sentinel', 'masterName'],
  ['redis', 'cluster', 'addresses'],
]

/** A REDIS_URL in the environment yields where the file says that Redis is elsewhere: platforms set it unasked. */
function usedUrl(checks: Checks, url: RedisUrl | undefined): RedisUrl | undefined {
  const { isGiven, isFromEnvironment, settings, warn } = checks
  const path = ['redis', 'url']
  if (url === undefined || !isFromEnvironment(path)) return url
  const inFile = PLACES.find((place) => isGiven(place) && !isFromEnvironment(place))
  if (inFile === undefined) return url
  if (inFile === PLACES[0] && isSamePlace(settings.redis.address, url.address)) return url
  warn(path, `is not used: ${pathText(inFile)} in the file says where Redis is`)
  return undefined
}

function isSamePlace(one: RedisUrl['address'] | undefined, other: RedisUrl['address']): boolean {
  return isDeepStrictEqual(one, other)
}

function checkServers({ settings, refuse, warn, isGiven }: Checks, hasUrl: boolean): void {
  const { redis } = settings
  const hasAddress = isGiven(['redis', 'address'])
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

/**
 * An option wins where the URL says nothing, and the file wins over the environment. Where both speak from the same place and
 * differ, nobody can know what was meant. The options that yield to the URL.
 */
function checkAgainstUrl(checks: Checks, url: RedisUrl | undefined): ReadonlySet<string> {
  const yields = new Set<string>()
  if (url === undefined) return yields
  const { settings, refuse, warn, isGiven, isFromEnvironment } = checks
  const { redis } = settings
  const urlPath = ['redis', 'url']
  const differs = (name: string, isDifferent: boolean): void => {
    const path = ['redis', name]
    if (!isDifferent || !isGiven(path)) return
    // Whether TLS is on is nothing to be outvoted.
    if (name === 'enableTLS' || isFromEnvironment(path) === isFromEnvironment(urlPath)) {
      refuse([path, urlPath], 'contradicts redis.url; keep one of the two')
    } else if (isFromEnvironment(path)) {
      yields.add(name)
      warn(path, 'is not used: redis.url in the file says otherwise')
    } else {
      warn(urlPath, `is not used for what redis.${name} in the file says`)
    }
  }
  differs('address', !isSamePlace(redis.address, url.address))
  differs('username', url.username !== undefined && redis.username !== url.username)
  differs('db', url.db !== undefined && redis.db !== url.db)
  differs('enableTLS', url.tls && !redis.enableTLS)
  if (url.password !== undefined && redis.password !== undefined) {
    const explicit = secretText(checks, ['redis', 'password'], redis.password)
    differs('password', explicit !== undefined && explicit !== url.password)
  }
  return yields
}

function checkDb({ settings, refuse, isGiven }: Checks, db: number, isCluster: boolean): void {
  const path = isGiven(['redis', 'db']) ? ['redis', 'db'] : ['redis', 'url']
  const { databases } = settings.redis
  if (isCluster && db !== 0) refuse(path, 'must be 0 with redis.cluster: a Cluster has no other database')
  else if (db >= databases) {
    refuse(
      path,
      `must be a whole number from 0 to ${databases - 1}; if the server has more databases, say how many in redis.databases`,
    )
  }
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
  const opened = key === undefined ? undefined : privateKey(checks, ['redis', 'keyFile'], key)
  if (cert !== undefined && opened !== undefined && !belongsTo(cert, opened)) {
    refuse(
      [
        ['redis', 'keyFile'],
        ['redis', 'certFile'],
      ],
      'is not the key of the certificate in redis.certFile; give the two that belong together',
    )
  }
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

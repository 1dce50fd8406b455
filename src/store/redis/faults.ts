// What went wrong with Redis, in words an operator can act on. Everything that can come out of the driver, of TLS or of the
// server ends up as one of these kinds: in the log, in /healthz, in `check --connect`, and in the circuit's decision whether
// it was an infrastructure failure at all.
import { kindsByConnectionCode } from '../../connection-codes.ts'
import { StoreUnavailable, StoreValueRejected } from '../../errors.ts'

export type RedisFaultKind = keyof typeof meanings

export interface RedisFault {
  readonly kind: RedisFaultKind
  /** Counts towards the circuit breaker. A value of the wrong type or a rejected script says nothing about the server's health. */
  readonly infrastructure: boolean
  /** What it means and what to do. Never holds a key, a value or a secret. */
  readonly message: string
}

/** The cause of a StoreUnavailable: the driver's error without its command, whose arguments may hold values and passwords. */
export class RedisFailure extends Error {
  readonly fault: RedisFault
  constructor(fault: RedisFault, error: unknown) {
    super(error instanceof Error ? error.message : fault.message)
    this.name = error instanceof Error ? error.name : 'RedisFailure'
    this.fault = fault
  }
}

const meanings = {
  connecting: 'not connected to Redis yet',
  refused:
    'connection refused or host unreachable: check that Redis is running (redis-cli ping), redis.address, and the network',
  own_delay:
    'this process had no time to look for the answer of Redis: it is short of CPU, or was paused; nothing is wrong with Redis',
  timeout: 'Redis did not answer in time: check its load and the network (redis-cli --latency), or raise the timeouts',
  reset: 'the connection to Redis was closed or reset',
  dns: 'the host name of Redis does not resolve: check redis.address',
  auth_required: 'Redis requires a password (NOAUTH): set redis.password',
  wrong_password: 'Redis refused the user name or password (WRONGPASS): check redis.username and redis.password',
  no_permission:
    'the Redis user may not do this (NOPERM): its ACL needs the keys <keyPrefix>*, the channels <keyPrefix>*, and the commands listed in docs/redis.md under An ACL user',
  tls_name: 'the certificate of Redis is for another name: set redis.serverName to the name in the certificate',
  tls_expired: 'the certificate of Redis has expired or is not valid yet: renew it, and check the clocks',
  tls_untrusted: 'the certificate of Redis is not signed by a trusted authority: set redis.caFile',
  tls_client_certificate: 'Redis wants a client certificate, or refused ours: set redis.certFile and redis.keyFile',
  tls_required:
    'Redis closed the plain connection before it answered: it probably expects TLS (redis.enableTLS), or something between cuts the connection',
  tls_not_offered:
    'no TLS handshake took place: the port may not speak TLS (unset redis.enableTLS, or use the TLS port), or the host does not answer',
  readonly: 'Redis is a read-only replica (READONLY): a failover is under way, or redis.address names a replica',
  loading: 'Redis is still loading its data (LOADING)',
  busy: 'Redis is busy with a long script (BUSY)',
  oom: 'Redis is out of memory (OOM): raise maxmemory (an eviction policy would make room by dropping revocation marks)',
  write_refused: 'Redis refuses writes (MISCONF or NOREPLICAS): check its disk and its replicas',
  cluster_down: 'the Redis Cluster cannot serve this key now (CLUSTERDOWN or TRYAGAIN): part of it is down or moving',
  master_down: 'the Redis replica has lost its primary (MASTERDOWN)',
  sentinel: 'no Sentinel answered, or none knows redis.sentinel.masterName',
  is_sentinel:
    'this is a Sentinel, which knows where Redis is and holds nothing: put its address into redis.sentinel.addresses, with redis.sentinel.masterName',
  max_clients: 'Redis has no room for another connection: raise its maxclients',
  not_cluster: 'redis.cluster is configured, but this Redis is not a Cluster: use redis.address',
  is_cluster: 'this Redis is a Cluster (MOVED): configure redis.cluster.addresses instead of redis.address',
  moved: 'the Redis Cluster moved this key and the driver could not follow in time (MOVED or ASK)',
  wrong_type: 'a key of ours holds a value of another type (WRONGTYPE): something else writes under redis.keyPrefix',
  script:
    'Redis rejected one of our commands or scripts: it may be too old, a proxy between may not support EVAL, or redis.address may name a Sentinel (redis.sentinel.addresses is for those)',
  other: 'Redis answered with an error that has no name here',
} as const

export const refusalKinds = ['oom', 'readonly', 'no_permission', 'write_refused'] as const satisfies RedisFaultKind[]
const refusals: ReadonlySet<RedisFaultKind> = new Set(refusalKinds)

/** An answer, if an unwelcome one: the server is there, and takes no writes, or not from us. */
export const isRefusal = (error: unknown): boolean => refusals.has(redisFault(error).kind)

/** It was this process that had no time to look: nothing can be said of the server. */
export const isOwnDelay = (error: unknown): boolean => redisFault(error).kind === 'own_delay'

const harmless: ReadonlySet<RedisFaultKind> = new Set(['connecting', 'own_delay', 'wrong_type', 'script', 'other'])

export function fault(kind: RedisFaultKind): RedisFault {
  return { kind, infrastructure: !harmless.has(kind), message: meanings[kind] }
}

const kindsByCode: Readonly<Record<string, RedisFaultKind>> = {
  ...kindsByConnectionCode,
  // Of a Unix socket: not there, or not for us.
  ENOENT: 'refused',
  EACCES: 'refused',
  EHOSTUNREACH: 'refused',
  ENETUNREACH: 'refused',
  EHOSTDOWN: 'refused',
  EADDRNOTAVAIL: 'refused',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'tls_client_certificate',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'tls_client_certificate',
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: 'tls_client_certificate',
}

// Anywhere in the message: an error inside a script arrives with words around it ("ERR Error running script … -READONLY …").
const kindsByWords: readonly (readonly [RegExp, RedisFaultKind])[] = [
  [/\bWRONGTYPE\b/, 'wrong_type'],
  [/\bREADONLY\b/, 'readonly'],
  [/\bLOADING\b/, 'loading'],
  [/\bOOM\b/, 'oom'],
  [/\b(MISCONF|NOREPLICAS)\b/, 'write_refused'],
  [/\bNOAUTH\b/, 'auth_required'],
  [/\bWRONGPASS\b|invalid password|invalid username-password/i, 'wrong_password'],
  [/\bNOPERM\b|ACL failure in script|The user executing the script can't/, 'no_permission'],
  [/\b(CLUSTERDOWN|TRYAGAIN)\b/, 'cluster_down'],
  [/\bMASTERDOWN\b/, 'master_down'],
  [/max number of clients/, 'max_clients'],
  [/cluster support disabled/, 'not_cluster'],
  // Of a Sentinel that it could not reach the driver only knows that the connection is closed.
  [/No such master|All sentinels are unreachable(?!.*Last error: (?!Connection is closed))/, 'sentinel'],
  [/Too many Cluster redirections.*\b(MOVED|ASK)\b/, 'moved'],
  [/^(MOVED|ASK) /, 'is_cluster'],
  [/^BUSY\b/, 'busy'],
  [/before secure TLS connection was established/, 'tls_not_offered'],
  [/ECONNREFUSED|EHOSTUNREACH|ENETUNREACH/, 'refused'],
  [/ENOTFOUND|EAI_AGAIN/, 'dns'],
  [/ETIMEDOUT|timed out|Socket timeout|timeout/i, 'timeout'],
  [/NOSCRIPT|CROSSSLOT|user_script|unknown command|wrong number of arguments|^ERR\b/, 'script'],
  [/Connection is closed|Stream isn't writeable|max retries per request|isn't ready|ECONNRESET|EPIPE|aborted/, 'reset'],
  [/None of startup nodes is available|Failed to refresh slots cache|All sentinels are unreachable/, 'refused'],
]

/** Says which fault an error is. Looks through StoreUnavailable, and through the driver's errors that only wrap the real one. */
export function redisFault(error: unknown): RedisFault {
  if (error instanceof RedisFailure) return error.fault
  if (error instanceof StoreValueRejected) return fault('wrong_type')
  if (error instanceof StoreUnavailable) {
    return error.cause === undefined ? { ...fault('other'), infrastructure: true } : redisFault(error.cause)
  }
  if (!(error instanceof Error)) return fault('other')
  // A Cluster that has lost every node keeps the last node's reason beside its own words.
  if ('lastNodeError' in error && error.lastNodeError instanceof Error) return redisFault(error.lastNodeError)
  // Why a Sentinel could not be reached matters only where more than its absence is to be repaired.
  if (/All sentinels are unreachable/.test(error.message) && error.cause instanceof Error) {
    const why = redisFault(error.cause)
    if (why.kind.startsWith('tls_')) return why
  }
  const byCode = kindsByCode[codeOf(error) ?? '']
  // Node reports a peer that hangs up during the TLS handshake as ECONNRESET; only the words tell the difference.
  if (byCode !== undefined && !(byCode === 'reset' && /secure TLS/.test(error.message))) return fault(byCode)
  // Connecting to a name with several addresses fails with one error for each.
  if (error instanceof AggregateError && error.errors.length > 0) return redisFault(error.errors[0])
  for (const [words, kind] of kindsByWords) if (words.test(error.message)) return ofSentinels(error, fault(kind))
  return fault('other')
}

/** The Sentinels have a password of their own. */
function ofSentinels(error: Error, found: RedisFault): RedisFault {
  if (!/All sentinels are unreachable/.test(error.message)) return found
  if (found.kind !== 'auth_required' && found.kind !== 'wrong_password') return found
  return {
    ...found,
    message:
      'the Sentinels require a password or refused it (NOAUTH, WRONGPASS): set redis.sentinel.password and redis.sentinel.username, which are not those of Redis',
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

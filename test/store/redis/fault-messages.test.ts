import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fault, RedisFailure, redisFault } from '../../../src/store/redis/faults.ts'
import type { RedisFaultKind } from '../../../src/store/redis/faults.ts'
import { StoreUnavailable, StoreValueRejected } from '../../../src/errors.ts'

const coded = (code: string, message = code) => Object.assign(new Error(message), { code })

// The messages are those of Redis 6 and 7, of ioredis 6 and of Node 22 to 26.
const table: [words: string, error: unknown, kind: RedisFaultKind][] = [
  ['connection refused', coded('ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:6379'), 'refused'],
  ['refused on every address of a name', new AggregateError([coded('ECONNREFUSED')], ''), 'refused'],
  ['no route', coded('EHOSTUNREACH'), 'refused'],
  ['connect timeout', coded('ETIMEDOUT', 'connect ETIMEDOUT'), 'timeout'],
  ['silence', new Error("Socket timeout. Expecting data, but didn't receive any in 3000ms."), 'timeout'],
  ['reset', coded('ECONNRESET', 'read ECONNRESET'), 'reset'],
  ['closed', new Error('Connection is closed.'), 'reset'],
  ['not connected', new Error("Stream isn't writeable and enableOfflineQueue options is false"), 'reset'],
  ['flushed', new Error('Reached the max retries per request limit (which is 0).'), 'reset'],
  ['unknown host', coded('ENOTFOUND', 'getaddrinfo ENOTFOUND redis'), 'dns'],
  ['no password', new Error('NOAUTH Authentication required.'), 'auth_required'],
  [
    'no password, asked by HELLO',
    new Error('NOAUTH HELLO must be called with the client already authenticated'),
    'auth_required',
  ],
  ['wrong password', new Error('WRONGPASS invalid username-password pair or user is disabled.'), 'wrong_password'],
  ['wrong password, Redis 5', new Error('ERR invalid password'), 'wrong_password'],
  ['forbidden', new Error("NOPERM this user has no permissions to run the 'set' command"), 'no_permission'],
  [
    'forbidden in a script',
    new Error("ERR The user executing the script can't publish to the channel mentioned in the command"),
    'no_permission',
  ],
  ['wrong name', coded('ERR_TLS_CERT_ALTNAME_INVALID'), 'tls_name'],
  ['expired', coded('CERT_HAS_EXPIRED'), 'tls_expired'],
  ['unknown authority', coded('SELF_SIGNED_CERT_IN_CHAIN'), 'tls_untrusted'],
  ['plain answer to TLS', coded('ERR_SSL_WRONG_VERSION_NUMBER'), 'tls_not_offered'],
  [
    'hung up in the handshake',
    coded('ECONNRESET', 'Client network socket disconnected before secure TLS connection was established'),
    'tls_not_offered',
  ],
  ['read only', new Error("READONLY You can't write against a read only replica."), 'readonly'],
  [
    'read only in a script of Redis 6',
    new Error("ERR Error running script (call to f_1): @user_script:1: -READONLY You can't write against a read only"),
    'readonly',
  ],
  ['loading', new Error('LOADING Redis is loading the dataset in memory'), 'loading'],
  ['busy', new Error('BUSY Redis is busy running a script.'), 'busy'],
  ['full', new Error("OOM command not allowed when used memory > 'maxmemory'."), 'oom'],
  ['disk trouble', new Error('MISCONF Redis is configured to save RDB snapshots'), 'write_refused'],
  ['cluster down', new Error('CLUSTERDOWN The cluster is down'), 'cluster_down'],
  ['slot on its way', new Error('TRYAGAIN Multiple keys request during rehashing of slot'), 'cluster_down'],
  [
    'primary lost',
    new Error("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."),
    'master_down',
  ],
  ['too many clients', new Error('ERR max number of clients reached'), 'max_clients'],
  ['no cluster', new Error('ERR This instance has cluster support disabled'), 'not_cluster'],
  ['a cluster', new Error('MOVED 3999 127.0.0.1:6381'), 'is_cluster'],
  [
    'redirected too often',
    new Error('Too many Cluster redirections. Last error: ReplyError: MOVED 1 127.0.0.1:1'),
    'moved',
  ],
  [
    'all nodes lost',
    Object.assign(new Error('Failed to refresh slots cache.'), { lastNodeError: coded('ECONNREFUSED') }),
    'refused',
  ],
  ['all nodes lost, reason unknown', new Error('None of startup nodes is available'), 'refused'],
  [
    'Sentinels: unknown name',
    new Error('All sentinels are unreachable. Retrying from scratch after 10ms.'),
    'sentinel',
  ],
  [
    'Sentinels: wrong password',
    new Error('All sentinels are unreachable. Last error: WRONGPASS invalid username-password pair'),
    'wrong_password',
  ],
  ['wrong type', new Error('WRONGTYPE Operation against a key holding the wrong kind of value'), 'wrong_type'],
  ['no EVAL', new Error("ERR unknown command 'eval'"), 'script'],
  ['something else', new Error('who knows'), 'other'],
  ['not an error', 'a string', 'other'],
]

for (const [words, error, kind] of table) {
  test(`${words}: ${kind}, also through StoreUnavailable`, () => {
    assert.equal(redisFault(error).kind, kind)
    const wrapped = new StoreUnavailable('away', { cause: new RedisFailure(redisFault(error), error) })
    assert.deepEqual(redisFault(wrapped), redisFault(error))
    assert.ok(redisFault(error).message.length > 10)
  })
}

test('what says nothing about the health of the server is no infrastructure fault', () => {
  for (const kind of ['wrong_type', 'script', 'other', 'connecting'] as const) {
    assert.equal(fault(kind).infrastructure, false, kind)
  }
  for (const kind of ['refused', 'timeout', 'loading', 'readonly', 'oom', 'cluster_down', 'master_down'] as const) {
    assert.equal(fault(kind).infrastructure, true, kind)
  }
  assert.equal(redisFault(new StoreValueRejected('damaged')).infrastructure, false)
  assert.equal(redisFault(new StoreUnavailable('away')).infrastructure, true)
})

test('a failure keeps the words of the driver and none of its arguments', () => {
  const error = Object.assign(new Error('WRONGPASS no'), { command: { name: 'auth', args: ['user', 'the-secret'] } })
  const failure = new RedisFailure(redisFault(error), error)
  assert.equal(failure.message, 'WRONGPASS no')
  assert.ok(!JSON.stringify([failure, Object.entries(failure), failure.stack]).includes('the-secret'))
})

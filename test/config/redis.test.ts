import assert from 'node:assert/strict'
import test from 'node:test'
import { load, problemsOf } from './load-fixture.ts'

const redisOf = (group: string, files: Record<string, string> = {}) =>
  load({ text: `redis: ${group}`, files }).config.redis

test('the defaults are those of docs/redis.md, word for word', () => {
  const redis = redisOf('{ enabled: true, address: "redis:6379" }')
  assert.deepEqual(redis, {
    mode: 'redis',
    address: { host: 'redis', port: 6_379 },
    username: undefined,
    password: undefined,
    db: 0,
    keyPrefix: 'traefikoidc:',
    poolSize: 10,
    connectTimeoutMs: 5_000,
    readTimeoutMs: 3_000,
    writeTimeoutMs: 3_000,
    tls: undefined,
    circuitBreaker: { threshold: 5, openMs: 60_000 },
    healthCheckIntervalMs: 30_000,
    l1: { maxItems: 500, maxBytes: 10_485_760 },
    sentinel: undefined,
    cluster: undefined,
  })
})

test('breaker and health check can be turned off', () => {
  const redis = redisOf('{ enableCircuitBreaker: false, enableHealthCheck: false }')
  assert.deepEqual([redis.circuitBreaker, redis.healthCheckIntervalMs], [undefined, undefined])
})

test('cacheMode is memory without Redis, redis with it, and what is said otherwise', () => {
  assert.equal(redisOf('{}').mode, 'memory')
  assert.equal(redisOf('{ enabled: true, address: "r:1", cacheMode: hybrid }').mode, 'hybrid')
  assert.equal(redisOf('{ enabled: true, address: "r:1", cacheMode: memory }').mode, 'memory')
})

test('redis.url gives address, user, password, database and TLS', () => {
  const redis = redisOf('{ enabled: true, url: "rediss://app:p%40ss@cache.example.com:6380/4" }')
  assert.deepEqual(
    [redis.address, redis.username, redis.password?.(), redis.db],
    [{ host: 'cache.example.com', port: 6_380 }, 'app', 'p@ss', 4],
  )
  assert.deepEqual(redis.tls, {
    ca: undefined,
    cert: undefined,
    key: undefined,
    serverName: undefined,
    skipVerify: false,
  })
})

test('redis.url needs only a host, and an option fills what it leaves open', () => {
  const redis = redisOf('{ enabled: true, url: "redis://[::1]", db: 3, username: u, password: pw, enableTLS: true }')
  assert.deepEqual(
    [redis.address, redis.username, redis.password?.(), redis.db],
    [{ host: '::1', port: 6_379 }, 'u', 'pw', 3],
  )
  assert.ok(redis.tls)
})

test('the password in a redis.url that comes from a file is read again', () => {
  const files: Record<string, string> = { '/u': 'redis://:old@h:1\n' }
  const redis = redisOf('{ enabled: true, url: "file:/u" }', files)
  assert.equal(redis.password?.(), 'old')
  files['/u'] = 'redis://:new@h:1'
  assert.equal(redis.password?.(), 'new')
})

test('saying the same in redis.url and in an option is no contradiction', () => {
  const group =
    '{ enabled: true, url: "rediss://u:pw@h:1/2", address: "h:1", username: u, password: pw, db: 2, enableTLS: true }'
  assert.deepEqual(problemsOf({ text: `redis: ${group}` }), [])
})

test('Sentinel and Cluster stand in for the address', () => {
  const sentinel = redisOf('{ enabled: true, sentinel: { masterName: m, addresses: ["a:1", "b:2"] } }')
  assert.deepEqual(sentinel.sentinel?.addresses, [
    { host: 'a', port: 1 },
    { host: 'b', port: 2 },
  ])
  const cluster = redisOf('{ enabled: true, cluster: { addresses: ["a:1"] } }')
  assert.deepEqual(cluster.cluster, { addresses: [{ host: 'a', port: 1 }] })
})

const contradiction = /contradicts redis\.url; keep one of the two/
const refusals: [group: string, problem: RegExp][] = [
  ['{ enabled: true }', /redis\.address: is missing; give address, url, sentinel or cluster/],
  ['{ cacheMode: redis }', /redis\.cacheMode: redis needs Redis; set redis\.enabled: true/],
  ['{ cacheMode: hybrid, enabled: false }', /redis\.cacheMode: hybrid needs Redis/],
  ['{ cacheMode: hybird }', /must be one of memory, redis, hybrid; did you mean hybrid\?/],
  ['{ db: 16 }', /redis\.db: must be a whole number from 0 to 15/],
  ['{ db: -1 }', /redis\.db: must be a whole number from 0 to 15/],
  ['{ enabled: true, db: 1, cluster: { addresses: ["a:1"] } }', /redis\.db: must be 0 with redis\.cluster/],
  [
    '{ enabled: true, url: "redis://a:1", cluster: { addresses: ["a:1"] } }',
    /redis: names its servers in more than one way/,
  ],
  ['{ enabled: true, sentinel: { addresses: ["a:1"] } }', /redis\.sentinel\.masterName: is missing/],
  ['{ enabled: true, sentinel: { masterName: m } }', /redis\.sentinel\.addresses: is missing/],
  ['{ enabled: true, cluster: { addresses: [] } }', /redis\.cluster\.addresses: is an empty list/],
  [
    '{ enabled: true, address: "r:1", sentinel: { enableTLS: true } }',
    /redis\.sentinel\.enableTLS: protects the question/,
  ],
  ['{ url: "http://h:1" }', /redis\.url: is no Redis URL/],
  ['{ url: "redis://h:1/16" }', /redis\.url: must name a database from 0 to 15/],
  ['{ url: "redis://h:1/zero" }', /redis\.url: must name its database by number/],
  ['{ url: "redis://h:1?x=1" }', /redis\.url: must not have a query/],
  ['{ url: "redis://:%zz@h:1" }', /redis\.url: has a % that encodes nothing/],
  ['{ url: "redis://a:1", address: "b:1" }', contradiction],
  ['{ url: "redis://u@a:1", username: v }', contradiction],
  ['{ url: "redis://:one@a:1", password: two }', contradiction],
  ['{ url: "redis://a:1/1", db: 2 }', contradiction],
  ['{ url: "rediss://a:1", enableTLS: false }', contradiction],
  ['{ enabled: true, address: "r:1", enableTLS: true, certFile: /c }', /redis\.keyFile: is missing/],
  [
    '{ enabled: true, address: "r:1", enableTLS: true, caFile: /none }',
    /redis\.caFile: its file cannot be read \(ENOENT\)/,
  ],
  ['{ keyPrefix: "{a}:" }', /redis\.keyPrefix: must not have spaces or any of/],
  ['{ connectTimeout: 0 }', /redis\.connectTimeout: must be a duration from 1ms to 1h/],
  ['{ circuitBreakerThreshold: 0 }', /redis\.circuitBreakerThreshold: must be a whole number/],
  ['5', /redis: must be a group of options/],
  ['{ enable: true }', /redis\.enable: is no known option; did you mean redis\.enabled\?/],
]
for (const [group, problem] of refusals) {
  test(`redis: ${group} is refused`, () => {
    const problems = problemsOf({ text: `redis: ${group}`, files: { '/c': 'x' } })
    assert.ok(
      problems.some((line) => problem.test(line)),
      problems.join('\n'),
    )
  })
}

test('TLS options without TLS are warned of, and so is Redis that is configured but not used', () => {
  const { warnings } = load({ text: 'redis: { enabled: true, address: "r:1", cacheMode: memory, serverName: x }' })
  assert.equal(warnings.length, 2)
  assert.match(warnings.join('\n'), /redis\.serverName: has no effect without redis\.enableTLS/)
  assert.match(warnings.join('\n'), /redis\.cacheMode: is memory, so Redis is not used/)
})

test('an address left from before the move to a Sentinel or a Cluster is not used, and that is said', () => {
  for (const [place, group] of [
    ['sentinel', 'sentinel: { masterName: m, addresses: ["s:1"] }'],
    ['cluster', 'cluster: { addresses: ["c:1"] }'],
  ] as const) {
    const { warnings } = load({ text: `redis: { enabled: true, address: "a:1", ${group} }` })
    assert.match(warnings.join('\n'), new RegExp(`redis\\.address: is not used: redis\\.${place}`))
  }
})

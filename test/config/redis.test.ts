import assert from 'node:assert/strict'
import test from 'node:test'
import type { RedisConfig } from '../../src/config/config.ts'
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
  ['{ url: "redis://h:1/16" }', /redis\.url: must be a whole number from 0 to 15; if the server has more/],
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

const sockets: [group: string, path: string, db: number, user: string | undefined][] = [
  ['address: /run/redis/redis.sock', '/run/redis/redis.sock', 0, undefined],
  ['address: "unix:/run/redis.sock", db: 3', '/run/redis.sock', 3, undefined],
  ['address: "unix:///run/redis.sock"', '/run/redis.sock', 0, undefined],
  ['url: "unix:///run/redis.sock?db=2"', '/run/redis.sock', 2, undefined],
  ['url: "redis+unix:///run/redis.sock", username: user', '/run/redis.sock', 0, 'user'],
]
for (const [group, path, db, user] of sockets) {
  test(`Redis may be behind a Unix socket: ${group} (C14)`, () => {
    const { redis } = load({ text: `redis: { enabled: true, ${group} }` }).config
    assert.deepEqual([redis.socketPath, redis.address, redis.db, redis.username], [path, undefined, db, user])
  })
}

const socketProblems: [group: string, problem: RegExp][] = [
  ['address: run/redis.sock', /redis\.address: must be host:port.*or the path of a socket/],
  ['address: /run/redis.sock, enableTLS: true', /redis\.enableTLS: means nothing on a Unix socket/],
  ['url: "unix://host/run/redis.sock"', /redis\.url: must name a socket by its absolute path/],
  ['url: "unix:///run/redis.sock?x=1"', /redis\.url: must name a socket/],
  ['url: "unix:///run/redis.sock?db=99"', /redis\.url: must be a whole number from 0 to 15/],
  ['url: "unix:///run/redis.sock?db=x"', /redis\.url: must name its database by number/],
]
for (const [group, problem] of socketProblems) {
  test(`of a Unix socket this is refused: ${group} (C14)`, () => {
    const problems = problemsOf({ text: `redis: { enabled: true, ${group} }` })
    assert.equal(problems.length, 1, problems.join('\n'))
    assert.match(problems[0] ?? '', problem)
  })
}

test('a server with more databases says how many (C14)', () => {
  assert.equal(load({ text: 'redis: { enabled: true, address: "r:1", db: 40, databases: 64 }' }).config.redis.db, 40)
  assert.equal(load({ text: 'redis: { enabled: true, url: "redis://r:1/40", databases: 64 }' }).config.redis.db, 40)
  assert.match(
    problemsOf({ text: 'redis: { enabled: true, address: "r:1", db: 64, databases: 64 }' }).join(),
    /redis\.db: must be a whole number from 0 to 63; if the server has more databases, say how many in redis\.databases/,
  )
})

const yielding: [
  what: string,
  group: string,
  env: Record<string, string>,
  said: RegExp,
  of: (redis: RedisConfig) => unknown,
  value: unknown,
][] = [
  [
    'REDIS_URL to another address of the file',
    'address: "mine:6379", password: mine',
    { REDIS_URL: 'redis://:theirs@other:6379/5' },
    /^environment:REDIS_URL: redis\.url: is not used: redis\.address in the file says where Redis is/,
    ({ address, db, password }) => [address?.host, db, password?.()],
    ['mine', 0, 'mine'],
  ],
  [
    'REDIS_URL to the Sentinels of the file',
    'sentinel: { masterName: m, addresses: ["s:1"] }',
    { REDIS_URL: 'redis://other:6379' },
    /REDIS_URL: redis\.url: is not used: redis\.sentinel\.addresses in the file/,
    ({ sentinel, address }) => [sentinel?.masterName, address],
    ['m', undefined],
  ],
  [
    'REDIS_ADDRESS to the URL of the file',
    'url: "redis://mine:6379/2"',
    { REDIS_ADDRESS: 'other:6379', REDIS_DB: '7', REDIS_PASSWORD: 'theirs' },
    /^environment:REDIS_ADDRESS: redis\.address: is not used: redis\.url in the file says otherwise/,
    ({ address, db, password }) => [address?.host, db, password?.()],
    ['mine', 2, 'theirs'],
  ],
]
for (const [what, group, env, said, of, value] of yielding) {
  test(`${what} yields, and that is said (D9)`, () => {
    const { config, warnings } = load({
      text: `redis:\n  enabled: true\n  ${group.replaceAll(/, (?=\w+: [^{}]*$)/g, '\n  ')}\n`,
      env,
    })
    assert.deepEqual(of(config.redis), value)
    assert.match(warnings.join('\n'), said)
  })
}

test('REDIS_URL fills what the file leaves open, also beside the same address (D9)', () => {
  const env = { REDIS_URL: 'redis://user:pw@r:6379/3' }
  for (const text of ['redis: { enabled: true }', 'redis: { enabled: true, address: "r:6379" }']) {
    const { config, warnings } = load({ text, env })
    assert.deepEqual(
      [config.redis.address, config.redis.db, config.redis.password?.()],
      [{ host: 'r', port: 6379 }, 3, 'pw'],
    )
    assert.deepEqual(warnings, [])
  }
})

test('of two variables that contradict each other neither yields (D9)', () => {
  const env = { REDIS_ENABLED: 'true', REDIS_URL: 'redis://a:1', REDIS_ADDRESS: 'b:1' }
  assert.match(problemsOf({ env }).join(), /environment:REDIS_ADDRESS: redis\.address: contradicts redis\.url/)
  assert.match(
    problemsOf({ text: 'redis: { enabled: true, enableTLS: false }', env: { REDIS_URL: 'rediss://a:1' } }).join(),
    /redis\.enableTLS: contradicts redis\.url/,
  )
})

const suggestions: [text: string, said: RegExp][] = [
  ['redis: { sentinel: { enabled: true } }', /redis\.sentinel\.enabled: is no known option; see config\.example\.yaml/],
  ['redis: { cluster: { enabled: true } }', /redis\.cluster\.enabled: is no known option; see/],
  ['redis: { sentinel: { master: m } }', /redis\.sentinel\.master: is no known option/],
  ['redis: { sentinel: { mastername2: m } }', /did you mean redis\.sentinel\.masterName\?/],
  ['redis: { host: r }', /redis\.host: is no known option/],
  ['redis: { adress: r }', /did you mean redis\.address\?/],
  ['enabled: true', /^c\.yaml:1: enabled: is no known option; see/],
  ['lsiten: 4180', /did you mean listen\?/],
  ['maxStale: 5m', /did you mean outage\.maxStale\?/],
]
for (const [text, said] of suggestions) {
  test(`a suggestion makes sense or there is none: ${text} (D9)`, () => {
    const problems = problemsOf({ text })
    assert.match(problems.join('\n'), said)
    assert.ok(!problems.join().includes('dynamicClientRegistration'))
  })
}

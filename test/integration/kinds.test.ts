// Every kind of cached data through a real Redis, there and back: what one replica writes another reads as the same thing, and
// whoever reads Redis learns nothing. (Types that came back as something else are how the plugin's logout broke: W2, W3.)
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { createDocuments } from '../../src/cache/documents.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import type { Cache } from '../../src/cache/cache.ts'
import { createCache } from '../../src/cache/create-cache.ts'
import { createReplayDetection } from '../../src/cache/replay-detection.ts'
import { loadConfig } from '../../src/load-config.ts'
import { deploymentScope } from '../../src/deployment.ts'
import type { Grant } from '../../src/oidc/provider.ts'
import { createPlatform, type Runtime } from '../../src/runtime.ts'
import { createSealer } from '../../src/sealing.ts'
import { createLeases } from '../../src/cache/lease.ts'
import { createSessions } from '../../src/session/sessions.ts'
import { createTaggers } from '../../src/session/sweeps.ts'
import { createMetrics } from '../../src/telemetry/prometheus.ts'
import { systemTimer } from '../../src/time.ts'
import { missingProgram } from '../fixtures/programs.ts'
import { eventually, startRedis, type RedisServer } from '../fixtures/redis.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'
import { oneProvider } from '../fixtures/providers.ts'
import { encryptionKey, fakeProvider, hour, userOf, usualLifetimes } from '../session/world.ts'

const secrets = ['alice@example.com', 'at-secret', 'rt-secret', 'id-secret', 'https://id.example.com', 'jti-secret']

function aReplica(port: number) {
  const { config } = loadConfig({
    text: `providerURL: https://id.example.com
clientID: test
clientSecret: test-client-secret
sessionEncryptionKey: ${encryptionKey.toString()}
redis: { enabled: true, address: "127.0.0.1:${port}", cacheMode: redis }
`,
    env: {},
    readFile: () => '',
  })
  const runtime: Runtime = {
    ...createPlatform(),
    logger: recordedLog(),
    metrics: createMetrics({ processMetrics: false }),
  }
  const { clock, logger, metrics } = runtime
  const scope = deploymentScope(config)
  const cache = createCache({ config, scope, origin: randomBytes(9).toString('base64url'), runtime })
  const sealerFor = (purpose: string) => createSealer([encryptionKey], purpose, randomBytes)
  return {
    cache,
    sessions: createSessions({
      cache,
      sealer: sealerFor(`session ${scope}`),
      passSealer: sealerFor(`pass ${scope}`),
      aboutSealer: sealerFor(`about ${scope}`),
      taggers: createTaggers([encryptionKey], scope),
      userOf,
      providers: oneProvider(fakeProvider(clock)),
      claimsToKeep: (claims) => claims,
      nearLimits: { maxItems: 100, maxBytes: 1_000_000 },
      lifetimes: usualLifetimes,
      runtime,
    }),
    documents: (kind: 'metadata' | 'jwks') => createDocuments({ kind, cache, sealer: sealerFor(kind), metrics, clock }),
    used: createReplayDetection({
      cache,
      local: createMemoryStore({ clock, maxBytes: 1_000_000 }),
      whenAway: 'local',
      metrics,
      logger,
      clock,
    }),
    leases: createLeases({ store: cache.store, timer: systemTimer, randomBytes }),
  }
}

const grant: Grant = {
  tokens: { accessToken: 'at-secret', idToken: 'id-secret', refreshToken: 'rt-secret' },
  expiresAt: Date.now() + hour,
  claims: {
    iss: 'https://id.example.com',
    sub: 'alice',
    email: 'alice@example.com',
    email_verified: true,
    groups: ['ops', 'ünïcode'],
    number: 1.5,
    nested: { list: [1, '2', null], deep: { yes: true } },
  },
  idTokenKey: 'jti-secret',
  idTokenExpiresAt: Date.now() + hour,
  idTokenIssuedAt: Date.now(),
}

suite('through a real Redis', { skip: missingProgram('redis-server') }, () => {
  let redis: RedisServer
  let one: ReturnType<typeof aReplica>
  let other: ReturnType<typeof aReplica>
  const well = async (cache: Cache) => {
    await cache.start()
    await eventually(() => cache.health().redis.connected)
  }

  before(async () => {
    redis = await startRedis()
    one = aReplica(redis.address.port)
    other = aReplica(redis.address.port)
    await Promise.all([well(one.cache), well(other.cache)])
  })
  after(async () => {
    await Promise.all([one.cache.stop(), other.cache.stop()])
    await redis.close()
  })

  test('a session comes back with every claim of its type, and with its tokens', async () => {
    const { ticket, session } = await one.sessions.begin(grant)
    const found = await other.sessions.find(ticket, undefined)
    assert.equal(found.kind, 'found')
    assert.deepEqual(found.kind === 'found' && found.session, session)
    assert.deepEqual(await other.sessions.tokens(ticket), grant.tokens)
  })

  test('a revocation mark is heard and obeyed', async () => {
    const { ticket } = await one.sessions.begin(grant)
    assert.equal((await other.sessions.find(ticket, undefined)).kind, 'found')
    assert.deepEqual((await one.sessions.end(ticket))?.full?.tokens, grant.tokens)
    assert.equal((await other.sessions.find(ticket, undefined)).kind, 'absent')
    assert.notEqual(await redis.cli('EXISTS', `traefikoidc:revoked:${ticket.slice(0, 22)}`), '0')
  })

  test('a used mark makes exactly one of two replicas the first', async () => {
    const asked = [one.used.first('id_token', 'jti-secret', hour), other.used.first('id_token', 'jti-secret', hour)]
    assert.equal((await Promise.all(asked)).filter((first) => first).length, 1)
    assert.equal(await other.used.first('flow', 'jti-secret', hour), true, 'another kind is another thing')
  })

  for (const kind of ['metadata', 'jwks'] as const) {
    test(`a ${kind} document comes back as it was written`, async () => {
      const text = JSON.stringify({ issuer: 'https://id.example.com', keys: [{ kty: 'EC' }], ü: '✓' })
      await one.documents(kind).set('some-id', text, hour)
      assert.equal(await other.documents(kind).get('some-id'), text)
    })
  }

  test('a lease is one replica’s until it gives it back', async () => {
    const lease = await one.leases.acquire('some-session')
    assert.notEqual(lease, undefined)
    assert.equal(await other.leases.acquire('some-session'), undefined)
    await lease?.release()
    const next = await other.leases.acquire('some-session')
    assert.notEqual(next, undefined)
    await next?.release()
  })

  test('every key has the prefix, a kind, and a time to live; no name and no value tells anything', async () => {
    const keys = (await redis.cli('--scan')).split('\n')
    const kinds = new Set<string>()
    for (const key of keys) {
      const [, kind = ''] =
        /^traefikoidc:(?:(session|about|sessions|revoked|used|metadata|jwks|lease):[\w:-]+|(revoked-log|revoked-head|members):\{[\w-]{16}\})$/
          .exec(key)
          ?.filter((part) => part !== undefined) ?? []
      assert.notEqual(kind, '', key)
      kinds.add(kind)
      assert.ok(Number(await redis.cli('PTTL', key)) > 0, key)
      const read = {
        'revoked-log': ['ZRANGE', key, '0', '-1'],
        sessions: ['ZRANGE', key, '0', '-1'],
        members: ['HGETALL', key],
      }[kind] ?? ['GET', key]
      const dump = `${key} ${await redis.cli(...read)}`
      for (const secret of secrets) assert.ok(!dump.includes(secret), `${key} tells ${secret}`)
    }
    const all = 'about jwks members metadata revoked revoked-head revoked-log session sessions used'.split(' ')
    assert.deepEqual([...kinds].sort(), all)
  })
})

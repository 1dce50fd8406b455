// Every kind of cached data through a real Redis, there and back: what one replica writes another reads as the same thing, and
// whoever reads Redis learns nothing. (Types that came back as something else are how the plugin's logout broke: W2, W3.)
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { createDocuments } from '../../src/cache/documents.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import { createTier, type Tier } from '../../src/cache/tier.ts'
import { createReplayDetection } from '../../src/cache/replay-detection.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { Grant } from '../../src/oidc/provider.ts'
import { createSealer } from '../../src/sealing.ts'
import { createLeases } from '../../src/session/lease.ts'
import { createSessions } from '../../src/session/sessions.ts'
import { createMetrics } from '../../src/telemetry/prometheus.ts'
import { seconds, systemTimer } from '../../src/time.ts'
import { missingProgram } from '../fixtures/programs.ts'
import { eventually, startRedis, type RedisServer } from '../fixtures/redis.ts'
import { recordedLog } from '../oidc/setup.ts'
import { encryptionKey, fakeProvider, hour } from '../session/world.ts'

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
  const logger = recordedLog()
  const metrics = createMetrics({ processMetrics: false })
  const common = { clock: Date.now, timer: systemTimer, random: Math.random, randomBytes, logger, metrics }
  const tier = createTier({ config, runtime: { ...common, stopwatch: () => performance.now() } })
  const sealerFor = (purpose: string) => createSealer([encryptionKey], purpose, randomBytes)
  return {
    tier,
    sessions: createSessions({
      ...common,
      tier,
      sealer: sealerFor('session'),
      passSealer: sealerFor('pass'),
      provider: fakeProvider(Date.now),
      claimsToKeep: (claims) => claims,
      nearLimits: { maxItems: 100, maxBytes: 1_000_000 },
      lifetimes: {
        maxAgeMs: 24 * hour,
        idleTimeoutMs: undefined,
        refreshGraceMs: seconds(60),
        maxStaleMs: seconds(600),
        passMaxAgeMs: 8 * hour,
        providerTimeoutMs: seconds(5),
      },
    }),
    documents: (kind: 'metadata' | 'jwks') => createDocuments({ ...common, kind, tier, sealer: sealerFor(kind) }),
    used: createReplayDetection({
      ...common,
      tier,
      local: createMemoryStore({ clock: Date.now, maxBytes: 1_000_000 }),
      whenAway: 'local',
    }),
    leases: createLeases({ store: tier.store, timer: systemTimer, randomBytes }),
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
}

suite('through a real Redis', { skip: missingProgram('redis-server') }, () => {
  let redis: RedisServer
  let one: ReturnType<typeof aReplica>
  let other: ReturnType<typeof aReplica>
  const well = (tier: Tier) => eventually(() => tier.health().redis.connected)

  before(async () => {
    redis = await startRedis()
    one = aReplica(redis.address.port)
    other = aReplica(redis.address.port)
    await Promise.all([well(one.tier), well(other.tier)])
  })
  after(async () => {
    await Promise.all([one.tier.stop(), other.tier.stop()])
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
    assert.deepEqual((await one.sessions.end(ticket))?.tokens, grant.tokens)
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
    assert.ok(keys.length > 5)
    for (const key of keys) {
      assert.match(key, /^traefikoidc:(session|revoked|used|metadata|jwks|lease):[\w:-]+$/)
      assert.ok(Number(await redis.cli('PTTL', key)) > 0, key)
      const dump = `${key} ${await redis.cli('GET', key)}`
      for (const secret of secrets) assert.ok(!dump.includes(secret), `${key} tells ${secret}`)
    }
  })
})

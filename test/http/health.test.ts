import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CacheHealth } from '../../src/cache/health.ts'
import { createHealth, type HealthSources } from '../../src/http/health.ts'

const well: CacheHealth = {
  mode: 'hybrid',
  redis: { connected: true, latency: '2ms' },
  circuit_breaker: { state: 'closed', failures: 0 },
}
const away: CacheHealth = {
  mode: 'redis',
  redis: { connected: false, latency: null, error: 'connection refused', reason: 'refused' },
  circuit_breaker: { state: 'open', failures: 5 },
}
const reseeding: CacheHealth = {
  ...well,
  revocations: { horizon: '0s', unlogged: 0, peers: 0, reseeding: true },
}
const health = (overrides: Partial<HealthSources> = {}) =>
  createHealth({ cache: () => well, provider: () => 'ready', phase: () => 'serving', ...overrides })

const healthz: [name: string, sources: Partial<HealthSources>, code: number, status: string][] = [
  ['all is well', {}, 200, 'healthy'],
  ['Redis is away and we serve', { cache: () => away }, 200, 'degraded'],
  ['Redis lost its data, and others are waited for: Redis is in use', { cache: () => reseeding }, 200, 'healthy'],
  ['the provider is away', { provider: () => 'failing' }, 200, 'healthy'],
  ['starting', { phase: () => 'starting' }, 503, 'unhealthy'],
  ['draining', { phase: () => 'draining' }, 503, 'unhealthy'],
]
for (const [name, sources, code, status] of healthz) {
  test(`/healthz, ${name}: ${code} ${status}`, () => {
    const answer = health(sources).healthz()
    assert.equal(answer.status, code)
    assert.equal((JSON.parse(answer.body) as { status: string }).status, status)
  })
}

test('/healthz has the keys that docs/redis.md lists', () => {
  const { cache } = JSON.parse(health().healthz().body) as { cache: CacheHealth }
  assert.deepEqual(cache, well)
})

const readyz: [name: string, sources: Partial<HealthSources>, code: number][] = [
  ['serving', {}, 200],
  ['starting', { phase: () => 'starting' }, 503],
  ['draining', { phase: () => 'draining' }, 503],
  ['a provider never reached', { provider: () => 'starting' }, 503],
  [
    'a provider that was known and is away: another replica would not be better off',
    { provider: () => 'failing' },
    200,
  ],
  ['Redis away: another replica would not be better off', { cache: () => away }, 200],
]
for (const [name, sources, code] of readyz) {
  test(`/readyz, ${name}: ${code}`, () => assert.equal(health(sources).readyz().status, code))
}

test('/livez looks at nothing', () => {
  const fails = () => {
    throw new Error('looked')
  }
  assert.equal(health({ cache: fails, provider: fails, phase: fails }).livez().status, 200)
})

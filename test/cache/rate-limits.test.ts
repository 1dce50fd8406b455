// How often a client network may do what anybody can do: counted for all replicas, and by each alone where that cannot be.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { clientNetwork } from '../../src/cache/client-network.ts'
import { createRateLimits } from '../../src/cache/rate-limits.ts'
import { createRateTable } from '../../src/cache/rate-table.ts'
import type { RateLimitsConfig } from '../../src/config/config.ts'
import { createMetrics } from '../../src/telemetry/prometheus.ts'
import { createFakeCache, type FakeCache } from '../fixtures/fake-cache.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest()

function limitsOver(cache: FakeCache, time: ReturnType<typeof fakeTime>, given: Partial<RateLimitsConfig> = {}) {
  const metrics = createMetrics({ processMetrics: false })
  const log = recordedLog()
  const hashed: string[] = []
  const limits = createRateLimits({
    cache,
    hash: (text) => (hashed.push(text), sha256(text)),
    limits: { loginsPerMinute: 3, bearerFailuresPerMinute: 3, adminPerMinute: 3, ...given },
    metrics,
    logger: log,
    clock: time.clock,
  })
  const counted = (limit: string) => metrics.rateLimited.labels({ limit }).value
  return { limits, log, hashed, counted }
}

function aReplica(mode: FakeCache['mode'] = 'hybrid', given: Partial<RateLimitsConfig> = {}) {
  const time = fakeTime()
  const cache = createFakeCache({ clock: time.clock, mode })
  return { time, cache, ...limitsOver(cache, time, given) }
}

const seconds = async (waits: readonly Promise<number>[]) => (await Promise.all(waits)).map((ms) => ms / 1_000)

test('so many a minute, then at an even pace; each client, and each limit, on its own', async () => {
  for (const mode of ['memory', 'hybrid'] as const) {
    const { time, limits } = aReplica(mode)
    const ask = (address = '192.0.2.1') => limits.start.take(address)
    assert.deepEqual(await seconds([ask(), ask(), ask(), ask(), ask()]), [0, 0, 0, 20, 20], mode)
    assert.deepEqual(await seconds([ask('192.0.2.2'), limits.callback.take('192.0.2.1')]), [0, 0], mode)
    time.advance(20_000)
    assert.deepEqual(await seconds([ask(), ask()]), [0, 20], mode)
    time.advance(60_000)
    assert.deepEqual(await seconds([ask(), ask(), ask(), ask()]), [0, 0, 0, 20], mode)
  }
})

test('an office of 300 people behind one address logs in within a minute', async () => {
  const { limits } = aReplica('hybrid', { loginsPerMinute: 300 })
  const waits = await Promise.all(Array.from({ length: 300 }, () => limits.start.take('192.0.2.1')))
  assert.deepEqual(new Set(waits), new Set([0]))
  assert.ok((await limits.start.take('192.0.2.1')) > 0)
})

test('replicas count together', async () => {
  const { time, cache, limits } = aReplica()
  const other = limitsOver(createFakeCache({ clock: time.clock, beside: cache }), time).limits
  assert.equal(await limits.start.take('192.0.2.1'), 0)
  assert.equal(await other.start.take('192.0.2.1'), 0)
  assert.equal(await limits.start.take('192.0.2.1'), 0)
  assert.equal(await other.start.take('192.0.2.1'), 20_000)
})

test('the first tenth of a limit costs no call to the store', async () => {
  const { cache, limits, time } = aReplica('hybrid', { loginsPerMinute: 100 })
  let calls = 0
  const { take } = cache.store
  cache.store.take = (...given) => (calls++, take(...given))
  for (let count = 1; count <= 10; count++) assert.equal(await limits.start.take('192.0.2.1'), 0)
  assert.equal(calls, 0)
  assert.equal(await limits.start.take('192.0.2.1'), 0)
  assert.equal(calls, 1)
  await limits.start.take('192.0.2.2')
  time.advance(60_000)
  await limits.start.take('192.0.2.1')
  assert.equal(calls, 1)
})

test('whoever is known to be limited costs no call to the store, and no hash', async () => {
  const { cache, limits, hashed } = aReplica()
  for (let taken = 0; taken < 3; taken++) await limits.start.take('192.0.2.1')
  assert.deepEqual(cache.store.calls, ['take rate', 'take rate', 'take rate'])
  for (let again = 0; again < 100; again++) assert.equal(await limits.start.take('192.0.2.1'), 20_000)
  assert.equal(cache.store.calls.length, 3)
  assert.equal(hashed.length, 1)
})

test('what others told once is known: the store is asked again when it could say otherwise', async () => {
  const { time, cache, limits } = aReplica()
  const other = limitsOver(createFakeCache({ clock: time.clock, beside: cache }), time).limits
  for (let taken = 0; taken < 3; taken++) await other.start.take('192.0.2.1')
  for (let again = 0; again < 10; again++) assert.equal(await limits.start.take('192.0.2.1'), 20_000)
  assert.equal(limits.start.waitMs('192.0.2.1'), 20_000)
  const before = cache.store.calls.length
  time.advance(20_000)
  assert.equal(await limits.start.take('192.0.2.1'), 0)
  assert.equal(cache.store.calls.length, before + 1)
})

test('while the store is down each replica counts alone, and nobody is kept from a login', async () => {
  const { cache, limits } = aReplica()
  cache.store.down = true
  const ask = () => limits.start.take('192.0.2.1')
  assert.deepEqual(await seconds([ask(), ask(), ask(), ask()]), [0, 0, 0, 20])
})

test('a store that answers nonsense limits nobody', async () => {
  const { cache, limits } = aReplica()
  cache.store.once('take', async () => Number.NaN)
  assert.equal(await limits.start.take('192.0.2.1'), 0)
})

test('one that counts only failures looks without counting', async () => {
  const { limits, counted } = aReplica()
  for (let look = 0; look < 10; look++) assert.equal(limits.bearerFailure.waitMs('192.0.2.1'), 0)
  for (let failure = 0; failure < 3; failure++) await limits.bearerFailure.take('192.0.2.1')
  assert.equal(limits.bearerFailure.waitMs('192.0.2.1'), 20_000)
  assert.equal(counted('bearer_failure'), 0)
})

test('no limit costs nothing', async () => {
  const { cache, limits, hashed } = aReplica('hybrid', { loginsPerMinute: Infinity })
  for (let again = 0; again < 10; again++) assert.equal(await limits.signIn.take('192.0.2.1'), 0)
  assert.deepEqual([cache.store.calls, hashed], [[], []])
})

test('it is counted, and told once a minute', async () => {
  const { time, limits, log, counted } = aReplica()
  for (let again = 0; again < 13; again++) await limits.start.take('2001:db8:0:1::1')
  assert.equal(counted('start'), 10)
  const told = () => log.lines.filter(({ event }) => event === 'rate_limited')
  assert.deepEqual(
    told().map(({ reason, network }) => [reason, network]),
    [['start', '2001:db8:0:1']],
  )
  time.advance(60_000)
  for (let again = 0; again < 5; again++) await limits.start.take('2001:db8:0:1::1')
  assert.equal(told().length, 2)
})

test('what lies in the store names nobody', async () => {
  const { cache, limits } = aReplica()
  const names: string[] = []
  const { take } = cache.store.memory
  cache.store.memory.take = (key, rate) => (names.push(key.id), take(key, rate))
  await limits.start.take('192.0.2.1')
  assert.match(names[0] ?? '', /^start:[\w-]{22}$/)
})

test('a flood of made-up clients gives nobody a fresh start, and limits nobody else', () => {
  const time = fakeTime()
  const table = createRateTable(time.clock)
  const rate = { intervalMs: 20_000, windowMs: 60_000 }
  const [limited, bystander] = [sha256('limited'), sha256('bystander')]
  for (let taken = 0; taken < 4; taken++) table.take(limited, rate)
  for (let stranger = 0; stranger < 30_000; stranger++) table.take(sha256(`stranger ${stranger}`), rate)
  assert.ok(table.waitMs(limited, rate) > 0)
  assert.equal(table.take(bystander, rate), 0)
})

test('a clock that is set back limits nobody for longer than a minute', () => {
  const time = fakeTime()
  const table = createRateTable(time.clock)
  const rate = { intervalMs: 20_000, windowMs: 60_000 }
  const client = sha256('client')
  for (let taken = 0; taken < 4; taken++) table.take(client, rate)
  time.setClock(-3_600_000)
  assert.equal(table.take(client, rate), 0)
  assert.equal(table.take(client, rate), 0)
  assert.equal(table.take(client, rate), 0)
  assert.equal(table.take(client, rate), 20_000)
})

const sameNetwork: [one: string, other: string, isOne: boolean][] = [
  ['2001:db8:0:1::1', '2001:db8:0:1:ffff:ffff:ffff:ffff', true],
  ['2001:db8:0:1::1', '2001:0DB8::1:0:0:0:2', true],
  ['2001:db8:0:1::1', '2001:db8:0:2::1', false],
  ['2001:db8::', '2001:db8::1:2', true],
  ['fe80::1%eth0', 'fe80::2', true],
  ['::1', '::2', true],
  ['64:ff9b::192.0.2.1', '64:ff9b::192.0.2.2', true],
  ['1::2:3:4:5:6:7', '1:0:2:3::', true],
  ['192.0.2.1', '192.0.2.2', false],
]
for (const [one, other, isOne] of sameNetwork) {
  test(`${one} and ${other} are ${isOne ? 'one client' : 'two clients'} to the limits`, () => {
    assert.equal(clientNetwork(one) === clientNetwork(other), isOne)
  })
}

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { guarded } from '../../src/cache/guarded.ts'
import { startHealthChecks } from '../../src/cache/health.ts'
import { fault, RedisFailure } from '../../src/store/redis/faults.ts'
import type { RedisFault, RedisFaultKind } from '../../src/store/redis/faults.ts'
import { StoreUnavailable } from '../../src/errors.ts'
import { systemTimer } from '../../src/time.ts'
import { eventually, redisConfig, redisMissing, startRedis } from '../fixtures/redis.ts'
import { fakeStore, fakeTime, settled } from './fake-store.ts'
import { linkTo, writtenDown } from '../store/redis/link-under-test.ts'

const away = (kind: RedisFaultKind) => new StoreUnavailable(kind, { cause: new RedisFailure(fault(kind), undefined) })

function healthOfFake({ periodic = true } = {}) {
  const time = fakeTime()
  const fake = fakeStore(time.clock)
  const { logger, log } = writtenDown()
  const { clock, timer } = time
  const transitions = { with: () => ({ value: 0 }) }
  const limits = { threshold: 3, openMs: 60_000 }
  const guard = guarded(fake.store, { limits, deadlineMs: 250, clock, timer, logger, transitions })
  const link = {
    pings: 0,
    answer: (): Promise<void> => Promise.resolve(),
    up: () => {},
    down: (_reason: RedisFault) => {},
    ping() {
      link.pings++
      return link.answer()
    },
    onUp: (handler: () => void) => void (link.up = handler),
    onDown: (handler: (reason: RedisFault) => void) => void (link.down = handler),
  }
  const parts = {
    clock,
    timer,
    logger,
    deadlineMs: 250,
    intervalMs: periodic ? 30_000 : undefined,
    origin: 'me',
    stopwatch: clock,
  }
  const health = startHealthChecks({ link, rawStore: fake.store, guard, ...parts })
  const failing = (kind: RedisFaultKind) => {
    link.answer = () => Promise.reject(away(kind))
    fake.mode = () => away(kind)
  }
  const well = () => {
    link.answer = () => Promise.resolve()
    fake.mode = 'pass'
  }
  return { time, fake, log, guard, link, health, failing, well }
}

test('asks at the interval, and remembers how long the answer took', async () => {
  const { time, link, health } = healthOfFake()
  assert.equal(health.latencyMs(), undefined)
  link.answer = () => new Promise((resolve) => time.timer(resolve, 2))
  await time.pass(29_999)
  assert.equal(link.pings, 0)
  await time.pass(10)
  assert.equal(link.pings, 1)
  assert.equal(health.latencyMs(), 2)
  await time.pass(30_010)
  assert.equal(link.pings, 2)
})

test('failed checks alone open the circuit, and a good one closes it again, without any traffic', async () => {
  const { time, guard, health, failing, well, log } = healthOfFake()
  failing('timeout')
  await time.pass(90_000)
  assert.equal(guard.circuit(), 'open')
  assert.equal(health.fault()?.kind, 'timeout')
  assert.equal(health.latencyMs(), undefined)
  well()
  await time.pass(30_000)
  assert.equal(guard.circuit(), 'closed')
  assert.equal(health.fault(), undefined)
  const events = log.map(({ event }) => event)
  assert.deepEqual(events, ['redis_unhealthy', 'circuit_open', 'redis_healthy', 'circuit_half_open', 'circuit_closed'])
})

test('while the circuit is open it asks more often: after 1 s, then every 2 s, so that recovery is noticed within seconds', async () => {
  const { time, link, failing, guard } = healthOfFake()
  failing('refused')
  await time.pass(90_000)
  assert.equal(guard.circuit(), 'open')
  const pauses: number[] = []
  for (let at = 0; at < 7; at++) {
    const count = link.pings
    let waited = 0
    while (link.pings === count) {
      await time.pass(500)
      waited += 500
    }
    pauses.push(waited)
  }
  assert.deepEqual(pauses, [1_000, 2_000, 2_000, 2_000, 2_000, 2_000, 2_000])
})

test('a circuit that calls have opened is checked eagerly, not after what was left of the interval', async () => {
  const { time, guard, health, link } = healthOfFake()
  for (let count = 0; guard.circuit() === 'closed' && count < 20; count++) guard.failed(fault('timeout'))
  health.circuitOpened()
  assert.equal(link.pings, 0)
  await time.pass(1_010)
  assert.equal(link.pings, 1)
  assert.equal(guard.circuit(), 'closed')
})

test('the ready event of the link brings a check at once, and with it the probe', async () => {
  const { link, guard, failing, well } = healthOfFake()
  failing('refused')
  for (const kind of ['reset', 'refused', 'refused'] as const) link.down(fault(kind))
  assert.equal(guard.circuit(), 'open')
  well()
  link.up()
  await settled()
  assert.equal(guard.circuit(), 'closed')
})

test('an answer to PING does not close the circuit of a Redis that takes no writes, nor make it flap', async () => {
  const { time, fake, guard, link, log, health } = healthOfFake()
  fake.mode = () => away('oom')
  for (let at = 0; at < 3; at++) await assert.rejects(guard.set({ kind: 'session', id: 'a' }, Buffer.from('x'), 1_000))
  assert.equal(guard.circuit(), 'open')
  link.up()
  await time.pass(50_000)
  assert.equal(guard.circuit(), 'open')
  assert.equal(health.fault()?.kind, 'oom')
  assert.deepEqual(
    log.map(({ event }) => event),
    ['redis_writes_refused', 'circuit_open', 'redis_unhealthy'],
  )
})

test('a check that nobody answers ends with the deadline of requests, and is a failure', async () => {
  const { time, link, health, guard } = healthOfFake()
  link.answer = () => new Promise(() => {})
  await time.pass(30_250)
  assert.equal(health.fault()?.kind, 'timeout')
  assert.equal(guard.failures(), 1)
})

test('a good check makes earlier failures no longer consecutive', async () => {
  const { time, link, guard } = healthOfFake()
  link.down(fault('reset'))
  link.down(fault('reset'))
  await time.pass(30_000)
  assert.equal(guard.failures(), 0)
  link.down(fault('reset'))
  assert.equal(guard.circuit(), 'closed')
})

test('with the health check off only the link reports, and nothing is scheduled', async () => {
  const { time, link, guard } = healthOfFake({ periodic: false })
  await time.pass(1_000_000)
  assert.equal(link.pings, 0)
  for (let at = 0; at < 3; at++) link.down(fault('refused'))
  assert.equal(guard.circuit(), 'open')
  link.up()
  await settled()
  assert.equal(guard.circuit(), 'closed')
})

test('checks asked for at the same time are one', async () => {
  const { link, health } = healthOfFake()
  await Promise.all([health.check(), health.check(), health.check()])
  assert.equal(link.pings, 1)
})

test('stopped, it asks no more', async () => {
  const { time, link, health } = healthOfFake()
  health.stop()
  link.up()
  await time.pass(1_000_000)
  assert.equal(link.pings, 0)
})

describe('circuit and health checks around a real Redis', { skip: redisMissing }, () => {
  test('killed and started again, empty: open within a second without any traffic, closed again by itself', async (t) => {
    const server = await startRedis()
    t.after(() => server.close())
    const it = linkTo(redisConfig({ address: server.address }))
    t.after(() => it.link.close())
    await it.happened('up')
    const { logger, log } = writtenDown()
    const transitions = { with: () => ({ value: 0 }) }
    const common = { deadlineMs: 250, clock: Date.now, timer: systemTimer, logger }
    const guard = guarded(it.link.store, { limits: { threshold: 5, openMs: 60_000 }, transitions, ...common })
    const origin = { origin: 'real', stopwatch: () => performance.now() }
    const health = startHealthChecks({
      link: it.link,
      rawStore: it.link.store,
      guard,
      intervalMs: 30_000,
      ...origin,
      ...common,
    })
    t.after(() => health.stop())
    await health.check()
    assert.ok((health.latencyMs() ?? Infinity) < 250)

    const killedAt = performance.now()
    await server.kill()
    await eventually(() => guard.circuit() === 'open')
    assert.ok(performance.now() - killedAt < 3_000)
    const startedAt = performance.now()
    await assert.rejects(guard.get({ kind: 'session', id: 'a' }), { code: 'STORE_UNAVAILABLE' })
    assert.ok(performance.now() - startedAt < 20, 'nobody waits while it is open')
    assert.equal(health.fault()?.kind, 'refused')

    await server.restart({ empty: true })
    await eventually(() => guard.circuit() === 'closed')
    assert.equal(await guard.get({ kind: 'session', id: 'a' }), undefined)
    const events = log.map(({ event }) => event).filter((event) => event.startsWith('circuit'))
    assert.deepEqual(events, ['circuit_open', 'circuit_half_open', 'circuit_closed'])
  })
})

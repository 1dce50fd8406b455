import assert from 'node:assert/strict'
import { test } from 'node:test'
import { guarded } from '../../src/cache/guarded.ts'
import { fault, RedisFailure } from '../../src/store/redis/faults.ts'
import type { RedisFaultKind } from '../../src/store/redis/faults.ts'
import type { Key } from '../../src/store/store.ts'
import { StoreUnavailable, StoreValueRejected } from '../../src/errors.ts'
import type { Count, Counts } from '../../src/telemetry/metrics.ts'
import { fakeStore, fakeTime, settled } from './fake-store.ts'
import { writtenDown } from '../store/redis/link-under-test.ts'
import { storeContract } from '../store/store-contract.ts'

const key: Key = { kind: 'session', id: 'abc' }
const away = (kind: RedisFaultKind) => () =>
  new StoreUnavailable(kind, { cause: new RedisFailure(fault(kind), undefined) })

function counting(): Counts<'to'> & { all: Record<string, Count> } {
  const all: Record<string, Count> = {}
  return { all, with: ({ to }) => (all[to] ??= { value: 0 }) }
}

function guardedFake({ breaker = true } = {}) {
  const time = fakeTime()
  const fake = fakeStore(time.clock)
  const { logger, log } = writtenDown()
  const transitions = counting()
  const changes: string[] = []
  const store = guarded(fake.store, {
    limits: breaker ? { threshold: 3, openMs: 60_000 } : undefined,
    deadlineMs: 250,
    clock: time.clock,
    timer: time.timer,
    logger,
    transitions,
    onChange: (state, before) => changes.push(`${before} -> ${state}`),
  })
  return { time, fake, store, log, transitions, changes }
}

async function openCircuit(it: ReturnType<typeof guardedFake>): Promise<void> {
  it.fake.mode = away('refused')
  for (let at = 0; at < 3; at++) await assert.rejects(it.store.get(key))
  assert.equal(it.store.circuit(), 'open')
  it.fake.mode = 'pass'
}

storeContract('memory behind a circuit', async () => {
  const { time, fake, store } = guardedFake()
  const notes: string[] = []
  fake.onNote((note) => notes.push(note))
  return { store, notes, now: time.clock, pass: (ms) => time.pass(ms), close: () => {} }
})

test('no call waits longer than the deadline, and the late answer is dropped', async () => {
  const { time, fake, store } = guardedFake()
  fake.mode = 'hold'
  const call = assert.rejects(store.get(key), { code: 'STORE_UNAVAILABLE', message: /250 ms/ })
  await time.pass(249)
  assert.equal(store.failures(), 0)
  await time.pass(1)
  await call
  assert.equal(store.failures(), 1)
  fake.held[0]?.pass()
  await settled()
  assert.equal(store.failures(), 1, 'an answer after the deadline is no success')
})

test('an answer in time leaves no timer behind', async () => {
  const { time, store } = guardedFake()
  await store.get(key)
  assert.equal(time.pending, 0)
})

test('consecutive failures open the circuit: then nobody reaches the store, and the reason is kept', async () => {
  const it = guardedFake()
  await openCircuit(it)
  const calls = it.fake.count
  await assert.rejects(it.store.get(key), (error: unknown) => {
    assert.ok(error instanceof StoreUnavailable && error.cause instanceof RedisFailure)
    assert.equal(error.cause.fault.kind, 'refused')
    return true
  })
  await assert.rejects(it.store.announce('x'), { code: 'STORE_UNAVAILABLE' })
  assert.equal(it.fake.count, calls)
  assert.equal(it.store.failures(), 3)
})

test('one log line, one count and one call of onChange for each change of state', async () => {
  const it = guardedFake()
  await openCircuit(it)
  for (let at = 0; at < 5; at++) await assert.rejects(it.store.get(key))
  await it.time.pass(60_000)
  await it.store.get(key)
  await it.store.get(key)
  assert.deepEqual(
    it.log.map(({ level, event, reason }) => [level, event, reason]),
    [
      ['warn', 'circuit_open', 'refused'],
      ['info', 'circuit_half_open', undefined],
      ['info', 'circuit_closed', undefined],
    ],
  )
  assert.equal(it.log[0]?.message, 'circuit breaker is open, falling back to memory')
  assert.deepEqual(it.changes, ['closed -> open', 'open -> half-open', 'half-open -> closed'])
  assert.deepEqual(it.transitions.all, { open: { value: 1 }, 'half-open': { value: 1 }, closed: { value: 1 } })
})

test('a success in between starts the count anew', async () => {
  const it = guardedFake()
  for (let round = 0; round < 4; round++) {
    it.fake.mode = away('timeout')
    await assert.rejects(it.store.get(key))
    await assert.rejects(it.store.get(key))
    it.fake.mode = 'pass'
    await it.store.get(key)
  }
  assert.equal(it.store.circuit(), 'closed')
})

test('when its time is over exactly one of many calls is the probe; the others do not wait for it', async () => {
  const it = guardedFake()
  await openCircuit(it)
  await it.time.pass(60_000)
  it.fake.mode = 'hold'
  const calls = Array.from({ length: 100 }, () =>
    it.store.get(key).then(
      () => 'ok',
      () => 'turned away',
    ),
  )
  await settled()
  assert.equal(it.fake.held.length, 1)
  it.fake.held[0]?.pass()
  const answers = await Promise.all(calls)
  assert.equal(answers.filter((answer) => answer === 'ok').length, 1)
  assert.equal(it.store.circuit(), 'closed')
})

test('a probe that fails, or that nobody answers, opens the circuit for as long again', async () => {
  const it = guardedFake()
  await openCircuit(it)
  await it.time.pass(60_000)
  it.fake.mode = 'hold'
  const probe = assert.rejects(it.store.get(key), { code: 'STORE_UNAVAILABLE' })
  await it.time.pass(250)
  await probe
  assert.equal(it.store.circuit(), 'open')
  it.fake.mode = 'pass'
  await it.time.pass(59_999)
  await assert.rejects(it.store.get(key))
  await it.time.pass(1)
  await it.store.get(key)
  assert.equal(it.store.circuit(), 'closed')
})

test('whoever proves Redis alive ends the wait: the next call is the probe', async () => {
  const it = guardedFake()
  await openCircuit(it)
  it.store.provedAlive()
  assert.equal(it.store.circuit(), 'half-open')
  await it.store.get(key)
  assert.equal(it.store.circuit(), 'closed')
})

test('lost connections and failed health checks open it without any call', async () => {
  const it = guardedFake()
  for (const kind of ['reset', 'refused', 'refused'] as const) it.store.failed(fault(kind))
  assert.equal(it.store.circuit(), 'open')
  assert.equal(it.log[0]?.reason, 'refused')
})

for (const kind of ['timeout', 'reset', 'loading', 'readonly', 'oom', 'cluster_down', 'master_down'] as const) {
  test(`${kind} counts`, async () => {
    const it = guardedFake()
    it.fake.mode = away(kind)
    for (let at = 0; at < 3; at++) await assert.rejects(it.store.set(key, Buffer.from('x'), 1_000))
    assert.equal(it.store.circuit(), 'open')
  })
}

const innocent: [name: string, error: () => Error][] = [
  ['a corrupt value', () => new StoreValueRejected('damaged')],
  [
    'a key of the wrong type',
    () => new StoreValueRejected('type', { cause: new RedisFailure(fault('wrong_type'), undefined) }),
  ],
  ['a rejected script', away('script')],
  ['a mistake of ours', () => new TypeError('a stored value is never empty')],
]
for (const [name, error] of innocent) {
  test(`${name} never counts`, async () => {
    const it = guardedFake()
    it.fake.mode = error
    for (let at = 0; at < 10; at++) await assert.rejects(it.store.get(key))
    assert.equal(it.store.circuit(), 'closed')
    it.store.failed(fault('wrong_type'))
    assert.equal(it.store.failures(), 0)
  })
}

test('a probe that meets a corrupt value closes the circuit: somebody answered', async () => {
  const it = guardedFake()
  await openCircuit(it)
  it.store.provedAlive()
  it.fake.mode = () => new StoreValueRejected('damaged')
  await assert.rejects(it.store.get(key), { code: 'STORE_VALUE_REJECTED' })
  assert.equal(it.store.circuit(), 'closed')
})

test('a probe that never got as far as the store leaves its place to another', async () => {
  const it = guardedFake()
  await openCircuit(it)
  it.store.provedAlive()
  await assert.rejects(it.store.set(key, Buffer.alloc(0), 1_000), TypeError)
  assert.equal(it.store.circuit(), 'half-open')
  await it.store.get(key)
  assert.equal(it.store.circuit(), 'closed')
})

test('without a breaker the deadline still holds, and nothing is ever turned away', async () => {
  const it = guardedFake({ breaker: false })
  it.fake.mode = away('refused')
  for (let at = 0; at < 20; at++) await assert.rejects(it.store.get(key), { code: 'STORE_UNAVAILABLE' })
  it.store.failed(fault('refused'))
  assert.equal(it.fake.count, 20)
  assert.equal(it.store.circuit(), 'closed')
  it.fake.mode = 'hold'
  const call = assert.rejects(it.store.get(key), /250 ms/)
  await it.time.pass(250)
  await call
})

test('a Redis that answers reads but takes no writes is told once, and once more when it takes them again', async () => {
  const { fake, store, log } = guardedFake()
  fake.mode = away('oom')
  await assert.rejects(store.set(key, Buffer.from('x'), 1_000))
  fake.mode = 'pass'
  await store.get(key)
  assert.equal(store.circuit(), 'closed', 'reads are right')
  assert.equal(store.fault()?.kind, 'oom')
  fake.mode = away('oom')
  await assert.rejects(store.set(key, Buffer.from('x'), 1_000))
  fake.mode = 'pass'
  await store.set(key, Buffer.from('x'), 1_000)
  assert.equal(store.fault(), undefined)
  assert.deepEqual(
    log.map(({ event }) => event),
    ['redis_writes_refused', 'redis_writes_accepted'],
  )
})

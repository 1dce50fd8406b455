import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { guarded } from '../../src/cache/guarded.ts'
import { createRefusals } from '../../src/cache/refusals.ts'
import { createRequestBudget } from '../../src/cache/request-budget.ts'
import { fault, isOwnDelay, RedisFailure, redisFault } from '../../src/store/redis/faults.ts'
import type { Key } from '../../src/store/store.ts'
import { everyGeneration } from '../../src/store/withdrawal-log.ts'
import { StoreUnavailable, StoreValueRejected } from '../../src/errors.ts'
import { createMetrics } from '../../src/telemetry/prometheus.ts'
import { createFakeStore, failingWith } from '../fixtures/fake-store.ts'
import { fakeTime, settled } from '../fixtures/fake-time.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'
import { storeContract } from '../store/store-contract.ts'

const key: Key = { kind: 'session', id: 'abc' }
const mark: Key = { kind: 'revoked', id: 'abc' }
const value = Buffer.from('value')

function guardedFake({ breaker = true } = {}) {
  const time = fakeTime()
  const fake = createFakeStore({ clock: time.clock })
  const logger = recordedLog()
  const metrics = createMetrics({ processMetrics: false })
  const budget = createRequestBudget()
  const ownDelays = metrics.ownDelays.labels({})
  const changes: string[] = []
  const store = guarded(fake, {
    limits: breaker ? { threshold: 3, openMs: 60_000 } : undefined,
    deadlineMs: 250,
    runtime: { ...time, logger },
    refusals: createRefusals(logger, metrics.storeRefusals),
    ownDelays,
    transitions: metrics.circuitTransitions,
    budget,
    onChange: (state, before) => changes.push(`${before} -> ${state}`),
  })
  const transitionsTo = (to: string) => metrics.circuitTransitions.labels({ to }).value
  return { time, fake, store, log: logger.lines, transitionsTo, ownDelays, budget, changes }
}

async function openCircuit(it: ReturnType<typeof guardedFake>): Promise<void> {
  it.fake.mode = failingWith('refused')
  for (let at = 0; at < 3; at++) await assert.rejects(it.store.get(key))
  assert.equal(it.store.circuit(), 'open')
  it.fake.mode = 'pass'
}

storeContract('memory behind a circuit', async () => {
  const { time, fake, store } = guardedFake()
  const notes: string[] = []
  fake.onNote((note) => notes.push(note))
  return { store, notes, pass: (ms) => time.pass(ms), close: () => {} }
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
  const calls = it.fake.calls.length
  await assert.rejects(it.store.get(key), (error: unknown) => {
    assert.ok(error instanceof StoreUnavailable && error.cause instanceof RedisFailure)
    assert.equal(error.cause.fault.kind, 'refused')
    return true
  })
  await assert.rejects(it.store.set(key, value, 1_000), { code: 'STORE_UNAVAILABLE' })
  assert.equal(it.fake.calls.length, calls)
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
  assert.deepEqual(['open', 'half-open', 'closed'].map(it.transitionsTo), [1, 1, 1])
})

test('a success in between starts the count anew', async () => {
  const it = guardedFake()
  for (let round = 0; round < 4; round++) {
    it.fake.mode = failingWith('timeout')
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

test('lost connections open it without any call', async () => {
  const it = guardedFake()
  for (const kind of ['reset', 'refused', 'refused'] as const) it.store.failed(fault(kind))
  assert.equal(it.store.circuit(), 'open')
  assert.equal(it.log[0]?.reason, 'refused')
})

test('a Redis that a beat found silent opens it before any request had to wait', async () => {
  const it = guardedFake()
  it.store.provedSilent()
  it.store.provedSilent()
  assert.equal(it.store.circuit(), 'open')
  assert.deepEqual(it.changes, ['closed -> open'])
  await assert.rejects(it.store.get(key), (error: unknown) => redisFault(error).kind === 'timeout')
  assert.deepEqual(it.fake.calls, [])
})

for (const kind of ['timeout', 'reset', 'loading', 'cluster_down', 'master_down'] as const) {
  test(`${kind} counts`, async () => {
    const it = guardedFake()
    it.fake.mode = failingWith(kind)
    for (let at = 0; at < 3; at++) await assert.rejects(it.store.set(key, value, 1_000))
    assert.equal(it.store.circuit(), 'open')
  })
}

describe('a Redis that refuses', () => {
  for (const kind of ['oom', 'readonly', 'no_permission', 'write_refused'] as const) {
    test(`writes (${kind}) is not away: reads go on, however many are refused, and it is said`, async () => {
      const it = guardedFake()
      it.fake.mode = failingWith(kind)
      for (let at = 0; at < 20; at++)
        await assert.rejects(it.store.set(key, value, 1_000), { code: 'STORE_UNAVAILABLE' })
      assert.equal(it.store.circuit(), 'closed')
      assert.equal(it.store.failures(), 0)
      assert.equal(it.store.fault()?.kind, kind)
      it.fake.mode = 'pass'
      await it.store.get(key)
      assert.equal(it.store.fault()?.kind, kind, 'a read proves nothing of writes')
      await it.store.set(key, value, 1_000)
      assert.equal(it.store.fault(), undefined)
      assert.deepEqual(
        it.log.map(({ event }) => event),
        ['redis_writes_refused', 'redis_writes_accepted'],
      )
    })

    test(`reads (${kind}) is as good as away: each counts`, async () => {
      const it = guardedFake()
      it.fake.mode = failingWith(kind)
      for (let at = 0; at < 3; at++) await assert.rejects(it.store.get(key))
      assert.equal(it.store.circuit(), 'open')
    })
  }

  test('a write in between leaves the count of failures as it was', async () => {
    const it = guardedFake()
    for (const kind of ['timeout', 'timeout', 'oom'] as const) {
      it.fake.mode = failingWith(kind)
      await assert.rejects(it.store.set(key, value, 1_000))
    }
    assert.equal(it.store.failures(), 2)
    it.fake.mode = failingWith('timeout')
    await assert.rejects(it.store.set(key, value, 1_000))
    assert.equal(it.store.circuit(), 'open')
  })

  test('a probe that is a write does not close the circuit, and leaves its place to another', async () => {
    const it = guardedFake()
    await openCircuit(it)
    it.store.provedAlive()
    it.fake.mode = failingWith('oom')
    await assert.rejects(it.store.set(key, value, 1_000))
    assert.equal(it.store.circuit(), 'half-open')
    it.fake.mode = 'pass'
    await it.store.get(key)
    assert.equal(it.store.circuit(), 'closed')
  })

  test('while the circuit is open the reason for that is told, not the refusals of before', async () => {
    const it = guardedFake()
    it.fake.mode = failingWith('oom')
    await assert.rejects(it.store.set(key, value, 1_000))
    await openCircuit(it)
    assert.equal(it.store.fault()?.kind, 'refused')
    it.store.provedAlive()
    await it.store.get(key)
    assert.equal(it.store.fault()?.kind, 'oom')
  })
})

describe('when this process itself had no time', () => {
  test('an answer that arrived meanwhile is used, and nothing is counted', async () => {
    const it = guardedFake()
    await it.fake.memory.set(key, value, 10_000)
    it.fake.mode = 'hold'
    const read = it.store.get(key)
    await it.time.stall(3_000, () => it.fake.held[0]?.pass())
    assert.deepEqual(await read, value)
    assert.equal(it.ownDelays.value, 0)
    assert.deepEqual(it.fake.calls, ['get session'])
  })

  test('an answer that arrived in the last moment is used, too', async () => {
    const it = guardedFake()
    await it.fake.memory.set(key, value, 10_000)
    it.fake.mode = 'hold'
    const read = it.store.get(key)
    await it.time.stall(250, () => it.fake.held[0]?.pass())
    assert.deepEqual(await read, value)
  })

  test('a read is asked again once: counted as our own delay, and no failure of the store', async () => {
    const it = guardedFake()
    await it.fake.memory.set(key, value, 10_000)
    it.fake.mode = 'hold'
    const read = it.store.get(key)
    await it.time.stall(500)
    assert.deepEqual(it.fake.calls, ['get session', 'get session'])
    it.fake.held[1]?.pass()
    assert.deepEqual(await read, value)
    assert.equal(it.ownDelays.value, 1)
    assert.equal(it.store.failures(), 0)
  })

  test('and once more, the read is given up, and still it was not the store', async () => {
    const it = guardedFake()
    it.fake.mode = 'hold'
    const read = assert.rejects(
      it.store.get(key),
      (error: unknown) => error instanceof StoreUnavailable && isOwnDelay(error),
    )
    await it.time.stall(500)
    await it.time.stall(500)
    await read
    assert.equal(it.fake.calls.length, 2)
    assert.equal(it.ownDelays.value, 2)
    assert.equal(it.store.failures(), 0)
    assert.equal(it.store.circuit(), 'closed')
  })

  test('the second look has a whole deadline, and what it misses in time is the store’s', async () => {
    const it = guardedFake()
    it.fake.mode = 'hold'
    const read = assert.rejects(it.store.get(key), (error: unknown) => !isOwnDelay(error))
    await it.time.stall(500)
    await it.time.pass(250)
    await read
    assert.equal(it.ownDelays.value, 1)
    assert.equal(it.store.failures(), 1)
  })

  test('a write is not asked again: it may have been done', async () => {
    const it = guardedFake()
    it.fake.mode = 'hold'
    const writes = [
      it.store.set(key, value, 1_000),
      it.store.withdraw(key, mark, everyGeneration, 1_000),
      it.store.setUnlessMarked(key, value, 1_000, { mark, generation: 1 }),
    ].map((write) => assert.rejects(write, isOwnDelay))
    await it.time.stall(500)
    await Promise.all(writes)
    assert.equal(it.fake.calls.length, 3)
    assert.equal(it.ownDelays.value, 3)
    assert.equal(it.store.failures(), 0)
  })

  test('many calls at once open nothing', async () => {
    const it = guardedFake()
    it.fake.mode = 'hold'
    const reads = Array.from({ length: 50 }, () => assert.rejects(it.store.get(key)))
    for (let round = 0; round < 2; round++) await it.time.stall(5_000)
    await Promise.all(reads)
    assert.equal(it.store.circuit(), 'closed')
  })

  test('a probe that was not looked after leaves its place to another', async () => {
    const it = guardedFake()
    await openCircuit(it)
    it.store.provedAlive()
    it.fake.mode = 'hold'
    const probe = assert.rejects(it.store.set(key, value, 1_000))
    await it.time.stall(500)
    await probe
    assert.equal(it.store.circuit(), 'half-open')
  })
})

describe('a request that has waited for a whole deadline', () => {
  test('does not wait again; others do', async () => {
    const it = guardedFake()
    it.fake.mode = 'hold'
    const request = it.budget.run(async () => {
      await assert.rejects(it.store.get(key), /250 ms/)
      await assert.rejects(it.store.get(key), /long enough/)
    })
    await it.time.pass(250)
    await request
    assert.equal(it.fake.calls.length, 1)
    assert.equal(it.store.failures(), 1, 'what was not even asked is no failure')
    it.fake.mode = 'pass'
    await it.budget.run(() => it.store.get(key))
  })

  test('has not waited for the store when it was we who were late', async () => {
    const it = guardedFake()
    it.fake.mode = 'hold'
    const request = it.budget.run(async () => {
      await assert.rejects(it.store.set(key, value, 1_000))
      it.fake.mode = 'pass'
      await it.store.get(key)
    })
    await it.time.stall(500)
    await request
  })
})

const innocent: [name: string, error: () => Error][] = [
  ['a corrupt value', () => new StoreValueRejected('damaged')],
  [
    'a key of the wrong type',
    () => new StoreValueRejected('type', { cause: new RedisFailure(fault('wrong_type'), undefined) }),
  ],
  ['a rejected script', failingWith('script')],
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
  it.fake.mode = failingWith('refused')
  for (let at = 0; at < 20; at++) await assert.rejects(it.store.get(key), { code: 'STORE_UNAVAILABLE' })
  it.store.failed(fault('refused'))
  it.store.provedSilent()
  assert.equal(it.fake.calls.length, 20)
  assert.equal(it.store.circuit(), 'closed')
  it.fake.mode = 'hold'
  const call = assert.rejects(it.store.get(key), /250 ms/)
  await it.time.pass(250)
  await call
})

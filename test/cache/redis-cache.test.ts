// The shared cache over Redis as it is put together: what follows from a lost connection, a circuit, a beat, a refusal.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { settleMs } from '../../src/cache/availability.ts'
import { registerCacheGauges } from '../../src/cache/gauges.ts'
import { createInvalidations } from '../../src/cache/invalidation.ts'
import { createRedisCache, type RedisCacheParts } from '../../src/cache/redis-cache.ts'
import type { NearCopies } from '../../src/cache/shared-cache.ts'
import type { Spool, Spooled } from '../../src/cache/spool.ts'
import { loadConfig } from '../../src/load-config.ts'
import { StoreUnavailable, StoreValueRejected } from '../../src/errors.ts'
import { fault } from '../../src/store/redis/faults.ts'
import { everyGeneration } from '../../src/store/withdrawal-log.ts'
import { createMetrics } from '../../src/telemetry/prometheus.ts'
import { createFakeLink } from '../fixtures/fake-link.ts'
import { failingWith } from '../fixtures/fake-store.ts'
import { fakeTime, startOfTest } from '../fixtures/fake-time.ts'
import { testEncryptionKey } from '../fixtures/in-process-app.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'

const session = { kind: 'session', id: 'a' } as const
const mark = { kind: 'revoked', id: 'a' } as const
const value = Buffer.from('value')

function configFor(redisOptions = 'cacheMode: hybrid') {
  const text = `providerURL: https://issuer.example
clientID: foregate
clientSecret: one-of-our-own-8271
sessionEncryptionKey: ${testEncryptionKey}
redis: { enabled: true, address: "127.0.0.1:6379", ${redisOptions} }
`
  return loadConfig({ text, env: {}, readFile: () => '' }).config
}

function aCache(options = 'cacheMode: hybrid', parts: Partial<RedisCacheParts> = {}) {
  const time = fakeTime()
  const link = createFakeLink(time)
  const { calls } = link
  const logger = recordedLog()
  const metrics = createMetrics({ processMetrics: false })
  const cache = createRedisCache({
    config: configFor(options),
    runtime: { ...time, random: () => 0.5, randomBytes, logger, metrics },
    origin: 'one',
    scope: 'test',
    link,
    peerTransport: undefined,
    spool: undefined,
    ...parts,
  })
  /** What the copies were asked for stands among the calls. */
  const copies: NearCopies = {
    changed: (id, generation) => void calls.push(`changed ${id} ${generation}`),
    unconfirmAll: () => void calls.push('unconfirm'),
    async offerAgain(lostAt) {
      calls.push(`offer again what was written before ${lostAt}`)
      return true
    },
    async reseed() {
      calls.push('reseed')
      return true
    },
    dropUnproven: () => void calls.push('drop unproven'),
    async compareSome(count) {
      calls.push(`compare ${count}`)
    },
  }
  cache.setNearCopies(copies)
  const expiresAt = time.clock() + 60_000
  const said = () => logger.lines.map(({ event, reason }) => (reason === undefined ? event : `${event} ${reason}`))
  const notes = createInvalidations([Buffer.from(testEncryptionKey)], 'test')
  return {
    time,
    link,
    calls,
    logger,
    metrics,
    cache,
    said,
    notes,
    logOut: (id = 'a') => cache.withdraw({ id, floor: everyGeneration }),
    /** A write that the store missed. */
    journaled(name: string, write: () => Promise<unknown>) {
      cache.journal.add({ name, expiresAt, write: async () => void (await write()) })
    },
  }
}
type It = ReturnType<typeof aCache>

/** Connected and in use, with what that took forgotten. */
async function aConnectedCache(...given: Parameters<typeof aCache>): Promise<It> {
  const it = aCache(...given)
  it.link.up()
  await it.time.pass(0)
  void it.cache.start()
  await it.time.pass(10_000)
  assert.equal(it.cache.outage.isAway(), false)
  it.calls.length = 0
  it.logger.lines.length = 0
  return it
}

const failReads = async ({ link, cache }: It) => {
  link.store.mode = failingWith('timeout')
  for (let at = 0; at < 5; at++) await assert.rejects(cache.store.get(session))
  link.store.mode = 'pass'
  assert.equal(cache.health().circuit_breaker.state, 'open')
}

const aFullRedis = (link: It['link']) => {
  for (const method of ['set', 'add', 'compareAndSet', 'setUnlessMarked'] as const) {
    link.store.once(method, () => Promise.reject(failingWith('oom')()))
  }
}

describe('a start', () => {
  test('waits for the first contact, whatever came of it, and at the most as long as a request would', async () => {
    for (const contact of ['up', 'lose', undefined] as const) {
      const { cache, link, time } = aCache()
      let isStarted = false
      void cache.start().then(() => (isStarted = true))
      await time.pass(100)
      assert.equal(isStarted, false)
      if (contact !== undefined) link[contact]()
      await time.pass(contact === undefined ? 150 : 0)
      assert.equal(isStarted, true, contact)
      await cache.stop()
    }
  })

  test('with Redis: in use once its log was read; nothing is offered, and a miss counts at once', async () => {
    const { cache, link, time, calls, said } = aCache()
    assert.equal(cache.outage.isAway(), true)
    assert.equal(cache.outage.missProvesNothing(), true)
    assert.equal(cache.outage.horizonAgeMs(), undefined)
    link.up()
    await time.pass(0)
    assert.equal(cache.outage.isAway(), false)
    assert.equal(cache.outage.missProvesNothing(), false)
    assert.equal(cache.outage.horizonAgeMs(), 0)
    assert.ok(!calls.some((call) => call.startsWith('offer')), calls.join())
    assert.deepEqual(said(), ['store_recovered'])
  })

  test('without Redis: blind until it comes (A2)', async () => {
    const { cache, link, time } = aCache()
    void cache.start()
    link.lose('refused')
    await time.pass(5_000)
    assert.equal(cache.outage.isAway(), true)
    assert.equal(cache.outage.isUnreachable(), true)
    assert.equal(cache.outage.horizonAgeMs(), undefined)
    assert.equal(cache.trust.until, 0)
    link.up()
    await time.pass(2_000)
    assert.equal(cache.outage.isAway(), false)
  })

  test('tells what an operator should know of the server, once', async () => {
    const { link, time, said } = aCache()
    link.serverSays = { runIds: [], maxmemoryPolicy: 'allkeys-lru', uncheckable: [] }
    link.up()
    await time.pass(0)
    link.lose()
    await time.pass(500)
    link.up()
    await time.pass(5_000)
    assert.equal(said().filter((line) => line === 'eviction_policy allkeys-lru').length, 1)
  })

  test('knows what was left in the spool, and writes it to the log before anything else', async () => {
    const left: Spooled = { id: 'left', floor: everyGeneration, expiresAt: startOfTest + 1_000_000 }
    const released: string[] = []
    const spool: Spool = {
      place: '/spool',
      probe: () => Promise.resolve(),
      load: () => Promise.resolve([left]),
      keep: () => Promise.resolve(),
      release: (id) => void released.push(id),
      close: () => Promise.resolve(),
    }
    const { cache, link, time } = aCache('cacheMode: hybrid', { spool })
    void cache.start()
    await time.pass(0)
    assert.equal(cache.floors.isEnded('left'), true)
    link.up()
    await time.pass(0)
    assert.deepEqual(
      link.log.entries.map(({ id }) => id),
      ['left'],
    )
    assert.deepEqual(released, ['left'])
  })

  test('goes on without a spool that cannot be read', async () => {
    const spool: Spool = {
      place: '/spool',
      probe: () => Promise.resolve(),
      load: () => Promise.reject(new Error('EACCES')),
      keep: () => Promise.resolve(),
      release: () => {},
      close: () => Promise.resolve(),
    }
    const { cache, link, time, said } = aCache('cacheMode: hybrid', { spool })
    link.up()
    await cache.start()
    await time.pass(500)
    assert.equal(cache.outage.isAway(), false)
    assert.ok(said().includes('spool_failed not_read'))
  })
})

describe('near copies', () => {
  test('answer alone in hybrid mode while beats are answered and tokens come back', async () => {
    const { cache, time } = await aConnectedCache()
    assert.ok(cache.trust.until > time.stopwatch())
    assert.ok(cache.trust.until <= time.stopwatch() + 2_000)
  })

  test('never do in redis mode', async () => {
    const { cache, time } = await aConnectedCache('cacheMode: redis')
    await time.pass(5_000)
    assert.equal(cache.trust.until, 0)
  })

  test('do not from the loss of Redis on, and are confirmed before they do again', async () => {
    const { cache, link, time, calls } = await aConnectedCache()
    link.lose()
    assert.equal(cache.trust.until, 0)
    await time.pass(1_000)
    calls.length = 0
    link.up()
    await time.pass(0)
    assert.ok(calls.includes('unconfirm'))
    await time.pass(1_000)
    assert.ok(cache.trust.until > time.stopwatch())
  })

  test('do not while the subscription is gone, though everything else is well', async () => {
    const { cache, link, time, calls } = await aConnectedCache()
    link.dead()
    assert.equal(cache.trust.until, 0)
    assert.deepEqual(calls, ['unconfirm'])
    await time.pass(5_000)
    assert.equal(cache.trust.until, 0)
    assert.equal(cache.outage.isAway(), false)
    assert.equal(link.resubscriptions, 0, 'it is being opened')
    link.live()
    await time.pass(0)
    assert.ok(cache.trust.until > time.stopwatch())
  })

  test('that were confirmed while notes could be missed are confirmed again once they arrive', async () => {
    const { link, time, calls } = await aConnectedCache()
    link.dead()
    await time.pass(2_000)
    calls.length = 0
    link.live()
    assert.equal(calls[0], 'unconfirm')
  })

  test('do not with a deaf subscription, which is opened anew', async () => {
    const { cache, link, time, said } = await aConnectedCache()
    link.log.delivers = false
    await time.pass(2_500)
    assert.equal(link.resubscriptions, 1)
    assert.equal(cache.trust.until, 0)
    assert.deepEqual(said(), ['notes_missed deaf'])
    link.log.delivers = true
    link.dead()
    link.live()
    await time.pass(0)
    assert.ok(cache.trust.until > time.stopwatch())
  })

  test('are compared with the store, three a second, while they may answer alone', async () => {
    const { link, time, calls } = await aConnectedCache()
    await time.pass(3_000)
    assert.equal(calls.filter((call) => call === 'compare 3').length, 3)
    link.dead()
    calls.length = 0
    await time.pass(3_000)
    assert.ok(!calls.includes('compare 3'))
  })
})

describe('what other replicas say', () => {
  const from = (origin: string, what: 'changed' | 'withdrawn', number: number) =>
    ({ origin, sentAt: startOfTest, what, id: 'a', number }) as const

  test('is heard: a change by the copies, a withdrawal by everybody, also by the log', async () => {
    const { cache, link, time, notes, calls } = await aConnectedCache()
    link.hear(notes.encode(from('two', 'changed', 7)))
    assert.deepEqual(calls, ['changed a 7'])
    link.hear(notes.encode(from('two', 'withdrawn', 5)))
    assert.equal(cache.floors.of('a'), 5)
    assert.equal(cache.coherence().unlogged, 1)
    await time.pass(500)
    assert.equal(link.log.entries[0]?.id, 'a', 'whoever knows it writes it')
    assert.equal(cache.coherence().unlogged, 0)
  })

  test('is not what we said ourselves, nor what nobody of ours said', async () => {
    const { cache, link, notes, calls } = await aConnectedCache()
    const others = createInvalidations([Buffer.from(testEncryptionKey)], 'another')
    for (const line of [
      notes.encode(from('one', 'withdrawn', 5)),
      notes.encode(from('one', 'changed', 5)),
      others.encode(from('two', 'withdrawn', 5)),
      'nonsense',
    ]) {
      link.hear(line)
    }
    assert.equal(cache.floors.of('a'), 0)
    assert.deepEqual(calls, [])
  })

  test('is what we say in turn', async () => {
    const { cache, logOut, notes, link } = await aConnectedCache()
    const heard: string[] = []
    link.store.onNote((note) => heard.push(note))
    const changed = notes.decode(cache.changed('a', 7))
    assert.deepEqual([changed?.origin, changed?.what, changed?.id, changed?.number], ['one', 'changed', 'a', 7])
    await logOut()
    const withdrawn = notes.decode(heard[0] ?? '')
    assert.deepEqual([withdrawn?.what, withdrawn?.number], ['withdrawn', everyGeneration])
  })
})

describe('away', () => {
  test('from a lost connection on: at once', async () => {
    const { cache, link } = await aConnectedCache()
    link.lose()
    assert.equal(cache.outage.isAway(), true)
    assert.equal(cache.outage.isUnreachable(), true)
    assert.equal(cache.outage.missProvesNothing(), true)
  })

  test('from an open circuit on, though there is a connection', async () => {
    const it = await aConnectedCache()
    await failReads(it)
    assert.equal(it.cache.outage.isAway(), true)
  })

  test('when Redis is silent: a beat tells the circuit before a request has to', async () => {
    const { cache, link, time, said } = await aConnectedCache()
    link.log.mode = 'hold'
    link.store.mode = 'hold'
    await time.pass(500 + 750)
    assert.equal(cache.outage.isAway(), true)
    assert.deepEqual(said(), ['circuit_open timeout'])
    await assert.rejects(cache.store.get(session), StoreUnavailable)
    assert.equal(link.store.held.length, 0, 'nobody waits')
  })

  test('not when Redis is silent and nobody is to check', async () => {
    const { cache, link, time } = await aConnectedCache('cacheMode: hybrid, enableHealthCheck: false')
    link.log.mode = 'hold'
    await time.pass(1_250)
    assert.equal(cache.outage.isAway(), false)
  })

  test('not when it was we who stood still', async () => {
    const { cache, link, time, said } = await aConnectedCache()
    link.log.mode = 'hold'
    await time.pass(500)
    await time.stall(5_000, () => (link.log.mode = 'pass'))
    await time.pass(500)
    assert.equal(cache.outage.isAway(), false)
    assert.deepEqual(said(), [])
  })

  test('knows how old its knowledge is', async () => {
    const { cache, link, time } = await aConnectedCache()
    await time.pass(100)
    link.lose()
    const age = cache.outage.horizonAgeMs() ?? NaN
    assert.ok(age <= 500)
    await time.pass(60_000)
    assert.equal(cache.outage.horizonAgeMs(), age + 60_000)
  })
})

describe('recovery', () => {
  test('has an order: what is withdrawn, then the journal, then what may be lost, and only then Redis is in use', async () => {
    const { cache, link, time, calls, logOut, journaled, said } = await aConnectedCache()
    await time.pass(100)
    link.lose()
    const lostAt = time.stopwatch()
    assert.equal(await logOut(), false)
    journaled('session:b', () => link.store.set({ kind: 'session', id: 'b' }, value, 1_000))
    await time.pass(1_000)
    calls.length = 0
    cache.setNearCopies({
      changed: () => {},
      unconfirmAll: () => void calls.push(`unconfirm, away: ${cache.outage.isAway()}`),
      async offerAgain(before) {
        calls.push(`offer again what was written before ${before}, away: ${cache.outage.isAway()}`)
        return true
      },
      reseed: () => Promise.resolve(true),
      dropUnproven: () => {},
      compareSome: () => Promise.resolve(),
    })
    link.up()
    await time.pass(0)
    assert.deepEqual(
      calls.map((call) => call.replace(/^beat \d+$/, 'beat')),
      [
        'beat',
        // The subscription is there again.
        'unconfirm, away: true',
        `append a:${everyGeneration}`,
        'withdraw session',
        'beat',
        'set session',
        `offer again what was written before ${lostAt}, away: true`,
        'unconfirm, away: true',
        'beat',
      ],
    )
    assert.equal(cache.outage.isAway(), false)
    assert.equal(cache.floors.isLogged('a'), true)
    assert.equal(said().at(-1), 'store_recovered')
  })

  test('leaves four seconds in which a miss proves nothing: another replica may be about to write', async () => {
    const { cache, link, time } = await aConnectedCache()
    link.lose()
    await time.pass(1_000)
    link.up()
    await time.pass(0)
    assert.equal(cache.outage.isAway(), false)
    await time.pass(3_999)
    assert.equal(cache.outage.missProvesNothing(), true)
    await time.pass(1)
    assert.equal(cache.outage.missProvesNothing(), false)
  })

  test('does not end before the log was read, however well everything else goes', async () => {
    const { cache, link, time } = await aConnectedCache()
    link.lose()
    await time.pass(1_000)
    link.log.mode = failingWith('script')
    link.up()
    await time.pass(3_000)
    assert.equal(cache.outage.isAway(), true)
    assert.equal(cache.outage.isUnreachable(), false, 'it can be asked')
    link.log.mode = 'pass'
    await time.pass(250)
    assert.equal(cache.outage.isAway(), false)
  })

  test('that is cut off half-way starts again from its beginning, and it is one outage', async () => {
    const { cache, link, time, calls, journaled } = await aConnectedCache()
    link.lose()
    const lostAt = time.stopwatch()
    journaled('session:a', async () => {
      if (isCut) return link.store.set(session, value, 1_000)
      isCut = true
      link.lose()
      throw failingWith('reset')()
    })
    let isCut = false
    await time.pass(1_000)
    link.up()
    await time.pass(1_000)
    assert.equal(cache.outage.isAway(), true)
    assert.equal(cache.journal.size, 1)
    calls.length = 0
    link.up()
    await time.pass(0)
    assert.equal(cache.outage.isAway(), false)
    assert.equal(cache.journal.size, 0)
    assert.ok(calls.includes(`offer again what was written before ${lostAt}`))
  })

  test('is not stopped by a key that holds something else (A8): that write is dropped and counted', async () => {
    const { cache, link, time, metrics, journaled } = await aConnectedCache()
    link.lose()
    journaled('session:a', () => Promise.reject(new StoreValueRejected('a list')))
    journaled('session:b', () => link.store.set({ kind: 'session', id: 'b' }, value, 1_000))
    await time.pass(1_000)
    link.up()
    await time.pass(0)
    assert.equal(cache.outage.isAway(), false)
    assert.equal(cache.journal.size, 0)
    assert.equal(metrics.journalDropped.labels({}).value, 1)
    assert.deepEqual(await link.store.memory.get({ kind: 'session', id: 'b' }), value)
  })

  test('is not stopped by a mistake of ours for good: it is told, and tried again', async () => {
    const { cache, link, time, said, journaled } = await aConnectedCache()
    link.lose()
    let mistakes = 2
    journaled('session:a', async () => {
      if (mistakes-- > 0) throw new TypeError('no')
    })
    await time.pass(1_000)
    link.up()
    await time.pass(600)
    assert.equal(cache.outage.isAway(), false)
    assert.ok(said().includes('recovery_failed internal'))
  })

  test('that gives up those who were there offers nothing again either: nobody vouches for it', async () => {
    const given = configFor()
    // As long as they are waited for after any outage: both waits end with the same beat.
    const config = { ...given, outage: { ...given.outage, maxStaleMs: settleMs } }
    const { cache, link, time, calls, journaled } = await aConnectedCache(undefined, { config })
    await link.log.beat({ replica: 'other', token: 1, position: undefined, clean: true, hello: '' })
    await time.pass(500)
    link.lose()
    link.log.empty()
    journaled('session:a', () => Promise.resolve())
    link.up()
    await time.pass(settleMs + 2_000)
    assert.equal(cache.journal.size, 0)
    assert.ok(calls.includes('drop unproven'))
    assert.ok(!calls.some((call) => call.startsWith('offer')), calls.join())
  })

  test('with another history writes copies back, with all caution, and offers nothing else', async () => {
    const { cache, link, time, calls, metrics } = await aConnectedCache()
    link.lose()
    await time.pass(1_000)
    link.log.empty()
    calls.length = 0
    link.up()
    await time.pass(200)
    assert.ok(calls.includes('reseed'))
    assert.ok(!calls.some((call) => call.startsWith('offer')), calls.join())
    assert.equal(metrics.historyChanges.labels({}).value, 1)
    assert.equal(cache.outage.isAway(), false)
  })

  test('with other replicas hears them before the journal is written', async () => {
    const { cache, link, time, journaled } = await aConnectedCache()
    const beatOfTwo = (token: number) =>
      link.log.beat({ replica: 'two', token, position: link.log.head, clean: true, hello: '' })
    await beatOfTwo(1)
    await time.pass(1_000)
    link.lose()
    journaled('session:b', () => link.store.set({ kind: 'session', id: 'b' }, value, 10_000))
    await time.pass(1_000)
    link.up()
    await time.pass(500)
    assert.equal(cache.outage.isAway(), false, 'reads are right already')
    assert.equal(cache.journal.size, 1)
    await beatOfTwo(2)
    await time.pass(100)
    assert.equal(cache.journal.size, 0, 'with the beat that saw it')
  })

  test('from silence follows from an answered beat: nobody has to wait for the circuit’s time', async () => {
    const { cache, link, time, said } = await aConnectedCache()
    link.log.mode = 'hold'
    link.store.mode = 'hold'
    await time.pass(1_250)
    assert.equal(cache.outage.isAway(), true)
    link.log.mode = 'pass'
    link.store.mode = 'pass'
    for (const answer of link.log.held.splice(0)) answer()
    await time.pass(1_000)
    assert.equal(cache.outage.isAway(), false)
    assert.deepEqual(said(), ['circuit_open timeout', 'circuit_half_open', 'circuit_closed', 'store_recovered'])
  })

  test('does not follow from a beat that took longer than a request may wait', async () => {
    const { cache, link, time } = await aConnectedCache()
    link.log.mode = 'hold'
    await time.pass(1_250)
    for (let beats = 0; beats < 3; beats++) {
      await time.pass(251)
      for (const answer of link.log.held.splice(0)) answer()
      await time.pass(500)
    }
    assert.equal(cache.outage.isAway(), true)
  })
})

describe('a Redis that is full', () => {
  test('takes a logout, also past an open circuit (A5)', async () => {
    const it = await aConnectedCache()
    await it.link.store.memory.set(session, value, 60_000)
    await failReads(it)
    it.link.store.mode = 'pass'
    aFullRedis(it.link)
    assert.equal(await it.logOut(), true)
    assert.equal(await it.link.store.memory.get(session), undefined)
    assert.equal((await it.link.store.memory.get(mark))?.toString(), '1')
    assert.equal(it.link.log.entries[0]?.id, 'a')
  })

  test('is in use: what it refuses is journaled and tried again every second, without any outage', async () => {
    const { cache, link, time, journaled, said } = await aConnectedCache()
    let isFull = true
    const write = async () => {
      if (isFull) throw failingWith('oom')()
      await link.store.set(session, value, 10_000)
    }
    await assert.rejects(write)
    journaled('session:a', write)
    await time.pass(5_000)
    assert.equal(cache.outage.isAway(), false)
    assert.equal(cache.journal.size, 1)
    isFull = false
    await time.pass(1_000)
    assert.equal(cache.journal.size, 0)
    assert.deepEqual(await link.store.memory.get(session), value)
    assert.deepEqual(said(), [])
  })

  test('is said in health while it is connected, counted and logged once', async () => {
    const { cache, link, said, metrics } = await aConnectedCache()
    for (let at = 0; at < 3; at++) {
      link.store.once('set', () => Promise.reject(failingWith('oom')()))
      await assert.rejects(cache.store.set(session, value, 1_000))
    }
    const { redis, circuit_breaker: breaker } = cache.health()
    assert.deepEqual([redis.connected, redis.reason, redis.error], [true, 'oom', fault('oom').message])
    assert.equal(breaker.state, 'closed')
    assert.deepEqual(said(), ['redis_writes_refused oom'])
    assert.equal(metrics.storeRefusals.labels({ reason: 'oom' }).value, 3)
    await cache.store.set(session, value, 1_000)
    assert.equal(cache.health().redis.reason, undefined)
  })
})

describe('a Redis that takes no writes at all', () => {
  test('is no outage by itself; but nothing is known any more, and it is said', async () => {
    const { cache, link, time, said } = await aConnectedCache()
    link.log.mode = failingWith('readonly')
    await time.pass(3_000)
    assert.equal(cache.health().redis.reason, 'readonly')
    assert.deepEqual(said(), ['redis_writes_refused readonly'])
    assert.ok(cache.trust.until <= time.stopwatch(), 'near copies do not answer alone')
    assert.ok((cache.outage.horizonAgeMs() ?? 0) >= 2_500)
    link.log.mode = 'pass'
    await time.pass(500)
    assert.equal(cache.health().redis.reason, undefined)
    assert.ok(cache.trust.until > time.stopwatch())
  })
})

describe('a withdrawal', () => {
  test('waits for Redis no longer than a request may, and hardly at all in a request that has waited', async () => {
    const it = await aConnectedCache()
    it.link.log.mode = 'hold'
    it.link.store.mode = 'hold'
    const tookMs = async (withdrawal: Promise<boolean>) => {
      const startedAt = it.time.stopwatch()
      let endedAt: number | undefined
      void withdrawal.then((isKept) => {
        assert.equal(isKept, false)
        endedAt = it.time.stopwatch()
      })
      const isOver = () => endedAt !== undefined
      while (!isOver()) await it.time.pass(10)
      return (endedAt ?? Number.NaN) - startedAt
    }
    assert.equal(await tookMs(it.logOut('a')), 250)
    const inRequest = it.cache.withinBudget(async () => {
      await it.cache.store.get(session).catch(() => undefined)
      const startedAt = it.time.stopwatch()
      await it.logOut('b')
      return it.time.stopwatch() - startedAt
    })
    await it.time.pass(1_000)
    assert.equal(await inRequest, 50)
  })
})

describe('health', () => {
  test('says why Redis is not in use, how old what is known is, and what the log lacks', async () => {
    const it = aCache()
    const { cache, link, time, logOut } = it
    assert.deepEqual(cache.health(), {
      mode: 'hybrid',
      redis: { connected: false, latency: null, error: fault('connecting').message, reason: 'connecting' },
      circuit_breaker: { state: 'closed', failures: 0 },
      revocations: { horizon: null, unlogged: 0, peers: 0, reseeding: false },
    })
    link.up()
    await time.pass(0)
    assert.deepEqual(cache.health(), {
      mode: 'hybrid',
      redis: { connected: true, latency: '1ms' },
      circuit_breaker: { state: 'closed', failures: 0 },
      revocations: { horizon: '0s', unlogged: 0, peers: 0, reseeding: false },
    })
    link.lose('dns')
    await logOut()
    await time.pass(90_000)
    assert.deepEqual(cache.health(), {
      mode: 'hybrid',
      redis: { connected: false, latency: null, error: fault('dns').message, reason: 'dns' },
      circuit_breaker: { state: 'closed', failures: 1 },
      revocations: { horizon: '90s', unlogged: 1, peers: 0, reseeding: false },
    })
  })

  test('says of an open circuit what opened it', async () => {
    const it = await aConnectedCache()
    await failReads(it)
    const { redis, circuit_breaker: breaker } = it.cache.health()
    assert.deepEqual([redis.connected, redis.reason, breaker], [false, 'timeout', { state: 'open', failures: 5 }])
  })

  test('says so while copies wait to be written back', async () => {
    const it = await aConnectedCache()
    const { cache, link, time } = it
    const other = { replica: 'other', token: 1, position: undefined, clean: true, hello: '' }
    await link.log.beat(other)
    await time.pass(500)
    link.lose('reset')
    link.log.empty()
    link.up()
    await time.pass(100)
    assert.deepEqual([cache.health().revocations?.reseeding, cache.coherence().isReseeding], [true, true])
    const metrics = createMetrics({ processMetrics: false })
    registerCacheGauges(metrics, cache)
    assert.match(await metrics.render(), /^foregate_reseeding 1$/m)
  })

  test('counts connections, and what is known', async () => {
    const { cache, logOut, link } = await aConnectedCache()
    const { inUse, idle, max } = cache.pool()
    assert.deepEqual([inUse, idle, max], [0, 1, 10])
    await logOut('a')
    const { logged, unlogged, peers } = cache.coherence()
    assert.deepEqual([logged, unlogged, peers], [0, 1, { up: 0, down: 0 }])
    link.lose()
    assert.equal(cache.pool().idle, 0)
  })
})

describe('an orderly end (A7)', () => {
  function aSpool() {
    const kept = new Map<string, Spooled>()
    let isClosed = false
    const spool: Spool = {
      place: '/spool',
      probe: () => Promise.resolve(),
      load: () => Promise.resolve([]),
      keep: async (withdrawal) => void kept.set(withdrawal.id, withdrawal),
      release: (id) => void kept.delete(id),
      close: async () => void (isClosed = true),
    }
    return { spool, kept, isClosed: () => isClosed }
  }

  test('with Redis leaves nothing unsaid: what is known is seen in the log, the journal is written, and nobody waits', async () => {
    const { cache, link, calls, journaled, said } = await aConnectedCache()
    cache.floors.raise({ id: 'a', floor: 5 }, false)
    journaled('session:b', () => link.store.set({ kind: 'session', id: 'b' }, value, 1_000))
    await cache.stop()
    assert.equal(link.log.entries[0]?.id, 'a')
    assert.equal(link.log.members.size, 0)
    assert.ok(calls.indexOf('set session') > calls.indexOf('append a:5'))
    assert.deepEqual(said(), ['withdrawals_written_back'])
    assert.equal(link.status(), 'closed')
  })

  test('without Redis hands over to the spool what the log may lack', async () => {
    const { spool, kept, isClosed } = aSpool()
    const it = await aConnectedCache('cacheMode: hybrid', { spool })
    await it.logOut('seen')
    await it.time.pass(1_000)
    it.link.lose()
    await it.logOut('a')
    await it.cache.stop()
    assert.deepEqual([...kept.keys()].sort(), ['a', 'seen'], 'Redis may have lost what it had, unnoticed yet')
    assert.equal(isClosed(), true)
    assert.deepEqual(it.said(), [])
  })

  test('without Redis and without anybody else says what is lost', async () => {
    const { cache, link, logOut, journaled, logger } = await aConnectedCache()
    link.lose()
    await logOut('a')
    journaled('session:b', () => Promise.resolve())
    await cache.stop()
    const line = logger.lines.find(({ event }) => event === 'journal_lost')
    assert.deepEqual([line?.level, line?.['entries'], line?.['withdrawals']], ['warn', 1, 1])
  })

  test('with a Redis that is silent does not wait for ever', async () => {
    const { cache, link, time } = await aConnectedCache()
    link.log.mode = 'hold'
    link.store.mode = 'hold'
    cache.floors.raise({ id: 'a', floor: 5 }, false)
    let isStopped = false
    void cache.stop().then(() => (isStopped = true))
    await time.pass(2_000)
    assert.equal(isStopped, true)
  })

  test('is the end: nothing is asked any more', async () => {
    const { cache, link, time, calls } = await aConnectedCache()
    await cache.stop()
    calls.length = 0
    await time.pass(60_000)
    assert.deepEqual(calls, [])
    assert.equal(link.status(), 'closed')
  })
})

describe('a disk that hangs', () => {
  const never = () => new Promise<never>(() => {})
  const spool = (parts: Partial<Spool>): Spool => ({
    place: '/spool',
    probe: () => Promise.resolve(),
    load: () => Promise.resolve([]),
    keep: () => Promise.resolve(),
    release: () => undefined,
    close: () => Promise.resolve(),
    ...parts,
  })

  test('at which nothing can be kept is told at the start, which does not wait for it', async () => {
    const { cache, link, time, said } = aCache('cacheMode: hybrid', { spool: spool({ probe: never }) })
    link.up()
    await cache.start()
    await time.pass(5_000)
    assert.ok(said().includes('spool_failed not_usable'))
    assert.equal(cache.outage.isAway(), false)
  })

  test('keeps the start waiting for 5 s, and is told', async () => {
    const { cache, link, time, said } = aCache('cacheMode: hybrid', { spool: spool({ load: never }) })
    link.up()
    let isStarted = false
    void cache.start().then(() => (isStarted = true))
    await time.pass(4_999)
    assert.equal(isStarted, false)
    await time.pass(1_000)
    assert.equal(isStarted, true)
    assert.ok(said().includes('spool_failed not_read'))
  })

  test('keeps the end waiting for 2 s', async () => {
    const { cache, time } = await aConnectedCache('cacheMode: hybrid', { spool: spool({ close: never }) })
    let isStopped = false
    void cache.stop().then(() => (isStopped = true))
    await time.pass(1_999)
    assert.equal(isStopped, false)
    for (let turn = 0; turn < 20; turn++) await time.pass(100)
    assert.equal(isStopped, true)
  })

  test('has the whole deadline, also in a request that has waited for Redis', async () => {
    const disk = { pass: () => {} }
    const keep = () => new Promise<void>((resolve) => (disk.pass = resolve))
    const { cache, link, time, logOut } = await aConnectedCache('cacheMode: hybrid', { spool: spool({ keep }) })
    link.store.mode = 'hold'
    link.log.mode = 'hold'
    let isKept: boolean | undefined
    void cache.withinBudget(async () => {
      await cache.store.get(session).catch(() => undefined)
      isKept = await logOut()
    })
    await time.pass(250 + 50 + 200)
    disk.pass()
    await time.pass(1)
    assert.equal(isKept, true)
  })
})

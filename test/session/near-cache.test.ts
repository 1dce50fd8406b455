import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Lifetimes } from '../../src/session/lifetimes.ts'
import { createNearCache, presentsSecret, type NearLimits } from '../../src/session/near-cache.ts'
import type { Session } from '../../src/session/session.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { aSession } from '../fixtures/session.ts'
import { hour, lifetimesOf, minute } from './world.ts'

interface Options {
  readonly limits?: NearLimits
  readonly lifetimes?: Partial<Lifetimes>
  readonly shared?: boolean
  readonly random?: number
}

function aNearCache({ limits, lifetimes, shared = true, random = 0 }: Options = {}) {
  const time = fakeTime()
  const floors = new Map<string, number>()
  const near = createNearCache({
    limits: limits ?? { maxItems: undefined, maxBytes: 1_000_000 },
    lifetimes: lifetimesOf(time.clock, { passMaxAgeMs: undefined, ...lifetimes }),
    isWithdrawn: ({ id, generation }) => generation < (floors.get(id) ?? 0),
    tagsOf: ({ subject }) => [subject],
    shared,
    runtime: { clock: time.clock, stopwatch: time.stopwatch, random: () => random },
  })
  const ticketOf = (id: string) => ({ id: id.padEnd(22, '-'), secret: 's'.repeat(43) })
  const sessionOf = (id: string, overrides: Partial<Session> = {}) =>
    aSession({
      id: ticketOf(id).id,
      createdAt: time.clock(),
      expiresAt: time.clock() + 24 * hour,
      tokenExpiresAt: time.clock() + hour,
      refreshAt: time.clock() + 59 * minute,
      refreshable: true,
      ...overrides,
    })
  const value = (bytes = 100) => Buffer.alloc(bytes, 1)
  return {
    near,
    time,
    floors,
    ticketOf,
    sessionOf,
    value,
    /** A copy of the session named so; its entry. */
    adopt: (id: string, overrides: Partial<Session> = {}, bytes = 100) =>
      near.adopt(ticketOf(id), sessionOf(id, overrides), value(bytes)),
    answers: (id: string) =>
      near.answering(ticketOf(id).id + ticketOf(id).secret, time.clock())?.session.generation ?? 'no',
    has: (id: string) => near.get(ticketOf(id).id) !== undefined,
  }
}

// --- limits -----------------------------------------------------------------------------------------------------------------

test('past the limit of items the copy that was not used for longest goes', () => {
  const { near, adopt, has } = aNearCache({ limits: { maxItems: 2, maxBytes: 1_000_000 } })
  adopt('a')
  adopt('b')
  has('a')
  adopt('c')
  assert.deepEqual([has('a'), has('b'), has('c')], [true, false, true])
  assert.equal(near.size, 2)
  assert.deepEqual([...near.entries()].length, 2)
})

test('past the limit of bytes as well, with what an entry weighs besides its value', () => {
  const { near, adopt } = aNearCache({ limits: { maxItems: undefined, maxBytes: 10_000 } })
  for (let number = 0; number < 100; number++) adopt(`s${number}`, {}, 1_000)
  assert.ok(near.size >= 2 && near.size <= 9, `${near.size} entries`)
  assert.ok(near.bytes <= 10_000)
})

test('one value larger than the whole limit is not kept, and pushes nothing out', () => {
  const { adopt, has } = aNearCache({ limits: { maxItems: undefined, maxBytes: 10_000 } })
  adopt('small')
  assert.equal(adopt('huge', {}, 50_000).session.generation, 1, 'this answer has it all the same')
  assert.deepEqual([has('small'), has('huge')], [true, false])
})

test('a copy keeps none of the memory that its value was cut from', () => {
  const { near, ticketOf, sessionOf } = aNearCache()
  const { value } = near.adopt(ticketOf('a'), sessionOf('a'), Buffer.alloc(100_000).subarray(10, 110))
  assert.equal(value.buffer.byteLength, 100)
})

// --- answering ----------------------------------------------------------------------------------------------------------------

test('a copy answers to its whole ticket only', () => {
  const { near, adopt, ticketOf, time } = aNearCache()
  const copy = adopt('a')
  const { id, secret } = ticketOf('a')
  assert.equal(near.answering(id + secret, time.clock()), copy)
  for (const wrong of ['', 's', `${secret}s`, `${'s'.repeat(42)}t`]) {
    assert.equal(near.answering(id + wrong, time.clock()), undefined, JSON.stringify(wrong))
    assert.equal(presentsSecret(copy, wrong), false, JSON.stringify(wrong))
  }
  assert.equal(presentsSecret(copy, secret), true)
})

test('a copy that may answer counts as seen', async () => {
  const { adopt, answers, time } = aNearCache()
  const copy = adopt('a')
  await time.pass(10_000)
  answers('a')
  assert.equal(copy.lastSeenAt, time.clock())
})

const ends: [name: string, options: Options, overrides: (now: number) => Partial<Session>, lastsMs: number][] = [
  ['60 s after it was last confirmed', {}, () => ({}), minute],
  ['with its session', { shared: false }, (now) => ({ expiresAt: now + 10 * minute }), 10 * minute],
  ['with its access token', { shared: false }, (now) => ({ tokenExpiresAt: now + 5 * minute }), 5 * minute],
  ['when it has been idle for too long', { shared: false, lifetimes: { idleTimeoutMs: minute } }, () => ({}), minute],
]
for (const [name, options, overrides, lastsMs] of ends) {
  test(`a copy stops answering by itself ${name}, and stays for what may come`, async () => {
    const until = async (ms: number) => {
      const { adopt, answers, has, time } = aNearCache(options)
      adopt('a', overrides(time.clock()))
      await time.pass(ms)
      return [answers('a'), has('a')]
    }
    assert.deepEqual(await until(lastsMs - 1), [1, true])
    assert.deepEqual(await until(lastsMs), ['no', true])
  })
}

test('how long ago it was confirmed is a duration: a clock that is set forward ends nothing', async () => {
  const { adopt, answers, time } = aNearCache()
  adopt('a')
  time.setClock(30 * minute)
  await time.pass(59_999)
  assert.equal(answers('a'), 1)
  await time.pass(1)
  assert.equal(answers('a'), 'no')
})

test('in memory mode there is nobody to confirm: a copy answers as long as its session lives', async () => {
  const { near, adopt, answers, time } = aNearCache({ shared: false })
  adopt('a')
  near.unconfirmAll()
  await time.pass(59 * minute)
  assert.equal(answers('a'), 1)
})

// --- adopting --------------------------------------------------------------------------------------------------------------------

test('a newer state replaces an older one, never the other way round', () => {
  const { adopt, answers } = aNearCache()
  adopt('a', { generation: 2 })
  adopt('a', { generation: 3 })
  assert.equal(answers('a'), 3)
  assert.equal(adopt('a', { generation: 2 }).session.generation, 2)
  assert.equal(answers('a'), 3)
})

test('what is below its floor is never kept', () => {
  const { adopt, floors, has, ticketOf } = aNearCache()
  floors.set(ticketOf('a').id, 3)
  adopt('a', { generation: 2 })
  assert.equal(has('a'), false)
  adopt('a', { generation: 3 })
  assert.equal(has('a'), true)
})

test('a state that the store has not confirmed is no news of whether the session stands', async () => {
  const { near, adopt, time, ticketOf, sessionOf, value } = aNearCache()
  const { confirmedAt } = adopt('a')
  await time.pass(10_000)
  const unwritten = near.adopt(ticketOf('a'), sessionOf('a', { generation: 2 }), value(), { pending: 'state' })
  assert.equal(unwritten.confirmedAt, confirmedAt)
  const login = near.adopt(ticketOf('b'), sessionOf('b'), value(), { pending: 'session' })
  assert.equal(login.confirmedAt, time.stopwatch(), 'a login has nothing older to go by')
})

test('when its idle time was last renewed outlives a new state', async () => {
  const { near, adopt, time, ticketOf, sessionOf, value } = aNearCache({ lifetimes: { idleTimeoutMs: hour } })
  const first = adopt('a')
  await time.pass(5_000)
  assert.equal(adopt('a', { generation: 2 }).touchedAt, first.touchedAt)
  assert.equal(near.adopt(ticketOf('b'), sessionOf('b'), value(), { touchedAt: 0 }).touchedAt, 0)
})

test('replicas do not all refresh in the same moment', () => {
  const { adopt, time } = aNearCache({ random: 0.5 })
  assert.equal(adopt('a', { refreshAt: time.clock() + minute }).refreshAt, time.clock() + minute + 500)
})

// --- confirming -------------------------------------------------------------------------------------------------------------------

test('a confirmation gives it another 60 s, and says that it is written', async () => {
  const { near, time, answers, ticketOf, sessionOf, value } = aNearCache()
  const copy = near.adopt(ticketOf('a'), sessionOf('a'), value(), { pending: 'state' })
  await time.pass(59_999)
  near.confirm(copy)
  assert.deepEqual([copy.isConfirmed, copy.pending, copy.confirmedAt], [true, undefined, time.stopwatch()])
  await time.pass(59_999)
  assert.equal(answers('a'), 1)
  await time.pass(1)
  assert.equal(answers('a'), 'no')
})

test('word of a newer state stops an older copy from answering until that state must be lost, and no other', async () => {
  const { near, adopt, answers, ticketOf, time } = aNearCache()
  const copy = adopt('a', { generation: 2 })
  adopt('b', { generation: 1 })
  near.changed(ticketOf('a').id, 2)
  assert.equal(answers('a'), 2, 'it is that state')
  near.changed(ticketOf('a').id, 3)
  assert.deepEqual([answers('a'), answers('b')], ['no', 1])
  near.confirm(copy)
  assert.deepEqual([answers('a'), near.heardOf(ticketOf('a').id)], ['no', 3])
  assert.equal(adopt('a', { generation: 2 }).isConfirmed, false, 'read once more')
  await time.pass(10_000)
  near.confirm(near.get(ticketOf('a').id) ?? copy)
  assert.deepEqual([answers('a'), near.heardOf(ticketOf('a').id)], [2, 0])
  near.changed('nobody', 3)
})

test('the newest state that was heard of is remembered, also when the copy is confirmed since', () => {
  const { near, adopt, ticketOf } = aNearCache()
  const copy = adopt('a', { generation: 2 })
  assert.equal(copy.heardOf, 2)
  near.changed(ticketOf('a').id, 5)
  near.changed(ticketOf('a').id, 4)
  assert.equal(copy.heardOf, 5)
  assert.equal(adopt('a', { generation: 5 }).heardOf, 5)
})

test('a copy knows what the store is believed to hold while its own state is not written', () => {
  const { near, adopt, ticketOf, sessionOf, value } = aNearCache()
  assert.equal(adopt('a', { generation: 2 }).storedGeneration, 2)
  const pending = near.adopt(ticketOf('a'), sessionOf('a', { generation: 4 }), value(), {
    pending: 'state',
    storedGeneration: 2,
  })
  assert.equal(pending.storedGeneration, 2)
  near.settle(ticketOf('a').id, false)
  assert.equal(pending.storedGeneration, 2)
  near.settle(ticketOf('a').id, true)
  assert.equal(pending.storedGeneration, 4)
})

test('where word may have been missed no copy answers before it is confirmed; all stay for an outage', () => {
  const { near, adopt, answers } = aNearCache()
  const copies = [adopt('a'), adopt('b')]
  near.unconfirmAll()
  assert.deepEqual([answers('a'), answers('b')], ['no', 'no'])
  assert.deepEqual(
    [...near.entries()].map(([, { isConfirmed }]) => isConfirmed),
    [false, false],
  )
  for (const copy of copies) near.confirm(copy)
  assert.deepEqual([answers('a'), answers('b')], [1, 1])
})

test('what the journal has written is as good as confirmed; what turned out to be of no use has to be asked for', async () => {
  const { near, time, answers, ticketOf, sessionOf, value } = aNearCache()
  const [written, refused] = ['a', 'b'].map((id) =>
    near.adopt(ticketOf(id), sessionOf(id), value(), { pending: 'session' }),
  )
  await time.pass(10_000)
  near.settle(ticketOf('a').id, true)
  near.settle(ticketOf('b').id, false)
  near.settle('nobody', true)
  assert.deepEqual([written?.pending, written?.confirmedAt], [undefined, time.stopwatch()])
  assert.equal(refused?.pending, undefined)
  assert.deepEqual([answers('a'), answers('b')], [1, 'no'])
})

// --- attention ------------------------------------------------------------------------------------------------------------------------

const attention: [name: string, options: Options, overrides: (now: number) => Partial<Session>, dueIn: number][] = [
  ['30 s after a confirmation', {}, () => ({}), 30_000],
  ['when its token is to be refreshed', { shared: false }, (now) => ({ refreshAt: now + 1_000 }), 1_000],
  [
    'at its token’s end where there is nothing to refresh it with',
    { shared: false },
    (now) => ({ refreshable: false, refreshAt: now + 1_000, tokenExpiresAt: now + 2_000 }),
    2_000,
  ],
  ['at its session’s end', { shared: false }, (now) => ({ expiresAt: now + 1_000 }), 1_000],
  [
    'when its idle time is to be renewed',
    { shared: false, lifetimes: { idleTimeoutMs: 10 * minute } },
    () => ({}),
    10_000,
  ],
]
for (const [name, options, overrides, dueIn] of attention) {
  test(`a copy is next looked at ${name}`, () => {
    const { adopt, time } = aNearCache(options)
    assert.equal(adopt('a', overrides(time.clock())).attentionAt, time.clock() + dueIn)
  })
}

test('a refresh that was started is not due again before it says otherwise; a failed one after 1, 2, 4 ... 60 s', async () => {
  const { near, adopt, time } = aNearCache({ shared: false })
  const copy = adopt('a', { refreshAt: time.clock() })
  near.refreshing(copy, time.clock())
  near.attended(copy)
  assert.equal(copy.attentionAt, time.clock() + minute)
  const waits = [1, 2, 4, 8, 16, 32, 60, 60]
  for (const [failures, wait] of waits.entries()) {
    near.refreshFailed(copy, time.clock())
    assert.equal(copy.refreshFailures, failures + 1)
    assert.deepEqual([copy.refreshAt, copy.attentionAt], [time.clock() + wait * 1_000, time.clock() + wait * 1_000])
    await time.pass(1_000)
  }
})

test('what was started for a copy puts off its next look, and nothing else', async () => {
  const { near, adopt, time } = aNearCache({ shared: false, lifetimes: { idleTimeoutMs: 10 * minute } })
  const copy = adopt('a')
  await time.pass(10_000)
  near.touched(copy, time.clock())
  near.attended(copy)
  assert.equal(copy.attentionAt, time.clock() + 10_000)
  near.seen(copy, time.clock() + 1)
  assert.equal(copy.lastSeenAt, time.clock() + 1)
})

// --- leaving ---------------------------------------------------------------------------------------------------------------------------

test('a withdrawal takes the states below its floor, a deletion whatever there is', () => {
  const { near, adopt, has, answers, ticketOf } = aNearCache()
  adopt('a', { generation: 2 })
  near.deleteBelow(ticketOf('a').id, 2)
  assert.equal(answers('a'), 2)
  near.deleteBelow(ticketOf('a').id, 3)
  assert.deepEqual([answers('a'), has('a')], ['no', false])
  adopt('b')
  near.delete(ticketOf('b').id)
  assert.deepEqual([answers('b'), has('b'), near.size], ['no', false, 0])
  near.delete('nobody')
  near.deleteBelow('nobody', 3)
})

test('where nobody vouches for copies of before a loss they go, but not what a journal still has to write', async () => {
  const { near, adopt, has, time, ticketOf, sessionOf, value } = aNearCache()
  adopt('a')
  near.adopt(ticketOf('b'), sessionOf('b'), value(), { pending: 'session' })
  await time.pass(1_000)
  const lostAt = time.stopwatch()
  adopt('c')
  near.deleteUnproven(lostAt)
  assert.deepEqual([has('a'), has('b'), has('c')], [false, true, true])
})

test('a state that a journal still writes is given up with them, unless the store has what it follows', async () => {
  const { near, has, time, ticketOf, sessionOf, value } = aNearCache()
  for (const id of ['a', 'b', 'c']) near.adopt(ticketOf(id), sessionOf(id), value(), { pending: 'state' })
  await time.pass(1_000)
  near.deleteUnproven(time.stopwatch())
  assert.deepEqual([has('a'), has('b'), has('c')], [true, true, true])
  near.settle(ticketOf('a').id, false)
  near.settle(ticketOf('b').id, true)
  near.settle(ticketOf('b').id, false)
  const found = near.get(ticketOf('c').id)
  if (found !== undefined) near.confirm(found)
  near.settle(ticketOf('c').id, false)
  assert.deepEqual([has('a'), has('b'), has('c')], [false, true, true])
})

// To whom a withdrawal is told, and what may be answered for it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFloors } from '../../src/cache/floors.ts'
import type { Peers } from '../../src/cache/peers.ts'
import { guardedSpool } from '../../src/cache/guarded-spool.ts'
import type { Spooled } from '../../src/cache/spool.ts'
import { createWithdrawals } from '../../src/cache/withdrawals.ts'
import { redisFault } from '../../src/store/redis/faults.ts'
import { everyGeneration } from '../../src/store/withdrawal-log.ts'
import type { Withdrawal } from '../../src/store/withdrawal-log.ts'
import { createFakeLog } from '../fixtures/fake-log.ts'
import { createFakeStore, failingWith } from '../fixtures/fake-store.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'

const deadlineMs = 250
const out: Withdrawal = { id: 'a', floor: everyGeneration }
const session = { kind: 'session', id: 'a' } as const
const mark = { kind: 'revoked', id: 'a' } as const

type Peering = 'none' | 'take it' | 'are away' | 'are silent'
type Spooling = 'none' | 'works' | 'fails' | 'hangs'

function aWorld({ peering = 'none', spooling = 'none' }: { peering?: Peering; spooling?: Spooling } = {}) {
  const time = fakeTime()
  const log = createFakeLog({ clock: time.clock })
  const store = createFakeStore({ clock: time.clock })
  const floors = createFloors({ ...time, lifeMs: 60_000 })
  const logger = recordedLog()
  const notes: string[] = []
  store.onNote((note) => notes.push(note))
  const refused: string[] = []
  const spooled = new Map<string, Spooled>()
  const world = { peering, spooling, pushes: 0, left: 0, deadlineMs }
  const tell = async (isEnough?: () => void) => {
    world.pushes++
    if (world.peering === 'are silent') return new Promise<number>((resolve) => time.timer(() => resolve(0), 1_000))
    if (world.peering === 'are away') return 0
    isEnough?.()
    return 1
  }
  const peers: Peers = {
    push: tell,
    leave: () => {
      world.left++
      return tell()
    },
    start: () => Promise.resolve(),
    stop: () => Promise.resolve(),
    counts: () => ({ up: 0, down: 0 }),
  }
  const withdrawals = createWithdrawals({
    floors,
    log,
    rawStore: store,
    peers: peering === 'none' ? undefined : peers,
    spool:
      spooling === 'none'
        ? undefined
        : guardedSpool(
            {
              place: '/spool',
              probe: () => Promise.resolve(),
              load: () => Promise.resolve([]),
              async keep(withdrawal) {
                if (world.spooling === 'fails') throw new Error('ENOSPC')
                if (world.spooling === 'hangs') await new Promise(() => {})
                spooled.set(withdrawal.id, withdrawal)
              },
              release: (id) => void spooled.delete(id),
              close: () => Promise.resolve(),
            },
            { ...time, logger },
          ),
    lifeMs: 60_000,
    deadlineMs: () => world.deadlineMs,
    spoolDeadlineMs: deadlineMs,
    note: ({ id, floor }) => `withdrawn ${id} ${floor}`,
    onRefusal: (error) => refused.push(redisFault(error).kind),
    runtime: { ...time, logger },
  })
  const expiresAt = time.clock() + 60_000
  /** What a withdrawal answers, and after how long. */
  async function answerTo(withdrawal: Withdrawal) {
    const sentAt = time.stopwatch()
    let answered: readonly [isKept: boolean, tookMs: number] | undefined
    void withdrawals.withdraw(withdrawal).then((isKept) => (answered = [isKept, time.stopwatch() - sentAt]))
    const isOver = () => answered !== undefined
    for (let passed = 0; !isOver() && passed < 5_000; passed += 10) await time.pass(10)
    return answered
  }
  const redisIs = (mode: (typeof store)['mode']) => {
    store.mode = mode
    log.mode = typeof mode === 'function' ? mode : mode
  }
  return {
    ...world,
    world,
    time,
    log,
    store,
    floors,
    logger,
    notes,
    refused,
    spooled,
    withdrawals,
    expiresAt,
    answerTo,
    redisIs,
  }
}

describe('a withdrawal', () => {
  test('holds here before anybody was asked', () => {
    const { withdrawals, floors, redisIs } = aWorld()
    redisIs('hold')
    void withdrawals.withdraw(out)
    assert.equal(floors.isEnded('a'), true)
  })

  test('is in Redis when it is answered: in the log, as a mark of its session’s life, and told', async () => {
    const { store, log, time, notes, answerTo } = aWorld()
    await store.memory.set(session, Buffer.from('x'), 60_000)
    assert.deepEqual(await answerTo(out), [true, 0])
    assert.deepEqual(
      log.entries.map(({ id, floor }) => ({ id, floor })),
      [out],
    )
    assert.equal(await store.memory.get(session), undefined)
    assert.deepEqual(notes, [`withdrawn a ${everyGeneration}`])
    await time.pass(59_980)
    assert.equal((await store.memory.get(mark))?.toString(), '1')
    await time.pass(20)
    assert.equal(await store.memory.get(mark), undefined)
  })

  test('counts as logged only once the log was read, whatever Redis answered', async () => {
    const { floors, answerTo } = aWorld()
    await answerTo(out)
    assert.equal(floors.isLogged('a'), false)
    assert.equal(floors.unloggedCount, 1)
  })

  test('of a right leaves the session', async () => {
    const { store, log, answerTo } = aWorld()
    await store.memory.set(session, Buffer.from('x'), 60_000)
    assert.deepEqual(await answerTo({ id: 'a', floor: 5 }), [true, 0])
    assert.ok((await store.memory.get(session)) !== undefined)
    assert.equal((await store.memory.get(mark))?.toString(), 'f5')
    assert.equal(log.entries[0]?.floor, 5)
  })

  test('that was seen in the log before needs nobody', async () => {
    const { floors, store, log, answerTo, redisIs } = aWorld()
    floors.raise(out, true)
    redisIs(failingWith('refused'))
    assert.deepEqual(await answerTo(out), [true, 0])
    assert.deepEqual([store.calls, log.calls], [[], []])
  })

  test('that was seen in the log with a lower floor is told', async () => {
    const { floors, log, answerTo } = aWorld()
    floors.raise({ id: 'a', floor: 5 }, true)
    assert.deepEqual(await answerTo(out), [true, 0])
    assert.equal(log.entries.length, 1)
  })

  test('tried again tries again', async () => {
    const { answerTo, redisIs } = aWorld()
    redisIs(failingWith('refused'))
    assert.deepEqual(await answerTo(out), [false, 0])
    redisIs('pass')
    assert.deepEqual(await answerTo(out), [true, 0])
  })
})

describe('a withdrawal is answered as done', () => {
  type Redis = 'takes it' | 'refuses' | 'is away' | 'is silent'
  const table: [
    redis: Redis,
    peering: Peering,
    spooling: Spooling,
    isKept: boolean,
    tookMs: number,
    inSpool: boolean,
  ][] = [
    ['takes it', 'none', 'none', true, 0, false],
    ['takes it', 'are silent', 'fails', true, 0, false],
    ['is away', 'none', 'none', false, 0, false],
    ['refuses', 'none', 'none', false, 0, false],
    ['is silent', 'none', 'none', false, deadlineMs, false],
    ['is away', 'take it', 'none', true, 0, false],
    ['is silent', 'take it', 'none', true, 0, false],
    // Both processes may end before Redis is back.
    ['is silent', 'take it', 'works', true, 0, true],
    ['is silent', 'take it', 'fails', true, 0, false],
    ['is away', 'are away', 'none', false, 0, false],
    ['is away', 'are silent', 'none', false, deadlineMs, false],
    ['is silent', 'are silent', 'none', false, deadlineMs, false],
    ['is away', 'none', 'works', true, 0, true],
    ['is silent', 'none', 'works', true, deadlineMs, true],
    ['is silent', 'are silent', 'works', true, deadlineMs, true],
    ['is away', 'are away', 'fails', false, 0, false],
    ['refuses', 'are away', 'works', true, 0, true],
    // A disk that hangs hangs nobody.
    ['is away', 'none', 'hangs', false, deadlineMs, false],
    ['is silent', 'take it', 'hangs', true, deadlineMs, false],
    ['is silent', 'are silent', 'hangs', false, 2 * deadlineMs, false],
  ]
  for (const [redis, peering, spooling, isKept, tookMs, inSpool] of table) {
    const name = `${isKept ? 'yes' : 'no'}: Redis ${redis}, peers: ${peering}, spool: ${spooling}`
    test(name, async () => {
      const { redisIs, answerTo, spooled, floors } = aWorld({ peering, spooling })
      const modes = {
        'takes it': 'pass',
        refuses: failingWith('readonly'),
        'is away': failingWith('refused'),
        'is silent': 'hold',
      } as const
      redisIs(modes[redis])
      assert.deepEqual(await answerTo(out), [isKept, tookMs])
      assert.equal(spooled.has('a'), inSpool)
      assert.equal(floors.isEnded('a'), true, 'here it holds in any case')
    })
  }

  test('by Redis only with both: the log, and the mark', async () => {
    for (const which of ['log', 'store'] as const) {
      const it = aWorld()
      it[which].mode = failingWith('no_permission')
      assert.deepEqual(await it.answerTo(out), [false, 0], which)
      assert.deepEqual(it.refused, ['no_permission'])
    }
  })

  test('though this process stood still, if Redis answered meanwhile', async () => {
    const { withdrawals, redisIs, store, log, time } = aWorld()
    redisIs('hold')
    const answer = withdrawals.withdraw(out)
    await time.stall(3_000, () => {
      store.held[0]?.pass()
      log.held[0]?.()
    })
    assert.equal(await answer, true)
  })
})

describe('what Redis refuses', () => {
  test('is told as such; its absence is not', async () => {
    const { redisIs, answerTo, refused } = aWorld()
    redisIs(failingWith('readonly'))
    await answerTo(out)
    redisIs(failingWith('refused'))
    await answerTo(out)
    assert.deepEqual(refused, ['readonly'])
  })

  test('is told as such, too, when it is written back', async () => {
    const { redisIs, withdrawals, floors, refused } = aWorld()
    floors.raise(out, false)
    redisIs(failingWith('no_permission'))
    await assert.rejects(withdrawals.writeBack())
    assert.deepEqual(refused, ['no_permission'])
  })
})

describe('the spool', () => {
  test('is let go of it once it was read in the log, and not before', async () => {
    const { redisIs, answerTo, floors, spooled } = aWorld({ spooling: 'works' })
    redisIs(failingWith('refused'))
    await answerTo(out)
    assert.deepEqual(spooled.get('a')?.floor, everyGeneration)
    floors.raise(out, false)
    assert.equal(spooled.has('a'), true)
    floors.raise(out, true)
    assert.equal(spooled.has('a'), false)
  })

  test('keeps it with its end', async () => {
    const { redisIs, answerTo, spooled, expiresAt } = aWorld({ spooling: 'works' })
    redisIs(failingWith('refused'))
    await answerTo(out)
    assert.deepEqual(spooled.get('a'), { ...out, expiresAt })
  })

  test('that cannot be written is told, as a logout hangs on it', async () => {
    const { redisIs, answerTo, logger } = aWorld({ spooling: 'fails' })
    redisIs(failingWith('refused'))
    await answerTo(out)
    assert.deepEqual(
      logger.lines.map(({ level, event, reason }) => [level, event, reason]),
      [['error', 'spool_failed', 'not_written']],
    )
  })
})

describe('writing back', () => {
  test('writes log and mark of whatever the log is not known to have, in portions, and says how many', async () => {
    const { withdrawals, floors, log, store, logger, expiresAt } = aWorld()
    floors.raise({ id: 'known', floor: 5 }, true)
    for (let at = 0; at < 600; at++) floors.raise({ id: `id-${at}`, floor: 5 }, false, expiresAt)
    await withdrawals.writeBack()
    assert.equal(log.entries.length, 600)
    assert.equal(log.calls.length, 2)
    assert.equal(store.calls.length, 600)
    assert.equal((await store.memory.get({ kind: 'revoked', id: 'id-599' }))?.toString(), 'f5')
    assert.equal(floors.unloggedCount, 600, 'sent is not recorded')
    assert.deepEqual(
      logger.lines.map(({ event, count }) => [event, count]),
      [['withdrawals_written_back', 600]],
    )
  })

  test('has nothing to say when there was nothing', async () => {
    const { withdrawals, floors, time, log, logger } = aWorld()
    floors.raise({ id: 'over', floor: 5 }, false, time.clock() + 10)
    await time.pass(10)
    await withdrawals.writeBack()
    assert.deepEqual([logger.lines, log.entries, floors.unloggedCount], [[], [], 0])
  })

  test('fails with Redis, so that it is tried again', async () => {
    const { withdrawals, floors, redisIs } = aWorld()
    floors.raise(out, false)
    redisIs(failingWith('refused'))
    await assert.rejects(withdrawals.writeBack(), { code: 'STORE_UNAVAILABLE' })
  })
})

describe('an orderly end', () => {
  test('tells the peers in any case: nobody has to wait for this replica', async () => {
    const it = aWorld({ peering: 'take it' })
    assert.equal(await it.withdrawals.handOver(true), true)
    assert.equal(it.world.left, 1)
  })

  const table: [
    name: string,
    isInStep: boolean,
    peering: Peering,
    spooling: Spooling,
    isKept: boolean,
    inSpool: string[],
  ][] = [
    ['leaves to the peers what the log lacks', true, 'take it', 'none', true, []],
    ['writes to the spool what the log lacks', true, 'are away', 'works', true, ['open']],
    ['writes to the spool, too, what a peer took', true, 'take it', 'works', true, ['open']],
    ['loses what nobody takes, and says so', true, 'are away', 'fails', false, []],
    ['loses what there is nobody for, and says so', true, 'none', 'none', false, []],
    [
      'hands over everything where the log may have been lost meanwhile',
      false,
      'none',
      'works',
      true,
      ['logged', 'open'],
    ],
  ]
  for (const [name, isInStep, peering, spooling, isKept, inSpool] of table) {
    test(name, async () => {
      const { withdrawals, floors, spooled } = aWorld({ peering, spooling })
      floors.raise({ id: 'logged', floor: 5 }, true)
      floors.raise({ id: 'open', floor: 5 }, false)
      assert.equal(await withdrawals.handOver(isInStep), isKept)
      assert.deepEqual([...spooled.keys()].sort(), inSpool)
    })
  }

  test('has lost nothing where all of it was once seen in the log, and there is nowhere else to keep it', async () => {
    const { withdrawals, floors } = aWorld()
    floors.raise({ id: 'logged', floor: 5 }, true)
    assert.equal(await withdrawals.handOver(false), true)
  })
})

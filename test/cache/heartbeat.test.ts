// Replicas that share one log of withdrawals, on a time that the test moves.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFloors } from '../../src/cache/floors.ts'
import { createHeartbeat } from '../../src/cache/heartbeat.ts'
import type { HeartbeatParts } from '../../src/cache/heartbeat.ts'
import { StoreUnavailable } from '../../src/errors.ts'
import { redisFault } from '../../src/store/redis/faults.ts'
import { everyGeneration } from '../../src/store/withdrawal-log.ts'
import type { Withdrawal } from '../../src/store/withdrawal-log.ts'
import { minutes } from '../../src/time.ts'
import { createFakeLog, type FakeLog } from '../fixtures/fake-log.ts'
import { failingWith } from '../fixtures/fake-store.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'

const out = (id: string): Withdrawal => ({ id, floor: everyGeneration })
const idsIn = (log: FakeLog) => log.entries.map(({ id }) => id)

function aWorld() {
  const time = fakeTime()
  const onToken = new Map<string, (token: number) => void>()
  const log = createFakeLog({ clock: time.clock, onToken: (token, replica) => onToken.get(replica)?.(token) })
  return { time, log, onToken }
}

function aReplica(world = aWorld(), name = 'one', overrides: Partial<HeartbeatParts> = {}) {
  const { time, log, onToken } = world
  const logger = recordedLog()
  const floors = createFloors({ ...time, lifeMs: 86_400_000 })
  /** What was done or told, in order. */
  const story: string[] = []
  const state = { unavailableSince: undefined as number | undefined, isConnected: true, heard: 0 }
  /** What was asked of copies that were confirmed at these moments. */
  const proven: [confirmedAt: number, isProven: boolean][] = []
  const confirmed: number[] = []
  let trust = Number.NaN
  const heartbeat = createHeartbeat({
    log,
    floors,
    replica: name,
    hello: () => '',
    awaitMembersMs: minutes(10),
    withdrawalLifeMs: 86_400_000,
    runtime: { ...time, logger },
    unavailableSince: () => state.unavailableSince,
    isConnected: () => state.isConnected,
    writeBack: () => log.append(floors.unlogged(100)),
    async reseed(isProven) {
      story.push('reseed')
      for (const confirmedAt of confirmed) proven.push([confirmedAt, isProven(confirmedAt)])
      return true
    },
    dropUnproven: (since) => story.push(`drop unproven since ${since}`),
    unconfirmAll: () => story.push('unconfirm'),
    onBeat({ kind, ...rest }) {
      if (kind !== 'answered') story.push('error' in rest ? `${kind} ${redisFault(rest.error).kind}` : kind)
    },
    onDeaf: () => story.push('deaf'),
    onHistoryChange: () => story.push('history'),
    onOthersHeard: () => state.heard++,
    onTrust: (until) => (trust = until),
    ...overrides,
  })
  onToken.set(name, (token) => heartbeat.token(token))
  const events = () => logger.lines.map(({ event }) => event)
  return { ...world, heartbeat, floors, story, state, proven, confirmed, logger, events, trust: () => trust }
}
type Replica = ReturnType<typeof aReplica>

/** The connection is lost now, and the store is not in use from here on. */
function lose({ heartbeat, state, time }: Replica): void {
  state.unavailableSince = time.stopwatch()
  state.isConnected = false
  heartbeat.connectionLost()
}

/** Reached again; in use with the end of the recovery, which the test says. */
const reach = ({ state }: Replica) => void (state.isConnected = true)

describe('the beat', () => {
  test('comes twice a second while there is a connection, and not after the end', async () => {
    const { heartbeat, log, time, state } = aReplica()
    heartbeat.start()
    await time.pass(499)
    assert.deepEqual(log.calls, [])
    await time.pass(1)
    // The first reads the log: its end is known by the second.
    assert.deepEqual(log.calls, ['beat 1', 'beat 2'])
    await time.pass(1_000)
    assert.deepEqual(log.calls.slice(2), ['beat 3', 'beat 4'])
    state.isConnected = false
    await time.pass(1_000)
    assert.equal(log.calls.length, 4)
    state.isConnected = true
    await time.pass(500)
    assert.equal(log.calls.length, 5)
    heartbeat.stop()
    await time.pass(5_000)
    assert.equal(log.calls.length, 5)
    assert.equal(time.pending, 0)
  })

  test('without a connection says so: nobody else might notice', async () => {
    const { heartbeat, time, state, story } = aReplica()
    heartbeat.start()
    state.isConnected = false
    await time.pass(1_000)
    assert.deepEqual(story, ['unconnected', 'unconnected'])
  })

  test('that is asked for while one is under way is that one', async () => {
    const { heartbeat, log, time } = aReplica()
    await heartbeat.pull()
    log.mode = 'hold'
    const pulls = [heartbeat.pull(), heartbeat.pull()]
    await time.pass(0)
    assert.deepEqual(log.calls.slice(2), ['beat 3'])
    log.held[0]?.()
    assert.deepEqual(await Promise.all(pulls), [true, true])
  })

  test('tells how long its answer took, and nothing while there is none', async () => {
    const { heartbeat, log, time } = aReplica()
    assert.equal(heartbeat.latencyMs, undefined)
    await heartbeat.pull()
    log.mode = 'hold'
    const pull = heartbeat.pull()
    await time.pass(30)
    log.held[0]?.()
    await pull
    assert.equal(heartbeat.latencyMs, 30)
    log.down = true
    assert.equal(await heartbeat.pull(), false)
    assert.equal(heartbeat.latencyMs, undefined)
  })

  test('that fails is told with its reason, and the next one tries again', async () => {
    const { heartbeat, log, time, story } = aReplica()
    log.mode = failingWith('readonly')
    heartbeat.start()
    await time.pass(500)
    log.mode = 'pass'
    await time.pass(500)
    assert.deepEqual(story, ['failed readonly'])
    assert.ok(heartbeat.horizon !== undefined)
  })

  test('that fails by a mistake of ours is told in the log, and the next one tries again', async () => {
    const { heartbeat, log, time, events } = aReplica()
    log.mode = () => new TypeError('no')
    heartbeat.start()
    await time.pass(500)
    log.mode = 'pass'
    await time.pass(500)
    assert.deepEqual(events(), ['beat_failed'])
    assert.ok(heartbeat.horizon !== undefined)
  })
})

describe('a Redis that does not answer a beat', () => {
  test('is silent after 750 ms, and the beat is given up after 1.5 s', async () => {
    const { heartbeat, log, time, story } = aReplica()
    log.mode = 'hold'
    const pull = heartbeat.pull()
    await time.pass(749)
    assert.deepEqual(story, [])
    await time.pass(1)
    assert.deepEqual(story, ['silent'])
    await time.pass(749)
    assert.deepEqual(story, ['silent'])
    await time.pass(1)
    assert.equal(await pull, false)
    assert.deepEqual(story, ['silent', 'failed timeout'])
  })

  test('and then answers within 1.5 s was silent, and is heard', async () => {
    const { heartbeat, log, time, story } = aReplica()
    await heartbeat.pull()
    log.mode = 'hold'
    const pull = heartbeat.pull()
    await time.pass(1_000)
    log.held[0]?.()
    assert.equal(await pull, true)
    assert.deepEqual(story, ['silent'])
  })

  test('is not silent when it was we who stood still', async () => {
    const { heartbeat, log, time, story } = aReplica()
    await heartbeat.pull()
    log.mode = 'hold'
    const pull = heartbeat.pull()
    await time.stall(5_000)
    assert.equal(await pull, false)
    assert.deepEqual(story, ['failed own_delay'])
  })

  test('is not silent when its answer arrived while we stood still', async () => {
    const { heartbeat, log, time, story } = aReplica()
    await heartbeat.pull()
    log.mode = 'hold'
    const pull = heartbeat.pull()
    await time.stall(5_000, () => log.held[0]?.())
    assert.equal(await pull, true)
    assert.deepEqual(story, [])
  })

  test('in the middle of reading the log is given up, too', async () => {
    const { heartbeat, log, time } = aReplica()
    await log.append([out('a')])
    log.mode = 'hold'
    const pull = heartbeat.pull()
    await time.pass(0)
    log.held[0]?.()
    await time.pass(1_500)
    assert.equal(await pull, false)
    assert.deepEqual(log.calls.slice(1), ['beat 1', 'page 0'])
    assert.equal(heartbeat.horizon, undefined)
  })
})

describe('what is withdrawn', () => {
  test('is learnt from the log from its beginning, and from then on with each beat', async () => {
    const { heartbeat, log, floors } = aReplica()
    await log.append([out('a'), { id: 'b', floor: 5 }])
    assert.equal(await heartbeat.pull(), true)
    assert.deepEqual([floors.of('a'), floors.of('b'), floors.of('c')], [everyGeneration, 5, 0])
    assert.deepEqual(heartbeat.position, log.head)
    await log.append([{ id: 'b', floor: 6 }, out('c')])
    assert.equal(await heartbeat.pull(), true)
    assert.deepEqual([floors.of('b'), floors.of('c')], [6, everyGeneration])
    assert.deepEqual(heartbeat.position, log.head)
    assert.equal(floors.unloggedCount, 0)
    assert.deepEqual(
      log.calls.filter((call) => call.startsWith('page')),
      ['page 0'],
      'read once',
    )
  })

  test('before the sending of a beat is known with its answer: that is the horizon', async () => {
    const { heartbeat, log, time } = aReplica()
    assert.equal(heartbeat.horizon, undefined)
    await heartbeat.pull()
    log.mode = 'hold'
    const sentAt = time.stopwatch()
    const pull = heartbeat.pull()
    await time.pass(300)
    log.held[0]?.()
    await pull
    assert.equal(heartbeat.horizon, sentAt)
  })

  test('is known only once the whole log was read, and nothing came meanwhile that was not read', async () => {
    const { heartbeat, log, floors, time } = aReplica()
    await log.append([out('a')])
    log.mode = 'hold'
    const pull = heartbeat.pull()
    const answerNext = async () => {
      await time.pass(0)
      log.held.shift()?.()
      await time.pass(0)
    }
    await answerNext()
    assert.equal(heartbeat.horizon, undefined)
    log.mode = 'pass'
    await log.append([out('b')])
    log.mode = 'hold'
    await answerNext()
    assert.equal(floors.of('a'), everyGeneration)
    assert.equal(heartbeat.horizon, undefined)
    await answerNext()
    assert.equal(await pull, true)
    assert.equal(floors.of('b'), everyGeneration)
    assert.ok(heartbeat.horizon !== undefined)
  })

  test('is read in pages of 500', async () => {
    const { heartbeat, log, floors } = aReplica()
    const many = Array.from({ length: 1_200 }, (_, at) => out(`id-${at}`))
    await log.append(many)
    log.calls.length = 0
    assert.equal(await heartbeat.pull(), true)
    assert.equal(floors.size, 1_200)
    const [n500, n1000] = [log.entries[499]?.n, log.entries[999]?.n]
    assert.deepEqual(log.calls, ['beat 1', 'page 0', `page ${n500}`, `page ${n1000}`, 'beat 2'])
  })

  test('is read in pages, too, when more came at once than a beat brings: that is no other history', async () => {
    const { heartbeat, log, floors, story } = aReplica()
    await heartbeat.pull()
    await log.append(Array.from({ length: 1_200 }, (_, at) => out(`id-${at}`)))
    assert.equal(await heartbeat.pull(), true)
    assert.equal(floors.size, 1_200)
    assert.deepEqual(heartbeat.position, log.head)
    assert.deepEqual(story, [])
  })

  test('is read to the end where pages come short, as what nobody can read is left out', async () => {
    const world = aWorld()
    const { log } = world
    const short: FakeLog['page'] = (n, limit) => log.page(n, Math.min(limit, 3))
    const { heartbeat, floors } = aReplica(world, 'one', { log: { ...log, beat: log.beat, page: short } })
    await log.append(['a', 'b', 'c', 'd', 'e', 'f', 'g'].map(out))
    assert.equal(await heartbeat.pull(), true)
    assert.equal(floors.size, 7)
  })

  test('long ago is kept only for the rest of its use, not for a whole life anew', async () => {
    const { heartbeat, floors, log, time } = aReplica()
    await log.append([{ id: 'a', floor: everyGeneration }])
    await time.pass(86_399_000)
    await heartbeat.pull()
    assert.equal(floors.isEnded('a'), true)
    await time.pass(1_000)
    assert.equal(floors.isEnded('a'), false)
  })

  test('is not forgotten for a server whose clock leaps ahead', async () => {
    const world = aWorld()
    const ahead = createFakeLog({ clock: () => world.time.clock() + leapMs, onToken: () => undefined })
    let leapMs = 0
    const { heartbeat, floors } = aReplica(world, 'one', { log: ahead })
    await ahead.append([{ id: 'a', floor: everyGeneration }])
    leapMs = 10 * 86_400_000
    await heartbeat.pull()
    assert.equal(floors.isEnded('a'), true)
  })

  test('is not forgotten for a clock of ours that leaps ahead', async () => {
    const world = aWorld()
    const startedAt = world.time.clock()
    const behind = createFakeLog({ clock: () => startedAt, onToken: () => undefined })
    const { heartbeat, floors } = aReplica(world, 'one', { log: behind })
    await behind.append([{ id: 'a', floor: everyGeneration }])
    await world.time.pass(10 * 86_400_000)
    await heartbeat.pull()
    assert.equal(floors.isEnded('a'), true)
  })

  test('by a peer moves the horizon forward, never back', async () => {
    const { heartbeat } = aReplica()
    heartbeat.learnt(4_000)
    heartbeat.learnt(3_000)
    assert.equal(heartbeat.horizon, 4_000)
    await heartbeat.pull()
    assert.equal(heartbeat.horizon, 5_000)
  })
})

describe('what is known here and not in the log', () => {
  test('is written, and counts as logged only once it was read there', async () => {
    const { heartbeat, log, floors, time } = aReplica()
    await heartbeat.pull()
    floors.raise(out('a'), false)
    log.mode = 'hold'
    const pull = heartbeat.pull()
    const answerNext = async () => {
      await time.pass(0)
      log.held.shift()?.()
      await time.pass(0)
    }
    await answerNext()
    await answerNext()
    assert.deepEqual(idsIn(log), ['a'])
    assert.equal(floors.isLogged('a'), false, 'sent is not recorded')
    await answerNext()
    assert.equal(await pull, true)
    assert.equal(floors.isLogged('a'), true)
    assert.deepEqual(log.calls.slice(2), ['beat 3', `append a:${everyGeneration}`, 'beat 4'])
  })

  test('is written again when it was acknowledged and then lost', async () => {
    const { heartbeat, log, floors } = aReplica()
    await heartbeat.pull()
    floors.raise(out('a'), false)
    const before = log.snapshot()
    await log.append([out('a')])
    before()
    assert.equal(await heartbeat.pull(), true)
    assert.deepEqual(idsIn(log), ['a'])
    assert.equal(floors.isLogged('a'), true)
  })

  test('is written whoever withdrew it: from a note, a peer or a spool', async () => {
    const world = aWorld()
    const [one, two] = [aReplica(world, 'one'), aReplica(world, 'two')]
    for (const { floors } of [one, two]) floors.raise(out('a'), false)
    assert.deepEqual(await Promise.all([one.heartbeat.pull(), two.heartbeat.pull()]), [true, true])
    assert.deepEqual(idsIn(world.log), ['a'])
    assert.deepEqual([one.floors.isLogged('a'), two.floors.isLogged('a')], [true, true])
  })

  test('keeps the others waiting: this replica posts that it is not clean until it has read it there', async () => {
    const { heartbeat, log, floors } = aReplica()
    await heartbeat.pull()
    await heartbeat.pull()
    assert.equal(log.members.get('one')?.clean, true)
    floors.raise(out('a'), false)
    await heartbeat.pull()
    // The last beat of that pull read it; what it posted was known before.
    assert.equal(log.members.get('one')?.clean, false)
    await heartbeat.pull()
    assert.equal(log.members.get('one')?.clean, true)
  })

  test('and cannot be written leaves the beat incomplete: it is tried again', async () => {
    const world = aWorld()
    let isRefused = true
    const one: Replica = aReplica(world, 'one', {
      writeBack: async () => {
        if (isRefused) throw failingWith('no_permission')()
        await world.log.append(one.floors.unlogged(100))
      },
    })
    one.floors.raise(out('a'), false)
    assert.equal(await one.heartbeat.pull(), false)
    assert.ok(one.heartbeat.horizon !== undefined, 'what was read was read')
    isRefused = false
    assert.equal(await one.heartbeat.pull(), true)
    assert.deepEqual(idsIn(world.log), ['a'])
  })
})

describe('another history', () => {
  for (const [what, change] of [
    ['an emptied Redis', (log: FakeLog) => log.empty()],
    [
      'one that was emptied and has come as far',
      async (log: FakeLog) => {
        log.empty()
        await log.append([out('x')])
      },
    ],
    [
      'one that went on from an older state, to the same n',
      async (log: FakeLog) => {
        log.empty()
        await log.append([out('a'), out('x')])
      },
    ],
  ] as const) {
    test(`after ${what}: what was known is in it again, and what is new in it is learnt`, async () => {
      const { heartbeat, log, floors, story, logger } = aReplica()
      await log.append([out('a'), out('b')])
      await heartbeat.pull()
      await change(log)
      const found = idsIn(log)
      assert.equal(await heartbeat.pull(), true)
      assert.deepEqual(idsIn(log).sort(), [...new Set(['a', 'b', ...found])].sort())
      for (const id of idsIn(log)) assert.ok(floors.isLogged(id), id)
      assert.deepEqual(heartbeat.position, log.head)
      assert.ok(story.includes('history'))
      const [line] = logger.lines
      assert.deepEqual([line?.level, line?.event, logger.lines.length], ['warn', 'history_changed', 1])
    })
  }

  test('is told once, not with every beat', async () => {
    const { heartbeat, log, time, story } = aReplica()
    heartbeat.start()
    await time.pass(500)
    log.empty()
    await time.pass(5_000)
    assert.deepEqual(
      story.filter((what) => what === 'history'),
      ['history'],
    )
  })

  test('at the first contact is none: there was nothing to compare with', async () => {
    const { heartbeat, log, story } = aReplica()
    await log.append([out('a')])
    await heartbeat.pull()
    assert.deepEqual(story, [])
  })

  test('is known only once it was read: until then the horizon stays where it was', async () => {
    const { heartbeat, log, time } = aReplica()
    await log.append([out('a')])
    await heartbeat.pull()
    const known = heartbeat.horizon
    log.empty()
    await log.append([out('b')])
    await time.pass(100)
    log.page = () => Promise.reject(new StoreUnavailable('away'))
    assert.equal(await heartbeat.pull(), false)
    assert.equal(heartbeat.horizon, known)
    assert.equal(heartbeat.position, undefined, 'a position of before must not be gone on from')
  })

  test('that is lost again while it is read: what was read of it is written into the next one', async () => {
    const { heartbeat, log, floors, time } = aReplica()
    await log.append(Array.from({ length: 600 }, (_, at) => out(`id-${at}`)))
    log.mode = 'hold'
    const pull = heartbeat.pull()
    for (let answers = 0; answers < 2; answers++) {
      await time.pass(0)
      log.held.shift()?.()
    }
    await time.pass(1_500)
    assert.equal(await pull, false)
    assert.equal(floors.size, 500)
    log.mode = 'pass'
    log.empty()
    while (!(await heartbeat.pull()));
    assert.equal(log.entries.length, 500, 'nobody else may have known them')
  })
})

describe('near copies answer alone', () => {
  test('until two seconds after both were proven: the log was read, and notes arrive', async () => {
    const { heartbeat, log, time, trust } = aReplica()
    log.delivers = false
    await heartbeat.pull()
    assert.equal(trust(), 0, 'read, and nothing heard')
    heartbeat.token(2)
    assert.equal(trust(), time.stopwatch() + 2_000)
    assert.equal(heartbeat.trustedUntil, trust())
  })

  test('by the moment of sending, of whichever was earlier', async () => {
    const { heartbeat, log, time, trust } = aReplica()
    await heartbeat.pull()
    const start = time.stopwatch()
    log.delivers = false
    await time.pass(400)
    await heartbeat.pull()
    assert.equal(trust(), start + 2_000, 'the token of the last beat is not back')
    await time.pass(300)
    heartbeat.token(3)
    assert.equal(trust(), start + 400 + 2_000)
    log.mode = 'hold'
    void heartbeat.pull()
    await time.pass(200)
    heartbeat.token(4)
    assert.equal(trust(), start + 400 + 2_000, 'the answer of the last beat is not back')
  })

  test('not by a token that was never sent, or came before', async () => {
    const { heartbeat, time, trust } = aReplica()
    await heartbeat.pull()
    const until = trust()
    await time.pass(100)
    heartbeat.token(2)
    heartbeat.token(99)
    heartbeat.token(Number.NaN)
    assert.equal(trust(), until)
  })

  test('not while the store is not in use', async () => {
    const { heartbeat, state, trust, time } = aReplica()
    state.unavailableSince = time.stopwatch()
    await heartbeat.pull()
    assert.ok(!(trust() > 0))
    state.unavailableSince = undefined
    await heartbeat.pull()
    assert.equal(trust(), time.stopwatch() + 2_000)
  })

  test('not from the loss of the connection on', async () => {
    const { heartbeat, trust } = aReplica()
    await heartbeat.pull()
    assert.ok(trust() > 0)
    heartbeat.connectionLost()
    assert.equal(trust(), 0)
  })

  test('not once notes may have been missed, until a token of after that has come; and each is confirmed first', async () => {
    const { heartbeat, log, trust, story, time } = aReplica()
    await heartbeat.pull()
    log.delivers = false
    await heartbeat.pull()
    heartbeat.notesMissed()
    assert.equal(trust(), 0)
    assert.deepEqual(story, ['unconfirm'])
    heartbeat.token(3)
    assert.equal(trust(), 0, 'it was sent before')
    await heartbeat.pull()
    assert.equal(trust(), 0)
    heartbeat.token(4)
    assert.equal(trust(), time.stopwatch() + 2_000)
  })

  test('soon after the subscription is there, once confirmed: a beat goes out at once', async () => {
    const { heartbeat, log, time, trust, story } = aReplica()
    await heartbeat.pull()
    heartbeat.notesMissed()
    log.calls.length = 0
    story.length = 0
    heartbeat.subscribed()
    assert.deepEqual(story, ['unconfirm'], 'it may have changed between its confirmation and now')
    await time.pass(0)
    assert.deepEqual(log.calls, ['beat 3'])
    assert.ok(trust() > 0)
  })
})

describe('a subscription is deaf', () => {
  test('when a token that Redis took has not come within 1.5 s', async () => {
    const { heartbeat, log, time, story } = aReplica()
    await heartbeat.pull()
    log.delivers = false
    await heartbeat.pull()
    await time.pass(1_499)
    assert.deepEqual(story, [])
    await time.pass(1)
    assert.deepEqual(story, ['deaf'])
  })

  test('is said once for all that were sent before', async () => {
    const one: Replica = aReplica(aWorld(), 'one', {
      onDeaf() {
        one.story.push('deaf')
        one.heartbeat.notesMissed()
      },
    })
    const { heartbeat, log, time, story } = one
    log.delivers = false
    heartbeat.start()
    await time.pass(500 + 1_500)
    assert.deepEqual(story, ['deaf', 'unconfirm'])
  })

  test('not when the token came, if late', async () => {
    const { heartbeat, log, time, story } = aReplica()
    await heartbeat.pull()
    log.delivers = false
    await heartbeat.pull()
    await time.pass(1_400)
    heartbeat.token(3)
    await time.pass(5_000)
    assert.deepEqual(story, [])
  })

  test('not when Redis did not take it', async () => {
    const { heartbeat, log, time, story } = aReplica()
    log.mode = failingWith('readonly')
    await heartbeat.pull()
    await time.pass(5_000)
    assert.deepEqual(story, ['failed readonly'])
  })

  test('not by what was under way when it was opened anew', async () => {
    const { heartbeat, log, time, story } = aReplica()
    await heartbeat.pull()
    log.delivers = false
    await heartbeat.pull()
    heartbeat.notesMissed()
    log.delivers = true
    heartbeat.subscribed()
    await time.pass(5_000)
    assert.ok(!story.includes('deaf'))
  })

  test('not after the end', async () => {
    const { heartbeat, log, time, story } = aReplica()
    log.delivers = false
    await heartbeat.pull()
    heartbeat.stop()
    await time.pass(5_000)
    assert.deepEqual(story, [])
  })
})

describe('other replicas', () => {
  test('are those that beat within the last three seconds, this one apart', async () => {
    const world = aWorld()
    const [one, two, three] = [aReplica(world, 'one'), aReplica(world, 'two'), aReplica(world, 'three')]
    await two.heartbeat.pull()
    await world.time.pass(2_000)
    await three.heartbeat.pull()
    await one.heartbeat.pull()
    assert.equal(one.heartbeat.members, 2)
    await world.time.pass(1_000)
    await one.heartbeat.pull()
    assert.equal(one.heartbeat.members, 1)
    one.heartbeat.memberLeft('three')
    assert.equal(one.heartbeat.members, 0)
  })
})

/** Two replicas that know each other, and what a test needs to do to them. */
async function twoReplicas() {
  const world = aWorld()
  const [one, two] = [aReplica(world, 'one'), aReplica(world, 'two')]
  for (let round = 0; round < 2; round++) for (const { heartbeat } of [one, two]) await heartbeat.pull()
  assert.equal(one.heartbeat.members, 1)
  await world.time.pass(100)
  return { ...world, one, two }
}

describe('copies are written back', () => {
  test('after an outage from which Redis came back with another history', async () => {
    const one = aReplica()
    await one.heartbeat.pull()
    lose(one)
    one.log.empty()
    reach(one)
    assert.equal(await one.heartbeat.pull(), true)
    assert.deepEqual(one.story, ['history', 'reseed'])
    assert.equal(one.heartbeat.isReseeding, false)
    await one.heartbeat.pull()
    assert.deepEqual(one.story, ['history', 'reseed'], 'once')
  })

  test('after an outage from which Redis came back with the same history, but without our last beats', async () => {
    const one = aReplica()
    await one.heartbeat.pull()
    const before = one.log.snapshot()
    await one.heartbeat.pull()
    lose(one)
    before()
    reach(one)
    await one.heartbeat.pull()
    assert.deepEqual(one.story, ['reseed'])
  })

  test('not after an outage in which Redis lost nothing', async () => {
    const one = aReplica()
    await one.heartbeat.pull()
    lose(one)
    reach(one)
    await one.heartbeat.pull()
    assert.deepEqual(one.story, [])
  })

  test('not because of a beat that Redis took and whose answer was lost', async () => {
    const one = aReplica()
    await one.heartbeat.pull()
    one.log.mode = 'hold'
    const pull = one.heartbeat.pull()
    await one.time.pass(1_500)
    await pull
    for (const answer of one.log.held.splice(0)) answer()
    one.log.mode = 'pass'
    lose(one)
    reach(one)
    one.story.length = 0
    await one.heartbeat.pull()
    assert.deepEqual(one.story, [])
  })

  test('not while Redis was in use all the time: that it lost something was somebody’s wish', async () => {
    const one = aReplica()
    await one.heartbeat.pull()
    one.log.empty()
    await one.heartbeat.pull()
    assert.ok(!one.story.includes('reseed'))
    assert.equal(one.heartbeat.isReseeding, false)
  })

  test('only if they were known to be good until shortly before the loss', async () => {
    const one = aReplica()
    const { time } = one
    await one.heartbeat.pull()
    const horizon = time.stopwatch()
    await time.pass(4_000)
    const lostAt = time.stopwatch()
    one.confirmed.push(lostAt - 3_501, lostAt - 3_500, lostAt)
    lose(one)
    one.log.empty()
    reach(one)
    await one.heartbeat.pull()
    assert.ok(horizon < lostAt - 3_500)
    assert.deepEqual(one.proven, [
      [lostAt - 3_501, false],
      [lostAt - 3_500, true],
      [lostAt, true],
    ])
  })

  test('all of them, if every withdrawal was known until shortly before the loss', async () => {
    const one = aReplica()
    await one.time.pass(10_000)
    await one.heartbeat.pull()
    one.confirmed.push(1)
    lose(one)
    one.log.empty()
    reach(one)
    await one.heartbeat.pull()
    assert.deepEqual(one.proven, [[1, true]])
  })

  test('again with the next beat, ten times a second, until all were taken', async () => {
    const answers: (boolean | Error)[] = [new StoreUnavailable('away'), false, true]
    let asked = 0
    const one = aReplica(aWorld(), 'one', {
      reseed: async () => {
        asked++
        const answer = answers.shift()
        if (answer instanceof Error) throw answer
        return answer ?? true
      },
    })
    one.heartbeat.start()
    await one.time.pass(500)
    lose(one)
    one.log.empty()
    reach(one)
    await one.time.pass(500)
    assert.equal(asked, 1)
    assert.equal(one.heartbeat.isReseeding, true)
    await one.time.pass(100)
    assert.equal(asked, 2)
    await one.time.pass(100)
    assert.equal(asked, 3)
    assert.equal(one.heartbeat.isReseeding, false)
  })

  test('not before those who were there have read the new history, and added what they know (A6)', async () => {
    const { one, two, log, time } = await twoReplicas()
    // Only the other one knows of it: its own writing was lost with Redis' data.
    two.floors.raise(out('a'), false)
    for (const replica of [one, two]) lose(replica)
    log.empty()
    for (const replica of [one, two]) reach(replica)
    await one.heartbeat.pull()
    assert.equal(one.heartbeat.isReseeding, true)
    assert.equal(one.heartbeat.awaitsOthers, true)
    assert.deepEqual(one.story, ['history'])
    assert.deepEqual(
      one.logger.lines.filter(({ event }) => event === 'reseeding_waits').map(({ replicas }) => replicas),
      [['two']],
    )
    await time.pass(1)
    await two.heartbeat.pull()
    await one.heartbeat.pull()
    assert.deepEqual(one.story, ['history'], 'the other has added something, and has not yet said that this is all')
    await two.heartbeat.pull()
    assert.equal(await one.heartbeat.pull(), true)
    assert.deepEqual(one.story, ['history', 'reseed'])
    assert.equal(one.floors.of('a'), everyGeneration)
    assert.equal(one.heartbeat.awaitsOthers, false)
  })

  test('without waiting for those who left in an orderly way', async () => {
    const { one, log } = await twoReplicas()
    lose(one)
    log.empty()
    reach(one)
    await one.heartbeat.pull()
    assert.equal(one.heartbeat.isReseeding, true)
    one.heartbeat.memberLeft('two')
    await one.heartbeat.pull()
    assert.deepEqual(one.story, ['history', 'reseed'])
  })

  test('not at all when those who were there are gone for too long: nobody vouches for the copies', async () => {
    const { one, log, time } = await twoReplicas()
    lose(one)
    log.empty()
    await time.pass(1_000)
    reach(one)
    await one.heartbeat.pull()
    const since = time.stopwatch()
    const warned = () => one.logger.lines.filter(({ level, event }) => level === 'warn' && event === 'reseeding_waits')
    await time.pass(9_999)
    await one.heartbeat.pull()
    assert.deepEqual(warned(), [])
    await time.pass(1)
    for (let beat = 0; beat < 2; beat++) await one.heartbeat.pull()
    assert.deepEqual(
      warned().map(({ replicas, forMs }) => [replicas, forMs]),
      [[['two'], minutes(10)]],
    )
    await time.pass(minutes(10) - 10_001)
    await one.heartbeat.pull()
    assert.deepEqual(one.story, ['history'])
    await time.pass(1)
    await one.heartbeat.pull()
    assert.deepEqual(one.story, ['history', `drop unproven since ${since}`])
    assert.equal(one.heartbeat.isReseeding, false)
    assert.equal(one.events().at(-1), 'reseeding_given_up')
  })

  test('lost again before it was done: whoever is met meanwhile is waited for, too, and has to come anew', async () => {
    const { one, two, log, time } = await twoReplicas()
    for (const replica of [one, two]) lose(replica)
    log.empty()
    for (const replica of [one, two]) reach(replica)
    await one.heartbeat.pull()
    await two.heartbeat.pull()
    await two.heartbeat.pull()
    // It would be done with the next beat of ours.
    await time.pass(100)
    for (const replica of [one, two]) lose(replica)
    log.empty()
    for (const replica of [one, two]) reach(replica)
    await one.heartbeat.pull()
    assert.ok(!one.story.includes('reseed'), 'what the other had posted was lost again')
    await time.pass(1)
    await two.heartbeat.pull()
    await two.heartbeat.pull()
    await one.heartbeat.pull()
    assert.ok(one.story.includes('reseed'))
  })
})

describe('after any outage', () => {
  test('those who were there are heard before what waited here is written', async () => {
    const { one, two, time } = await twoReplicas()
    for (const replica of [one, two]) lose(replica)
    await time.pass(1_000)
    for (const replica of [one, two]) reach(replica)
    await one.heartbeat.pull()
    assert.equal(one.heartbeat.awaitsOthers, true)
    assert.equal(one.heartbeat.isReseeding, false)
    assert.equal(one.state.heard, 0)
    await time.pass(1)
    await two.heartbeat.pull()
    await one.heartbeat.pull()
    assert.equal(one.heartbeat.awaitsOthers, false)
    assert.equal(one.state.heard, 1, 'what waited for them is done now')
    await one.heartbeat.pull()
    assert.equal(one.state.heard, 1)
  })

  test('they are waited for no longer than the settling takes: Redis has not lost anything as far as can be seen', async () => {
    const { one, time } = await twoReplicas()
    lose(one)
    reach(one)
    await one.heartbeat.pull()
    await time.pass(3_999)
    await one.heartbeat.pull()
    assert.equal(one.heartbeat.awaitsOthers, true)
    await time.pass(1)
    await one.heartbeat.pull()
    assert.equal(one.heartbeat.awaitsOthers, false)
  })

  test('nobody is waited for who left, or who was not there', async () => {
    const { one } = await twoReplicas()
    lose(one)
    reach(one)
    await one.heartbeat.pull()
    one.heartbeat.memberLeft('two')
    await one.heartbeat.pull()
    assert.equal(one.heartbeat.awaitsOthers, false)
    const alone = aReplica()
    await alone.heartbeat.pull()
    lose(alone)
    reach(alone)
    await alone.heartbeat.pull()
    assert.equal(alone.heartbeat.awaitsOthers, false)
  })
})

// The exchange with peers in every order in which answers may come: the network is a list of questions that a test answers.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFloors, type Floors } from '../../src/cache/floors.ts'
import { createPeers, type PeerMessage, type PeerReply } from '../../src/cache/peers.ts'
import { everyGeneration } from '../../src/store/withdrawal-log.ts'
import { fakeTime, settled } from '../fixtures/fake-time.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'
import { aReply, aTimer } from '../peers/fixture.ts'

interface Question {
  readonly address: string
  readonly message: PeerMessage
  readonly answer: (reply: Partial<PeerReply>) => Promise<void>
  readonly fail: () => Promise<void>
}

function aReplica(origin = 'life-a') {
  const time = fakeTime()
  const floors = createFloors({ clock: time.clock, stopwatch: time.stopwatch, lifeMs: 3_600_000 })
  const addresses = ['b:1']
  const questions: Question[] = []
  const learnt: number[] = []
  const left: string[] = []
  const turns = aTimer()
  const logger = recordedLog()
  let respond: (message: PeerMessage) => PeerReply = () => assert.fail('not started')
  const peers = createPeers({
    transport: {
      addresses: () => addresses,
      send: (address, message) =>
        new Promise((resolve, reject) => {
          questions.push({
            address,
            message,
            async answer(reply) {
              resolve(aReply({ horizonAgeMs: 10, ...reply }))
              await settled()
            },
            async fail() {
              reject(new Error('nobody is there'))
              await settled()
            },
          })
        }),
      start(answer) {
        respond = answer
        return Promise.resolve()
      },
      stop: () => Promise.resolve(),
    },
    replica: origin,
    floors,
    isAway: () => false,
    horizonAgeMs: () => 0,
    learnt: (horizon) => void learnt.push(horizon),
    onLeft: (replica) => void left.push(replica),
    runtime: { stopwatch: time.stopwatch, timer: turns.timer, logger },
  })
  const next = (): Question => questions.shift() ?? assert.fail('no question')
  return { peers, floors, time, addresses, questions, learnt, left, turns, next, hears: (m: PeerMessage) => respond(m) }
}

const end = (floors: Floors, ...ids: string[]) =>
  ids.forEach((id) => floors.raise({ id, floor: everyGeneration }, false))
const idsOf = ({ message }: Question) => message.entries.map(({ id }) => id)
const some = (count: number) => Array.from({ length: count }, (_, number) => `session-${number}`)

/** It has talked to `b:1` once, whose life is `life-b`. */
async function met() {
  const replica = aReplica()
  end(replica.floors, 'first')
  const push = replica.peers.push()
  await replica.next().answer({ origin: 'life-b', seq: 1 })
  assert.equal(await push, 1)
  replica.learnt.length = 0
  return replica
}

// --- a peer that was started anew, seen by two exchanges at once ------------------------------------------------------------

test('two questions are under way when a peer is started anew: the new life is still told everything', async () => {
  const { peers, floors, next } = await met()
  end(floors, 'second')
  const pushes = [peers.push(), peers.push()]
  const [one, two] = [next(), next()]
  // Both began where the life before had stopped.
  assert.deepEqual([idsOf(one), idsOf(two)], [['second'], ['second']])
  await one.answer({ origin: 'life-b2' })
  await two.answer({ origin: 'life-b2' })
  const [again, twice] = [next(), next()]
  assert.deepEqual(
    [idsOf(again), idsOf(twice)],
    [
      ['first', 'second'],
      ['first', 'second'],
    ],
  )
  await again.answer({ origin: 'life-b2' })
  await twice.answer({ origin: 'life-b2' })
  assert.deepEqual(await Promise.all(pushes), [1, 1])
})

test('a late answer of the life before does not count for the one that is there now', async () => {
  const { peers, floors, next, learnt } = await met()
  end(floors, 'second')
  const late = peers.push()
  const question = next()
  const push = peers.push()
  await next().answer({ origin: 'life-b2' })
  await question.answer({ origin: 'life-b', seq: 1 })
  assert.equal(await late, 1)
  // What the exchange that goes on says to the new life begins at the beginning.
  const again = next()
  assert.deepEqual(idsOf(again), ['first', 'second'])
  await again.fail()
  assert.equal(await push, 0)
  learnt.length = 0
  const after = peers.push()
  await next().answer({ origin: 'life-b2' })
  const whole = next()
  assert.deepEqual(idsOf(whole), ['first', 'second'])
  await whole.answer({ origin: 'life-b2' })
  assert.equal(await after, 1)
})

test('an answer that was overtaken forgets nothing that was heard or acknowledged', async () => {
  const { peers, floors, next } = await met()
  const slow = peers.push()
  const overtaken = next()
  end(floors, 'second')
  const push = peers.push()
  await next().answer({ origin: 'life-b', seq: 9 })
  await overtaken.answer({ origin: 'life-b', seq: 2 })
  assert.deepEqual(await Promise.all([slow, push]), [1, 1])
  void peers.push()
  const { message } = next()
  assert.deepEqual([message.after, message.entries], [{ origin: 'life-b', seq: 9 }, []])
})

test('behind one address answer two processes in turn: the exchange comes to an end', async () => {
  const { peers, floors, next, questions } = await met()
  end(floors, 'second')
  const push = peers.push()
  for (let round = 0; questions.length > 0; round++) {
    assert.ok(round < 10, 'no end')
    await next().answer({ origin: round % 2 === 0 ? 'life-c' : 'life-b' })
  }
  assert.equal(await push, 0)
})

// --- pages ---------------------------------------------------------------------------------------------------------------

test('a horizon is not believed while a page is missing', async () => {
  const { peers, next, learnt } = await met()
  const push = peers.push()
  await next().answer({ origin: 'life-b', seq: 1_000, more: true })
  assert.deepEqual(learnt, [])
  const question = next()
  assert.deepEqual(question.message.after, { origin: 'life-b', seq: 1_000 })
  await question.fail()
  assert.equal(await push, 0)
  assert.deepEqual(learnt, [])
})

test('a page of which some has expired is not taken for the last one', async () => {
  const { peers, floors, time, next, learnt, hears } = aReplica()
  void peers.start()
  await settled()
  await next().fail()
  for (const id of some(1_500)) {
    floors.raise({ id, floor: everyGeneration }, false, time.clock() + (Number(id.slice(8)) % 2 === 0 ? 100 : 10_000))
  }
  time.advance(1_000)
  const told = hears({ origin: 'life-b', entries: [], after: undefined, leaving: false })
  assert.deepEqual([told.entries.length, told.more], [500, true])
  const after = { origin: 'life-a', seq: told.seq }
  const rest = hears({ origin: 'life-b', entries: [], after, leaving: false })
  assert.deepEqual([rest.entries.length, rest.more], [250, false])
  const push = peers.push()
  const first = next()
  await first.answer({ origin: 'life-b' })
  assert.deepEqual(learnt, [])
  const second = next()
  await second.answer({ origin: 'life-b' })
  assert.deepEqual([idsOf(first).length, idsOf(second).length, await push], [500, 250, 1])
  assert.equal(learnt.length, 1)
})

test('what becomes known while a question is under way belongs to the next one', async () => {
  const { peers, floors, next } = await met()
  end(floors, 'second')
  const push = peers.push()
  const question = next()
  end(floors, 'third')
  await question.answer({ origin: 'life-b' })
  assert.equal(await push, 1)
  void peers.push()
  assert.deepEqual(idsOf(next()), ['third'])
})

// --- leaving -------------------------------------------------------------------------------------------------------------

test('whoever leaves says so with the last page only, and to a life that it knows', async () => {
  const { peers, floors, next } = aReplica()
  end(floors, ...some(2_500))
  const leave = peers.leave()
  const said: boolean[] = []
  for (let round = 0; round < 4; round++) {
    const question = next()
    said.push(question.message.leaving)
    await question.answer({ origin: round < 2 ? 'life-b' : 'life-b2' })
  }
  // The third was said to a life that had ended meanwhile; from the fourth on the new one hears it all.
  assert.deepEqual(said, [false, false, true, false])
  for (const last of [false, true]) {
    const question = next()
    assert.equal(question.message.leaving, last)
    await question.answer({ origin: 'life-b2' })
  }
  assert.equal(await leave, 1)
})

test('whoever leaves says so to a peer that it meets only then, in a message of its own', async () => {
  const { peers, floors, next } = aReplica()
  end(floors, 'x')
  const leave = peers.leave()
  const first = next()
  assert.deepEqual([idsOf(first), first.message.leaving], [['x'], false])
  await first.answer({ origin: 'life-b' })
  const { message, answer } = next()
  assert.deepEqual([message.after?.origin, message.leaving], ['life-b', true])
  await answer({ origin: 'life-b' })
  assert.equal(await leave, 1)
})

test('a leave that was meant for another life, or for nobody, is not believed', () => {
  for (const after of [undefined, { origin: 'life-b', seq: 0 }]) {
    const { peers, hears, left, floors } = aReplica()
    void peers.start()
    hears({
      origin: 'life-c',
      entries: [{ id: 'x', floor: 2, expiresAt: Number.MAX_SAFE_INTEGER }],
      after,
      leaving: true,
    })
    assert.deepEqual(left, [])
    assert.equal(floors.of('x'), 2)
  }
})

test('a leave that was meant for us is believed', () => {
  const { peers, hears, left } = aReplica()
  void peers.start()
  hears({ origin: 'life-c', entries: [], after: { origin: 'life-a', seq: 0 }, leaving: true })
  assert.deepEqual(left, ['life-c'])
})

// --- turns ---------------------------------------------------------------------------------------------------------------

test('an address that led back to us once is tried again after a minute, and may be somebody else then', async () => {
  const { peers, next, time, turns, questions } = aReplica()
  void peers.start()
  await settled()
  await next().answer({ origin: 'life-a' })
  assert.deepEqual(peers.counts(), { up: 0, down: 0 })
  time.advance(59_000)
  turns.fire()
  assert.equal(questions.length, 0)
  time.advance(1_000)
  turns.fire()
  await next().answer({ origin: 'life-b' })
  assert.deepEqual(peers.counts(), { up: 1, down: 0 })
})

test('after the stop nothing is asked any more', async () => {
  const { peers, next, turns, questions } = aReplica()
  void peers.start()
  await settled()
  await peers.stop()
  await next().fail()
  turns.fire()
  assert.deepEqual([questions.length, turns.delays()], [0, []])
})

test('by being told a withdrawal lives no longer: with it goes its end', async () => {
  const { peers, floors, time, hears, next } = aReplica()
  await peers.start()
  next()
  const expiresAt = time.clock() + 1_000
  hears({ origin: 'life-b', entries: [{ id: 'x', floor: 2, expiresAt }], after: undefined, leaving: false })
  time.advance(400)
  void peers.push()
  assert.deepEqual(next().message.entries, [{ id: 'x', floor: 2, expiresAt }])
  time.advance(600)
  assert.equal(floors.of('x'), 0)
})

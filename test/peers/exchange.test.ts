// The second road as a whole: what replicas know, told over real ports on loopback. Turns come when a test says so.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { createFloors } from '../../src/cache/floors.ts'
import { createPeers, type PeerMessage, type PeerTransport } from '../../src/cache/peers.ts'
import type { HttpTransportParts } from '../../src/peers/http-transport.ts'
import { everyGeneration } from '../../src/store/withdrawal-log.ts'
import type { Timer } from '../../src/time.ts'
import { eventually, freePort } from '../fixtures/redis.ts'
import { fakeTime, startOfTest } from '../fixtures/fake-time.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'
import { aPlace, aTimer, aTransport } from './fixture.ts'

type Replica = Awaited<ReturnType<typeof aReplica>>

/** The next turn, when the test says so: each plans another while it runs. */
function aTurn() {
  let next: { task: () => void; delayMs: number } | undefined
  const timer: Timer = (task, delayMs) => {
    next = { task, delayMs }
    return () => (next = undefined)
  }
  return {
    timer,
    due: () => next?.delayMs,
    take() {
      const { task } = next ?? assert.fail('no turn is planned')
      next = undefined
      task()
    },
  }
}

/** It listens, and knows nobody until the test introduces them. */
async function aReplica(t: TestContext, origin: string, parts: Partial<HttpTransportParts> = {}) {
  const time = fakeTime()
  const { clock, stopwatch } = time
  const floors = createFloors({ clock, stopwatch, lifeMs: 3_600_000 })
  const { whereabouts, current: addresses } = aPlace()
  const { transport } = aTransport(t, { whereabouts, ...parts })
  const logger = recordedLog()
  const { lines } = logger
  const turns = aTurn()
  const sent: { address: string; message: PeerMessage }[] = []
  const told: PeerTransport = {
    addresses: transport.addresses,
    start: transport.start,
    stop: transport.stop,
    send(address, message, timeoutMs) {
      sent.push({ address, message })
      return transport.send(address, message, timeoutMs)
    },
  }
  const self = { isAway: false, horizonAgeMs: (): number | undefined => undefined }
  // With how many floors were known at that moment.
  const learnt: { horizon: number; known: number }[] = []
  const left: { replica: string; known: number }[] = []
  const peers = createPeers({
    transport: told,
    replica: origin,
    floors,
    isAway: () => self.isAway,
    horizonAgeMs: () => self.horizonAgeMs(),
    learnt: (horizon) => void learnt.push({ horizon, known: floors.size }),
    onLeft: (replica) => void left.push({ replica, known: floors.size }),
    runtime: { stopwatch, timer: turns.timer, logger },
  })
  await peers.start()
  t.after(() => peers.stop())
  const { port } = transport
  return {
    peers,
    floors,
    addresses,
    time,
    turns,
    self,
    sent,
    learnt,
    left,
    port,
    address: `127.0.0.1:${port}`,
    changes: () => lines.filter(({ event }) => event === 'peers_changed').map(({ up, down }) => ({ up, down })),
    end: (...ids: string[]) => ids.forEach((id) => floors.raise({ id, floor: everyGeneration }, false)),
    /** How many floors each message since the last call told. */
    pages: () => sent.splice(0).map(({ message }) => message.entries.length),
  }
}

const some = (count: number, name = 'session') => Array.from({ length: count }, (_, number) => `${name}-${number}`)

function introduce(...replicas: Replica[]): void {
  for (const one of replicas) for (const other of replicas) if (one !== other) one.addresses.push(other.address)
}

async function aPair(t: TestContext) {
  const [a, b] = await Promise.all([aReplica(t, 'life-a'), aReplica(t, 'life-b')])
  introduce(a, b)
  return { a, b }
}

test('what one knows the other knows after a push, and the other way round', async (t) => {
  const { a, b } = await aPair(t)
  a.end('of-a')
  a.floors.raise({ id: 'rotated', floor: 7 }, true)
  b.end('of-b')
  assert.equal(await a.peers.push(), 1)
  for (const { floors } of [a, b]) {
    assert.ok(floors.isEnded('of-a') && floors.isEnded('of-b'))
    assert.equal(floors.of('rotated'), 7)
  }
  // That a peer knows it does not mean that the log has it.
  assert.equal(b.floors.isLogged('rotated'), false)
})

test('three replicas all hear it, and pass on what they heard', async (t) => {
  const [a, b, c] = await Promise.all([aReplica(t, 'life-a'), aReplica(t, 'life-b'), aReplica(t, 'life-c')])
  introduce(a, b)
  introduce(b, c)
  a.end('x')
  assert.equal(await a.peers.push(), 1)
  assert.equal(c.floors.isEnded('x'), false)
  assert.equal(await b.peers.push(), 2)
  assert.ok(c.floors.isEnded('x'))
  introduce(a, c)
  c.end('y')
  assert.equal(await c.peers.push(), 2)
  assert.ok(a.floors.isEnded('y') && b.floors.isEnded('y'))
})

test('a floor that was lower is raised, one that is higher stays', async (t) => {
  const { a, b } = await aPair(t)
  a.floors.raise({ id: 'x', floor: 5 }, false)
  b.floors.raise({ id: 'x', floor: 3 }, false)
  b.floors.raise({ id: 'y', floor: 9 }, false)
  a.floors.raise({ id: 'y', floor: 2 }, false)
  await a.peers.push()
  for (const { floors } of [a, b]) assert.deepEqual([floors.of('x'), floors.of('y')], [5, 9])
})

test('nothing is told twice', async (t) => {
  const { a, b } = await aPair(t)
  a.end('x', 'y')
  await a.peers.push()
  a.pages()
  assert.equal(await a.peers.push(), 1)
  a.end('z')
  await a.peers.push()
  assert.deepEqual(a.pages(), [0, 1])
  assert.ok(b.floors.isEnded('z'))
})

test('more than a message holds is told in pages', async (t) => {
  const { a, b } = await aPair(t)
  a.end(...some(2_500))
  assert.equal(await a.peers.push(), 1)
  assert.equal(b.floors.size, 2_500)
  assert.deepEqual(a.pages(), [1_000, 1_000, 500])
})

test('more than an answer holds is asked for in pages', async (t) => {
  const { a, b } = await aPair(t)
  b.end(...some(2_500))
  assert.equal(await a.peers.push(), 1)
  assert.equal(a.floors.size, 2_500)
  assert.deepEqual(a.pages().length, 3)
})

test('pushes at once are each answered by everything told', async (t) => {
  const { a, b } = await aPair(t)
  const pushes = some(20).map(async (id) => {
    a.end(id)
    const acknowledged = await a.peers.push()
    return acknowledged === 1 && b.floors.isEnded(id)
  })
  assert.deepEqual(new Set(await Promise.all(pushes)), new Set([true]))
})

// --- how much is known ---------------------------------------------------------------------------------------------------

test('a horizon is as old as the question, however long the answer takes', async (t) => {
  const { a, b } = await aPair(t)
  b.self.horizonAgeMs = () => {
    a.time.advance(300)
    return 120
  }
  const sentAt = a.time.stopwatch()
  await a.peers.push()
  assert.deepEqual(a.learnt, [{ horizon: sentAt - 120, known: 0 }])
})

test('a horizon counts once nothing more is to come', async (t) => {
  const { a, b } = await aPair(t)
  b.end(...some(2_500))
  b.self.horizonAgeMs = () => {
    a.time.advance(300)
    return 120
  }
  const start = a.time.stopwatch()
  await a.peers.push()
  assert.deepEqual(a.learnt, [{ horizon: start + 600 - 120, known: 2_500 }])
})

test('a blind peer teaches no horizon, and neither does a question', async (t) => {
  const { a, b } = await aPair(t)
  a.self.horizonAgeMs = () => 50
  assert.equal(await a.peers.push(), 1)
  assert.deepEqual([a.learnt, b.learnt], [[], []])
  await b.peers.push()
  assert.equal(b.learnt.length, 1)
})

// --- those that come and go ----------------------------------------------------------------------------------------------

test('another process at an address is told everything, and heard from the beginning', async (t) => {
  const { a, b } = await aPair(t)
  a.end(...some(1_500))
  b.end('of-b')
  await a.peers.push()
  await b.peers.stop()
  a.end('meanwhile')
  assert.equal(await a.peers.push(), 0)
  const next = await aReplica(t, 'life-b2', { listen: { host: '127.0.0.1', port: b.port ?? 0 } })
  next.end('of-b2')
  next.self.horizonAgeMs = () => 0
  a.learnt.length = 0
  assert.equal(await a.peers.push(), 1)
  assert.equal(next.floors.size, 1_503)
  assert.ok(a.floors.isEnded('of-b2'))
  assert.deepEqual(a.learnt, [{ horizon: a.time.stopwatch(), known: 1_503 }])
})

test('a peer that is gone does not count, and the others are told', async (t) => {
  const { a, b } = await aPair(t)
  a.addresses.unshift(`127.0.0.1:${await freePort()}`)
  a.end('x')
  assert.equal(await a.peers.push(), 1)
  assert.ok(b.floors.isEnded('x'))
  assert.deepEqual(a.peers.counts(), { up: 1, down: 1 })
})

/** Takes connections and says nothing. */
async function aSilentPeer(t: TestContext) {
  const sockets: Socket[] = []
  const server = createServer((socket) => void sockets.push(socket.on('error', () => undefined)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, sockets }
}

/** Its deadlines pass when the test says so. */
async function besideASilentPeer(t: TestContext) {
  const deadlines = aTimer()
  const clock = () => startOfTest + 1
  const a = await aReplica(t, 'life-a', { runtime: { clock, timer: deadlines.timer, logger: recordedLog() } })
  const b = await aReplica(t, 'life-b')
  const silent = await aSilentPeer(t)
  a.addresses.push(silent.address, b.address)
  return { a, b, silent, deadlines }
}

test('a silent peer holds nobody up: enough is said as soon as one has acknowledged, and its time is limited', async (t) => {
  const { a, b, silent, deadlines } = await besideASilentPeer(t)
  a.end('x')
  const { promise: enough, resolve: isEnough } = Promise.withResolvers<void>()
  const push = a.peers.push(isEnough)
  await enough
  assert.ok(b.floors.isEnded('x'))
  await eventually(() => silent.sockets.length === 1)
  assert.deepEqual(deadlines.delays(), [1_000])
  deadlines.fire(1_000)
  assert.equal(await push, 1)
})

test('a silent peer is not asked again until its time is over; the others are', async (t) => {
  const { a, b, silent, deadlines } = await besideASilentPeer(t)
  a.turns.take()
  await eventually(() => silent.sockets.length === 1 && a.peers.counts().up === 1)
  a.end('x')
  a.turns.take()
  await eventually(() => b.floors.isEnded('x'))
  const asked = () => a.sent.filter(({ address }) => address === silent.address).length
  assert.equal(asked(), 1)
  deadlines.fire(1_000)
  await eventually(() => {
    a.turns.take()
    return asked() === 2
  })
})

test('turns come every second, and twice as often while the store is away', async (t) => {
  const { a, b } = await aPair(t)
  assert.equal(a.turns.due(), 1_000)
  a.self.isAway = true
  a.end('x')
  a.turns.take()
  assert.equal(a.turns.due(), 500)
  await eventually(() => b.floors.isEnded('x'))
  await a.peers.stop()
  assert.equal(a.turns.due(), undefined)
})

test('whoever leaves is told of once it has told everything, also by a peer that it never met', async (t) => {
  const { a, b } = await aPair(t)
  a.end(...some(1_500))
  assert.equal(await a.peers.leave(), 1)
  assert.deepEqual(b.left, [{ replica: 'life-a', known: 1_500 }])
  assert.deepEqual(a.left, [])
})

test('with much left to tell, the leave comes with the last of it', async (t) => {
  const { a, b } = await aPair(t)
  await a.peers.push()
  a.end(...some(1_500))
  assert.equal(await a.peers.leave(), 1)
  assert.deepEqual(b.left, [{ replica: 'life-a', known: 1_500 }])
})

test('another process at the address of a peer believes no leave before it has heard everything', async (t) => {
  const { a, b } = await aPair(t)
  a.end(...some(10))
  await a.peers.push()
  await b.peers.stop()
  const next = await aReplica(t, 'life-b2', { listen: { host: '127.0.0.1', port: b.port ?? 0 } })
  a.sent.length = 0
  assert.equal(await a.peers.leave(), 1)
  assert.ok(a.sent[0]?.message.leaving)
  assert.deepEqual(next.left, [{ replica: 'life-a', known: 10 }])
  assert.deepEqual(b.left, [])
})

test('a push is no leave', async (t) => {
  const { a, b } = await aPair(t)
  a.end('x')
  await a.peers.push()
  await a.peers.push()
  assert.deepEqual(b.left, [])
})

// --- who is there --------------------------------------------------------------------------------------------------------

test('its own address is recognised, neither counted nor asked again for a minute', async (t) => {
  const { a, b } = await aPair(t)
  a.addresses.push(a.address)
  a.end('x')
  const toItself = () => a.sent.filter(({ address }) => address === a.address).length
  assert.equal(await a.peers.push(), 1)
  assert.equal(toItself(), 1)
  assert.deepEqual(a.peers.counts(), { up: 1, down: 0 })
  assert.deepEqual(a.left, [])
  a.end('y')
  assert.equal(await a.peers.push(), 1)
  a.turns.take()
  assert.equal(toItself(), 1)
  a.time.advance(60_000)
  a.turns.take()
  await eventually(() => toItself() === 2)
  assert.ok(b.floors.isEnded('y'))
})

test('a peer is up while it has answered lately, and changes are told once', async (t) => {
  const { a, b } = await aPair(t)
  assert.deepEqual(a.peers.counts(), { up: 0, down: 1 })
  a.turns.take()
  await eventually(() => a.changes().length === 2)
  assert.deepEqual(a.peers.counts(), { up: 1, down: 0 })
  a.time.advance(2_999)
  assert.deepEqual(a.peers.counts(), { up: 1, down: 0 })
  a.time.advance(1)
  assert.deepEqual(a.peers.counts(), { up: 0, down: 1 })
  await a.peers.push()
  assert.deepEqual(a.peers.counts(), { up: 1, down: 0 })
  await b.peers.stop()
  a.time.advance(3_000)
  a.turns.take()
  await eventually(() => a.changes().length === 3)
  // The first was before they were introduced.
  assert.deepEqual(a.changes(), [
    { up: 0, down: 0 },
    { up: 1, down: 0 },
    { up: 0, down: 1 },
  ])
})

test('an address that is no longer named is forgotten', async (t) => {
  const { a } = await aPair(t)
  await a.peers.push()
  a.addresses.length = 0
  a.turns.take()
  await eventually(() => a.peers.counts().up === 0)
  assert.deepEqual(a.peers.counts(), { up: 0, down: 0 })
  assert.equal(await a.peers.push(), 0)
})

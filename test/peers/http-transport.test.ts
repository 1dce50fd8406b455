// What a transport refuses, by attacks: everything here speaks to a real port on loopback.
import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { createMessages, maxMessageBytes, type Stamped } from '../../src/peers/message.ts'
import { eventually } from '../fixtures/redis.ts'
import { fakeTime, type FakeTime } from '../fixtures/fake-time.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'
import { aMessage, aPlace, aReply, aTimer, aTransport, ask, key, newKey, rawly, scope } from './fixture.ts'

const messages = createMessages([key], scope)
const limits = { requestMs: 200, idleMs: 10_000, connections: 64 }

let lastSeq = 0
/** A genuine message, as a peer sends it or as somebody has recorded it. */
function recorded(time: FakeTime, parts: Partial<Stamped> = {}, signedBy = messages) {
  const { body, mac } = signedBy.ask({ message: aMessage(), seq: ++lastSeq, sentAt: time.clock(), ...parts })
  return { body, headers: { 'foregate-mac': mac }, mac }
}

test('a message reaches its peer as it was, and so does the answer', async (t) => {
  const receiver = aTransport(t)
  const reply = aReply({ entries: [{ id: 'b', floor: 3, expiresAt: 60_000 }], seq: 9, more: true })
  const address = await receiver.start(() => reply)
  const sender = aTransport(t)
  const message = aMessage({ after: { origin: 'receiver-1', seq: 4 }, leaving: true })
  assert.deepEqual(await sender.transport.send(address, message, 1_000), reply)
  assert.deepEqual(receiver.heard, [message])
})

test('connections are kept', async (t) => {
  const receiver = aTransport(t)
  const address = await receiver.start()
  const sender = aTransport(t)
  for (let round = 0; round < 5; round++) await sender.transport.send(address, aMessage(), 1_000)
  assert.equal(receiver.transport.connections, 1)
})

test('connections that cannot be taken are told once a minute, and the listener goes on', async (t) => {
  const receiver = aTransport(t)
  const servers: Server[] = []
  const remember = (message: unknown) => servers.push((message as { readonly server: Server }).server)
  subscribe('tracing:net.server.listen:asyncStart', remember)
  t.after(() => unsubscribe('tracing:net.server.listen:asyncStart', remember))
  const address = await receiver.start()
  assert.equal(servers.length, 1)
  for (let count = 0; count < 20; count++) servers[0]?.emit('error', new Error('accept ENOMEM'))
  assert.deepEqual(receiver.log.events().slice(1), ['peers_failed listener'])
  await aTransport(t).transport.send(address, aMessage(), 1_000)
})

test('addresses are where peers may be', (t) => {
  const { whereabouts, current } = aPlace('a:1')
  const { transport } = aTransport(t, { whereabouts })
  assert.deepEqual(transport.addresses(), ['a:1'])
  current.push('b:2')
  assert.deepEqual(transport.addresses(), ['a:1', 'b:2'])
})

test('a transport that cannot listen says so, still looks for peers and still tells them', async (t) => {
  const receiver = aTransport(t)
  const address = await receiver.start()
  let looks = 0
  const whereabouts = { start: async () => void looks++, stop: () => undefined, current: () => [address] }
  const listen = { host: '127.0.0.1', port: Number(address.split(':')[1]) }
  const sender = aTransport(t, { whereabouts, listen })
  await assert.rejects(
    sender.start(),
    /^Error: peers\.listen: cannot listen on 127\.0\.0\.1:\d+ \(EADDRINUSE\): the port is in use/,
  )
  assert.equal(looks, 1)
  assert.equal((await sender.transport.send(address, aMessage(), 1_000)).origin, 'receiver-1')
})

// --- whoever cannot make MACs --------------------------------------------------------------------------------------------

const strangers: [name: string, request: Parameters<typeof ask>[1], status: number][] = [
  ['another path', { path: '/' }, 404],
  ['the path with a query', { path: '/exchange?x=1' }, 404],
  ['the metrics', { method: 'GET', path: '/metrics' }, 404],
  ['GET', { method: 'GET' }, 405],
  ['DELETE', { method: 'DELETE' }, 405],
  ['no MAC', { body: '{}' }, 403],
  ['a MAC of another shape', { body: '{}', headers: { 'foregate-mac': 'A'.repeat(44) } }, 403],
  ['a made-up MAC', { body: '{}', headers: { 'foregate-mac': 'A'.repeat(43) } }, 403],
  ['garbage', { body: Buffer.alloc(5_000, 255), headers: { 'foregate-mac': 'A'.repeat(43) } }, 403],
  ['a body of unknown length', { headers: { 'transfer-encoding': 'chunked', 'foregate-mac': 'A'.repeat(43) } }, 413],
]
for (const [name, request, status] of strangers) {
  test(`a stranger is told nothing: ${name}`, async (t) => {
    const { start, heard } = aTransport(t)
    const address = await start()
    const headers = { ...request.headers }
    const answer = await ask(address, { ...request, headers })
    assert.equal(answer.status, status)
    assert.equal(answer.body.length, 0)
    assert.deepEqual(
      Object.keys(answer.headers).filter((header) => header !== 'date'),
      ['connection', 'content-length'],
    )
    assert.equal(answer.headers.connection, 'close')
    assert.deepEqual(heard, [])
  })
}

test('a body that is announced as too long is not waited for', async (t) => {
  const { start } = aTransport(t)
  const { socket, connected, closed } = rawly(await start())
  await connected
  socket.write(
    `POST /exchange HTTP/1.1\r\nhost: a\r\nforegate-mac: ${'A'.repeat(43)}\r\ncontent-length: ${maxMessageBytes + 1}\r\n\r\n`,
  )
  assert.match(await closed, /^HTTP\/1\.1 413 /)
})

test('without something like a MAC no body is waited for', async (t) => {
  const { start } = aTransport(t)
  const { socket, connected, closed } = rawly(await start())
  await connected
  socket.write('POST /exchange HTTP/1.1\r\nhost: a\r\nforegate-mac: x\r\ncontent-length: 1000\r\n\r\n')
  assert.match(await closed, /^HTTP\/1\.1 403 /)
})

test('headers without end are cut off', async (t) => {
  const { start } = aTransport(t)
  const { socket, connected, closed } = rawly(await start())
  await connected
  socket.write(`POST /exchange HTTP/1.1\r\nx: ${'y'.repeat(100_000)}\r\n`)
  assert.equal(await closed, '')
})

test('what is no HTTP is cut off without a word', async (t) => {
  const { start } = aTransport(t)
  const { socket, connected, closed } = rawly(await start())
  await connected
  socket.write('\0\x01\x02 SSH-2.0-x\r\n\r\n')
  assert.equal(await closed, '')
})

const forgeries: [name: string, sign: (time: FakeTime) => ReturnType<typeof recorded>][] = [
  ['with another key', (time) => recorded(time, {}, createMessages([newKey], scope))],
  ['for another deployment', (time) => recorded(time, {}, createMessages([key], 'https://other.example app x:'))],
  [
    'and changed on its way',
    (time) => {
      const { body, ...rest } = recorded(time)
      return { ...rest, body: Buffer.from(body.toString().replace('"leaving":false', '"leaving":true')) }
    },
  ],
  [
    'as an answer',
    () => {
      const { body, mac } = messages.answer(aReply(), 'A'.repeat(43))
      return { body, mac, headers: { 'foregate-mac': mac } }
    },
  ],
]
for (const [name, sign] of forgeries) {
  test(`a message that was signed ${name} ends nobody’s session`, async (t) => {
    const { start, time, heard, log } = aTransport(t)
    const address = await start()
    const { status, body } = await ask(address, sign(time))
    assert.deepEqual([status, body.length], [403, 0])
    assert.deepEqual(heard, [])
    assert.deepEqual(log.events(), ['peers_listening', 'peer_refused not_ours'])
  })
}

test('a message of a version that we do not know is refused, and told as that', async (t) => {
  const { start, time, heard, log } = aTransport(t)
  const address = await start()
  const unknown = createMessages([key], scope).ask({ message: aMessage({ origin: '?' }), seq: 1, sentAt: time.clock() })
  const { status } = await ask(address, { body: unknown.body, headers: { 'foregate-mac': unknown.mac } })
  assert.equal(status, 403)
  assert.deepEqual(heard, [])
  assert.deepEqual(log.events(), ['peers_listening', 'peer_refused malformed'])
})

// --- replays -------------------------------------------------------------------------------------------------------------

test('a message that was recorded on the network counts once, however often it is sent', async (t) => {
  const { start, time, heard, log } = aTransport(t)
  const address = await start()
  const leaving = recorded(time, { message: aMessage({ leaving: true }) })
  assert.equal((await ask(address, leaving)).status, 200)
  for (let round = 0; round < 3; round++) assert.equal((await ask(address, leaving)).status, 403)
  assert.equal(heard.length, 1)
  assert.deepEqual(log.events(), ['peers_listening', 'peer_refused replayed'])
})

test('a recorded message does not count for the process that follows', async (t) => {
  const time = fakeTime()
  const old = recorded(time, { message: aMessage({ leaving: true }) })
  time.advance(2_000)
  const runtime = { clock: time.clock, timer: aTimer().timer, logger: recordedLog() }
  const next = aTransport(t, { runtime })
  const address = await next.start()
  assert.equal((await ask(address, old)).status, 403)
  assert.deepEqual(next.heard, [])
  time.advance(1)
  assert.equal((await ask(address, recorded(time))).status, 200)
})

test('a message that was held back for minutes is refused', async (t) => {
  const { start, time, heard, log } = aTransport(t)
  const address = await start()
  const held = recorded(time)
  time.advance(300_001)
  assert.equal((await ask(address, held)).status, 403)
  assert.deepEqual(heard, [])
  assert.deepEqual(log.events(), ['peers_listening', 'peer_refused stale'])
})

test('messages that overtake each other all count', async (t) => {
  const { start, time, heard } = aTransport(t)
  const address = await start()
  const sent = [5, 3, 4, 1, 2].map((step) => recorded(time, { seq: 1_000_000 + step }))
  for (const message of sent) assert.equal((await ask(address, message)).status, 200)
  assert.equal(heard.length, 5)
})

// --- false peers: what answers is under an attacker's control -----------------------------------------------------------------

async function aFalsePeer(t: TestContext, respond: (body: Buffer, mac: string, response: ServerResponse) => void) {
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => respond(Buffer.concat(chunks), String(request.headers['foregate-mac']), response))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  // It listens on TCP.
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

const send = (response: ServerResponse, { body, mac }: { body: Buffer; mac: string }) =>
  response.writeHead(200, { 'content-length': body.length, 'foregate-mac': mac }).end(body)

test('an answer that was recorded makes nobody believe that it knows every logout', async (t) => {
  const recordings: { body: Buffer; mac: string }[] = []
  const address = await aFalsePeer(t, (_, mac, response) => {
    recordings.push(messages.answer(aReply({ horizonAgeMs: 0 }), mac))
    // The first answer is a peer's; then it is sent again and again.
    send(response, recordings[0] ?? assert.fail())
  })
  const { transport, log } = aTransport(t)
  assert.equal((await transport.send(address, aMessage(), 1_000)).horizonAgeMs, 0)
  await assert.rejects(transport.send(address, aMessage(), 1_000), /not_ours/)
  assert.deepEqual(log.events(), ['peer_refuses refused'])
})

const falseAnswers: [name: string, respond: (body: Buffer, mac: string, response: ServerResponse) => void][] = [
  ['the question itself', (body, mac, response) => send(response, { body, mac })],
  ['with another key', (_, mac, response) => send(response, createMessages([newKey], scope).answer(aReply(), mac))],
  ['for another deployment', (_, mac, response) => send(response, createMessages([key], 'x').answer(aReply(), mac))],
  ['without a MAC', (_, __, response) => response.writeHead(200, { 'content-length': 2 }).end('{}')],
  [
    'with a status that is not 200',
    (_, mac, response) => {
      const answer = messages.answer(aReply(), mac)
      response.writeHead(201, { 'content-length': answer.body.length, 'foregate-mac': answer.mac }).end(answer.body)
    },
  ],
  [
    'that is cut short',
    (_, mac, response) => {
      const answer = messages.answer(aReply(), mac)
      response.writeHead(200, { 'content-length': answer.body.length, 'foregate-mac': answer.mac })
      response.write(answer.body.subarray(1), () => response.destroy())
    },
  ],
  [
    'that has no end',
    (_, mac, response) => {
      response.writeHead(200, { 'content-length': 2 ** 40, 'foregate-mac': mac })
      response.write('x')
    },
  ],
  [
    'of unknown length',
    (_, mac, response) => {
      response.writeHead(200, { 'foregate-mac': mac })
      response.write('x')
    },
  ],
  [
    'with endless headers',
    (_, mac, response) => {
      response.writeHead(200, { 'foregate-mac': mac, x: 'y'.repeat(50_000), 'content-length': 0 }).end()
    },
  ],
]
for (const [name, respond] of falseAnswers) {
  test(`an answer ${name} is none`, async (t) => {
    const address = await aFalsePeer(t, respond)
    // Not even its time has to run out.
    const { transport } = aTransport(t, { runtime: { clock: Date.now, timer: aTimer().timer, logger: recordedLog() } })
    await assert.rejects(transport.send(address, aMessage(), 5_000))
  })
}

// --- time ------------------------------------------------------------------------------------------------------------------

test('nobody waits for a peer longer than was said', async (t) => {
  let arrived = () => {}
  const asked = new Promise<void>((resolve) => (arrived = resolve))
  const address = await aFalsePeer(t, () => arrived())
  const { timer, fire, delays } = aTimer()
  const runtime = { clock: Date.now, timer, logger: recordedLog() }
  const { transport } = aTransport(t, { runtime })
  const sent = transport.send(address, aMessage(), 1_234)
  await asked
  assert.deepEqual(delays(), [1_234])
  fire(1_234)
  await assert.rejects(sent, /abort/i)
})

test('an answer that arrives bit by bit has no more time than another', async (t) => {
  let arrived = () => {}
  const begun = new Promise<void>((resolve) => (arrived = resolve))
  const address = await aFalsePeer(t, (_, mac, response) => {
    response.writeHead(200, { 'content-length': 1_000, 'foregate-mac': mac })
    response.write('{', () => arrived())
  })
  const { timer, fire } = aTimer()
  const runtime = { clock: Date.now, timer, logger: recordedLog() }
  const { transport } = aTransport(t, { runtime })
  const sent = transport.send(address, aMessage(), 1_000)
  await begun
  fire(1_000)
  await assert.rejects(sent, /abort/i)
})

test('nothing is planned any more once the answer is there', async (t) => {
  const receiver = aTransport(t)
  const address = await receiver.start()
  const { timer, delays } = aTimer()
  const { transport } = aTransport(t, {
    runtime: { clock: receiver.time.clock, timer, logger: recordedLog() },
  })
  await transport.send(address, aMessage(), 1_000)
  assert.deepEqual(delays(), [])
})

test('a body that comes too slowly is cut, and its connection with it', async (t) => {
  const { start, transport } = aTransport(t, { limits })
  const { socket, connected, closed } = rawly(await start())
  await connected
  socket.write(`POST /exchange HTTP/1.1\r\nhost: a\r\nforegate-mac: ${'A'.repeat(43)}\r\ncontent-length: 1000\r\n\r\n{`)
  assert.equal(await closed, '')
  await eventually(() => transport.connections === 0)
})

for (const [name, beginning] of [
  ['that says nothing', ''],
  ['that begins and does not go on', 'POST /exch'],
  ['with a header after the other', 'POST /exchange HTTP/1.1\r\nhost: a\r\nx-1: 1\r\n'],
] as const) {
  test(`a connection ${name} is not held open`, async (t) => {
    const { start } = aTransport(t, { limits })
    const { socket, connected, closed } = rawly(await start())
    await connected
    socket.write(beginning)
    assert.equal(await closed, '')
  })
}

test('a peer’s connection that is not used any more is closed', async (t) => {
  const { start, time, transport } = aTransport(t, { limits: { ...limits, idleMs: 100 } })
  const address = await start()
  const { socket, connected, closed } = rawly(address)
  await connected
  const { body, mac } = recorded(time)
  socket.write(
    `POST /exchange HTTP/1.1\r\nforegate-mac: ${mac}\r\ncontent-length: ${body.length}\r\n\r\n${body.toString()}`,
  )
  assert.match(await closed, /^HTTP\/1\.1 200 OK/)
  await eventually(() => transport.connections === 0)
})

// --- numbers ---------------------------------------------------------------------------------------------------------------

test('a flood of connections is bounded, and keeps no peer out', async (t) => {
  const receiver = aTransport(t, { limits: { ...limits, requestMs: 60_000, connections: 8 } })
  const address = await receiver.start()
  const sender = aTransport(t)
  await sender.transport.send(address, aMessage(), 1_000)
  const flood = Array.from({ length: 50 }, () => rawly(address))
  t.after(() => flood.forEach(({ socket }) => socket.destroy()))
  await Promise.all(flood.slice(0, -8).map(({ closed }) => closed))
  assert.equal(receiver.transport.connections, 8)
  // On the connection that it had, and for a peer that is new.
  await sender.transport.send(address, aMessage(), 1_000)
  const another = aTransport(t)
  await another.transport.send(address, aMessage({ origin: 'sender-2' }), 1_000)
  assert.equal(receiver.heard.length, 3)
  assert.equal(receiver.transport.connections, 8)
})

test('a flood closes no connection on which a peer was heard', async (t) => {
  const { start, time, heard } = aTransport(t, { limits: { ...limits, requestMs: 60_000, connections: 8 } })
  const address = await start()
  const peer = rawly(address)
  await peer.connected
  const speak = async () => {
    const { body, mac } = recorded(time)
    const answered = once(peer.socket, 'data')
    peer.socket.write(`POST /exchange HTTP/1.1\r\nforegate-mac: ${mac}\r\ncontent-length: ${body.length}\r\n\r\n`)
    peer.socket.write(body)
    await answered
  }
  await speak()
  const flood = Array.from({ length: 20 }, () => rawly(address))
  t.after(() => [peer, ...flood].forEach(({ socket }) => socket.destroy()))
  // One place is the peer's.
  await Promise.all(flood.slice(0, -7).map(({ closed }) => closed))
  await speak()
  assert.equal(heard.length, 2)
})

test('where every connection is a peer’s, the one that was idle for longest makes room', async (t) => {
  const receiver = aTransport(t, { limits: { ...limits, connections: 2 } })
  const address = await receiver.start()
  const senders = ['one', 'two', 'three', 'four'].map((origin) => ({ origin, ...aTransport(t) }))
  for (const { transport, origin } of [...senders, ...senders]) {
    await transport.send(address, aMessage({ origin }), 1_000)
  }
  assert.equal(receiver.heard.length, 8)
  assert.ok(receiver.transport.connections <= 2)
})

test('a burst of messages is carried by few connections, and all of them count', async (t) => {
  const receiver = aTransport(t)
  const address = await receiver.start()
  const sender = aTransport(t)
  await Promise.all(Array.from({ length: 500 }, () => sender.transport.send(address, aMessage(), 10_000)))
  assert.equal(receiver.heard.length, 500)
  assert.ok(receiver.transport.connections <= 4)
})

test('a stranger who asks without end fills neither the log nor anything else', async (t) => {
  const { start, log, transport } = aTransport(t)
  const address = await start()
  const forged = { body: '{}', headers: { 'foregate-mac': 'A'.repeat(43) } }
  for (let round = 0; round < 200; round++) await ask(address, forged)
  assert.deepEqual(log.events(), ['peers_listening', 'peer_refused not_ours'])
  assert.ok(transport.connections <= 1)
})

// --- peers that come and go ---------------------------------------------------------------------------------------------------

test('a peer that was started anew at its address is asked on a new connection', async (t) => {
  const first = aTransport(t)
  const address = await first.start()
  const sender = aTransport(t)
  await sender.transport.send(address, aMessage(), 1_000)
  await first.transport.stop()
  const second = aTransport(t, { listen: { host: '127.0.0.1', port: Number(address.split(':')[1]) } })
  await second.start(() => aReply({ origin: 'receiver-2' }))
  sender.time.advance(10)
  assert.equal((await sender.transport.send(address, aMessage(), 1_000)).origin, 'receiver-2')
})

test('a kept connection that the peer has closed meanwhile costs no answer', async (t) => {
  let requests = 0
  const address = await aFalsePeer(t, (_, mac, response) => {
    requests++
    // As a peer that closes an idle connection just when the next question is on its way.
    if (requests === 2) response.socket?.destroy()
    else send(response, messages.answer(aReply(), mac))
  })
  const { transport } = aTransport(t)
  await transport.send(address, aMessage(), 1_000)
  await transport.send(address, aMessage(), 1_000)
  assert.equal(requests, 3)
})

test('nobody is there: the answer is a rejection', async (t) => {
  const gone = aTransport(t)
  const address = await gone.start()
  await gone.transport.stop()
  await assert.rejects(aTransport(t).transport.send(address, aMessage(), 1_000), { code: 'ECONNREFUSED' })
  await assert.rejects(aTransport(t).transport.send('not an address', aMessage(), 1_000))
})

test('a stop ends what is under way, and can be called twice', async (t) => {
  let arrived = () => {}
  const asked = new Promise<void>((resolve) => (arrived = resolve))
  const address = await aFalsePeer(t, () => arrived())
  const { transport, start } = aTransport(t)
  const own = await start()
  const idle = rawly(own)
  await idle.connected
  const sent = transport.send(address, aMessage(), 60_000)
  await asked
  await Promise.all([transport.stop(), assert.rejects(sent)])
  await idle.closed
  await transport.stop()
  await assert.rejects(transport.send(address, aMessage(), 1_000), /stopped/)
})

test('a fault of ours while answering is a refusal to the peer, and told', async (t) => {
  const { start, time, log } = aTransport(t)
  const address = await start(() => {
    throw new Error('a bug')
  })
  assert.equal((await ask(address, recorded(time))).status, 500)
  assert.deepEqual(log.events(), ['peers_listening', 'peer_exchange_failed internal'])
})

test('while keys are rolled over, peers hear each other', async (t) => {
  const before = aTransport(t, { keys: [key, newKey] })
  const after = aTransport(t, { keys: [newKey, key] })
  const [addressBefore, addressAfter] = [await before.start(), await after.start()]
  await before.transport.send(addressAfter, aMessage(), 1_000)
  await after.transport.send(addressBefore, aMessage(), 1_000)
  assert.deepEqual([before.heard.length, after.heard.length], [1, 1])
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { createConnections, type Connections } from '../../src/http/connections.ts'
import { fakeTime, type FakeTime } from '../fixtures/fake-time.ts'

interface Bed {
  readonly server: Server
  readonly connections: Connections
  readonly time: FakeTime
  /** Opens a connection; `received` grows as bytes arrive. */
  dial(): Promise<{ socket: Socket; received: () => string; closed: Promise<unknown> }>
}

async function aServer(t: TestContext, listener: RequestListener): Promise<Bed> {
  const server = createServer({ keepAliveTimeout: 120_000 }, listener)
  const time = fakeTime()
  const connections = createConnections(server, time.timer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => connections.cut())
  t.after(() => server.close())
  return {
    server,
    connections,
    time,
    async dial() {
      const arrived = once(server, 'connection')
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
      socket.setEncoding('latin1')
      let text = ''
      socket.on('data', (chunk: string) => (text += chunk))
      socket.on('error', () => {})
      const closed = once(socket, 'close')
      await arrived
      return { socket, received: () => text, closed }
    },
  }
}

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

test('while it drains each answer is its connection’s last, also one that is written past the framework (C2)', async (t) => {
  const bed = await aServer(t, (_request, response) =>
    response.writeHead(200, ['x-a', '1', 'content-length', '0']).end(),
  )
  const before = await bed.dial()
  before.socket.write(get)
  await once(before.socket, 'data')
  assert.doesNotMatch(before.received(), /connection: close/i)

  bed.connections.answerLast()
  before.socket.write(get)
  await before.closed
  assert.match(before.received(), /HTTP\/1\.1 200 [^]*HTTP\/1\.1 200 [^]*connection: close/i)
  const fresh = await bed.dial()
  fresh.socket.write(get)
  await fresh.closed
  assert.match(fresh.received(), /^HTTP\/1\.1 200 [^]*connection: close[^]*x-a: 1/i)
})

test('a kept-alive connection without a request does not hold the end, nor does one that never sent anything (C2)', async (t) => {
  const bed = await aServer(t, (_request, response) => response.end('ok'))
  const idle = await bed.dial()
  idle.socket.write(get)
  await once(idle.socket, 'data')
  const silent = await bed.dial()

  const closed = bed.connections.close()
  await bed.time.pass(100)
  await Promise.all([closed, idle.closed, silent.closed])
})

test('a request that is on its way as the server closes is answered', async (t) => {
  const bed = await aServer(t, (_request, response) => response.end('served'))
  const late = await bed.dial()
  bed.connections.answerLast()
  const closed = bed.connections.close()
  late.socket.write(get)
  await late.closed
  assert.match(late.received(), /served$/)
  await closed
})

test('a connection with an answer under way is closed after it, however it was announced', async (t) => {
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  const bed = await aServer(t, (_request, response) => void gate.then(() => response.end('at last')))
  const busy = await bed.dial()
  busy.socket.write(get)
  await once(bed.server, 'request')
  // The request was there before the drain: its answer does not say that it is the last.
  bed.connections.answerLast()
  const closed = bed.connections.close()
  await bed.time.pass(1_000)
  assert.equal(busy.socket.destroyed, false)
  open()
  await once(busy.socket, 'data')
  await bed.time.pass(100)
  await Promise.all([closed, busy.closed])
  assert.match(busy.received(), /at last/)
})

test('what is left when time is up is cut: streams and upgraded connections, too', async (t) => {
  const bed = await aServer(t, (_request, response) => void response.write('for ever'))
  bed.server.on('upgrade', (_request, socket: Socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n'))
  const stream = await bed.dial()
  stream.socket.write(get)
  await once(stream.socket, 'data')
  const upgraded = await bed.dial()
  upgraded.socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  await once(upgraded.socket, 'data')

  const closed = bed.connections.close()
  await bed.time.pass(5_000)
  assert.equal(stream.socket.destroyed || upgraded.socket.destroyed, false)
  assert.equal(bed.connections.cut(), 2)
  await Promise.all([closed, stream.closed, upgraded.closed])
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { test, type TestContext } from 'node:test'
import { limitBodies } from '../../src/http/bodies.ts'
import { fakeTime } from '../fixtures/fake-time.ts'

const limits = { afterAnswerMs: 5_000, periodMs: 60_000, bytesPerPeriod: 100, takingMs: 60_000 }

async function aServer(t: TestContext, listener: RequestListener) {
  const server = createServer(listener)
  const time = fakeTime()
  limitBodies(server, time.timer, limits)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.closeAllConnections())
  t.after(() => server.close())
  const socket: Socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.setEncoding('latin1')
  const received: string[] = []
  socket.on('data', (chunk: string) => received.push(chunk))
  socket.on('error', () => {})
  const closed = once(socket, 'close')
  /** Resolves when the server has read them. */
  async function send(bytes: string): Promise<void> {
    const [theirs] = connections.length > 0 ? connections : await once(server, 'connection')
    const before: number = theirs.bytesRead
    socket.write(bytes)
    while (theirs.bytesRead < before + bytes.length) await new Promise((resolve) => setImmediate(resolve))
  }
  const connections: Socket[] = []
  server.on('connection', (theirs: Socket) => connections.push(theirs))
  /** The server's end, once nothing more of its answer fits into the connection. */
  async function stuck(): Promise<Socket> {
    const [theirs] = connections
    assert.ok(theirs)
    for (let before = -1; before < theirs.bytesWritten;) {
      before = theirs.bytesWritten
      for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
    }
    assert.ok(theirs.writableLength > 0)
    return theirs
  }
  return { time, socket, send, stuck, closed, received: () => received.join('') }
}

const post = (length: number) => `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`

test('what was answered already has 5 s to end, however it trickles (B6)', async (t) => {
  const bed = await aServer(t, (_request, response) => response.writeHead(401).end('no'))
  await bed.send(post(1_000_000))
  await once(bed.socket, 'data')
  for (let second = 0; second < 4; second++) {
    await bed.send('x')
    await bed.time.pass(1_000)
  }
  assert.equal(bed.socket.destroyed, false)
  await bed.time.pass(1_000)
  await bed.closed
  assert.match(bed.received(), /^HTTP\/1\.1 401/)
})

test('a connection whose body ended in time goes on with its next request', async (t) => {
  let requests = 0
  const bed = await aServer(t, (_request, response) => {
    requests++
    response.end('no')
  })
  await bed.send(post(2))
  await once(bed.socket, 'data')
  await bed.send('ab')
  await bed.time.pass(600_000)
  await bed.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  await bed.closed
  assert.equal(requests, 2)
})

test('an upload may take hours as long as it moves, and is cut when it hardly does (B6)', async (t) => {
  const bed = await aServer(t, (request) => void request.resume())
  await bed.send(post(1_000_000))
  for (let minute = 0; minute < 120; minute++) {
    await bed.send('x'.repeat(100))
    await bed.time.pass(60_000)
  }
  assert.equal(bed.socket.destroyed, false)
  for (let second = 0; second < 12; second++) {
    await bed.send('x')
    await bed.time.pass(5_000)
  }
  await bed.closed
})

test('a long answer to a request that has ended is nobody’s slow body', async (t) => {
  const bed = await aServer(t, (request, response) => {
    request.resume()
    response.write('for ever')
  })
  await bed.send(`${post(2)}ab`)
  await once(bed.socket, 'data')
  await bed.time.pass(3_600_000)
  assert.equal(bed.socket.destroyed, false)
})

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const endless: RequestListener = (_request, response) =>
  void Readable.from(
    (function* () {
      for (;;) yield Buffer.alloc(65_536)
    })(),
  ).pipe(response)

test('an answer of which nobody takes anything is cut: it holds a connection to the application', async (t) => {
  const bed = await aServer(t, endless)
  bed.socket.pause()
  await bed.send(get)
  const theirs = await bed.stuck()
  await bed.time.pass(60_000)
  assert.equal(theirs.destroyed, false)
  await bed.time.pass(60_000)
  assert.equal(theirs.destroyed, true)
})

test('an answer that is taken slowly goes on', async (t) => {
  const bed = await aServer(t, endless)
  bed.socket.pause()
  await bed.send(get)
  for (let minute = 0; minute < 5; minute++) {
    const theirs = await bed.stuck()
    await bed.time.pass(60_000)
    const before = theirs.bytesWritten
    while (theirs.bytesWritten === before) {
      bed.socket.resume()
      await once(bed.socket, 'data')
      bed.socket.pause()
    }
  }
  assert.equal((await bed.stuck()).destroyed, false)
})

test('an answer that waits for its application is nobody’s slow taking', async (t) => {
  const bed = await aServer(t, (_request, response) => {
    response.write('for ever')
  })
  await bed.send(get)
  await once(bed.socket, 'data')
  await bed.time.pass(3_600_000)
  assert.equal(bed.socket.destroyed, false)
})

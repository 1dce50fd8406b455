import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { afterEach, test } from 'node:test'
import type { StreamEnd } from '../../src/proxy/streams.ts'
import { createMetrics } from '../../src/telemetry/prometheus.ts'
import { fakeTime, settled } from '../fixtures/fake-time.ts'
import { admitted, anUpstream, createCleanUp, startProxy, startUpstream } from './running.ts'

const cleanUp = createCleanUp()
afterEach(() => cleanUp.run())

/** A request that is under way at the application, and a session that ends when the test says so. */
async function underWay(bytes: string, begin: (response: ServerResponse) => void = () => {}) {
  const reached = Promise.withResolvers<ServerResponse>()
  const upstream = await startUpstream((request, response) => {
    request.resume()
    begin(response)
    reached.resolve(response)
  }, cleanUp)
  const time = fakeTime()
  const log: string[] = []
  const ends: ((reason: StreamEnd) => void)[] = []
  const metrics = createMetrics({ processMetrics: false })
  const { port } = await startProxy([anUpstream(`http://127.0.0.1:${upstream}`)], cleanUp, {
    authorize: () =>
      admitted({}, (onEnd) => {
        ends.push(onEnd)
        return { used: () => void log.push('used'), stop: () => void log.push('stop') }
      }),
    timer: time.timer,
    metrics,
  })
  const socket = connect(port, '127.0.0.1')
  cleanUp.add(async () => void socket.destroy())
  let received = ''
  socket.on('data', (chunk: Buffer) => (received += chunk.toString()))
  socket.on('error', () => {})
  const closed = once(socket, 'close')
  socket.write(bytes)
  const application = await reached.promise
  return {
    time,
    log,
    ends,
    socket,
    application,
    closed,
    received: () => received,
    open: async () => /open_streams\{kind="(\w+)"\} 1/.exec(await metrics.render())?.[1],
    closedBy: async () => /streams_closed_total\{reason="(\w+)"\} 1/.exec(await metrics.render())?.[1],
    async until(text: string) {
      while (!received.includes(text)) await once(socket, 'data')
    },
  }
}

const get = 'GET / HTTP/1.1\r\nHost: app.example\r\n\r\n'
const events = (response: ServerResponse) =>
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' }).write('data: first\n\n')
const download = (response: ServerResponse) =>
  response.writeHead(200, { 'content-type': 'application/zip' }).write('first')

test('a request that is over within a moment is no stream', async () => {
  const { time, ends, application, until, open } = await underWay(get)
  await time.pass(999)
  application.end('done')
  await until('done')
  while (time.pending > 0) await settled()
  assert.deepEqual([ends.length, await open()], [0, undefined])
})

test('an event stream ends in order with its session, and its connection serves on', async () => {
  const { time, ends, log, application, until, open, closedBy, received, socket } = await underWay(get, events)
  await until('first')
  await time.pass(1_000)
  assert.deepEqual([ends.length, await open()], [1, 'events'])
  const given = once(application, 'close')
  ends[0]?.('expired')
  await until('\r\n0\r\n\r\n')
  await given
  assert.deepEqual([await open(), await closedBy(), log], [undefined, 'expired', ['stop']])
  const before = received().length
  socket.write(get)
  await until('first')
  while (!received().slice(before).includes('first')) await once(socket, 'data')
})

test('an event stream whose client takes nothing is cut off a moment after its session’s end', async () => {
  const { time, ends, socket, closed, application, until } = await underWay(get, events)
  await until('first')
  socket.pause()
  for (let count = 0; count < 300; count++) application.write(`data: ${'x'.repeat(100_000)}\n\n`)
  // Until nobody on the way takes any more of it.
  let left = -1
  for (let same = 0; same < 300; same = application.writableLength === left ? same + 1 : 0) {
    left = application.writableLength
    await settled()
  }
  assert.ok(left > 0)
  await time.pass(1_000)
  const given = once(application, 'close')
  ends[0]?.('revoked')
  await time.pass(500)
  await given
  socket.resume()
  await closed
})

test('a download is cut with its session, so that nobody takes it for whole', async () => {
  const { time, ends, closed, until, open, closedBy, received, application } = await underWay(get, download)
  await until('first')
  await time.pass(1_000)
  assert.equal(await open(), 'transfer')
  const given = once(application, 'close')
  ends[0]?.('revoked')
  await Promise.all([closed, given])
  assert.doesNotMatch(received(), /\r\n0\r\n\r\n$/)
  assert.deepEqual([await open(), await closedBy()], [undefined, 'revoked'])
})

test('an answer that is still awaited is cut with its session', async () => {
  const { time, ends, closed, received } = await underWay(get)
  await time.pass(1_000)
  ends[0]?.('not_allowed')
  await closed
  assert.equal(received(), '')
})

test('what a person uploads is use of their session; what they are sent is none', async () => {
  const head = 'POST / HTTP/1.1\r\nHost: app.example\r\nContent-Length: 100\r\n\r\nx'
  const { time, log, socket, application, until } = await underWay(head, download)
  await time.pass(1_000)
  socket.write('some')
  await until('first')
  // Nothing says when the bytes have arrived but that they have: looked for until they are seen.
  for (let looks = 0; looks < 1_000 && log.length === 0; looks++) {
    await time.pass(5_000)
    await settled()
  }
  assert.deepEqual(log, ['used'])
  application.write('more')
  await until('more')
  await time.pass(5_000)
  assert.deepEqual(log, ['used'])
})

test('what ends by itself leaves nothing behind', async () => {
  const { time, log, application, closed, socket, open, closedBy } = await underWay(get, events)
  await time.pass(1_000)
  const given = once(application, 'close')
  socket.destroy()
  await Promise.all([closed, given])
  while (log.length === 0) await settled()
  assert.deepEqual([log, await open(), await closedBy(), time.pending], [['stop'], undefined, undefined, 0])
})

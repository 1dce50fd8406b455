// What is said of each upstream: certificates, timeouts, bounds, another try, and how it fares.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { afterEach, test } from 'node:test'
import { createUpstreamStates } from '../../src/proxy/upstream-states.ts'
import { createMetrics } from '../../src/telemetry/prometheus.ts'
import { createAuthority } from '../fixtures/certificates.ts'
import { fakeTime, settled } from '../fixtures/fake-time.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'
import { anUpstream, createCleanUp, listening, startProxy, startUpstream } from './running.ts'

const cleanUp = createCleanUp()
afterEach(() => cleanUp.run())
const authority = createAuthority()

const url = (port: number, path = '/') => `http://127.0.0.1:${port}${path}`
const ok = (_request: IncomingMessage, response: ServerResponse) => response.end('ok')

/** A port on which nobody listens. */
async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Echoes a body, and counts what reaches it. */
function anEcho(): { server: Server; reached: string[] } {
  const reached: string[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      reached.push(`${request.method} ${body}`)
      response.end(body)
    })
  })
  return { server, reached }
}

test('a connection that does not come about is tried again, with the whole request', async () => {
  const port = await freePort()
  const time = fakeTime()
  const proxy = await startProxy([anUpstream(url(port))], cleanUp, { timer: time.timer })
  const answer = fetch(url(proxy.port), { method: 'POST', body: 'once' })
  // The watch over the request, and the wait for another try.
  while (time.pending < 2) await settled()
  const { server, reached } = anEcho()
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  cleanUp.add(async () => void server.close())
  await time.pass(100)
  assert.equal(await (await answer).text(), 'once')
  assert.deepEqual(reached, ['POST once'])
  assert.deepEqual(proxy.logged, [])
})

test('a request that may have reached the application is not sent again', async () => {
  let reached = 0
  const upstream = await startUpstream((request) => {
    reached++
    request.socket.destroy()
  }, cleanUp)
  const { port } = await startProxy([anUpstream(url(upstream))], cleanUp)
  for (const method of ['GET', 'POST', 'PUT']) assert.equal((await fetch(url(port), { method })).status, 502)
  assert.equal(reached, 3)
})

test('where an application is known to be down nobody waits for another try', async () => {
  const port = await freePort()
  const time = fakeTime()
  const proxy = await startProxy([anUpstream(url(port))], cleanUp, { timer: time.timer })
  const first = fetch(url(proxy.port))
  while (time.pending < 2) await settled()
  await time.pass(100)
  while (time.pending < 2) await settled()
  await time.pass(400)
  assert.equal((await first).status, 502)
  // Time stands still: this one is answered at once.
  assert.equal((await fetch(url(proxy.port))).status, 502)
})

test('an application that wants a certificate is shown ours, and is known by the name that the operator gives', async () => {
  const tls = { ...authority.issue('inner', { names: ['DNS:inner.example'] }), ca: authority.ca }
  const ours = authority.issue('proxy')
  const shown: string[] = []
  const server = createSecureServer({ ...tls, requestCert: true, rejectUnauthorized: true }, (request, response) => {
    // A server that speaks TLS has no other sockets.
    const socket = request.socket as TLSSocket
    shown.push(String(socket.getPeerCertificate().subject?.CN), String(socket.servername))
    response.end('ok')
  })
  const upstream = await listening(server, cleanUp)
  const address = `https://127.0.0.1:${upstream}`
  const { port } = await startProxy(
    [
      anUpstream(address, {
        caPEM: authority.ca,
        certPEM: ours.cert,
        keyPEM: ours.key,
        serverName: 'inner.example',
      }),
      anUpstream(address, { path: '/unshown', caPEM: authority.ca, serverName: 'inner.example' }),
      anUpstream(address, { path: '/unnamed', caPEM: authority.ca, certPEM: ours.cert, keyPEM: ours.key }),
    ],
    cleanUp,
  )
  assert.equal((await fetch(url(port))).status, 200)
  assert.deepEqual(shown, ['proxy', 'inner.example'])
  assert.equal((await fetch(url(port, '/unshown'))).status, 502)
  assert.equal((await fetch(url(port, '/unnamed'))).status, 502)
})

test('who comes when as many requests are under way as an application may have is told at once, and another one is not', async () => {
  const waiting: ServerResponse[] = []
  const busy = await startUpstream((_request, response) => void waiting.push(response), cleanUp)
  const idle = await startUpstream(ok, cleanUp)
  const { port } = await startProxy(
    [anUpstream(url(busy), { maxConnections: 2 }), anUpstream(url(idle), { path: '/idle' })],
    cleanUp,
  )
  const [first, second] = [fetch(url(port)), fetch(url(port))]
  while (waiting.length < 2) await settled()
  const refused = await fetch(url(port))
  assert.deepEqual([refused.status, await refused.json()], [503, { error: 'upstream_busy' }])
  assert.equal((await fetch(url(port, '/idle'))).status, 200)
  waiting[0]?.end('ok')
  assert.equal((await first).status, 200)
  const third = fetch(url(port))
  while (waiting.length < 3) await settled()
  for (const response of waiting) response.end('ok')
  assert.deepEqual([(await second).status, (await third).status], [200, 200])
})

test('an answer that says nothing for longer than idleTimeout ends, and is counted', async () => {
  const upstream = await startUpstream((request, response) => {
    const type = request.url === '/events' ? 'text/event-stream' : 'text/plain'
    response.writeHead(200, { 'content-type': type }).write('data: first\n\n')
  }, cleanUp)
  const metrics = createMetrics({ processMetrics: false })
  const { port } = await startProxy([anUpstream(url(upstream), { idleTimeoutMs: 1_500 })], cleanUp, { metrics })
  const body = (path: string) => fetch(url(port, path)).then((answer) => answer.text())
  const [events, download] = await Promise.allSettled([body('/events'), body('/download')])
  assert.deepEqual(events, { status: 'fulfilled', value: 'data: first\n\n' })
  assert.equal(download.status, 'rejected')
  assert.match(await metrics.render(), /streams_closed_total\{reason="silent"\} 2/)
})

const states = (upstreams: Parameters<typeof createUpstreamStates>[0]) => {
  const logger = recordedLog()
  const metrics = createMetrics({ processMetrics: false })
  return { logger, metrics, states: createUpstreamStates(upstreams, { logger, metrics }) }
}

test('how an application fares is known by the requests that it gets', async () => {
  const port = await freePort()
  const upstream = anUpstream(url(port), { host: 'app.example' })
  const other = anUpstream(url(port), { path: '/other' })
  const known = states([upstream, other])
  const fares = () => known.states.all().map(({ state, reason }) => reason ?? state)
  assert.deepEqual(known.states.all()[0], {
    host: 'app.example',
    path: '/',
    url: `http://127.0.0.1:${port}`,
    state: 'unknown',
  })
  known.states.failed(upstream, Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }))
  known.states.failed(upstream, Object.assign(new Error('connect'), { code: 'ETIMEDOUT' }))
  assert.deepEqual(fares(), ['ETIMEDOUT', 'unknown'])
  assert.match(await known.metrics.render(), /foregate_upstream_up\{host="app.example",path="\/"\} 0/)
  known.states.answered(upstream)
  known.states.answered(other)
  assert.deepEqual(fares(), ['up', 'up'])
  assert.match(await known.metrics.render(), /foregate_upstream_up\{host="\*",path="\/other"\} 1/)
  // One line for each change.
  assert.deepEqual(
    known.logger.lines.map(({ event }) => event),
    ['upstream_failed', 'upstream_answers'],
  )
})

test('what our own question found is not taken back by a request that got an answer', () => {
  const upstream = anUpstream(url(1))
  const { states: known } = states([upstream])
  known.failed(upstream, new Error('no'), 'check')
  known.answered(upstream)
  assert.equal(known.isDown(upstream), true)
  known.answered(upstream, 'check')
  assert.equal(known.isDown(upstream), false)
})

test('with healthPath an application is asked at once and then in intervals, without anybody’s identity', async () => {
  let status = 200
  const asked: IncomingMessage[] = []
  const upstream = await startUpstream((request, response) => {
    asked.push(request)
    response.writeHead(status).end('x'.repeat(100_000))
  }, cleanUp)
  const time = fakeTime()
  const config = anUpstream(url(upstream), { health: { path: '/up', intervalMs: 10_000 } })
  const { states: known } = states([config])
  const { app } = await startProxy([config], cleanUp, { timer: time.timer, states: known })
  const until = async (state: string) => {
    while (known.all()[0]?.state !== state) await settled()
  }
  await until('up')
  assert.deepEqual([asked[0]?.method, asked[0]?.url], ['GET', '/up'])
  assert.equal(asked[0]?.headers['x-auth-request-user'], undefined)
  status = 500
  await time.pass(10_000)
  await until('down')
  assert.equal(known.all()[0]?.reason, 'status_500')
  status = 404
  await time.pass(10_000)
  await until('up')
  assert.equal(asked.length, 3)
  await app.close()
  assert.equal(time.pending, 0)
})

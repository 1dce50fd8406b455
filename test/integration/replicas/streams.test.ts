// Reverse-proxy mode on three real processes and a real Redis: what is open under a session ends with it, on every replica and
// within a second, and nothing else does.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { startForegate, type StartedForegate } from '../../fixtures/foregate.ts'
import { createHttpClient, type HttpClient } from '../../fixtures/http-client.ts'
import { browserHeaders, sessionCookie } from '../../fixtures/in-process-app.ts'
import { quantile } from '../../fixtures/load.ts'
import { machineToItself } from '../../fixtures/machine.ts'
import { startProvider, type FaultyProvider } from '../../fixtures/provider.ts'
import { eventually, redisMissing, startRedis, type RedisServer } from '../../fixtures/redis.ts'

machineToItself()

interface Stream {
  readonly socket: Socket
  readonly received: () => string
  /** ms, monotonic; undefined: it is open. */
  readonly closedAt: () => number | undefined
  readonly closed: Promise<unknown>
}

/** Agrees to every WebSocket and gives back what it is sent; anything else is an event stream that does not end. */
async function startApplication(): Promise<Server> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: first\n\n')
  })
  server.on('upgrade', (_request, socket: Socket) => {
    socket.on('error', () => {})
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    socket.on('data', (bytes: Buffer) => {
      // Unmasked with a mask of zeros: a server's frame.
      if (bytes[0] === 0x81) socket.write(Buffer.concat([Buffer.from([0x81, bytes.length - 6]), bytes.subarray(6)]))
    })
    socket.on('end', () => socket.end())
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return server
}

async function openStream(port: number, cookie: string, path: string): Promise<Stream> {
  const upgrade = path === '/events' ? '' : 'Connection: Upgrade\r\nUpgrade: websocket\r\n'
  const socket = connect(port, '127.0.0.1')
  let received = ''
  let closedAt: number | undefined
  socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')))
  socket.on('error', () => {})
  socket.on('end', () => socket.end())
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => {
      closedAt ??= performance.now()
      resolve()
    })
    // Its connection goes on: the end of an answer is the end of the stream.
    socket.on('data', () => {
      if (path !== '/events' || !received.endsWith('\r\n0\r\n\r\n')) return
      closedAt ??= performance.now()
      resolve()
    })
  })
  socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nCookie: ${cookie}\r\n${upgrade}\r\n`)
  const begun = path === '/events' ? 'first' : '\r\n\r\n'
  while (!received.includes(begun)) await once(socket, 'data')
  assert.match(received, path === '/events' ? /^HTTP\/1\.1 200 / : /^HTTP\/1\.1 101 /)
  return { socket, received: () => received, closedAt: () => closedAt, closed }
}

describe('streams on three replicas', { skip: redisMissing }, () => {
  let redis: RedisServer
  let provider: FaultyProvider
  let application: Server
  let foregate: StartedForegate
  const opened: Stream[] = []

  before(async () => {
    redis = await startRedis()
    // Refreshed by the first request of a session that comes a second after its login.
    provider = await startProvider({ accessTokenLifetime: 61, idTokenLifetime: 61 })
    provider.person = { ...provider.person, groups: ['staff'] }
    application = await startApplication()
    const { port } = application.address() as AddressInfo
    foregate = await startForegate({
      replicas: 3,
      config: {
        providerURL: provider.issuer,
        clientID: provider.clientID,
        clientSecret: provider.clientSecret,
        rateLimit: 1_000_000,
        rules: [{ path: '/staff', require: { groups: ['staff'] } }],
        upstreams: [{ url: `http://127.0.0.1:${port}` }],
        redis: { enabled: true, cacheMode: 'hybrid', address: `127.0.0.1:${redis.address.port}` },
      },
    })
  })

  after(async () => {
    for (const { socket } of opened) socket.destroy()
    await foregate?.stop()
    application?.closeAllConnections()
    application?.close()
    await provider?.close()
    await redis?.close()
  })

  async function logIn(): Promise<{ client: HttpClient; cookie: string }> {
    const client = createHttpClient()
    let url = `${foregate.url}/oauth2/start`
    // To the provider, back, and no further: what comes then does not end.
    for (let hop = 0; hop < 3; hop++) url = (await client.send(url, { headers: browserHeaders })).headers.location ?? ''
    const ticket = client.cookies.get(sessionCookie)
    assert.ok(ticket !== undefined)
    return { client, cookie: `${sessionCookie}=${ticket}` }
  }

  /** One after the other on each replica. */
  async function open(cookie: string, count: number, path: string): Promise<Stream[]> {
    const streams: Stream[] = []
    for (let number = 0; number < count; number++) {
      const { port } = foregate.replicas[number % foregate.replicas.length] ?? foregate
      streams.push(await openStream(port, cookie, path))
    }
    opened.push(...streams)
    return streams
  }

  async function metric(name: string): Promise<number> {
    let sum = 0
    for (const { operatorURL } of foregate.replicas) {
      const { body } = await createHttpClient().send(`${operatorURL}/metrics`)
      const line = body.split('\n').find((candidate) => candidate.startsWith(`${name} `))
      sum += Number(line?.slice(name.length + 1) ?? 0)
    }
    return sum
  }

  test('of 200 WebSockets all of the person who logs out are closed within a second, and none of others', async (t) => {
    const people = await Promise.all(Array.from({ length: 10 }, logIn))
    const streams = await Promise.all(people.map(({ cookie }) => open(cookie, 20, '/ws')))
    const [leaving, ...staying] = streams
    const [first] = people
    assert.ok(leaving !== undefined && first !== undefined)
    assert.equal(await metric('foregate_open_streams{kind="websocket"}'), 200)

    const startedAt = performance.now()
    const answer = await first.client.send(`${foregate.url}/oauth2/logout`, { headers: { 'sec-fetch-site': 'none' } })
    const answeredAt = performance.now()
    assert.equal(answer.status, 302)
    await Promise.all(leaving.map(({ closed }) => closed))
    const lateMs = leaving.map(({ closedAt }) => (closedAt() ?? Infinity) - answeredAt)
    t.diagnostic(
      `closed after the answer: p50 ${quantile(lateMs, 0.5).toFixed(1)} ms, last ${Math.max(...lateMs).toFixed(1)} ms (the answer took ${(answeredAt - startedAt).toFixed(0)} ms)`,
    )
    assert.ok(Math.max(...lateMs) <= 1_000, `${Math.max(...lateMs)} ms`)
    for (const { received } of leaving) assert.ok(received().endsWith('\x88\x09\x11\x31revoked'))
    assert.equal(await metric('foregate_streams_closed_total{reason="revoked"}'), 20)
    assert.equal(await metric('foregate_open_streams{kind="websocket"}'), 180)

    // The others are open, and work.
    for (const { socket } of staying.flat()) socket.write('\x81\x84\0\0\0\0ping', 'latin1')
    for (const { socket, received, closedAt } of staying.flat()) {
      while (!received().endsWith('\x81\x04ping')) await once(socket, 'data')
      assert.equal(closedAt(), undefined)
    }
  })

  test('event streams end as well', async () => {
    const { client, cookie } = await logIn()
    const other = await logIn()
    const streams = await open(cookie, 9, '/events')
    const others = await open(other.cookie, 3, '/events')
    await eventually(async () => (await metric('foregate_open_streams{kind="events"}')) === 12)
    await client.send(`${foregate.url}/oauth2/logout`, { headers: { 'sec-fetch-site': 'none' } })
    const answeredAt = performance.now()
    await Promise.all(streams.map(({ closed }) => closed))
    for (const { closedAt } of streams) assert.ok((closedAt() ?? Infinity) - answeredAt <= 1_000)
    for (const { closedAt } of others) assert.equal(closedAt(), undefined)
  })

  test('where a refresh takes a group away, on any replica, only what the rule does not allow any more is closed', async () => {
    const { cookie } = await logIn()
    const staff = await open(cookie, 6, '/staff/ws')
    const anybody = await open(cookie, 3, '/ws')
    provider.idToken = (draft) => ({ ...draft, claims: { ...draft.claims, groups: [] } })
    const port = foregate.replicas[2]?.port ?? 0
    await eventually(async () => {
      const socket = connect(port, '127.0.0.1')
      socket.write(`GET /staff/x HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nCookie: ${cookie}\r\nConnection: close\r\n\r\n`)
      const [head] = (await once(socket, 'data')) as [Buffer]
      socket.destroy()
      return head.toString().startsWith('HTTP/1.1 403')
    })
    const refusedAt = performance.now()
    await Promise.all(staff.map(({ closed }) => closed))
    for (const { closedAt, received } of staff) {
      assert.ok((closedAt() ?? Infinity) - refusedAt <= 1_000)
      assert.ok(received().endsWith('\x88\x0d\x11\x31not_allowed'))
    }
    for (const { closedAt } of anybody) assert.equal(closedAt(), undefined)
  })

  test('an outage of Redis closes nothing', async () => {
    const { cookie } = await logIn()
    const streams = await open(cookie, 3, '/ws')
    await redis.kill()
    await eventually(async () => {
      const { body } = await createHttpClient().send(`${foregate.operatorURL}/healthz`)
      return JSON.parse(body).status === 'degraded'
    })
    for (const { socket } of streams) socket.write('\x81\x84\0\0\0\0ping', 'latin1')
    for (const { socket, received, closedAt } of streams) {
      while (!received().endsWith('\x81\x04ping')) await once(socket, 'data')
      assert.equal(closedAt(), undefined)
    }
  })
})

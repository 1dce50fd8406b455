// Reverse-proxy mode as a whole: which paths are whose, and what applications' clients send.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { createHttpClient } from '../../fixtures/http-client.ts'
import { browserHeaders, sendRaw, sessionCookie, startTestApp, type TestApp } from '../../fixtures/in-process-app.ts'

/** Says what reached it. */
async function startApplication(): Promise<{ url: string; reached: string[]; server: Server }> {
  const reached: string[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      reached.push(`${request.method} ${request.headers.host}${request.url} ${body}`.trim())
      response.end('the application')
    })
  })
  server.on('upgrade', (request, socket: Socket) => {
    socket.on('error', () => {})
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    socket.write(`hello ${String(request.headers['x-auth-request-user'])}`)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, reached, server }
}

const close = 'Connection: close\r\n\r\n'

describe('reverse-proxy mode', () => {
  let application: Awaited<ReturnType<typeof startApplication>>
  let app: TestApp
  let cookie: string
  const cleanUp: (() => Promise<void>)[] = []

  before(async () => {
    application = await startApplication()
    app = await startTestApp(
      { after: (task) => void cleanUp.push(task) },
      { config: { upstreams: [{ url: application.url, rules: [{ path: '/public', policy: 'public' }] }] } },
    )
    cookie = await app.login()
  })
  after(async () => {
    for (const task of cleanUp) await task()
    application?.server.close()
  })

  /** Sends the bytes and says what reached the application because of them. */
  async function reachedBy(bytes: string): Promise<{ status: number; body: string; reached: string[] }> {
    const before = application.reached.length
    const { status, body } = await sendRaw(app.port, bytes)
    return { status, body, reached: application.reached.slice(before) }
  }

  const operators = ['/metrics', '/healthz', '/livez', '/readyz', '/ready', '/ping']
  const deciding = ['/auth', '/auth/', '/auth/traefik', '/auth/nginx', '/auth/envoy', '/auth/envoy/x', '/auth/login']
  for (const path of [...operators, ...deciding, '/%6detrics', '/%68ealthz', '/%61uth/traefik', '/metrics/']) {
    test(`${path} is the application’s, and nobody else’s (B13)`, async () => {
      const anonymous = await reachedBy(`GET ${path} HTTP/1.1\r\nHost: a.example\r\n${close}`)
      assert.equal(anonymous.status, 401)
      assert.deepEqual(anonymous.reached, [])
      const known = await reachedBy(`GET ${path} HTTP/1.1\r\nHost: a.example\r\nCookie: ${cookie}\r\n${close}`)
      assert.deepEqual([known.status, known.reached], [200, [`GET a.example${path}`]])
    })
  }

  test('metrics and health are on the operators’ port (B13)', async () => {
    for (const path of operators) {
      const { status, body } = await createHttpClient().send(app.operatorURL + path)
      assert.equal(status, 200, path)
      if (path === '/metrics') assert.match(body, /foregate_/)
    }
  })

  for (const [name, target] of [
    ['an application’s path', '/public/x'],
    ['one of our own', '/oauth2/start'],
  ] as const) {
    for (const [fault, head] of [
      ['two Host headers', 'HTTP/1.1\r\nHost: a.example\r\nHost: b.example'],
      ['the same Host twice', 'HTTP/1.1\r\nHost: a.example\r\nHost: a.example'],
      ['no Host, in HTTP/1.0', 'HTTP/1.0'],
      ['no Host', 'HTTP/1.1'],
      ['an empty Host', 'HTTP/1.1\r\nHost:'],
      ['two names in one Host', 'HTTP/1.1\r\nHost: a.example,b.example'],
      ['a Host with a path', 'HTTP/1.1\r\nHost: a.example/x'],
      ['a Host with a user', 'HTTP/1.1\r\nHost: root@a.example'],
      ['a Host that only a browser takes for an address', 'HTTP/1.1\r\nHost: 0x7f.1'],
      ['a good Host and a damaged word of the proxy', 'HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-Host: a, b'],
    ] as const) {
      test(`${name} with ${fault} is a 400, and reaches nobody (B11)`, async () => {
        const { status, reached, body } = await reachedBy(`GET ${target} ${head}\r\n${close}`)
        assert.equal(status, 400, body)
        assert.deepEqual(reached, [])
        assert.doesNotMatch(body, /localhost/)
      })
    }
  }

  const ofApplications: [name: string, method: string, target: string, body: string][] = [
    ['an encoded slash', 'GET', '/group%2Fproject/-/raw', ''],
    ['a backslash in the query', 'GET', '/search?path=C:\\Temp', ''],
    ['a GET with a body', 'GET', '/_search', '{"query":{}}'],
  ]
  for (const [name, method, target, body] of ofApplications) {
    const framing = body === '' ? close : `Content-Length: ${body.length}\r\n${close}${body}`
    test(`${name} passes with a session, as it came, and without one does not (C6)`, async () => {
      const known = await reachedBy(
        `${method} ${target} HTTP/1.1\r\nHost: a.example\r\nCookie: ${cookie}\r\n${framing}`,
      )
      assert.deepEqual([known.status, known.reached], [200, [`${method} a.example${target} ${body}`.trim()]])
      const anonymous = await reachedBy(`${method} ${target} HTTP/1.1\r\nHost: a.example\r\n${framing}`)
      assert.deepEqual([anonymous.status, anonymous.reached], [401, []])
    })
  }

  test('a path that could be read as another one is never public', async () => {
    for (const target of ['/public%2Fx', '/public%2F..%2Fadmin', '/public/x%2f..%2f..%2fadmin', '/x%2Fpublic']) {
      const { status, reached } = await reachedBy(`GET ${target} HTTP/1.1\r\nHost: a.example\r\n${close}`)
      assert.ok(status === 401 || status === 400, `${target}: ${status}`)
      assert.deepEqual(reached, [])
    }
    assert.equal((await reachedBy(`GET /public/x HTTP/1.1\r\nHost: a.example\r\n${close}`)).status, 200)
  })

  test('/healthz says how each application fares', async () => {
    await reachedBy(`GET /public/x HTTP/1.1\r\nHost: a.example\r\n${close}`)
    const { status, body } = await createHttpClient().send(`${app.operatorURL}/healthz`)
    assert.equal(status, 200)
    const { upstreams } = JSON.parse(body) as { upstreams: unknown }
    assert.deepEqual(upstreams, [{ host: '*', path: '/', url: application.url, state: 'up' }])
  })

  test('a WebSocket is decided like any request, and is closed at its person’s logout', async () => {
    const head = 'GET /ws HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'
    assert.equal((await reachedBy(`${head}\r\n`)).status, 401)
    const client = createHttpClient()
    const session = await app.login(client)
    const socket = connect(app.port, '127.0.0.1')
    let received = ''
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()))
    socket.on('error', () => {})
    const closed = once(socket, 'close')
    socket.write(`${head}Cookie: ${session}\r\n\r\n`)
    while (!received.includes('hello')) await once(socket, 'data')
    assert.match(received, /^HTTP\/1\.1 101 [^]*hello \S+@/)
    const startedAt = performance.now()
    assert.equal((await client.send(`${app.url}/oauth2/logout`, { headers: browserHeaders })).status, 302)
    await closed
    assert.ok(performance.now() - startedAt < 4_000)
    assert.equal(await app.metric('foregate_streams_closed_total{reason="revoked"}'), 1)
  })

  test('one connection has no more than 32 requests under way: a stranger cannot take all of the application by one', async () => {
    const before = application.reached.length
    const socket = connect(app.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.resume()
    const cut = once(socket, 'close')
    socket.write('GET /public HTTP/1.1\r\nHost: a.example\r\n\r\n'.repeat(1_000))
    await cut
    // Whatever was asked for behind them has been decided by the time that this is answered.
    await reachedBy(`GET /public HTTP/1.1\r\nHost: a.example\r\n${close}`)
    const reached = application.reached.length - before
    assert.ok(reached <= 33, `${reached}`)
  })

  test('the 2,001st header counts as the first one does', async () => {
    const { status, reached } = await reachedBy(
      `GET /public HTTP/1.1\r\nHost: a.example\r\n${'a: b\r\n'.repeat(2_001)}Content-Length: 2\r\n${close}hi`,
    )
    assert.deepEqual([status, reached], [200, ['GET a.example/public hi']])
  })

  test('who is refused does not keep the connection with a body that never comes (B6)', async () => {
    const socket = connect(app.port, '127.0.0.1')
    let received = ''
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()))
    socket.on('error', () => {})
    socket.write('POST /upload HTTP/1.1\r\nHost: a.example\r\nContent-Length: 100000\r\n\r\nx')
    const startedAt = performance.now()
    await once(socket, 'close')
    assert.match(received, /^HTTP\/1\.1 401/)
    assert.ok(performance.now() - startedAt < 15_000)
  })
})

test('with pathPrefix everything of ours moves there, and /oauth2 is the application’s (B13)', async (t) => {
  const application = await startApplication()
  t.after(() => application.server.close())
  const app = await startTestApp(t, { config: { pathPrefix: '/sso', upstreams: [{ url: application.url }] } })
  const client = createHttpClient()
  const cookie = await app.login(client)
  assert.match(cookie, new RegExp(`^${sessionCookie}=`))
  assert.ok(client.trace.some(({ url }) => url.startsWith(`${app.url}/sso/callback?`)))
  for (const path of ['/oauth2/start', '/oauth2/callback', '/oauth2/auth']) {
    const reply = await client.send(app.url + path)
    assert.deepEqual([reply.status, reply.body], [200, 'the application'], path)
  }
  assert.equal((await client.send(`${app.url}/sso/userinfo`)).status, 200)
  assert.equal((await client.send(`${app.url}/sso/nothing`)).status, 404)
  assert.equal((await client.send(`${app.url}/sso/logout`, { headers: browserHeaders })).status, 302)
  assert.equal((await client.send(`${app.url}/x`)).status, 401)
})

test('with pathPrefix a forward-auth middleware performs our paths there', async (t) => {
  const app = await startTestApp(t, { config: { pathPrefix: '/sso' } })
  const started = await app.ask('traefik', { uri: '/sso/start', headers: browserHeaders })
  assert.equal(started.status, 302)
  const asked = new URL(started.headers.location ?? '').searchParams
  assert.equal(new URL(asked.get('redirect_uri') ?? '').pathname, '/sso/callback')
  assert.equal((await app.ask('traefik', { uri: '/oauth2/start' })).status, 401)
})

test('a stream goes on while the service stops, until shutdownTimeout', async (t) => {
  const streams: ServerResponse[] = []
  const server = createServer((_request, response) => {
    streams.push(response)
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: first\n\n')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const app = await startTestApp(t, {
    config: { shutdownTimeout: '1s', rules: [{ path: '/', policy: 'public' }], upstreams: [{ url }] },
  })
  const socket = connect(app.port, '127.0.0.1')
  let received = ''
  socket.on('data', (chunk: Buffer) => (received += chunk.toString()))
  socket.on('error', () => {})
  socket.write('GET /events HTTP/1.1\r\nHost: a.example\r\n\r\n')
  while (!received.includes('first')) await once(socket, 'data')
  const closed = once(socket, 'close')
  const stopped = app.stop()
  while (!app.handed.some(({ event }) => event === 'stopping')) await new Promise((resolve) => setImmediate(resolve))
  // No new connections, and the old one is served.
  await assert.rejects(createHttpClient().send(`${app.url}/x`))
  streams[0]?.write('data: second\n\n')
  while (!received.includes('second')) await once(socket, 'data')
  await Promise.all([stopped, closed])
  assert.ok(app.handed.some(({ event, connections }) => event === 'stop_forced' && connections === 1))
})

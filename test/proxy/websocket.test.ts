import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterEach, test } from 'node:test'
import type { UpstreamConfig } from '../../src/config/config.ts'
import type { ProxyOptions } from '../../src/proxy/proxy.ts'
import type { StreamEnd } from '../../src/proxy/streams.ts'
import { createMetrics } from '../../src/telemetry/prometheus.ts'
import { fakeTime, settled } from '../fixtures/fake-time.ts'
import { admitted, anUpstream, createCleanUp, headersOf, listening, sendRaw, startProxy, statusOf } from './running.ts'

const cleanUp = createCleanUp()
afterEach(() => cleanUp.run())

interface Bed {
  readonly port: number
  /** Upgrades that reached the application. */
  readonly upgrades: { request: IncomingMessage; socket: Socket }[]
  readonly server: Server
}

/** An application that agrees, and gives every byte back. */
async function aBed(more: Partial<ProxyOptions> = {}, answer?: string): Promise<Bed> {
  const upgrades: Bed['upgrades'] = []
  const server = createServer((_request, response) => response.end('plain'))
  server.on('upgrade', (request, socket: Socket) => {
    socket.on('error', () => {})
    upgrades.push({ request, socket })
    socket.write(
      answer ??
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade, X-Hop\r\nUpgrade: WebSocket\r\nX-Hop: 1\r\nSec-WebSocket-Accept: yes\r\nSet-Cookie: __Host-foregate=theirs\r\nSet-Cookie: a=1\r\n\r\nhello',
    )
    if (answer === undefined) socket.pipe(socket)
    else socket.end()
  })
  const upstream = await listening(server, cleanUp)
  cleanUp.add(async () => upgrades.forEach(({ socket }) => socket.destroy()))
  const { port } = await startProxy([anUpstream(`http://127.0.0.1:${upstream}`)], cleanUp, more)
  return { port, upgrades, server }
}

const handshake = (lines: readonly string[] = [], target = '/ws?room=1') =>
  [
    `GET ${target} HTTP/1.1`,
    'Host: app.example',
    'Connection: keep-alive, Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ...lines,
    '',
    '',
  ].join('\r\n')

/** Opens a connection that reads on; `until` resolves once the text has arrived. */
async function dial(port: number, bytes: string) {
  const socket = connect(port, '127.0.0.1')
  socket.setEncoding('latin1')
  socket.on('error', () => {})
  cleanUp.add(async () => void socket.destroy())
  const closed = once(socket, 'close')
  let received = ''
  socket.on('data', (chunk: string) => (received += chunk))
  socket.write(bytes)
  async function until(text: string): Promise<void> {
    while (!received.includes(text)) await once(socket, 'data')
  }
  return { socket, until, closed, received: () => received }
}

test('a WebSocket goes through: decided with its identity, its own headers untouched, then bytes both ways', async () => {
  const { port, upgrades } = await aBed()
  const lines = [
    'Origin: https://app.example',
    'Cookie: __Host-foregate=secret; a=1',
    'X-Auth-Request-User: root',
    'X_Auth_Request_User: root',
    'Connection: X-Auth-Request-Email',
    'Sec-WebSocket-Protocol: chat',
  ]
  const browser = await dial(port, handshake(lines))
  await browser.until('hello')
  browser.socket.write('\x81\x05world')
  await browser.until('world')

  const [upgrade] = upgrades
  assert.equal(upgrade?.request.url, '/ws?room=1')
  const arrived = new Map(headersOf(upgrade.request))
  assert.equal(arrived.get('x-auth-request-user'), 'ann')
  assert.equal(arrived.get('x_auth_request_user'), undefined)
  assert.equal(arrived.get('x-auth-request-email'), '')
  assert.equal(arrived.get('cookie'), 'a=1')
  assert.equal(arrived.get('host'), 'app.example')
  assert.equal(arrived.get('origin'), 'https://app.example')
  assert.equal(arrived.get('sec-websocket-key'), 'dGhlIHNhbXBsZSBub25jZQ==')
  assert.equal(arrived.get('sec-websocket-protocol'), 'chat')
  assert.match(browser.received(), /^HTTP\/1\.1 101 Switching Protocols\r\n/)
  assert.match(browser.received(), /\r\nsec-websocket-accept: yes\r\n/i)
  assert.match(browser.received(), /\r\nset-cookie: a=1\r\n/i)
  assert.doesNotMatch(browser.received(), /x-hop|theirs/i)
})

test('what is refused opens nothing, and is answered like any other request', async () => {
  const { port, upgrades } = await aBed({
    authorize: (_request, reply) => {
      void reply.code(401).send('log in')
      return Promise.resolve(undefined)
    },
  })
  const answer = await sendRaw(port, handshake())
  assert.equal(statusOf(answer), 401)
  assert.match(answer, /connection: close/i)
  assert.match(answer, /log in$/)
  assert.equal(upgrades.length, 0)
})

for (const [name, authority] of [
  ['an authorize that throws', () => Promise.reject(new Error('no'))],
  ['an authorize that is late', () => new Promise<never>(() => {})],
] as const) {
  test(`${name} opens nothing`, async () => {
    const { port, upgrades } = await aBed({ authorize: authority })
    const browser = await dial(port, handshake())
    if (name.endsWith('throws')) await browser.closed
    browser.socket.destroy()
    assert.equal(upgrades.length, 0)
  })
}

for (const origin of [
  'https://evil.example',
  'https://sub.app.example',
  'https://app.example.evil.example',
  'https://app.example:8443',
  'http://app.example',
  'https://app.example, https://evil.example',
  'null',
  'app.example',
  '',
]) {
  test(`a page of ${JSON.stringify(origin)} opens no WebSocket of app.example (CVE-2026-133111)`, async () => {
    const { port, upgrades } = await aBed()
    assert.equal(statusOf(await sendRaw(port, handshake([`Origin: ${origin}`]))), 403)
    assert.equal(upgrades.length, 0)
  })
}

for (const [name, bytes, status] of [
  ['a WebSocket with a request behind it (CVE-2026-130647)', `${handshake()}GET /x HTTP/1.1\r\nHost: a\r\n\r\n`, 400],
  ['a WebSocket with a frame behind it', `${handshake()}\x81\x85`, 400],
  ['a WebSocket to a fragment (CVE-2026-129502)', handshake([], '/ws#x'), 400],
  ['a WebSocket to another site', handshake([], 'http://evil.example/ws'), 400],
  ['a WebSocket with a body', handshake(['Content-Length: 5']), 400],
  ['a WebSocket to one of our own paths', handshake([], '/oauth2/x'), 404],
  ['a WebSocket with two hosts’ worth of path', handshake([], '/a/..;/admin'), 400],
  ['a POST', handshake(['Content-Length: 0']).replace('GET', 'POST'), 200],
  [
    'h2c, which may be ignored',
    handshake().replace('Upgrade: websocket', 'Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk'),
    200,
  ],
  ['one of several protocols', handshake().replace('Upgrade: websocket', 'Upgrade: h2c, websocket'), 200],
] as const) {
  test(`${name} is answered with ${status}, opens nothing, and the next request is served`, async () => {
    const { port, upgrades } = await aBed()
    assert.equal(statusOf(await sendRaw(port, bytes)), status)
    assert.equal(upgrades.length, 0)
    assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200)
  })
}

test('an upgrade behind a request that is still being answered ends that connection, and nothing else (CVE-2026-130647)', async () => {
  const { port, upgrades } = await aBed({
    authorize: (request) => (request.url === '/slow' ? new Promise(() => {}) : admitted()),
  })
  const browser = await dial(port, `GET /slow HTTP/1.1\r\nHost: app.example\r\n\r\n${handshake()}`)
  await browser.closed
  assert.equal(upgrades.length, 0)
  assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200)
})

test('a browser that leaves while it is decided harms nobody (CVE-2026-129500)', async () => {
  const decided = Promise.withResolvers<undefined>()
  const asked = Promise.withResolvers<void>()
  const { port } = await aBed({
    authorize: (request) => {
      if (request.url !== '/ws?room=1') return admitted()
      asked.resolve()
      return decided.promise.then(() => admitted())
    },
  })
  const browser = await dial(port, handshake())
  await asked.promise
  browser.socket.resetAndDestroy()
  await browser.closed
  decided.resolve(undefined)
  assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200)
})

for (const [name, answer, status] of [
  ['that says no', 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno', 403],
  ['that agrees to another protocol', 'HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nPRI', 502],
  ['that says nothing', '', 502],
] as const) {
  test(`an application ${name} opens nothing`, async () => {
    const { port } = await aBed({}, answer)
    const said = await sendRaw(port, handshake())
    assert.equal(statusOf(said), status)
    assert.doesNotMatch(said, /PRI|101/)
  })
}

test('when one end leaves, so does the other', async () => {
  const { port, upgrades } = await aBed()
  const first = await dial(port, handshake())
  await first.until('hello')
  const gone = once(upgrades[0]?.socket ?? first.socket, 'close')
  first.socket.destroy()
  await gone
  const second = await dial(port, handshake())
  await second.until('hello')
  upgrades[1]?.socket.destroy()
  await second.closed
})

/** Frames as they go over the wire. */
const fromServer = (text: string) => `\x81${String.fromCharCode(text.length)}${text}`
const fromClient = (text: string) => `\x81${String.fromCharCode(0x80 | text.length)}\0\0\0\0${text}`
const agreement = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

/** An application that speaks only when the test does, and a session that ends when the test says so. */
async function aSilentBed(more: Partial<ProxyOptions> = {}, upstreamOptions: Partial<UpstreamConfig> = {}) {
  const heard: { text: string } = { text: '' }
  const opened = Promise.withResolvers<Socket>()
  const server = createServer()
  server.on('upgrade', (_request, socket: Socket) => {
    socket.on('error', () => {})
    socket.on('data', (bytes: Buffer) => (heard.text += bytes.toString('latin1')))
    socket.on('end', () => socket.end())
    socket.write(agreement)
    opened.resolve(socket)
  })
  const upstream = await listening(server, cleanUp)
  const log: string[] = []
  const followed = Promise.withResolvers<(reason: StreamEnd) => void>()
  const metrics = createMetrics({ processMetrics: false })
  const running = await startProxy([anUpstream(`http://127.0.0.1:${upstream}`, upstreamOptions)], cleanUp, {
    authorize: () =>
      admitted({}, (onEnd) => {
        followed.resolve(onEnd)
        return { used: () => void log.push('used'), stop: () => void log.push('stop') }
      }),
    metrics,
    ...more,
  })
  const browser = await dial(running.port, handshake())
  const application = await opened.promise
  cleanUp.add(async () => void application.destroy())
  await browser.until('\r\n\r\n')
  const applicationHeard = async (text: string) => {
    while (!heard.text.includes(text)) await once(application, 'data')
  }
  const atBrowser = () => browser.received().slice(browser.received().indexOf('\r\n\r\n') + 4)
  return { browser, application, heard, applicationHeard, atBrowser, log, end: await followed.promise, metrics }
}

const revokedToBrowser = '\x88\x09\x11\x31revoked'
const revokedToApplication = '\x88\x89\0\0\0\0\x11\x31revoked'

test('the end of a session closes its WebSocket with 4401, to both sides, and is counted', async () => {
  const { browser, application, heard, applicationHeard, atBrowser, log, end, metrics } = await aSilentBed()
  assert.match(await metrics.render(), /foregate_open_streams\{kind="websocket"\} 1/)
  application.write(fromServer('hello'), 'latin1')
  browser.socket.write(fromClient('hi'), 'latin1')
  await Promise.all([browser.until('hello'), applicationHeard('hi')])
  const gone = once(application, 'close')
  end('revoked')
  await Promise.all([browser.closed, gone])
  assert.equal(atBrowser(), fromServer('hello') + revokedToBrowser)
  assert.equal(heard.text, fromClient('hi') + revokedToApplication)
  assert.deepEqual(log, ['used', 'stop'])
  const said = await metrics.render()
  assert.match(said, /foregate_streams_closed_total\{reason="revoked"\} 1/)
  assert.match(said, /foregate_streams_closed_total\{reason="idle"\} 0/)
  assert.match(said, /foregate_open_streams\{kind="websocket"\} 0/)
})

test('within a frame of the application’s nothing is put in: the browser is cut off, the application told', async () => {
  const { browser, application, applicationHeard, atBrowser, end } = await aSilentBed()
  application.write('\x81\x0ahalf', 'latin1')
  await browser.until('half')
  end('revoked')
  await browser.closed
  assert.equal(atBrowser(), '\x81\x0ahalf')
  await applicationHeard(revokedToApplication)
})

test('within a frame of the browser’s nothing is put in: the application is cut off, the browser told', async () => {
  const { browser, application, heard, applicationHeard, atBrowser, end } = await aSilentBed()
  browser.socket.write('\x81\x8a\0\0', 'latin1')
  await applicationHeard('\x81\x8a\0\0')
  const gone = once(application, 'close')
  end('revoked')
  await Promise.all([browser.closed, gone])
  assert.equal(heard.text, '\x81\x8a\0\0')
  assert.equal(atBrowser(), revokedToBrowser)
})

test('what is no WebSocket after all goes through, and is cut off without a word', async () => {
  const { browser, application, heard, applicationHeard, atBrowser, end } = await aSilentBed()
  application.write('SSH-2.0', 'latin1')
  browser.socket.write('SSH-2.0', 'latin1')
  await Promise.all([browser.until('SSH'), applicationHeard('SSH')])
  end('revoked')
  await browser.closed
  assert.deepEqual([atBrowser(), heard.text], ['SSH-2.0', 'SSH-2.0'])
})

test('after its end nothing more goes through, and who does not take the end is cut off', async () => {
  const time = fakeTime()
  const { browser, application, heard, atBrowser, end } = await aSilentBed({ timer: time.timer })
  end('not_allowed')
  await browser.until('not_allowed')
  application.write(fromServer('late'), 'latin1')
  browser.socket.write(fromClient('late'), 'latin1')
  await time.pass(1_000)
  await browser.closed
  assert.doesNotMatch(atBrowser() + heard.text, /late/)
  assert.equal(time.pending, 0)
})

test('what a person sends is use of their session; answers to pings, and what the application sends, are none', async () => {
  const { browser, application, applicationHeard, log } = await aSilentBed()
  application.write(`\x89\0${fromServer('news')}`, 'latin1')
  await browser.until('news')
  browser.socket.write('\x8a\x80\0\0\0\0', 'latin1')
  await applicationHeard('\x8a\x80')
  assert.deepEqual(log, [])
  // In two pieces, cut within the header.
  browser.socket.write('\x81', 'latin1')
  await applicationHeard('\x81')
  browser.socket.write('\x82\0\0\0\0ok', 'latin1')
  await applicationHeard('ok')
  assert.deepEqual(log, ['used'])
  browser.socket.destroy()
  while (log.length < 2) await settled()
  assert.deepEqual(log, ['used', 'stop'])
})

test('pages of the origins that the operator lists may open WebSockets as well', async () => {
  const upstream = await listening(
    createServer().on('upgrade', (_request, socket) => socket.end(agreement)),
    cleanUp,
  )
  const allowedOrigins = ['https://portal.example', 'https://other.example:8443']
  const { port } = await startProxy([anUpstream(`http://127.0.0.1:${upstream}`, { allowedOrigins })], cleanUp)
  for (const [origin, status] of [
    ['https://portal.example', 101],
    ['https://other.example:8443', 101],
    ['https://app.example', 101],
    ['http://portal.example', 403],
    ['https://PORTAL.example', 403],
    ['https://other.example', 403],
    ['https://portal.example.evil.example', 403],
    ['https://portal.example, https://portal.example', 403],
  ] as const) {
    assert.equal(statusOf(await sendRaw(port, handshake([`Origin: ${origin}`]))), status, origin)
  }
})

test('a WebSocket over which nothing goes for longer than idleTimeout ends, and one that is used does not', async () => {
  const time = fakeTime()
  const { browser, applicationHeard, atBrowser, metrics } = await aSilentBed(
    { timer: time.timer },
    { idleTimeoutMs: 60_000 },
  )
  for (const letter of 'abc') {
    await time.pass(59_000)
    browser.socket.write(fromClient(letter), 'latin1')
    await applicationHeard(letter)
  }
  await time.pass(59_000)
  assert.equal(atBrowser(), '')
  await time.pass(31_000)
  await browser.until('silent')
  assert.ok(atBrowser().startsWith('\x88\x08\x03\xe9silent'))
  assert.match(await metrics.render(), /streams_closed_total\{reason="silent"\} 1/)
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterEach, test } from 'node:test'
import type { ProxyOptions } from '../../src/proxy/proxy.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { anUpstream, createCleanUp, headersOf, listening, sendRaw, startProxy, statusOf } from './running.ts'

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
    authorize: (request) => (request.url === '/slow' ? new Promise(() => {}) : Promise.resolve({})),
  })
  const browser = await dial(port, `GET /slow HTTP/1.1\r\nHost: app.example\r\n\r\n${handshake()}`)
  await browser.closed
  assert.equal(upgrades.length, 0)
  assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200)
})

test('a browser that leaves while it is decided harms nobody (CVE-2026-129500)', async () => {
  const decided = Promise.withResolvers<Record<string, string>>()
  const asked = Promise.withResolvers<void>()
  const { port } = await aBed({
    authorize: (request) => {
      if (request.url !== '/ws?room=1') return Promise.resolve({})
      asked.resolve()
      return decided.promise
    },
  })
  const browser = await dial(port, handshake())
  await asked.promise
  browser.socket.resetAndDestroy()
  await browser.closed
  decided.resolve({})
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

test('a WebSocket ends within 5 s of what let it pass, and stays open for as long as that does', async () => {
  let may = true
  const time = fakeTime()
  const { port, upgrades } = await aBed({ mayGoOn: () => Promise.resolve(may), timer: time.timer })
  const browser = await dial(port, handshake())
  await browser.until('hello')
  await time.pass(60_000)
  browser.socket.write('still here')
  await browser.until('still here')
  may = false
  const gone = once(upgrades[0]?.socket ?? browser.socket, 'close')
  await time.pass(5_000)
  await Promise.all([browser.closed, gone])
  assert.equal(time.pending, 0)
})

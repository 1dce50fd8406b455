// Leaving HTTP/1.1 through a proxy: what runs in a tunnel is never asked about, so only a WebSocket may open one.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectHTTP2 } from 'node:http2'
import { after, before, describe, test } from 'node:test'
import { startCredulousApplication, type CredulousApplication } from '../fixtures/credulous-application.ts'
import { choosePerson, createHttpClient } from '../fixtures/http-client.ts'
import { proxies } from '../fixtures/proxies.ts'
import { sendRaw } from '../fixtures/raw-http.ts'
import { startSite, type Site } from '../fixtures/site.ts'

const settings = 'AAMAAABkAAQAAP__'
const handshake = ['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13']
/** Header lines of a request for a public page. */
const offers: readonly (readonly string[])[] = [
  ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', `HTTP2-Settings: ${settings}`],
  ['Connection: Upgrade', 'Upgrade: h2c', `HTTP2-Settings: ${settings}`],
  ['Connection: upgrade, http2-settings', 'upgrade: H2C', `http2-settings: ${settings}`],
  ['Connection: HTTP2-Settings', 'Connection: Upgrade', 'Upgrade: h2c', `HTTP2-Settings: ${settings}`],
  ['Connection: Upgrade', 'Upgrade: h2c', 'Upgrade: websocket'],
  ['Connection: Upgrade', 'Upgrade: websocket', 'Upgrade: h2c'],
  ['Connection: Upgrade', 'Upgrade: websocket, h2c'],
  ['Connection: Upgrade', 'Upgrade: h2c, websocket'],
  ['Connection: Upgrade', 'Upgrade: h2c,websocket', `HTTP2-Settings: ${settings}`],
  ['Connection: Upgrade', 'Upgrade: websocket/13'],
  ['Connection: Upgrade', 'Upgrade: websockets'],
  ['Connection: Upgrade', 'Upgrade: xwebsocket'],
  ['Connection: Upgrade', 'Upgrade: HTTP/2.0'],
  ['Connection: Upgrade', 'Upgrade: TLS/1.0'],
  ['Connection: Upgrade', 'Upgrade: connect-udp'],
  ['Connection: Upgrade', 'Upgrade:', `HTTP2-Settings: ${settings}`],
  ['Connection: Upgrade', 'Upgrade: h2c', 'X_Upgrade: websocket'],
]

for (const { name, startProxy, skip } of proxies) {
  describe(`a tunnel through ${name}`, { skip }, () => {
    let application: CredulousApplication
    let site: Site
    before(async () => {
      application = await startCredulousApplication()
      site = await startSite({ startProxy, application })
    })
    after(() => site?.stop())

    const ask = (lines: readonly string[], requestLine = 'GET /public HTTP/1.1') =>
      sendRaw(site.port, [requestLine, `Host: localhost:${site.port}`, ...lines, '', ''].join('\r\n'))

    for (const lines of offers) {
      test(`is not opened by ${JSON.stringify(lines.join(' | '))} (B1)`, async () => {
        const before = application.understood.length
        const reply = await ask([...lines, ...handshake])
        reply.socket.destroy()
        // Two Upgrade fields of which one is `websocket` may pass as just that.
        for (const { headers, by } of application.understood.slice(before)) {
          assert.notEqual(by, 'tunnel')
          for (const value of headers['upgrade'] ?? []) assert.match(value, /^websocket$/i)
          assert.equal(headers['http2-settings'], undefined)
        }
        const upgraded = reply.headers.find(([field]) => field === 'upgrade')?.[1]
        if (reply.status === 101) assert.match(upgraded ?? '', /^websocket$/i)
      })
    }

    test('does not let a request for another path, with an identity of its own, reach the application (B1)', async () => {
      const reply = await ask(['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', `HTTP2-Settings: ${settings}`])
      if (reply.status === 101) {
        const session = connectHTTP2(`http://localhost:${site.port}`, { createConnection: () => reply.socket })
        const stream = session.request({ ':path': '/secret', 'x-auth-request-user': 'mallory' })
        await once(stream, 'response')
        session.destroy()
      }
      reply.socket.destroy()
      assert.deepEqual(
        application.understood.filter(({ url }) => url === '/secret'),
        [],
      )
      assert.notEqual(reply.status, 101)
    })

    test('is not opened by CONNECT, wherever it leads (B1)', async () => {
      const targets = [`localhost:${site.port}`, '/public', 'public:80', `http://localhost:${site.port}/public`]
      for (const target of targets) {
        const reply = await ask([], `CONNECT ${target} HTTP/1.1`)
        reply.socket.destroy()
        assert.ok(reply.status === 0 || reply.status >= 400, `${target}: ${reply.status}`)
      }
      assert.deepEqual(
        application.understood.filter(({ method }) => method === 'CONNECT'),
        [],
      )
    })

    for (const protocol of ['websocket', 'WebSocket', 'WEBSOCKET']) {
      test(`is opened by ${protocol}, and carries bytes both ways (B1)`, async () => {
        const reply = await ask(['Connection: keep-alive, Upgrade', `Upgrade: ${protocol}`, ...handshake])
        assert.equal(reply.status, 101)
        const echoed = once(reply.socket, 'data')
        reply.socket.resume()
        reply.socket.write('ping')
        const [echo] = await echoed
        assert.equal(String(echo), 'ping')
        reply.socket.destroy()
        const last = application.understood.at(-1)
        assert.equal(last?.by, 'upgrade')
        assert.deepEqual(last.headers['sec-websocket-version'], ['13'])
      })
    }

    test('is opened for a person who is logged in, and the application learns who it is', async () => {
      const client = createHttpClient()
      await choosePerson(client, await client.navigate(`${site.url}/`), 'alice')
      const cookie = `Cookie: ${client.cookies.header(new URL(site.url)) ?? ''}`
      const claimed = 'X-Auth-Request-User: mallory'
      const reply = await ask(
        ['Connection: Upgrade', 'Upgrade: websocket', ...handshake, cookie, claimed],
        'GET /private HTTP/1.1',
      )
      reply.socket.destroy()
      assert.equal(reply.status, 101)
      const last = application.understood.at(-1)
      assert.equal(last?.url, '/private')
      assert.deepEqual(last.headers['x-auth-request-user'], ['alice@demo.test'])
    })

    test('is not opened for a person who is not logged in, where a login is needed', async () => {
      const reply = await ask(
        ['Connection: Upgrade', 'Upgrade: websocket', ...handshake, 'Accept: application/json'],
        'GET /closed HTTP/1.1',
      )
      assert.equal(reply.status, 401)
      reply.socket.destroy()
      assert.equal(
        application.understood.some(({ url }) => url === '/closed'),
        false,
      )
    })
  })
}

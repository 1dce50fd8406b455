// HTTP/2 names the host in `:authority` and may name another one in `host`; it asks for tunnels by CONNECT (RFC 9113 section 8.5,
// RFC 8441). Caddy speaks it with TLS only, by the same code as HTTP/1.1.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type ClientHttp2Session, type OutgoingHttpHeaders } from 'node:http2'
import { after, before, describe, test } from 'node:test'
import { startCredulousApplication, type CredulousApplication } from '../fixtures/credulous-application.ts'
import { proxies } from '../fixtures/proxies.ts'
import { startSite, type Site } from '../fixtures/site.ts'

const secret = 'admin.example.com'
const open = 'public.example.com'

const speaksHTTP2: Partial<Record<(typeof proxies)[number]['name'], (file: string) => string>> = {
  nginx: (file) => file.replace(/listen (127\.0\.0\.1:\d+);/, 'listen $1 http2;'),
  // By itself, where a connection opens with the preface.
  HAProxy: (file) => file,
}

for (const { name, startProxy, skip } of proxies) {
  const edit = speaksHTTP2[name]
  if (edit === undefined) continue
  describe(`HTTP/2 through ${name}`, { skip }, () => {
    let application: CredulousApplication
    let site: Site
    let session: ClientHttp2Session
    before(async () => {
      application = await startCredulousApplication()
      const rules = [
        { host: open, policy: 'public' },
        { host: 'localhost', path: '/public', policy: 'public' },
      ]
      site = await startSite({ startProxy, application, edit, config: { rules } })
      session = connect(`http://127.0.0.1:${site.port}`)
      await once(session, 'remoteSettings')
    })
    after(async () => {
      session?.destroy()
      await site?.stop()
    })

    /** The status, or 0 where the stream was reset; and what the application understood meanwhile. */
    async function ask(headers: OutgoingHttpHeaders) {
      const before = application.understood.length
      const stream = session.request({ accept: 'application/json', ...headers })
      stream.on('error', () => {})
      let status = 0
      stream.on('response', (answer) => (status = answer[':status'] ?? 0))
      await Promise.race([once(stream, 'response'), once(stream, 'close')]).catch(() => {})
      stream.close()
      return { status, understood: application.understood.slice(before) }
    }

    test('a public host is served', async () => {
      const { status, understood } = await ask({ ':authority': open, ':path': '/a' })
      assert.equal(status, 200)
      assert.equal(understood[0]?.host, open)
    })

    for (const [authority, host] of [
      [secret, open],
      [open, secret],
      [`${secret}:80`, open],
      [`${open}@${secret}`, open],
    ]) {
      test(`:authority ${authority} with host ${host} is one host or none (B2)`, async () => {
        const { understood } = await ask({ ':authority': authority, host, ':path': '/secret' })
        for (const request of understood) assert.equal(request.host, open)
      })
    }

    for (const headers of [
      { ':method': 'CONNECT', ':authority': 'localhost:80' },
      { ':method': 'CONNECT', ':authority': open },
      { ':method': 'CONNECT', ':protocol': 'h2c', ':scheme': 'http', ':path': '/public', ':authority': 'localhost' },
      { ':method': 'CONNECT', ':protocol': 'connect-udp', ':scheme': 'http', ':path': '/public', ':authority': open },
    ]) {
      test(`no tunnel is opened by ${JSON.stringify(headers)} (B1)`, async () => {
        const { understood } = await ask(headers)
        for (const { method, by, headers: read } of understood) {
          assert.equal(method, 'GET')
          assert.equal(by, 'request')
          assert.equal(read['upgrade'], undefined)
        }
      })
    }

    test('a WebSocket passes where the proxy offers it over HTTP/2 (RFC 8441) and the person may (B1)', async () => {
      if (session.remoteSettings.enableConnectProtocol !== true) return
      const socket = {
        ':method': 'CONNECT',
        ':protocol': 'websocket',
        ':scheme': 'http',
        ':authority': 'localhost',
        'sec-websocket-version': '13',
      }
      const passed = await ask({ ...socket, ':path': '/public' })
      assert.equal(passed.status, 200)
      assert.equal(passed.understood[0]?.by, 'upgrade')
      const refused = await ask({ ...socket, ':path': '/private' })
      assert.equal(refused.status, 401)
      assert.deepEqual(refused.understood, [])
    })
  })
}

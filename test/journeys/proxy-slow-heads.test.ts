// A head that never ends, a line at a time: what is left open so is a connection less for everybody else.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { startCredulousApplication } from '../fixtures/credulous-application.ts'
import { proxies } from '../fixtures/proxies.ts'
import { startSite } from '../fixtures/site.ts'

/** The file's own limit, so short that a test need not wait for it. */
const impatient: Record<(typeof proxies)[number]['name'], (file: string) => string> = {
  // Has one of its own: 60 s.
  nginx: (file) => file.replace('server_name _;', '$&\nclient_header_timeout 300ms;'),
  HAProxy: (file) => file.replace(/(timeout http-request) \S+/, '$1 300ms'),
  Caddy: (file) => file.replace(/(read_header) \S+/, '$1 300ms'),
}

describe('a head that never ends', () => {
  for (const { name, startProxy, skip } of proxies) {
    test(`is cut by ${name}, however often it moves`, { skip }, async (t) => {
      const site = await startSite({
        startProxy,
        edit: impatient[name],
        application: await startCredulousApplication(),
      })
      t.after(() => site.stop())
      const socket = connect(site.port, '127.0.0.1')
      socket.on('error', () => {})
      let received = ''
      socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')))
      const drip = setInterval(() => socket.write('X-Line: x\r\n'), 50)
      t.after(() => clearInterval(drip))
      socket.write('GET /public HTTP/1.1\r\nHost: localhost\r\n')
      await once(socket, 'close')
      assert.match(received, /^(HTTP\/1\.1 408 |$)/)
    })
  }
})

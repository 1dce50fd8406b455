import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { test } from 'node:test'
import { createDispatcher } from '../../src/proxy/dispatcher.ts'
import { systemTimer } from '../../src/time.ts'
import { anUpstream } from '../fixtures/upstream.ts'

test('who asks an https upstream does not wait for the handshake of somebody else', async (t) => {
  const sockets: Socket[] = []
  // Takes connections, and never says a word of TLS.
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => undefined))
    server.emit('taken')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const upstream = anUpstream({ url: `https://127.0.0.1:${port}`, connectTimeoutMs: 60_000 })
  const dispatcher = createDispatcher({ upstream, isDown: () => false, timer: systemTimer })
  t.after(() => {
    dispatcher.destroy()
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  for (let count = 0; count < 3; count++) {
    const options = { origin: `https://127.0.0.1:${port}`, path: '/', method: 'GET', headers: {} } as const
    dispatcher.request(options, undefined, () => undefined)
  }
  while (sockets.length < 3) await once(server, 'taken')
  assert.equal(sockets.length, 3)
})

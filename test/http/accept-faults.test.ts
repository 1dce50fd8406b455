import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { test } from 'node:test'
import { surviveAcceptFaults } from '../../src/http/accept-faults.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { createHttpClient } from '../fixtures/http-client.ts'
import { startTestApp } from '../fixtures/in-process-app.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'

const fault = (code: string) => Object.assign(new Error(`accept ${code}`), { code, syscall: 'accept' })

test('a connection that cannot be taken is told once a minute', async (t) => {
  const [log, time, server] = [recordedLog(), fakeTime(), createServer()]
  surviveAcceptFaults(server, log, time.clock)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  for (let count = 0; count < 100; count++) server.emit('error', fault('ENOBUFS'))
  server.emit('error', fault('ENOMEM'))
  assert.deepEqual(log.events(), ['accept_failed ENOBUFS', 'accept_failed ENOMEM'])
  time.advance(60_000)
  server.emit('error', fault('ENOMEM'))
  assert.equal(log.lines.length, 3)
})

test('a port that cannot be had is nothing that could not be accepted', async () => {
  const [log, server] = [recordedLog(), createServer()]
  surviveAcceptFaults(server, log, fakeTime().clock)
  const failed = once(server, 'error')
  server.emit('error', fault('EADDRINUSE'))
  await failed
  assert.deepEqual(log.lines, [])
})

test('each port that the service listens on survives such a fault', async (t) => {
  const servers: Server[] = []
  // The one way to the servers within: Node tells of each that is about to listen.
  const remember = (message: unknown) => servers.push((message as { readonly server: Server }).server)
  subscribe('tracing:net.server.listen:asyncStart', remember)
  t.after(() => unsubscribe('tracing:net.server.listen:asyncStart', remember))
  const app = await startTestApp(t, { config: { metrics: { listen: '127.0.0.1:0' } } })
  const portOf = (server: Server) => (server.address() as AddressInfo).port
  const ours = servers.filter((server) => portOf(server) !== Number(new URL(app.provider.issuer).port))
  assert.equal(ours.length, 2)
  for (const server of ours) server.emit('error', fault('ENOMEM'))
  assert.equal((await createHttpClient().send(`${app.url}/healthz`, {})).status, 200)
})

// A replica that is told to stop, as a real process: what its clients, the provider and the other replica see of it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { seconds } from '../../../src/time.ts'
import { eventually, redisMissing, startRedis, type RedisServer } from '../../fixtures/redis.ts'
import { cookieHeader, startTestBed, ticketOnly, type Replica, type TestBed } from '../../fixtures/replicas.ts'

const drainDelayMs = 1_000
/** For a busy machine. What holds the end takes shutdownTimeout: 10 s. */
const graceMs = seconds(6)

describe('SIGTERM', { skip: redisMissing }, () => {
  let redis: RedisServer
  let bed: TestBed

  before(async () => {
    redis = await startRedis()
    bed = await startTestBed({
      redis: { cacheMode: 'hybrid', address: `${redis.address.host}:${redis.address.port}` },
      config: { drainDelay: `${drainDelayMs}ms`, shutdownTimeout: '3s', refreshGracePeriodSeconds: 2 },
      provider: { accessTokenLifetime: 3 },
      replicas: 1,
    })
  })

  after(async () => {
    await bed?.close()
    await redis?.close()
  })

  /** Resolves when it is gone: exit code and ms since the signal. */
  async function stop(replica: Replica): Promise<{ code: number | string; tookMs: number }> {
    const startedAt = performance.now()
    replica.process.kill('SIGTERM')
    const code = await replica.process.exited
    return { code, tookMs: performance.now() - startedAt }
  }

  const events = (replica: Replica) =>
    replica.process.lines.map((line): unknown => (line.startsWith('{') ? JSON.parse(line).event : line))

  test('it is unready at once, serves on for drainDelay, and a kept-alive client does not hold its end (C2)', async () => {
    const replica = await bed.addReplica()
    const person = await bed.logIn(0)
    const idle = new Agent({ keepAlive: true })
    const ready = () => get(replica, '/readyz', idle)
    assert.equal((await ready()).status, 200)

    const gone = stop(replica)
    // A look from outside: the signal is on its way to another process.
    await eventually(async () => (await ready()).status === 503)
    const unready = await ready()
    assert.match(unready.body, /draining/)
    assert.equal(unready.connection, 'close')
    const asked = await replica.ask({ cookie: cookieHeader(person) })
    assert.equal(asked.status, 200)
    assert.equal((await replica.ask({ navigation: true })).status, 302)
    // Holds a connection for longer than the drain, and npm's second signal comes on top.
    replica.process.kill('SIGTERM')
    const { code, tookMs } = await gone
    idle.destroy()
    assert.equal(code, 0)
    assert.ok(tookMs >= drainDelayMs && tookMs < drainDelayMs + graceMs, `gone after ${tookMs} ms`)
    assert.deepEqual(
      events(replica).filter((event) => String(event).startsWith('stop')),
      ['stopping', 'stopped'],
    )
  })

  test('a connection that asks again and again through the whole drain does not hold the end, nor does one that says nothing (C2)', async () => {
    const replica = await bed.addReplica()
    const agent = new Agent({ keepAlive: true, maxSockets: 2 })
    const askOn = async (): Promise<void> => {
      if ((await get(replica, '/livez', agent).catch(() => undefined)) !== undefined) return askOn()
    }
    const busy = askOn()
    const silent = connect(replica.process.port, '127.0.0.1')
    silent.on('error', () => {})
    await once(silent, 'connect')
    const { code, tookMs } = await stop(replica)
    silent.destroy()
    await busy
    agent.destroy()
    assert.equal(code, 0)
    assert.ok(tookMs < drainDelayMs + graceMs, `gone after ${tookMs} ms`)
  })

  test('a login whose code is being exchanged is finished, however late in the drain the provider answers (C1)', async () => {
    const replica = await bed.addReplica()
    const by = bed.replicas.length - 1
    const { person, callback } = await bed.startLogin(by)
    const { promise: gate, resolve: answer } = Promise.withResolvers<void>()
    bed.provider.fault('token', { gate, times: 1 })
    const exchange = bed.provider.nextCall('token')
    const finished = bed.finishLogin(person, callback, by)
    await exchange
    const gone = stop(replica)
    await eventually(() => events(replica).includes('stopping'))
    // Past the drain the process takes no more connections, and this is what it still waits for.
    await eventually(async () => (await replica.ask({})).status === 0)
    answer()
    assert.equal((await finished).status, 302)
    assert.equal((await gone).code, 0)
    assert.equal((await bed.replicas[0]?.ask({ cookie: ticketOnly(person) }))?.status, 200)
  })

  test('a background refresh that is at the provider is finished and written: nobody uses its token twice (C1)', async () => {
    const replica = await bed.addReplica()
    const by = bed.replicas.length - 1
    const person = await bed.logIn(by)
    const cookie = ticketOnly(person)
    assert.equal((await replica.ask({ cookie })).status, 200)
    const { promise: gate, resolve: answer } = Promise.withResolvers<void>()
    bed.provider.fault('refresh', { gate, times: 1 })
    const refresh = bed.provider.nextCall('refresh')
    let arrived = false
    void refresh.then(() => (arrived = true))
    await eventually(async () => (await replica.ask({ cookie })).status === 200 && arrived)
    const gone = stop(replica)
    await eventually(() => events(replica).includes('stopping'))
    await eventually(async () => (await replica.ask({})).status === 0)
    answer()
    const { code } = await gone
    assert.equal(code, 0)

    const calls = bed.provider.calls.refresh
    const other = bed.replicas[0]
    assert.equal((await other?.ask({ cookie }))?.status, 200)
    // The other one refreshes in its turn, with what the first one left.
    await eventually(async () => {
      assert.equal((await other?.ask({ cookie }))?.status, 200)
      return bed.provider.calls.refresh > calls
    })
    assert.equal(bed.provider.reuses, 0)
  })

  test('tokens of a logout that are being revoked are waited for, although nobody else does, up to shutdownTimeout (C1)', async () => {
    const replica = await bed.addReplica()
    const by = bed.replicas.length - 1
    const person = await bed.logIn(by)
    bed.provider.fault('revocation', { hang: true })
    const revocation = bed.provider.nextCall('revocation')
    assert.equal((await bed.logOut(person, by)).status, 302)
    await revocation
    const { code } = await stop(replica)
    bed.provider.fault('revocation', undefined)
    assert.equal(code, 0)
    assert.ok(events(replica).includes('stop_forced'), 'it waited for as long as it may')
  })
})

function get(
  replica: Replica,
  path: string,
  agent: Agent,
): Promise<{ status: number; body: string; connection: string | undefined }> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port: replica.process.port, path, agent }, (incoming) => {
      let body = ''
      incoming.on('data', (chunk: Buffer) => (body += chunk.toString()))
      incoming.on('error', reject)
      incoming.on('end', () =>
        resolve({ status: incoming.statusCode ?? 0, body, connection: incoming.headers.connection }),
      )
    })
      .on('error', reject)
      .end()
  })
}

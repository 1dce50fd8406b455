// Strangers keep a replica busy while Redis is well: thousands of connections, paths that are costly to read, made-up tickets.
// Our own delay must not be taken for an outage of Redis, or passes would begin to count.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { startLoad } from '../../fixtures/load.ts'
import { machineToItself } from '../../fixtures/machine.ts'
import { redisMissing, startRedis, type RedisServer } from '../../fixtures/redis.ts'
import { cookieHeader, startTestBed, type TestBed } from '../../fixtures/replicas.ts'

const connections = 5_000
const atOnce = 500

machineToItself()

describe('strangers against a replica whose Redis is well (A1)', { skip: redisMissing }, () => {
  let redis: RedisServer
  let bed: TestBed

  before(async () => {
    redis = await startRedis()
    // Straight to Redis: a proxy in this process, which makes the storm, would be the slow one.
    const address = `${redis.address.host}:${redis.address.port}`
    bed = await startTestBed({ redis: { cacheMode: 'hybrid', address }, replicas: 1 })
    for (let count = 0; count < 20; count++) await bed.logIn()
  })

  after(async () => {
    await bed?.close()
    await redis?.close()
  })

  /** One connection, some requests in a row on it, read to their end or to the connection's. */
  function hostile(requests: string): Promise<void> {
    const port = bed.replicas[0]?.process.port ?? 0
    return new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => socket.end(requests))
      socket.on('data', () => undefined)
      socket.on('error', () => undefined)
      socket.on('close', () => resolve())
      socket.setTimeout(30_000, () => socket.destroy())
    })
  }

  const ask = (uri: string, cookie: string) =>
    [
      'GET /auth/traefik HTTP/1.1',
      'Host: foregate',
      'X-Forwarded-Method: GET',
      'X-Forwarded-Proto: http',
      'X-Forwarded-Host: app.test',
      `X-Forwarded-Uri: ${uri}`,
      `Cookie: ${cookie}`,
      '',
      '',
    ].join('\r\n')

  const marks = (length: number) =>
    Array.from({ length: length / 6 }, (_, at) => (at % 2 === 0 ? '%CC%80' : '%CC%A3')).join('')
  const madeUp = (at: number) => {
    const id = at.toString(36).padStart(21, '0')
    return `foregate_session=${id}A${'x'.repeat(42)}A; foregate_pass=${'x'.repeat(200)}`
  }
  const storms: [name: string, requests: (at: number) => string][] = [
    ['long rows of combining marks', () => ask(`/a${marks(12_000)}`, '').repeat(4)],
    ['made-up tickets, each a read of Redis', (at) => ask('/', madeUp(at)).repeat(4)],
    ['requests that break off', () => ask(`/a${marks(6_000)}`, '').slice(0, 3_000)],
  ]
  for (const [name, requests] of storms) {
    test(
      `${connections} connections with ${name}: the circuit stays closed, no pass is honoured, nobody is refused`,
      { timeout: 120_000 },
      async () => {
        const [replica] = bed.replicas
        assert.ok(replica)
        const load = startLoad(bed, { perSecond: 50 })
        for (let done = 0; done < connections; done += atOnce) {
          await Promise.all(Array.from({ length: atOnce }, (_, at) => hostile(requests(done + at))))
        }
        const { before: seen } = await load.stop()
        assert.ok(seen.requests > 0)
        assert.equal(seen.wrongDenials, 0)
        assert.equal(await replica.metric('foregate_circuit_breaker_transitions_total', { to: 'open' }), 0)
        assert.equal(await replica.metric('foregate_sessions_total', { event: 'pass_honoured' }), 0)
        assert.equal(
          await replica.metric('foregate_stand_ins_total'),
          await replica.metric('foregate_stand_ins_total', { ground: 'away' }),
        )
        for (const person of bed.people) assert.equal((await replica.ask({ cookie: cookieHeader(person) })).status, 200)
      },
    )
  }
})

// Three replicas are replaced one after the other, as a rolling upgrade does, behind a real nginx and a real HAProxy, with people
// who work, log in, and are refreshed meanwhile: nobody may notice.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../../deploy/demo/listen.ts'
import type { RunningProxy } from '../../deploy/demo/proxies.ts'
import { startForegate, type StartedForegate } from '../fixtures/foregate.ts'
import { haproxyMissing, startHaproxy } from '../fixtures/haproxy.ts'
import { createHttpClient, type HttpClient } from '../fixtures/http-client.ts'
import { nginxMissing, startNginx } from '../fixtures/nginx.ts'
import { startProvider, type FaultyProvider } from '../fixtures/provider.ts'
import { redisMissing, startRedis, type RedisServer } from '../fixtures/redis.ts'

const drainDelayMs = 3_000
/** For a busy machine. What holds the end takes shutdownTimeout: 10 s. */
const graceMs = 6_000
const peoplePerProxy = 6
/** Per person: 60 requests per second in all. */
const requestEveryMs = 200
const loginEveryMs = 400

describe('a rolling restart', { skip: nginxMissing || haproxyMissing || redisMissing }, () => {
  const cleanUp: (() => Promise<unknown>)[] = []
  const failures: string[] = []
  const done = { requests: 0, logins: 0 }
  let redis: RedisServer
  let provider: FaultyProvider
  let replicas: StartedForegate[] = []
  let proxies: RunningProxy[] = []

  async function startReplica(port: number): Promise<StartedForegate> {
    return startForegate({
      port,
      config: {
        providerURL: provider.issuer,
        clientID: provider.clientID,
        clientSecret: provider.clientSecret,
        drainDelay: `${drainDelayMs}ms`,
        refreshGracePeriodSeconds: 2,
        rateLimit: 1_000_000,
        redis: { enabled: true, cacheMode: 'hybrid', address: `${redis.address.host}:${redis.address.port}` },
      },
    })
  }

  before(async () => {
    redis = await startRedis()
    provider = await startProvider({
      accessTokenLifetime: 4,
      // Slow enough that something is always under way there.
      tokenResponse: async (body) => {
        await pause(250)
        return body
      },
    })
    const application = createServer((_request, response) => response.end('the application'))
    application.listen(0, '127.0.0.1')
    await once(application, 'listening')
    cleanUp.push(
      () => redis.close(),
      () => provider.close(),
      async () => application.close(),
    )
    const ports = [await freePort(), await freePort(), await freePort()]
    replicas = await Promise.all(ports.map((port) => startReplica(port)))
    const options = { foregatePort: ports, applicationPort: (application.address() as AddressInfo).port }
    proxies = [await startNginx(options), await startHaproxy(options)]
  })

  after(async () => {
    await Promise.all(proxies.map((proxy) => proxy.stop()))
    await Promise.all(replicas.map((replica) => replica.stop()))
    for (const task of cleanUp) await task()
  })

  async function logIn(site: string): Promise<HttpClient> {
    const client = createHttpClient()
    const landed = await client.navigate(`${site}/wanted`)
    if (landed.status !== 200 || landed.body !== 'the application') {
      const way = client.trace.map(({ url, status }) => `${status} ${url.split('?')[0]}`)
      failures.push(`a login ended with ${landed.status}: ${way.join(', ')}`)
    }
    done.logins++
    return client
  }

  async function work(client: HttpClient, site: string, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const { status } = await client.send(`${site}/page`, { headers: { accept: 'application/json' } })
        if (status !== 200) failures.push(`${status} from ${site}`)
      } catch (error) {
        failures.push(`${String(error)} from ${site}`)
      }
      done.requests++
      await pause(requestEveryMs)
    }
  }

  async function keepLoggingIn(site: string, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await logIn(site).catch((error: unknown) => failures.push(`a login failed: ${String(error)}`))
      await pause(loginEveryMs)
    }
  }

  test('0 failed requests, 0 logouts, no refresh token used twice, each process gone in time (C1, C2)', async () => {
    const end = new AbortController()
    const sites = proxies.map(({ port }) => `http://localhost:${port}`)
    const load = sites.flatMap((site) => [
      keepLoggingIn(site, end.signal),
      ...Array.from({ length: peoplePerProxy }, async () => work(await logIn(site), site, end.signal)),
    ])
    const tookMs: number[] = []
    for (const [index, replica] of replicas.entries()) {
      await pause(1_000)
      const startedAt = performance.now()
      replica.kill('SIGTERM')
      assert.equal(await replica.exited, 0)
      tookMs.push(performance.now() - startedAt)
      replicas[index] = await startReplica(replica.port)
    }
    await pause(1_500)
    end.abort()
    await Promise.all(load)

    assert.deepEqual(failures, [])
    assert.equal(provider.reuses, 0)
    assert.ok(provider.calls.refresh > 10, `${provider.calls.refresh} refreshes`)
    assert.ok(done.requests > 300 && done.logins > 20, JSON.stringify(done))
    for (const took of tookMs) assert.ok(took < drainDelayMs + graceMs, `gone after ${Math.round(took)} ms`)
  })
})

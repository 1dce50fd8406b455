// Two deployments with one key: other clients or key prefixes, the same provider, perhaps the same Redis. A browser that carries
// the cookies of one is nobody in the other.
import assert from 'node:assert/strict'
import { after, before, suite, test, type TestContext } from 'node:test'
import { createHttpClient, type HttpClient, type Reply } from '../fixtures/http-client.ts'
import {
  browserHeaders,
  passCookie,
  scriptHeaders,
  sessionCookie,
  startTestApp,
  type TestApp,
} from '../fixtures/in-process-app.ts'
import { missingProgram } from '../fixtures/programs.ts'
import { eventually, startRedis, type RedisServer } from '../fixtures/redis.ts'

/** Every cookie of the browser. */
const cookiesOf = (client: HttpClient) =>
  client.cookies
    .names()
    .map((name) => `${name}=${client.cookies.get(name)}`)
    .join('; ')

suite('a login that was begun at one app comes back to another', async () => {
  const first = await startTestApp({ after })

  async function returnedTo(
    config: Readonly<Record<string, unknown>>,
    t: TestContext,
  ): Promise<{ reply: Reply; redeemed: number }> {
    const other = await startTestApp(t, { config, sharedProvider: first.provider })
    const client = createHttpClient()
    const started = await first.begin(client)
    const atProvider = await client.send(started.headers.location ?? '', { headers: browserHeaders })
    const callback = new URL(atProvider.headers.location ?? '')
    const redeemed = first.provider.received.filter(({ endpoint }) => endpoint === 'token').length
    const reply = await createHttpClient().send(`${other.url}${callback.pathname}${callback.search}`, {
      // As a proxy in front of both apps describes it: the same site, whichever of them answers.
      headers: { ...browserHeaders, cookie: cookiesOf(client), host: callback.host },
    })
    return {
      reply,
      redeemed: first.provider.received.filter(({ endpoint }) => endpoint === 'token').length - redeemed,
    }
  }

  test('another replica of the same deployment completes it', async (t) => {
    const { reply, redeemed } = await returnedTo({}, t)
    assert.deepEqual([reply.status, redeemed], [302, 1])
  })

  for (const [name, config] of [
    ['another client', { clientID: 'another-client' }],
    ['another key prefix', { redis: { keyPrefix: 'another:' } }],
  ] as const) {
    test(`a deployment with ${name} does not know its flow, and redeems nothing`, async (t) => {
      const { reply, redeemed } = await returnedTo(config, t)
      assert.deepEqual([reply.status, redeemed], [400, 0])
      assert.match(reply.body, /state_unknown/)
      assert.equal(reply.setCookies.length, 0)
    })
  }
})

suite('on one Redis', { skip: missingProgram('redis-server') }, () => {
  let redis: RedisServer
  let first: TestApp
  let second: TestApp
  let stranger: TestApp
  const closing: (() => Promise<void>)[] = []
  const closed = { after: (task: () => Promise<void>) => void closing.push(task) }

  before(async () => {
    redis = await startRedis()
    const config = { redis: { enabled: true, address: `127.0.0.1:${redis.address.port}`, cacheMode: 'hybrid' } }
    first = await startTestApp(closed, { config })
    const { provider } = first
    second = await startTestApp(closed, { config, sharedProvider: provider })
    stranger = await startTestApp(closed, {
      config: { ...config, clientID: 'another-client' },
      sharedProvider: provider,
    })
    for (const { url } of [first, second, stranger]) {
      await eventually(async () => {
        const { cache } = (await createHttpClient().send(`${url}/healthz`)).json() as Health
        return cache.redis.connected && cache.revocations.horizon !== null
      })
    }
  })
  after(async () => {
    for (const close of closing.toReversed()) await close()
    await redis.close()
  })

  interface Health {
    readonly cache: { readonly redis: { connected: boolean }; readonly revocations: { horizon: string | null } }
  }

  const asked = async (app: TestApp, cookie: string) =>
    (await app.ask('traefik', { cookie, headers: scriptHeaders })).status

  async function loggedIn(): Promise<string> {
    const client = createHttpClient()
    await first.login(client)
    assert.deepEqual(
      client.cookies.names().filter((name) => name === sessionCookie || name === passCookie).length,
      2,
      'session and pass',
    )
    return cookiesOf(client)
  }

  test('a session of one deployment is nobody’s in the other, and is not harmed by being tried there (A4)', async () => {
    const cookie = await loggedIn()
    assert.equal(await asked(second, cookie), 200)
    assert.equal(await asked(stranger, cookie), 401)
    await createHttpClient().send(`${stranger.url}/oauth2/logout`, { headers: { ...browserHeaders, cookie } })
    assert.equal(await asked(stranger, cookie), 401)
    assert.deepEqual([await asked(first, cookie), await asked(second, cookie)], [200, 200])
  })

  test('nor does its pass count there while Redis is away (A4)', async () => {
    const cookie = await loggedIn()
    await redis.kill()
    assert.equal(await asked(second, cookie), 200, 'by its pass')
    assert.equal(await asked(stranger, cookie), 503)
    const navigation = await stranger.ask('traefik', { cookie, headers: browserHeaders })
    assert.equal(navigation.status, 503, 'a pass that does not open is none: nobody is sent to the provider by it')
    assert.deepEqual(navigation.setCookies, [])
  })
})

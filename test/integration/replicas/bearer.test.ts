// What replicas tell each other of tokens, through a real Redis: what was used once is used on all of them, what the provider has said
// is not asked again, and nothing of a token is to be read there.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import { appHost, scriptHeaders, startTestApp, type TestApp } from '../../fixtures/in-process-app.ts'
import { accessToken, apiAudience, proof, proofKey } from '../../fixtures/machine-tokens.ts'
import { startProvider, type Claims } from '../../fixtures/provider.ts'
import { eventually, redisMissing, startRedis } from '../../fixtures/redis.ts'

const opaque = 'an-opaque-token-of-a-machine'

async function twoReplicas(t: TestContext, config: Readonly<Record<string, unknown>> = {}) {
  const [redis, provider] = await Promise.all([startRedis(), startProvider({ clientSecret: 'a fixture of a secret' })])
  t.after(() => Promise.all([redis.close(), provider.close()]))
  const { bearer = {}, ...others } = config
  const replica = () =>
    startTestApp(t, {
      sharedProvider: provider,
      config: {
        bearer: { enabled: true, audiences: [apiAudience], ...(bearer as object) },
        allowOpaqueTokens: true,
        redis: { enabled: true, cacheMode: 'hybrid', address: `127.0.0.1:${redis.address.port}` },
        ...others,
      },
    })
  const [one, other] = [await replica(), await replica()]
  provider.introspect = (token) =>
    token === opaque ? { sub: 'robot', aud: apiAudience, email: 'robot@example.com', scope: 'x' } : undefined
  return { redis, provider, one, other }
}

async function ask(app: TestApp, authorization: string, headers: Record<string, string> = {}) {
  const reply = await app.ask('traefik', { headers: { authorization, ...headers } })
  return { status: reply.status, reason: reply.status === 200 ? '' : (reply.json() as Claims)['reason'], reply }
}

suite('tokens on two replicas', { skip: redisMissing }, () => {
  test('a proof of possession counts on one of them', async (t) => {
    const { provider, one, other } = await twoReplicas(t)
    const key = await proofKey()
    const token = await accessToken(provider, one.clock, { cnf: { jkt: key.thumbprint } })
    const dpop = await proof({ key, token, url: `http://${appHost}/`, clock: one.clock })
    assert.equal((await ask(one, `DPoP ${token}`, { dpop })).status, 200)
    assert.equal((await ask(other, `DPoP ${token}`, { dpop })).reason, 'dpop_replayed')
  })

  test('a token of single use counts on one of them, however many come at a time', async (t) => {
    const { provider, one, other } = await twoReplicas(t, { bearer: { oneTime: true } })
    const token = await accessToken(provider, one.clock)
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, at) => ask(at % 2 === 0 ? one : other, `Bearer ${token}`)),
    )
    assert.equal(answers.filter(({ status }) => status === 200).length, 1)
    assert.ok(answers.every(({ status, reason }) => status === 200 || reason === 'token_used'))
  })

  test('what the provider said of a token is asked once for all of them, and Redis learns nothing', async (t) => {
    const { redis, provider, one, other } = await twoReplicas(t)
    const first = await ask(one, `Bearer ${opaque}`)
    await eventually(async () => (await redis.cli('--scan', '--pattern', 'traefikoidc:token:*')) !== '')
    const second = await ask(other, `Bearer ${opaque}`)
    assert.deepEqual([first.status, second.status, provider.calls.introspection], [200, 200, 1])
    assert.equal(second.reply.headers['x-auth-request-email'], 'robot@example.com')
    assert.equal(await other.metric('foregate_cache_requests_total{kind="token",tier="l2",result="hit"}'), 1)
    for (const key of (await redis.cli('--scan')).split('\n')) {
      assert.ok(!key.includes(opaque), key)
      if (!key.includes(':token:')) continue
      const value = await redis.cli('GET', key)
      for (const secret of [opaque, 'robot', apiAudience]) assert.ok(!value.includes(secret), key)
      const ttl = Number(await redis.cli('TTL', key))
      assert.ok(ttl > 0 && ttl <= 300, `${ttl}`)
    }
  })

  test('a value that was put under another token’s name, or damaged, is none', async (t) => {
    const { redis, provider, one, other } = await twoReplicas(t)
    await ask(one, `Bearer ${opaque}`)
    await eventually(async () => (await redis.cli('--scan', '--pattern', 'traefikoidc:token:*')) !== '')
    const key = await redis.cli('--scan', '--pattern', 'traefikoidc:token:*')
    await redis.cli('SETRANGE', key, '60', 'xxxx')
    assert.equal((await ask(other, `Bearer ${opaque}`)).status, 200)
    assert.equal(provider.calls.introspection, 2)
  })

  test('by other rules a verdict is none: another audience, another answer', async (t) => {
    const { redis, provider, one } = await twoReplicas(t)
    await ask(one, `Bearer ${opaque}`)
    await eventually(async () => (await redis.cli('--scan', '--pattern', 'traefikoidc:token:*')) !== '')
    const stricter = await startTestApp(t, {
      sharedProvider: provider,
      config: {
        bearer: { enabled: true, audiences: ['https://another.example.com'] },
        allowOpaqueTokens: true,
        redis: { enabled: true, cacheMode: 'hybrid', address: `127.0.0.1:${redis.address.port}` },
      },
    })
    assert.equal((await ask(stricter, `Bearer ${opaque}`)).reason, 'token_audience')
  })

  test('a token that another replica was told about is of the provider that it is of, and held to its lists', async (t) => {
    const partner = await startProvider({ clientSecret: 'a fixture of a secret' })
    t.after(() => partner.close())
    const { providerURL, clientID, clientSecret } = {
      providerURL: partner.issuer,
      clientID: partner.clientID,
      clientSecret: 'a fixture of a secret',
    }
    const { redis, one, other } = await twoReplicas(t, {
      requireTokenIntrospection: true,
      providers: {
        partner: {
          providerURL,
          clientID,
          clientSecret,
          bearerAudiences: [apiAudience],
          allowedRolesAndGroups: ['guests'],
        },
      },
      rules: [{ path: '/staff', require: { providers: ['default'] } }],
    })
    partner.introspect = () => ({ sub: 'robot' })
    const token = await accessToken(partner, one.clock)
    const askAt = async (app: TestApp, uri: string) => {
      const reply = await app.ask('traefik', { uri, headers: { ...scriptHeaders, authorization: `Bearer ${token}` } })
      return reply.status === 200 ? 'let in' : (reply.json() as Claims)['reason']
    }
    const answers = [await askAt(one, '/'), await askAt(one, '/staff')]
    await eventually(async () => (await redis.cli('--scan', '--pattern', 'traefikoidc:token:*')) !== '')
    assert.deepEqual([await askAt(other, '/'), await askAt(other, '/staff')], answers)
    assert.deepEqual(answers, ['group_not_allowed', 'provider_not_allowed'])
    assert.equal(partner.calls.introspection, 1)
  })

  test('a made-up JWT costs no look into Redis, and leaves nothing there', async (t) => {
    const { redis, provider, one } = await twoReplicas(t)
    const forged = `${await accessToken(provider, one.clock)}x`
    assert.equal((await ask(one, `Bearer ${forged}`)).status, 401)
    assert.equal(await one.metric('foregate_cache_requests_total{kind="token",tier="l2",result="miss"}'), 0)
    assert.equal(await redis.cli('--scan', '--pattern', 'traefikoidc:token:*'), '')
  })

  test('keys that a new replica cannot have: a token that another one verified goes on, others get 503', async (t) => {
    const { redis, provider, one, other } = await twoReplicas(t)
    const [known, unknown] = [await accessToken(provider, one.clock), await accessToken(provider, one.clock)]
    assert.equal((await ask(one, `Bearer ${known}`)).status, 200)
    await eventually(async () => (await redis.cli('--scan', '--pattern', 'traefikoidc:token:*')) !== '')
    for (const key of (await redis.cli('--scan', '--pattern', 'traefikoidc:jwks:*')).split('\n'))
      await redis.cli('DEL', key)
    provider.fault('jwks', { status: 500 })
    assert.equal((await ask(other, `Bearer ${known}`)).status, 200)
    assert.equal((await ask(other, `Bearer ${unknown}`)).status, 503)
    provider.fault('jwks', undefined)
  })

  for (const [replay, status] of [
    ['local', 200],
    ['closed', 503],
  ] as const) {
    test(`outage.replay: ${replay}: while Redis is away a token of single use gets ${status}, and never counts twice here`, async (t) => {
      const { redis, provider, one } = await twoReplicas(t, { bearer: { oneTime: true }, outage: { replay } })
      const token = await accessToken(provider, one.clock)
      await redis.kill()
      assert.equal((await ask(one, `Bearer ${token}`)).status, status)
      assert.notEqual((await ask(one, `Bearer ${token}`)).status, 200)
    })
  }
})

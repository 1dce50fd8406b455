// A client that is registered by the deployment itself (RFC 7591, RFC 7592): once, whoever asks, and for as long as it is needed.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test, type TestContext } from 'node:test'
import { createLeases } from '../../src/cache/lease.ts'
import type { RegistrationConfig } from '../../src/config/config.ts'
import { createClientStore } from '../../src/oidc/client-store.ts'
import type { OpenIDProvider } from '../../src/oidc/openid-provider.ts'
import { createSealer } from '../../src/sealing.ts'
import { days, hours, minutes } from '../../src/time.ts'
import { createFakeCache, type FakeCache } from '../fixtures/fake-cache.ts'
import { unavailable } from '../fixtures/fake-store.ts'
import type { FaultyProviderOptions } from '../fixtures/provider.ts'
import { aWorld, configFor, flow, outcomeOf } from './setup.ts'

const redirectURIs = [flow.redirectURI]
const key = Buffer.from('k9Jv2mPq8sXw4zB7nD1fG5hL0tRyUcEa')

async function aDeployment(t: TestContext, settings: FaultyProviderOptions = {}) {
  const world = await aWorld(t, { provider: { registers: true, ...settings }, start: false })
  const { op, time, another } = world
  const first = createFakeCache({ clock: time.clock })

  function replica(
    changes: Partial<RegistrationConfig> = {},
    cache: FakeCache = createFakeCache({ clock: time.clock, beside: first }),
  ) {
    const registration: RegistrationConfig = {
      endpoint: undefined,
      initialAccessToken: undefined,
      authMethod: 'client_secret_basic',
      metadata: { client_name: 'Foregate', redirect_uris: redirectURIs },
      ...changes,
    }
    const provider = another({
      config: configFor(op, { clientID: '', clientSecret: undefined, registration }),
      registration: {
        store: createClientStore({
          cache,
          sealer: createSealer([key], 'client', randomBytes),
          scope: 'scope',
          clock: time.clock,
        }),
        leases: createLeases({ store: cache.store, timer: time.timer, randomBytes }),
        scope: 'scope',
      },
    })
    provider.start()
    return { provider, cache }
  }

  /** Time goes on slowly enough for what is on its way over loopback. */
  async function until(what: string, isSo: () => boolean): Promise<void> {
    for (let turn = 0; turn < 20_000; turn++) {
      if (isSo()) return
      if (turn % 100 === 99) time.advance(100)
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.fail(`never: ${what}`)
  }
  const untilReady = (...providers: OpenIDProvider[]) =>
    until('ready', () => providers.every((provider) => provider.status() === 'ready'))
  const quiet = () =>
    until(
      'quiet',
      (() =>
        (
          (turns) => () =>
            turns++ > 3_000
        )(0))(),
    )

  async function logIn(provider: OpenIDProvider) {
    const address = await provider.authorizationURL(flow)
    const answer = await fetch(address, { redirect: 'manual' })
    const query = URL.parse(answer.headers.get('location') ?? '')?.search.slice(1) ?? ''
    return provider.exchangeCode({ ...flow, query })
  }
  const clientOf = async (provider: OpenIDProvider) =>
    (await provider.authorizationURL(flow)).searchParams.get('client_id')
  return { ...world, replica, until, untilReady, quiet, logIn, clientOf, first }
}

describe('a deployment registers its client', () => {
  test('once for three replicas that start at once, and all log people in with it', async (t) => {
    const { op, replica, untilReady, logIn, log } = await aDeployment(t)
    const replicas = [replica(), replica(), replica()].map(({ provider }) => provider)
    for (const provider of replicas) assert.equal(provider.status(), 'starting')
    await untilReady(...replicas)
    assert.equal(op.calls.registration, 1)
    for (const provider of replicas) {
      const { tokens } = await logIn(provider)
      assert.equal(await outcomeOf(provider.refresh(tokens, { issuer: op.issuer, subject: 'alice' })), 'ok')
    }
    assert.equal(log.lines.filter(({ event }) => event === 'client_registered').length, 1)
  })

  test('with what it was told to show, and keeps it sealed', async (t) => {
    const { op, replica, untilReady, first, log } = await aDeployment(t, { initialAccessToken: 'initial-token-1' })
    await untilReady(replica({ initialAccessToken: 'initial-token-1' }).provider)
    const [[id, { secret, token }] = assert.fail('none')] = op.registrations
    const stored = (await first.store.get({ kind: 'client', id: 'scope' })) ?? assert.fail('not kept')
    for (const text of [id, secret, token]) assert.equal(stored.includes(text), false)
    for (const text of [secret, token, 'initial-token-1']) assert.equal(JSON.stringify(log.lines).includes(text), false)
  })

  test('and finds it again after a restart', async (t) => {
    const { op, replica, untilReady, clientOf } = await aDeployment(t)
    const before = replica()
    await untilReady(before.provider)
    const id = await clientOf(before.provider)
    before.provider.stop()
    const after = replica()
    await untilReady(after.provider)
    assert.equal(await clientOf(after.provider), id)
    assert.equal(op.calls.registration, 1)
  })

  test('not while nobody knows whether there is one: the store cannot be asked', async (t) => {
    const { op, replica, quiet, untilReady, first, log } = await aDeployment(t)
    const cache = createFakeCache({ clock: () => 0, beside: first })
    cache.store.down = true
    const { provider } = replica({}, cache)
    await quiet()
    assert.equal(op.calls.registration, 0)
    assert.equal(provider.status(), 'starting')
    assert.equal(await outcomeOf(provider.authorizationURL(flow)), 'PROVIDER_UNAVAILABLE')
    assert.equal(log.lines.filter(({ event }) => event === 'client_registration_failed').length, 1)
    cache.store.down = false
    await untilReady(provider)
    assert.equal(op.calls.registration, 1)
  })

  test('and goes on with it while the store is away, and gives it back to one that lost it', async (t) => {
    const { op, replica, untilReady, until, logIn, time, first } = await aDeployment(t)
    const { provider, cache } = replica()
    await untilReady(provider)
    cache.store.down = true
    time.advance(minutes(2))
    await logIn(provider)
    cache.store.down = false
    await first.store.delete({ kind: 'client', id: 'scope' })
    time.advance(minutes(2))
    let isBack = false
    await until('back', () => {
      void first.store.memory.get({ kind: 'client', id: 'scope' }).then((found) => (isBack = found !== undefined))
      return isBack
    })
    const other = replica()
    await untilReady(other.provider)
    assert.equal(op.calls.registration, 1)
  })

  test('and where its answer could not be written, nobody registers another one meanwhile', async (t) => {
    const { op, replica, untilReady, until, first } = await aDeployment(t)
    const owner = replica()
    for (let time = 0; time < 3; time++) owner.cache.store.once('set', unavailable)
    await until('registered', () => op.calls.registration === 1)
    const other = replica()
    await untilReady(owner.provider, other.provider)
    assert.equal(op.calls.registration, 1)
    assert.ok(await first.store.get({ kind: 'client', id: 'scope' }))
  })
})

describe('a registered client', () => {
  const lifetime = days(30) / 1_000

  for (const managesClients of [true, false]) {
    test(`is renewed before its secret ends, ${managesClients ? 'as it is' : 'by another one where it cannot be changed'}, once`, async (t) => {
      const { op, replica, untilReady, until, logIn, clientOf, time, log } = await aDeployment(t, {
        managesClients,
        secretLifetime: lifetime,
        accessTokenLifetime: lifetime,
        idTokenLifetime: lifetime,
      })
      const [one, other] = [replica().provider, replica().provider]
      await untilReady(one, other)
      const before = await clientOf(one)
      const { tokens } = await logIn(one)
      time.advance(days(28))
      await logIn(other)
      assert.equal(op.calls.registration, 1)
      time.advance(days(1) + hours(1))
      await until(
        'renewed',
        () => log.lines.filter(({ event }) => /^client_(registered|updated)$/.test(event)).length === 2,
      )
      time.advance(minutes(2))
      const after = async () => [await clientOf(one), await clientOf(other)]
      let found = await after()
      await until('known to both', () => {
        void after().then((now) => (found = now))
        return managesClients || found.every((id) => id !== before)
      })
      assert.equal(found[0], found[1])
      assert.equal(found[0] === before, managesClients)
      // Both still know the client that the session's tokens are of, and log in with the new one.
      const expected = { issuer: op.issuer, subject: 'alice' }
      const renewed = await other.refresh(tokens, expected)
      assert.equal(await outcomeOf(one.refresh(renewed.tokens, expected)), 'ok')
      await logIn(one)
      await logIn(other)
      assert.equal(op.calls.registration, 2)
    })
  }

  test('whose secret has ended while nobody ran is registered anew', async (t) => {
    const { op, replica, untilReady, clientOf, time } = await aDeployment(t, { secretLifetime: 3_600 })
    const before = replica().provider
    await untilReady(before)
    const id = await clientOf(before)
    before.stop()
    time.advance(hours(2))
    const after = replica().provider
    await untilReady(after)
    assert.notEqual(await clientOf(after), id)
    assert.equal(op.registrations.size, 2)
  })

  test('of a provider that says nothing about its end has none', async (t) => {
    const { op, replica, untilReady, logIn, quiet, time } = await aDeployment(t, { secretLifetime: undefined })
    const { provider } = replica()
    await untilReady(provider)
    for (let month = 0; month < 3; month++) {
      time.advance(days(29))
      await quiet()
    }
    await logIn(provider)
    assert.equal(op.calls.registration, 1)
  })

  test('with a new secret is found by who had the old one, and no login or refresh is lost', async (t) => {
    const { op, replica, untilReady, logIn } = await aDeployment(t)
    const [one, other] = [replica().provider, replica().provider]
    await untilReady(one, other)
    const { tokens } = await logIn(other)
    // A replica that starts with other redirect URIs tells them, and gets a new secret with that.
    const third = replica({
      metadata: { client_name: 'New', redirect_uris: [...redirectURIs, 'https://b.example/cb'] },
    })
    await untilReady(third.provider)
    while (op.calls.registration < 2) await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual([...op.registrations.values()][0]?.metadata['redirect_uris'], [
      ...redirectURIs,
      'https://b.example/cb',
    ])
    assert.equal(await outcomeOf(other.refresh(tokens, { issuer: op.issuer, subject: 'alice' })), 'ok')
    await logIn(one)
    assert.equal(op.registrations.size, 1)
    assert.equal(op.calls.registration, 2, 'those with the older options do not tell them again')
  })

  test('that the provider has forgotten is registered anew, once', async (t) => {
    const { op, replica, untilReady, logIn, clientOf, quiet } = await aDeployment(t)
    const { provider } = replica()
    await untilReady(provider)
    const id = (await clientOf(provider)) ?? ''
    await logIn(provider)
    op.forgetClient(id)
    // A provider with clients of its own: ours is none of them.
    op.clientRefusal = { status: 401, error: 'invalid_client' }
    const refused = { accessToken: 'a', idToken: undefined, refreshToken: 'rt-unknown' }
    await outcomeOf(provider.refresh(refused, { issuer: op.issuer, subject: 'alice' }))
    assert.notEqual(await clientOf(provider), id)
    await logIn(provider)
    const { registration } = op.calls
    op.fault('refresh', { status: 401, body: { error: 'invalid_client' } })
    for (let round = 0; round < 5; round++) {
      assert.equal(
        await outcomeOf(provider.refresh(refused, { issuer: op.issuer, subject: 'alice' })),
        'PROVIDER_UNAVAILABLE',
        'nothing is held against a session',
      )
    }
    await quiet()
    assert.equal(op.calls.registration, registration, 'a provider that refuses what it has made is not flooded')
  })
})

describe('a registration that does not come about', () => {
  const refusals: [name: string, fault: { status: number; body: unknown }, words: RegExp][] = [
    [
      'a redirect URI',
      { status: 400, body: { error: 'invalid_redirect_uri', error_description: 'not ours' } },
      /not ours.*publicURL/,
    ],
    ['other metadata', { status: 400, body: { error: 'invalid_client_metadata' } }, /clientMetadata/],
    ['whoever shows no token', { status: 401, body: { error: 'invalid_token' } }, /initialAccessToken/],
    ['all', { status: 403, body: '<html>' }, /initialAccessToken/],
    ['with a page', { status: 200, body: '<html>' }, /not a JSON object/],
    ['with no id', { status: 201, body: { client_secret: 's' } }, /no usable client_id/],
    ['with no secret', { status: 201, body: { client_id: 'c' } }, /no usable client_secret/],
    [
      'with less than was asked for',
      { status: 201, body: { client_id: 'c', token_endpoint_auth_method: 'none' } },
      /clientAuthMethod/,
    ],
    [
      'with a secret of yesterday',
      { status: 201, body: { client_id: 'c', client_secret: 's', client_secret_expires_at: 1 } },
      /has ended/,
    ],
  ]
  for (const [name, fault, words] of refusals) {
    test(`because the provider refuses ${name} is told once, in plain words, and asked for rarely`, async (t) => {
      const { op, replica, until, quiet, log } = await aDeployment(t)
      op.fault('registration', fault)
      const { provider } = replica()
      const lines = () => log.lines.filter(({ event }) => event === 'client_registration_failed')
      await until('told', () => lines().length > 0)
      assert.match(String(lines()[0]?.['detail']), words)
      assert.equal(lines()[0]?.level, 'error')
      assert.equal(provider.status(), 'starting')
      await quiet()
      assert.equal(op.calls.registration, 1)
      assert.equal(lines().length, 1)
    })
  }

  test('for want of an answer is tried again, and told once', async (t) => {
    const { op, replica, untilReady, log } = await aDeployment(t)
    op.fault('registration', { status: 503, body: 'down', times: 4 })
    await untilReady(replica().provider)
    assert.equal(op.calls.registration, 5)
    assert.equal(log.lines.filter(({ event }) => event === 'client_registration_failed').length, 1)
  })

  test('for want of an address says so', async (t) => {
    const { replica, until, log } = await aDeployment(t, { registers: false })
    replica()
    await until('told', () => log.lines.some(({ event }) => event === 'client_registration_failed'))
    const line = log.lines.find(({ event }) => event === 'client_registration_failed')
    assert.match(String(line?.['detail']), /names no registration_endpoint.*registrationEndpoint/)
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ProviderConfig } from '../../src/config/config.ts'
import { hours, minutes, seconds } from '../../src/time.ts'
import { parseMetadata } from '../../src/oidc/metadata.ts'
import type { Fault } from '../fixtures/provider.ts'
import { aWorld, configFor, flow, outcomeOf, settled } from './setup.ts'

/** Once so many requests have ended, and what follows from that has happened. Asks for nothing, as a person would. */
async function ended(requests: readonly string[], count: number): Promise<void> {
  while (requests.length < count) await new Promise((resolve) => setImmediate(resolve))
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
}

const bad: [name: string, change: (document: Record<string, unknown>) => unknown][] = [
  ['has another issuer', (document) => ({ ...document, issuer: 'https://evil.example' })],
  ['has our issuer with a slash', (document) => ({ ...document, issuer: `${String(document['issuer'])}/` })],
  ['has no issuer', (document) => ({ ...document, issuer: undefined })],
  ['is a list', (document) => [document]],
  ['is null', () => null],
  ['is a page of HTML', () => '<html>sign in to the hotel</html>'],
  ['lacks the authorization endpoint', (document) => ({ ...document, authorization_endpoint: undefined })],
  ['lacks the token endpoint', (document) => ({ ...document, token_endpoint: undefined })],
  ['lacks the keys', (document) => ({ ...document, jwks_uri: undefined })],
  ['has a token endpoint that is a list', (document) => ({ ...document, token_endpoint: ['https://a.example/'] })],
  ['sends codes over plain http', (document) => ({ ...document, token_endpoint: 'http://op.example/token' })],
  ['has a javascript: endpoint', (document) => ({ ...document, authorization_endpoint: 'javascript:alert(1)' })],
]

describe('a discovery document', () => {
  for (const [name, change] of bad) {
    test(`that ${name} is not used`, async (t) => {
      const { op, provider, log } = await aWorld(t, { provider: { discovery: change } })
      assert.equal(provider.status(), 'starting')
      assert.equal(await outcomeOf(provider.authorizationURL(flow)), 'PROVIDER_UNAVAILABLE')
      assert.equal(log.lines.find(({ event }) => event === 'provider_unavailable')?.reason, 'discovery_invalid')
      assert.equal(op.calls.discovery, 1)
    })
  }

  test('may name plain http endpoints when the operator allows it', async (t) => {
    const { provider } = await aWorld(t, {
      provider: { discovery: (document) => ({ ...document, token_endpoint: 'http://op.example/token' }) },
      config: { allowInsecureProvider: true },
    })
    assert.equal(provider.status(), 'ready')
  })

  test('that advertises no algorithms means RS256, the one that all must know (Core 15.1)', async (t) => {
    const { login } = await aWorld(t, {
      provider: {
        algorithm: 'ES256',
        discovery: (document) => ({ ...document, id_token_signing_alg_values_supported: undefined }),
      },
    })
    assert.equal(await outcomeOf(login()), 'id_token_algorithm')
  })

  for (const alg of ['none', 'HS256', 'RS256', 'ES512']) {
    test(`that advertises none and HS256 does not make them acceptable: ${alg} is refused by its name (C12)`, async (t) => {
      const { op, login } = await aWorld(t, {
        provider: {
          discovery: (document) => ({ ...document, id_token_signing_alg_values_supported: ['none', 'HS256', 'ES256'] }),
        },
      })
      const encoded = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url')
      op.idToken = ({ claims }) => `${encoded({ alg })}.${encoded(claims)}.${alg === 'none' ? '' : 'AAAA'}`
      await assert.rejects(login(), {
        reason: 'id_token_algorithm',
        message: new RegExp(`signed with ${alg}, the provider announced ES256`),
      })
    })
  }

  test('without any algorithm that we accept is not used, and the log names both sides (C12)', async (t) => {
    const { provider, log } = await aWorld(t, {
      provider: {
        discovery: (document) => ({ ...document, id_token_signing_alg_values_supported: ['none', 'HS256'] }),
      },
    })
    assert.equal(provider.status(), 'starting')
    assert.match(String(log.lines[0]?.['detail']), /signs ID tokens with none, HS256, we accept RS256, /)
    await assert.rejects(provider.authorizationURL(flow), /not known yet: .*HS256/)
  })

  const offers: [configured: ProviderConfig['clientAuthMethod'], offered: unknown, isTold: boolean][] = [
    ['client_secret_basic', ['client_secret_post', 'private_key_jwt'], true],
    ['client_secret_basic', [], true],
    ['client_secret_post', ['client_secret_post'], false],
    ['client_secret_basic', undefined, false],
    ['client_secret_basic', 'client_secret_post', false],
    ['none', ['client_secret_post'], false],
  ]
  for (const [configured, offered, isTold] of offers) {
    test(`that offers ${JSON.stringify(offered)} to a client with ${configured} is ${isTold ? 'warned of, once' : 'fine'}`, async (t) => {
      const { op, time, log, cache } = await aWorld(t, {
        provider: { discovery: (document) => ({ ...document, token_endpoint_auth_methods_supported: offered }) },
        config: { clientAuthMethod: configured },
      })
      const next = op.nextCall('discovery')
      const kept = new Promise<void>((resolve) => {
        cache.metadata.set = async () => resolve()
      })
      time.advance(hours(1))
      await next
      await kept
      const lines = log.lines.filter(({ event }) => event === 'provider_auth_method')
      assert.equal(lines.length, isTold ? 1 : 0)
      for (const { message } of lines) assert.match(message, /clientAuthMethod is client_secret_basic, the provider/)
    })
  }

  const tenant = '9188040d-6c67-4c5b-b112-36a304b66dad'
  const issuers: [name: string, document: string, issuer: string, isFine: boolean][] = [
    ['of the tenant', `https://l.example/${tenant}/v2.0`, `https://l.example/${tenant}/v2.0`, true],
    ['of any tenant, for one of them', 'https://l.example/{tenantid}/v2.0', `https://l.example/${tenant}/v2.0`, true],
    ['of any tenant, for all', 'https://l.example/{tenantid}/v2.0', 'https://l.example/common/v2.0', false],
    ['of any tenant, as it is', 'https://l.example/{tenantid}/v2.0', 'https://l.example/{tenantid}/v2.0', false],
    ['of any tenant, elsewhere', 'https://evil.example/{tenantid}/v2.0', `https://l.example/${tenant}/v2.0`, false],
    ['of any tenant, twice', 'https://l.example/{tenantid}/{tenantid}', `https://l.example/${tenant}/${tenant}`, false],
    [
      'of another tenant',
      `https://l.example/${tenant}/v2.0`,
      `https://l.example/${tenant.replace('9', '8')}/v2.0`,
      false,
    ],
    [
      'of any tenant, with a path in its place',
      'https://l.example/{tenantid}/v2.0',
      'https://l.example/a/b/v2.0',
      false,
    ],
  ]
  for (const [name, document, issuer, isFine] of issuers) {
    test(`whose issuer is ${name}: ${isFine ? 'used' : 'not used'} (C14)`, () => {
      const endpoint = 'https://l.example/x'
      const endpoints = { authorization_endpoint: endpoint, token_endpoint: endpoint, jwks_uri: endpoint }
      const parse = () => parseMetadata({ issuer: document, ...endpoints }, issuer, { allowInsecure: false })
      if (isFine) assert.equal(parse().issuer, issuer)
      else assert.throws(parse, /the provider calls itself/)
    })
  }
})

test('a provider on the network cannot send us to our own loopback', () => {
  const issuer = 'https://op.example'
  const endpoints = { authorization_endpoint: `${issuer}/a`, token_endpoint: `${issuer}/t`, jwks_uri: `${issuer}/k` }
  assert.ok(parseMetadata({ issuer, ...endpoints }, issuer, { allowInsecure: false }))
  const document = { issuer, ...endpoints, jwks_uri: 'http://127.0.0.1:6379/' }
  assert.throws(() => parseMetadata(document, issuer, { allowInsecure: false }), /jwks_uri/)
})

describe('discovery', () => {
  const failures: [name: string, fault: Fault][] = [
    ['status 500', { status: 500 }],
    ['status 404', { status: 404 }],
    ['a redirect elsewhere', { status: 302, headers: { location: 'https://evil.example/' } }],
    ['a cut connection', { drop: true }],
    ['ten megabytes', { body: ' '.repeat(10_000_000) }],
  ]
  for (const [name, fault] of failures) {
    test(`that meets ${name} at start is repeated until it succeeds`, async (t) => {
      const { op, provider, time, log, requests } = await aWorld(t, { start: false })
      op.fault('discovery', { ...fault, times: 3 })
      provider.start()
      for (const [attempt, delay] of [750, 1_500, 3_000].entries()) {
        await ended(requests, attempt + 1)
        assert.equal(provider.status(), 'starting')
        time.advance(delay - 1)
        await ended(requests, attempt + 1)
        const calls = op.calls.discovery
        const next = op.nextCall('discovery')
        time.advance(1)
        await next
        assert.equal(op.calls.discovery, calls + 1)
      }
      await ended(requests, 4)
      assert.equal(provider.status(), 'ready')
      assert.deepEqual(
        log.lines.map(({ event }) => event),
        ['provider_unavailable', 'provider_ready'],
        'one line per change of state',
      )
    })
  }

  test('is not driven by the logins that wait for it', async (t) => {
    const { op, provider, time } = await aWorld(t, { start: false })
    op.fault('discovery', { hang: true })
    provider.start()
    await op.nextCall('discovery')
    const outcomes = Promise.all(Array.from({ length: 50 }, () => outcomeOf(provider.authorizationURL(flow))))
    time.advance(seconds(5))
    assert.deepEqual(new Set(await outcomes), new Set(['PROVIDER_UNAVAILABLE']))
    assert.equal(op.calls.discovery, 1)
  })

  test('is begun at once for a person who waits, instead of after the back-off, once for all who wait (E7)', async (t) => {
    const { op, provider, time, requests } = await aWorld(t, { start: false })
    op.fault('discovery', { status: 503 })
    provider.start()
    for (let attempt = 1; attempt <= 4; attempt++) {
      await ended(requests, attempt)
      time.advance(seconds(5))
    }
    await ended(requests, 5)
    op.fault('discovery', undefined)
    time.advance(seconds(1))
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => outcomeOf(provider.authorizationURL(flow))))
    assert.deepEqual(new Set(outcomes), new Set(['ok']))
    assert.equal(op.calls.discovery, 6)
  })

  test('is begun no more than once a second, however many come and wait (E7)', async (t) => {
    const { op, provider, time } = await aWorld(t, { start: false })
    op.fault('discovery', { status: 503 })
    provider.start()
    for (let count = 0; count < 20; count++)
      assert.equal(await outcomeOf(provider.authorizationURL(flow)), 'PROVIDER_UNAVAILABLE')
    assert.equal(op.calls.discovery, 1)
    time.advance(seconds(1))
    for (let count = 0; count < 20; count++) await outcomeOf(provider.authorizationURL(flow))
    assert.equal(op.calls.discovery, 2)
  })

  test('of an unknown provider is repeated at least each five seconds, so that a replica is ready soon after it (E7)', async (t) => {
    const { op, provider, time, requests } = await aWorld(t, { start: false })
    op.fault('discovery', { status: 503 })
    provider.start()
    for (let attempt = 1; attempt <= 20; attempt++) {
      await ended(requests, attempt)
      time.advance(seconds(5))
    }
    assert.equal(provider.status(), 'starting')
  })

  test('goes to discoveryURL where it is given, and the issuer must be providerURL all the same (C14)', async (t) => {
    const { op, another } = await aWorld(t, { start: false })
    const provider = another({ config: configFor(op, { discoveryURL: `${op.issuer}/elsewhere?p=b2c` }) })
    provider.start()
    await settled(provider)
    assert.equal(provider.status(), 'starting')
    const found = another({
      config: configFor(op, { discoveryURL: `${op.issuer}/.well-known/openid-configuration?p=1` }),
    })
    found.start()
    await settled(found)
    assert.equal(found.status(), 'ready')
    assert.equal(op.received.at(-1)?.query.get('p'), '1')
    const other = another({
      config: configFor(op, {
        providerURL: 'https://other.example',
        discoveryURL: `${op.issuer}/.well-known/openid-configuration`,
      }),
    })
    other.start()
    await assert.rejects(other.authorizationURL(flow), /calls itself/)
  })

  test('is repeated within the hour, and what it finds is used', async (t) => {
    const { op, provider, time, cache } = await aWorld(t)
    op.discovery = (document) => ({ ...document, authorization_endpoint: `${op.issuer}/new` })
    const next = op.nextCall('discovery')
    const kept = new Promise<void>((resolve) => {
      cache.metadata.set = async () => resolve()
    })
    time.advance(hours(1))
    await next
    await kept
    assert.equal((await provider.authorizationURL(flow)).pathname, '/new')
  })

  test('that fails for less than a day leaves the known provider in use; after a day it is unknown', async (t) => {
    const { op, provider, time, login, log } = await aWorld(t)
    assert.equal(await outcomeOf(login()), 'ok')
    op.fault('discovery', { status: 500 })
    const line = log.next('provider_unavailable')
    time.advance(hours(1))
    assert.match(JSON.stringify(await line), /known so far/)
    assert.equal(provider.status(), 'failing')
    assert.equal(await outcomeOf(login()), 'ok')
    time.advance(hours(22) + minutes(59))
    assert.equal(await outcomeOf(login()), 'ok')
    time.advance(minutes(1))
    assert.equal(await outcomeOf(login()), 'PROVIDER_UNAVAILABLE')
  })

  test('of a restarted replica is answered from the shared cache while the provider is down', async (t) => {
    const { op, another, time } = await aWorld(t)
    op.fault('discovery', { status: 500 })
    const fresh = another()
    fresh.start()
    await settled(fresh)
    assert.equal(fresh.status(), 'ready')
    assert.equal(op.calls.discovery, 1)
    time.advance(hours(2))
    const late = another()
    late.start()
    await settled(late)
    assert.equal(await outcomeOf(late.authorizationURL(flow)), 'ok')
  })

  test('of a restarted replica does not use what is older than a day', async (t) => {
    const { op, another, time } = await aWorld(t)
    op.fault('discovery', { status: 500 })
    time.advance(hours(24))
    const replica = another()
    replica.start()
    await settled(replica)
    assert.equal(replica.status(), 'starting')
  })

  for (const [name, json] of [
    ['damaged', '{'],
    ['of another shape', '[]'],
    ['of another provider', '{"fetchedAt":1795435200000,"document":{"issuer":"https://evil.example"}}'],
    ['from the year 1970', '{"fetchedAt":0,"document":{}}'],
  ] satisfies [string, string][]) {
    test(`passes over a cached document that is ${name}`, async (t) => {
      const { op, another, cache } = await aWorld(t)
      for (const id of cache.metadata.entries.keys()) cache.metadata.entries.set(id, json)
      const replica = another()
      replica.start()
      await settled(replica)
      assert.equal(replica.status(), 'ready')
      assert.equal(op.calls.discovery, 2)
    })
  }

  test('ends with stop()', async (t) => {
    const { op, provider, time } = await aWorld(t)
    provider.stop()
    time.advance(hours(5))
    await settled(provider)
    assert.equal(op.calls.discovery, 1)
  })
})

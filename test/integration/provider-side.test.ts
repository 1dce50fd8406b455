// What we do for a provider beyond the usual, at one that is real and strict (oidc-provider): pushed requests, tokens bound to a key,
// a client that is known by its certificate, a client that registers itself.
import assert from 'node:assert/strict'
import { randomBytes, X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { test, type TestContext } from 'node:test'
import { Agent, fetch } from 'undici'
import { createLeases } from '../../src/cache/lease.ts'
import type { ProviderConfig } from '../../src/config/config.ts'
import { createClientStore } from '../../src/oidc/client-store.ts'
import { createProvider } from '../../src/oidc/openid-provider.ts'
import { createPlatform } from '../../src/runtime.ts'
import { createSealer } from '../../src/sealing.ts'
import { createMetrics } from '../../src/telemetry/prometheus.ts'
import type { DemoProviderOptions } from '../../deploy/demo/provider.ts'
import { createAuthority } from '../fixtures/certificates.ts'
import { createFakeCache } from '../fixtures/fake-cache.ts'
import { startOidcProvider } from '../fixtures/oidc-provider.ts'
import { missingProgram } from '../fixtures/programs.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'
import { configFor, flow, memoryCache } from '../oidc/setup.ts'

type Settings = Readonly<Record<string, unknown>>
const applicationOrigins = ['https://app.example.com']
const expected = (issuer: string) => ({ issuer, subject: 'alice' })

/** The usual provider with other features, and other properties of its client. */
const withFeatures =
  (features: Settings, client: Settings = {}, more: Settings = {}): NonNullable<DemoProviderOptions['configure']> =>
  (usual) => ({
    ...usual,
    ...more,
    features: { ...(usual['features'] as Settings), ...features },
    clients: (usual['clients'] as Settings[]).map((known) => ({ ...known, ...client })),
  })

async function aProvider(t: TestContext, options: Partial<DemoProviderOptions>, config: Partial<ProviderConfig>) {
  const op = await startOidcProvider({ applicationOrigins, ...options })
  t.after(() => op.stop())
  const platform = createPlatform()
  const log = recordedLog()
  const cache = createFakeCache({ clock: platform.clock })
  const scope = 'test'
  const replica = (changes: Partial<ProviderConfig> = {}) => {
    const provider = createProvider({
      ...platform,
      config: {
        ...configFor({ issuer: op.issuer, clientID: op.clientID, clientSecret: op.clientSecret } as never, config),
        ...changes,
      },
      claimsWanted: ['nowhere'],
      requireVerifiedEmail: false,
      admits: () => true,
      logger: log,
      metrics: createMetrics({ processMetrics: false }),
      cache: { metadata: memoryCache(), jwks: memoryCache() },
      noteCall: () => undefined,
      registration: {
        store: createClientStore({
          cache,
          sealer: createSealer([randomKey], 'client', randomBytes),
          scope,
          clock: Date.now,
        }),
        leases: createLeases({ store: cache.store, timer: platform.timer, randomBytes }),
        scope,
      },
    })
    t.after(() => provider.stop())
    provider.start()
    return provider
  }
  const browser = new Agent({ connect: { rejectUnauthorized: false } })
  t.after(() => browser.close())

  /** As Alice's browser goes there and comes back. */
  async function answerFor(address: URL): Promise<string> {
    const cookies = new Map<string, string>()
    let url = address
    for (let hop = 0; hop < 10; hop++) {
      if (url.href.startsWith(flow.redirectURI)) return url.search.slice(1)
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const isChoice = url.pathname.startsWith('/interaction/')
      const answer = await fetch(url, {
        dispatcher: browser,
        redirect: 'manual',
        headers: { cookie, ...(isChoice && { 'content-type': 'application/x-www-form-urlencoded' }) },
        ...(isChoice && { method: 'POST', body: 'person=alice' }),
      })
      for (const line of answer.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
        cookies.set(name, value)
      }
      const location =
        answer.headers.get('location') ?? assert.fail(`${url.href}: ${answer.status} ${await answer.text()}`)
      url = new URL(location, url)
    }
    assert.fail('redirects without end')
  }

  async function logIn(provider: ReturnType<typeof replica>) {
    const proofKey = await provider.newProofKey()
    const address = await provider.authorizationURL({ ...flow, proofKey })
    const query = await answerFor(address)
    return { address, grant: await provider.exchangeCode({ ...flow, query, proofKey }) }
  }
  return { op, replica, logIn, log }
}

const randomKey = randomBytes(32)

test('a provider that demands pushed requests and bound tokens, with nonces: login, UserInfo, refresh, revocation', async (t) => {
  const { op, replica, logIn, log } = await aProvider(
    t,
    {
      configure: withFeatures(
        {
          pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: true },
          dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true },
        },
        { dpop_bound_access_tokens: true },
      ),
    },
    { dpop: 'require' },
  )
  const one = replica()
  const { address, grant } = await logIn(one)
  assert.deepEqual([...address.searchParams.keys()].toSorted(), ['client_id', 'request_uri'])
  assert.equal(grant.isHalfKnown, false, 'UserInfo took the bound token')
  assert.ok(grant.tokens.proofKey)
  // Another replica, which has no nonce yet.
  const renewed = await replica().refresh(grant.tokens, expected(op.issuer))
  assert.notEqual(renewed.tokens.accessToken, grant.tokens.accessToken)
  await one.revoke(renewed.tokens)
  assert.deepEqual(
    log.lines.filter(({ level }) => level === 'warn' || level === 'error'),
    [],
  )
})

test('a client that is known by its certificate', { skip: missingProgram('openssl') }, async (t) => {
  const authority = createAuthority()
  t.after(() => authority.close())
  const server = authority.issue('server')
  const ours = authority.issue('foregate')
  const { op, replica, logIn } = await aProvider(
    t,
    {
      tls: { key: server.key, cert: server.cert, ca: authority.ca },
      configure: withFeatures(
        {
          mTLS: {
            enabled: true,
            tlsClientAuth: true,
            getCertificate: ({ req }: { req: IncomingMessage }) => {
              const { raw } = (req.socket as TLSSocket).getPeerCertificate()
              return raw === undefined ? undefined : new X509Certificate(raw)
            },
            certificateAuthorized: ({ req }: { req: IncomingMessage }) => (req.socket as TLSSocket).authorized,
            certificateSubjectMatches: ({ req }: { req: IncomingMessage }, _property: string, subject: string) =>
              `CN=${(req.socket as TLSSocket).getPeerCertificate().subject.CN?.toString()}` === subject,
          },
        },
        {
          token_endpoint_auth_method: 'tls_client_auth',
          tls_client_auth_subject_dn: 'CN=foregate',
          client_secret: undefined,
        },
        { clientAuthMethods: ['client_secret_basic', 'tls_client_auth'] },
      ),
    },
    { caPEM: authority.ca, clientAuthMethod: 'tls_client_auth', clientSecret: undefined },
  )
  const shown = ({ cert, key }: { cert: string; key: string }) => ({
    clientCertificate: { first: { cert, key }, read: () => ({ cert, key }) },
  })
  const { grant } = await logIn(replica(shown(ours)))
  assert.ok(await replica(shown(ours)).refresh(grant.tokens, expected(op.issuer)))
  await assert.rejects(logIn(replica(shown(authority.issue('somebody')))), /invalid_client/)
})

test('three replicas that register themselves: one client, which logs people in, changes and is found by the others', async (t) => {
  const { op, replica, logIn, log } = await aProvider(
    t,
    {
      configure: withFeatures({
        registration: { enabled: true, initialAccessToken: 'initial' },
        registrationManagement: { enabled: true, rotateRegistrationAccessToken: true },
      }),
    },
    { clientID: '', clientSecret: undefined },
  )
  const registration = (redirectURIs: readonly string[]) => ({
    registration: {
      endpoint: undefined,
      initialAccessToken: 'initial',
      authMethod: 'client_secret_basic' as const,
      metadata: {
        client_name: 'Foregate',
        redirect_uris: redirectURIs,
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'client_secret_basic',
      },
    },
  })
  const ready = async (provider: ReturnType<typeof replica>) => {
    while (provider.status() !== 'ready') await new Promise((resolve) => setImmediate(resolve))
    return provider
  }
  const same = registration([flow.redirectURI])
  const replicas = await Promise.all([replica(same), replica(same), replica(same)].map(ready))
  const events = (event: string) => log.lines.filter((line) => line.event === event).length
  assert.equal(events('client_registered'), 1)
  const grants = await Promise.all(replicas.map(async (provider) => (await logIn(provider)).grant))
  assert.ok(await replicas[1]?.refresh(grants[0]?.tokens ?? assert.fail(), expected(op.issuer)))
  const changed = await ready(replica(registration([flow.redirectURI, 'https://other.example.com/oauth2/callback'])))
  while (events('client_updated') === 0) await new Promise((resolve) => setImmediate(resolve))
  const clientOf = async (provider: typeof changed) =>
    (await provider.authorizationURL(flow)).searchParams.get('client_id')
  assert.equal(await clientOf(changed), await clientOf(replicas[0] ?? assert.fail()))
  await logIn(replicas[2] ?? assert.fail())
  assert.equal(events('client_registered'), 1)
})

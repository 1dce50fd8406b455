// What the decision endpoints do when something inside fails. How they answer when all is well is tested over a real port in
// test/integration/memory/.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileIdentityHeaders } from '../../src/access/identity-headers.ts'
import { compileRules } from '../../src/access/rules.ts'
import { ProviderUnavailable, StoreUnavailable } from '../../src/errors.ts'
import { createAddresses } from '../../src/http/addresses.ts'
import { createAuth, type AuthDeps } from '../../src/http/auth.ts'
import type { AuthRequest, Outcome } from '../../src/http/outcome.ts'
import { createBrowserCookies } from '../../src/http/browser-cookies.ts'
import { createTrustedPeers } from '../../src/http/client.ts'
import { createRefusals } from '../../src/http/refusals.ts'
import { createUntrustedPeerNotices } from '../../src/http/untrusted-peers.ts'
import { createPages } from '../../src/pages/create-pages.ts'
import type { Found, Sessions } from '../../src/session/sessions.ts'
import type { Session } from '../../src/session/session.ts'
import { createMetrics } from '../../src/telemetry/prometheus.ts'
import { load } from '../config/load-fixture.ts'
import { recordedLog } from '../oidc/setup.ts'

const session: Session = {
  id: 'i'.repeat(22),
  subject: 'alice',
  issuer: 'https://id.example.com',
  providerSessionId: undefined,
  claims: { email: 'alice@example.com' },
  createdAt: 0,
  expiresAt: 1,
  tokenExpiresAt: 1,
  refreshAt: 1,
  refreshable: false,
  generation: 1,
}
const ticket = 'i'.repeat(22) + 's'.repeat(43)
const found: Found = { kind: 'found', session, from: 'stale' }

const { config } = load({ text: 'excludedURLs: [/public]\nheaders: [{ name: X-Token, value: "{{.AccessToken}}" }]' })
const cookies = createBrowserCookies(config.cookies, { sessionMaxAgeMs: 1, passMaxAgeMs: 1 })
const pages = createPages(config.pages)

const notHere = () => {
  throw new Error('not part of this test')
}

function anAuth(sessions: Partial<Sessions>, overrides: Partial<AuthDeps> = {}) {
  const log = recordedLog()
  const metrics = createMetrics({ processMetrics: false })
  const auth = createAuth({
    rules: compileRules({ access: config.access }),
    identityHeaders: compileIdentityHeaders({ access: { ...config.access, headers: [] } }),
    sessions: {
      near: () => undefined,
      find: notHere,
      begin: notHere,
      end: notHere,
      tokens: notHere,
      passFor: notHere,
      nearSize: 0,
      nearBytes: 0,
      ...sessions,
    },
    cookies,
    peers: createTrustedPeers(['127.0.0.1']),
    untrusted: createUntrustedPeerNotices(log, () => 0),
    addresses: createAddresses({
      callbackPath: '/oauth2/callback',
      logoutPath: '/oauth2/logout',
      publicURL: undefined,
      forceHTTPS: true,
      cookieDomain: undefined,
      allowedRedirectHosts: [],
    }),
    endpoints: { answer: notHere, sendToProvider: notHere },
    refusals: createRefusals(pages),
    pages,
    describe: () => ({ user: 'alice', email: '', groups: [], preferredUsername: '' }),
    requestIdOf: () => 'r-1',
    withinBudget: (task) => task(),
    renewPass: false,
    metrics,
    stopwatch: () => 0,
    logger: log,
    ...overrides,
  })
  return { auth, log, metrics }
}

const request = (uri = '/', tickets = [ticket]): AuthRequest => ({
  method: 'GET',
  url: '/auth/traefik',
  peer: '127.0.0.1',
  headers: {
    cookie: tickets.map((value) => `${config.cookies.sessionName}=${value}`).join('; '),
    'x-forwarded-method': 'GET',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'app.example.com',
    'x-forwarded-uri': uri,
  },
})

async function statusOf(outcome: Outcome | Promise<Outcome>): Promise<number> {
  const settled = await outcome
  return settled.allow === undefined ? settled.answer.status : 200
}
const thrown = (error: unknown) => () => {
  throw error
}

test('a session that is near is answered without a promise', () => {
  const { auth } = anAuth({ near: () => session })
  const outcome = auth.forward('traefik', request())
  assert.equal(outcome instanceof Promise, false)
})

const failures: [name: string, error: unknown, status: number][] = [
  ['the store is away', new StoreUnavailable('away'), 503],
  ['the provider is away', new ProviderUnavailable('away'), 503],
  ['a mistake of ours', new TypeError('oops'), 500],
  ['something that is not even an error', 'oops', 500],
]
for (const [name, error, status] of failures) {
  test(`${name} while looking for the session: ${status}, no cookie touched, never 200, never 401`, async () => {
    const { auth } = anAuth({ find: () => Promise.reject(error instanceof Error ? error : new Error(String(error))) })
    const outcome = await auth.forward('traefik', request())
    assert.equal(await statusOf(outcome), status)
    assert.ok(outcome.allow === undefined && outcome.answer.cookies.length === 0)
    if (status === 503 && outcome.allow === undefined) assert.notEqual(outcome.answer.headers['retry-after'], undefined)
  })
}

const inside: [name: string, overrides: Partial<AuthDeps>, sessions: Partial<Sessions>][] = [
  ['the rules', { rules: { policyFor: thrown(new TypeError('oops')), meets: notHere } }, {}],
  [
    'the requirements',
    { rules: { policyFor: () => ({ kind: 'login', requirement: 0 }), meets: thrown(new TypeError('oops')) } },
    { near: () => session },
  ],
  ['the near copies', {}, { near: thrown(new TypeError('oops')) }],
  ['the cookies', { cookies: { ...cookies, tickets: thrown(new TypeError('oops')) } }, {}],
  ['the list of trusted peers', { peers: { includes: thrown(new TypeError('oops')), clientAddress: notHere } }, {}],
  [
    'the tokens for a header',
    { identityHeaders: compileIdentityHeaders({ access: config.access }) },
    { near: () => session, tokens: () => Promise.reject(new TypeError('oops')) },
  ],
  [
    'the trip to the provider',
    { endpoints: { answer: notHere, sendToProvider: () => Promise.reject(new TypeError('oops')) } },
    {},
  ],
]
for (const [name, overrides, sessions] of inside) {
  test(`any exception denies: one in ${name} is a 500 with a line in the log`, async () => {
    const { auth, log } = anAuth({ find: async () => ({ kind: 'absent', reason: 'unknown' }), ...sessions }, overrides)
    const asked = request()
    const navigating = { ...asked, headers: { ...asked.headers, accept: 'text/html' } }
    assert.equal(await statusOf(auth.forward('traefik', navigating)), 500)
    assert.deepEqual(
      log.lines.map(({ event, level }) => [level, event]),
      [['error', 'auth_failed']],
    )
  })
}

test('of two tickets the good one counts, though the store fails for the other', async () => {
  let asked = 0
  const find = async (): Promise<Found> => {
    asked++
    if (asked === 1) throw new StoreUnavailable('away')
    return found
  }
  assert.equal(await statusOf(anAuth({ find }).auth.forward('traefik', request('/', [ticket, ticket]))), 200)
})

test('of two tickets one is nobody’s and for the other the store fails: 503, for it may be the good one', async () => {
  let asked = 0
  const find = async (): Promise<Found> => {
    asked++
    if (asked === 1) throw new StoreUnavailable('away')
    return { kind: 'absent', reason: 'unknown' }
  }
  assert.equal(await statusOf(anAuth({ find }).auth.forward('traefik', request('/', [ticket, ticket]))), 503)
})

test('a public page needs no store', async () => {
  const find = () => Promise.reject(new StoreUnavailable('away'))
  assert.equal(await statusOf(anAuth({ find }).auth.forward('traefik', request('/public'))), 200)
})

test('who has no cookie costs no look into the store', async () => {
  const { auth } = anAuth({ near: notHere, find: notHere })
  assert.equal(await statusOf(auth.forward('traefik', request('/', []))), 401)
})

test('where a token is wanted in a header and the store is away: 503, never a 200 without it', async () => {
  const { auth } = anAuth(
    { near: () => session, tokens: () => Promise.reject(new StoreUnavailable('away')) },
    { identityHeaders: compileIdentityHeaders({ access: config.access }) },
  )
  assert.equal(await statusOf(auth.forward('traefik', request())), 503)
})

test('answers from a stale copy and from a pass are counted as what they are', async () => {
  for (const from of ['stale', 'pass'] as const) {
    const { auth, metrics } = anAuth({ find: async () => ({ ...found, from }) })
    await auth.forward('traefik', request())
    const labels = { contract: 'traefik', decision: 'allow', reason: from }
    assert.equal(metrics.decisions.with(labels).value, 1)
  }
})

test('renewPass: a 200 brings a new pass to a browser that has none, and only then', async () => {
  const deps = { renewPass: true }
  const sessions = { near: () => session, passFor: () => 'pass-value' }
  const fresh = await anAuth(sessions, deps).auth.forward('traefik', request())
  assert.ok(fresh.allow !== undefined && fresh.cookies?.[0]?.startsWith(`${config.cookies.passName}=pass-value;`))
  const asked = request()
  const headers = { ...asked.headers, cookie: `${asked.headers.cookie}; ${config.cookies.passName}=old` }
  const again = await anAuth(sessions, deps).auth.forward('traefik', { ...asked, headers })
  assert.ok(again.allow !== undefined && again.cookies?.length === 0)
})

test('a bad request is 400 where the proxy relays it and 403 where it would break the proxy', async () => {
  const broken = { ...request(), headers: {} }
  const { auth } = anAuth({})
  const statuses = await Promise.all(
    (['traefik', 'caddy', 'haproxy', 'nginx', 'envoy', 'oauth2-proxy'] as const).map((contract) =>
      statusOf(auth.forward(contract, broken)),
    ),
  )
  assert.deepEqual(statuses, [400, 400, 400, 403, 403, 403])
})

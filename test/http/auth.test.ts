// What the decision endpoints do when something inside fails. How they answer when all is well is tested over a real port in
// test/integration/memory/.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DenialReason } from '../../src/access/access.ts'
import { compileIdentityHeaders } from '../../src/access/identity-headers.ts'
import { compileRules } from '../../src/access/rules.ts'
import { contractNames, type Contract } from '../../src/config/contracts.ts'
import { ProviderUnavailable, StoreUnavailable } from '../../src/errors.ts'
import { createAdmissions, type AdmissionsDeps } from '../../src/http/admissions.ts'
import { defaultAddresses } from '../fixtures/addresses.ts'
import { oneProvider } from '../fixtures/providers.ts'
import { fakeProvider } from '../session/world.ts'
import type { HttpResponse } from '../../src/http/http-response.ts'
import { createAuth, type AuthDeps } from '../../src/http/auth.ts'
import type { AuthRequest, AuthDecision } from '../../src/http/auth-decision.ts'
import { createBrowserCookies } from '../../src/http/browser-cookies.ts'
import { createChallenges } from '../../src/http/challenges.ts'
import { createTrustedPeers } from '../../src/http/client.ts'
import { createReaders } from '../../src/http/contracts.ts'
import { createDenials } from '../../src/http/denials.ts'
import type { Endpoints } from '../../src/http/endpoints.ts'
import { createPassRenewal } from '../../src/http/pass-renewal.ts'
import { createProviderChoice } from '../../src/http/provider-choice.ts'
import { createRefusals } from '../../src/http/refusals.ts'
import { createRelayedPaths } from '../../src/http/relayed-paths.ts'
import { createUntrustedPeerNotices } from '../../src/http/untrusted-peers.ts'
import { createPages } from '../../src/pages/create-pages.ts'
import type { LookupResult } from '../../src/session/lookup-result.ts'
import type { Sessions } from '../../src/session/sessions.ts'
import { createMetrics } from '../../src/telemetry/prometheus.ts'
import { aRule } from '../access/fixtures.ts'
import { load } from '../config/load-fixture.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'
import { aSession } from '../fixtures/session.ts'

/** One, which needs no choice. */
const anyProvider = createProviderChoice(oneProvider(fakeProvider(() => 0)), {
  policyFor: () => ({ kind: 'login', requirements: [0] }),
  admitsProvider: () => true,
})

const session = aSession({ claims: { email: 'alice@example.com' } })
const ticket = session.id + 's'.repeat(43)
const found: LookupResult = { kind: 'found', session, from: 'stale' }

const { config } = load({ text: 'excludedURLs: [/public]\nheaders: [{ name: X-Token, value: "{{.AccessToken}}" }]' })
const cookies = createBrowserCookies(config.cookies, { sessionMaxAgeMs: 1, passMaxAgeMs: 1 })
const pages = createPages(config.pages)

const notHere = () => {
  throw new Error('not part of this test')
}

/** What a test says is otherwise; `endpoints` is for all who use them. */
type Overrides = Partial<AuthDeps & Pick<AdmissionsDeps, 'identityHeaders'>> & {
  readonly endpoints?: Endpoints
  readonly renewPass?: true
}

function anAuth(sessions: Partial<Sessions>, { endpoints, renewPass, ...overrides }: Overrides = {}) {
  const logger = recordedLog()
  const time = fakeTime()
  const metrics = createMetrics({ processMetrics: false })
  const allSessions: Sessions = {
    near: () => undefined,
    find: notHere,
    look: notHere,
    refreshNow: notHere,
    endOf: notHere,
    begin: notHere,
    end: notHere,
    tokens: notHere,
    endSelected: notHere,
    endListed: notHere,
    list: notHere,
    listed: notHere,
    passFor: notHere,
    generationOfPass: () => undefined,
    watch: notHere,
    settled: notHere,
    nearSize: 0,
    nearBytes: 0,
    ...sessions,
  }
  const addresses = defaultAddresses()
  const passRenewal = createPassRenewal(allSessions, cookies)
  const shared = {
    addresses,
    peers: createTrustedPeers(['127.0.0.1']),
    endpoints: endpoints ?? { answer: notHere, sendToLogin: notHere },
    refusals: createRefusals(pages),
    requestIdOf: () => 'r-1',
    metrics,
    passRenewal,
  }
  const denials = createDenials({
    ...shared,
    choice: anyProvider,
    challenges: createChallenges(undefined),
    untrusted: createUntrustedPeerNotices(logger, time.clock),
    pages,
    describe: () => ({ user: 'alice', email: '', groups: [], preferredUsername: '' }),
    logger,
    clock: time.clock,
  })
  const auth = createAuth({
    ...shared,
    readers: createReaders('traefik'),
    rules: compileRules({ access: config.access }),
    sessions: allSessions,
    cookies,
    relayedPaths: createRelayedPaths(shared),
    admissions: createAdmissions({
      identityHeaders: compileIdentityHeaders({ access: { ...config.access, headers: [] } }),
      denials,
      metrics,
      clock: time.clock,
      ...overrides,
      sessions: allSessions,
      passRenewal: renewPass && passRenewal,
    }),
    denials,
    isPreflight: () => false,
    withinBudget: (task) => task(),
    stopwatch: () => 0,
    ...overrides,
  })
  return { auth, log: logger, metrics, time }
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

async function statusOf(outcome: AuthDecision | Promise<AuthDecision>): Promise<number> {
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

const inside: [name: string, overrides: Overrides, sessions: Partial<Sessions>][] = [
  [
    'the rules',
    {
      rules: {
        usesNetworks: false,
        policyFor: thrown(new TypeError('oops')),
        meets: notHere,
        scopesOf: notHere,
        admitsProvider: () => true,
      },
    },
    {},
  ],
  [
    'the requirements',
    {
      rules: {
        usesNetworks: false,
        policyFor: () => ({ kind: 'login', requirements: [0] }),
        meets: thrown(new TypeError('oops')),
        scopesOf: notHere,
        admitsProvider: () => true,
      },
    },
    { near: () => session },
  ],
  ['the near copies', {}, { near: thrown(new TypeError('oops')) }],
  ['the cookies', { cookies: { ...cookies, on: thrown(new TypeError('oops')) } }, {}],
  [
    'the list of trusted peers',
    { peers: { includes: thrown(new TypeError('oops')), clientAddress: notHere, statedClient: notHere } },
    {},
  ],
  [
    'the reading of the client’s address',
    {
      rules: compileRules({
        access: { ...config.access, rules: [aRule({ networks: ['192.0.2.0/24'], policy: 'public' })] },
      }),
      peers: { includes: () => true, clientAddress: notHere, statedClient: thrown(new TypeError('oops')) },
    },
    {},
  ],
  [
    'the tokens for a header',
    { identityHeaders: compileIdentityHeaders({ access: config.access }) },
    { near: () => session, tokens: () => Promise.reject(new TypeError('oops')) },
  ],
  [
    'the trip to the provider',
    { endpoints: { answer: notHere, sendToLogin: () => Promise.reject(new TypeError('oops')) } },
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
  const find = async (): Promise<LookupResult> => {
    asked++
    if (asked === 1) throw new StoreUnavailable('away')
    return found
  }
  assert.equal(await statusOf(anAuth({ find }).auth.forward('traefik', request('/', [ticket, ticket]))), 200)
})

test('of two tickets one is nobody’s and for the other the store fails: 503, for it may be the good one', async () => {
  let asked = 0
  const find = async (): Promise<LookupResult> => {
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

test('where no rule asks for it, nobody reads the client’s address (C14)', () => {
  const peers = { includes: () => true, clientAddress: notHere, statedClient: notHere }
  const { auth } = anAuth({ near: () => session }, { peers })
  assert.notEqual((auth.forward('traefik', request()) as AuthDecision).allow, undefined)
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

test('where a token is wanted in a header, a public page needs no store all the same', async () => {
  const { auth } = anAuth(
    { near: () => session, tokens: () => Promise.reject(new StoreUnavailable('away')) },
    { identityHeaders: compileIdentityHeaders({ access: config.access }) },
  )
  const outcome = await auth.forward('traefik', request('/public'))
  assert.equal(outcome.allow?.headers['x-auth-request-user'], '')
})

test('what answered is counted: the session, or whatever stood in for it', async () => {
  for (const from of ['near', 'shared', 'near_stale', 'stale', 'pass'] as const) {
    const { auth, metrics } = anAuth({ find: async () => ({ ...found, from }) })
    assert.equal(await statusOf(auth.forward('traefik', request())), 200)
    const reason = from === 'near' || from === 'shared' ? 'session' : from
    assert.equal(metrics.decisions.labels({ contract: 'traefik', decision: 'allow', reason }).value, 1, from)
  }
})

// --- theirs, but not to be believed now ------------------------------------------------------------------------------

const reasons = ['rights_too_old', 'horizon_too_old', 'blind', 'superseded', 'unsettled'] as const
const unproven = (reason: (typeof reasons)[number]): LookupResult => ({
  kind: 'unproven',
  reason,
  session: reason === 'unsettled' ? undefined : session,
})
const navigation = { accept: 'text/html', 'sec-fetch-mode': 'navigate' }
const script = { accept: '*/*', 'sec-fetch-mode': 'cors' }
const goTo = (location: string): HttpResponse => ({ status: 302, headers: { location }, cookies: ['flow=1'], body: '' })
const provider = 'https://id.example.com/authorize'

/** Everybody's `find` is `answers`, one after the other; the provider is there. */
function withUnproven(...answers: (LookupResult | Error)[]) {
  const find = async (): Promise<LookupResult> => {
    const next = answers.shift()
    if (next instanceof Error) throw next
    return next ?? { kind: 'absent', reason: 'unknown' }
  }
  return anAuth({ find }, { endpoints: { answer: notHere, sendToLogin: async () => goTo(provider) } })
}

function asking(
  contract: 'traefik' | 'nginx' | 'haproxy',
  headers: Record<string, string>,
  uri = '/',
  tickets = [ticket],
) {
  const asked = request(uri, tickets)
  const original = { 'x-original-url': `https://app.example.com${uri}`, 'x-original-method': 'GET' }
  return { ...asked, headers: { ...asked.headers, ...(contract === 'nginx' && original), ...headers } }
}

for (const reason of reasons) {
  test(`${reason}: a person is sent to the provider, whom they can tell who they are; no cookie is deleted`, async () => {
    const { auth, metrics } = withUnproven(unproven(reason))
    const outcome = await auth.forward('traefik', asking('traefik', navigation))
    assert.ok(outcome.allow === undefined)
    assert.deepEqual([outcome.answer.status, outcome.answer.headers['location']], [302, provider])
    assert.deepEqual(outcome.answer.cookies, ['flow=1'])
    assert.equal(metrics.decisions.labels({ contract: 'traefik', decision: 'login', reason }).value, 1)
  })

  test(`${reason}: a program comes again later; no cookie is deleted`, async () => {
    const { auth, metrics } = withUnproven(unproven(reason))
    const outcome = await auth.forward('traefik', asking('traefik', script))
    assert.ok(outcome.allow === undefined)
    assert.deepEqual([outcome.answer.status, outcome.answer.headers['retry-after']], [503, '5'])
    assert.deepEqual(outcome.answer.cookies, [])
    const labels = { contract: 'traefik', decision: 'error', reason: 'store_unavailable' }
    assert.equal(metrics.decisions.labels(labels).value, 1)
  })
}

test('unproven, through a proxy that cannot relay: nginx is given a 401 with the address of the start, HAProxy a redirect there', async () => {
  const start = 'https://app.example.com/oauth2/start?rd=https%3A%2F%2Fapp.example.com%2F'
  for (const [contract, status] of [
    ['nginx', 401],
    ['haproxy', 302],
  ] as const) {
    const outcome = await withUnproven(unproven('blind')).auth.forward(contract, asking(contract, navigation))
    assert.ok(outcome.allow === undefined)
    assert.deepEqual([outcome.answer.status, outcome.answer.headers['location']], [status, start])
    assert.deepEqual(outcome.answer.cookies, [])
  }
})

test('unproven: the public pages stay public', async () => {
  for (const headers of [navigation, script]) {
    const { auth } = withUnproven(unproven('blind'))
    assert.equal(await statusOf(auth.forward('traefik', asking('traefik', headers, '/public'))), 200)
  }
})

const several: [name: string, answers: (LookupResult | Error)[], headers: Record<string, string>, status: number][] = [
  ['another one is good', [unproven('blind'), found], navigation, 200],
  ['another one is nobody’s', [{ kind: 'absent', reason: 'revoked' }, unproven('blind')], script, 503],
  [
    'for another one the store fails, and a person asks',
    [new StoreUnavailable('away'), unproven('blind')],
    navigation,
    302,
  ],
  [
    'for another one the store fails, and a program asks',
    [new StoreUnavailable('away'), unproven('blind')],
    script,
    503,
  ],
]
for (const [name, answers, headers, status] of several) {
  test(`of two tickets one is unproven, ${name}: ${status}`, async () => {
    const { auth } = withUnproven(...answers)
    const asked = asking('traefik', headers, '/', [ticket, ticket])
    assert.equal(await statusOf(auth.forward('traefik', asked)), status)
  })
}

/** Passes look like `of-<generation>`; any other is none of this session's. `opened`: which were looked into. */
function aPassBed(generation: number) {
  const opened: string[] = []
  const current = { ...session, generation }
  const { auth } = anAuth(
    {
      near: () => current,
      passFor: () => `of-${generation}`,
      generationOfPass(pass) {
        opened.push(pass)
        return pass.startsWith('of-') ? Number(pass.slice(3)) : undefined
      },
    },
    { renewPass: true },
  )
  /** What a request that carries these brings back. */
  return {
    opened,
    carrying(...passes: string[]) {
      const asked = request()
      const cookie = [asked.headers.cookie, ...passes.map((pass) => `${config.cookies.passName}=${pass}`)].join('; ')
      const outcome = auth.forward('traefik', { ...asked, headers: { ...asked.headers, cookie } })
      assert.ok(!(outcome instanceof Promise) && outcome.allow !== undefined)
      return (outcome.cookies ?? []).map((line) => line.slice(config.cookies.passName.length + 1, line.indexOf(';')))
    },
  }
}

test('renewPass: a 200 brings a new pass to a browser that has no good one, and only then', () => {
  assert.deepEqual(aPassBed(1).carrying(), ['of-1'])
  assert.deepEqual(aPassBed(1).carrying('of-1'), [])
  assert.deepEqual(aPassBed(1).carrying('planted'), ['of-1'])
  assert.deepEqual(aPassBed(1).carrying('planted', 'planted-too', 'of-1'), [])
})

test('renewPass: a newer state of the session brings a new pass, once', () => {
  const bed = aPassBed(2)
  const given = Array.from({ length: 3 }, () => bed.carrying('planted', 'of-1'))
  assert.deepEqual(given, [['of-2'], [], []])
})

test('renewPass: a good pass is opened once, and not at each request', () => {
  const bed = aPassBed(1)
  for (let time = 0; time < 3; time++) assert.deepEqual(bed.carrying('planted', 'of-1'), [])
  assert.deepEqual(bed.opened, ['planted', 'of-1'])
})

test('a person who is refused is one line a minute and reason, each request is counted', async () => {
  let reason: DenialReason = 'group_not_allowed'
  const meets = () => ({ ok: false, reason }) as const
  let current = session
  const { auth, log, metrics, time } = anAuth(
    { near: () => current },
    {
      rules: {
        usesNetworks: false,
        policyFor: () => ({ kind: 'login', requirements: [0] }),
        meets,
        scopesOf: notHere,
        admitsProvider: () => true,
      },
    },
  )
  const poll = async (times: number) => {
    // What a session is refused for is remembered with it: each poll is of another state of it.
    current = { ...current }
    for (let time = 0; time < times; time++) assert.equal(await statusOf(auth.forward('traefik', request())), 403)
  }
  const told = () => log.lines.filter(({ level }) => level === 'info').map(({ reason }) => reason)
  await poll(20)
  assert.deepEqual(told(), ['group_not_allowed'])
  reason = 'role_not_allowed'
  await poll(20)
  assert.deepEqual(told(), ['group_not_allowed', 'role_not_allowed'])
  current = { ...session, subject: 'bob' }
  await poll(1)
  time.advance(60_000)
  await poll(2)
  assert.deepEqual(told().slice(2), ['role_not_allowed', 'role_not_allowed'])
  const denied = (of: DenialReason) =>
    metrics.decisions.labels({ contract: 'traefik', decision: 'deny', reason: of }).value
  assert.deepEqual([denied('group_not_allowed'), denied('role_not_allowed')], [20, 23])
})

test('a bad request is 400 where the proxy relays it and 403 where it would break the proxy', async () => {
  const broken = { ...request(), headers: {} }
  const { auth } = anAuth({})
  const expected: Record<Contract, number> = {
    traefik: 400,
    caddy: 400,
    haproxy: 400,
    nginx: 403,
    envoy: 403,
    'oauth2-proxy': 403,
  }
  for (const contract of contractNames) {
    assert.equal(await statusOf(auth.forward(contract, broken)), expected[contract], contract)
  }
})

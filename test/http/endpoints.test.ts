// Our own paths while something is broken: login, logout and userinfo in an outage. How they answer when all is well is tested over
// a real port in test/integration/memory/.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { compileRules } from '../../src/access/rules.ts'
import { oneProvider } from '../fixtures/providers.ts'
import { defaultAddresses } from '../fixtures/addresses.ts'
import type { HttpResponse } from '../../src/http/http-response.ts'
import { createHandovers } from '../../src/login/handover.ts'
import { createBrowserCookies } from '../../src/http/browser-cookies.ts'
import { createDestinations } from '../../src/http/destination.ts'
import { createEndpoints } from '../../src/http/endpoints.ts'
import { createProviderChoice } from '../../src/http/provider-choice.ts'
import { createRefusals } from '../../src/http/refusals.ts'
import type { EndpointRequest } from '../../src/http/endpoint-request.ts'
import type { EndSessionRequest, Provider } from '../../src/oidc/provider.ts'
import { createPages } from '../../src/pages/create-pages.ts'
import { createSealer } from '../../src/sealing.ts'
import type { Signals } from '../../src/signals/create-signals.ts'
import { load } from '../config/load-fixture.ts'
import { aLoginWorld, type LoginWorld } from '../login/world.ts'
import { aWorld, encryptionKey, hour, look, minute, type World } from '../session/world.ts'

const { config } = load({ text: '' })
const { sessionName, passName, flowPrefix } = config.cookies
const pages = createPages(config.pages)
const person = { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'same-origin' }
const program = { accept: '*/*', 'sec-fetch-mode': 'cors', 'sec-fetch-site': 'same-origin' }

const noSignals: Signals = {
  backChannelLogout: undefined,
  frontChannelLogout: undefined,
  securityEvents: undefined,
  receive: () => Promise.reject(new Error('nobody is listened to')),
  stop: () => undefined,
}

const noLimit = { take: () => Promise.resolve(0), waitMs: () => 0 }

/** A replica's own paths, and a login world to look into. */
function aSite(world: World = aWorld(), provider: Partial<Provider> = { endSessionURL: () => undefined }) {
  const logins = aLoginWorld({}, world)
  const addresses = defaultAddresses()
  const providers = oneProvider({ ...logins.loginProvider, ...provider })
  const endpoints = createEndpoints({
    addresses,
    destinations: createDestinations({ addresses, logger: world.log, clock: world.time.clock }),
    cookies: createBrowserCookies(config.cookies, { sessionMaxAgeMs: 24 * hour, passMaxAgeMs: 8 * hour }),
    logins: logins.logins,
    isHandoverHost: undefined,
    handovers: createHandovers({
      sealer: createSealer([encryptionKey], 'handover', randomBytes),
      used: { first: () => Promise.resolve(true) },
      clock: world.time.clock,
      randomBytes,
    }),
    random: () => 0,
    sessions: world.sessions,
    providers,
    choice: createProviderChoice(providers, compileRules({ access: config.access })),
    acrNamed: new Set(),
    crossOrigin: () => ({}),
    isPreflight: () => false,
    skipSignIn: false,
    strictCookies: false,
    hintSealer: createSealer([encryptionKey], 'logout', randomBytes),
    pages,
    refusals: createRefusals(pages),
    signals: noSignals,
    rateLimits: { start: noLimit, callback: noLimit, signIn: noLimit, logoutFrame: noLimit, ownSessions: noLimit },
    clock: world.time.clock,
    describe: ({ subject }) => ({ user: subject, email: '', groups: [], preferredUsername: '' }),
    withinBudget: (task) => task(),
    postLogoutRedirectURI: '/',
    passes: true,
    randomId: () => 'state',
    metrics: world.metrics,
    logger: world.log,
  })
  return { ...logins, endpoints }
}

type Site = ReturnType<typeof aSite>

/** A browser that keeps cookies as it is told, whichever replica it comes to. */
function aBrowser() {
  const jar = new Map<string, string>()
  async function visit(
    site: Site,
    path: string,
    query = '',
    headers: EndpointRequest['headers'] = person,
    method = 'GET',
  ): Promise<HttpResponse> {
    const answer = await site.endpoints.answer({
      method,
      scheme: 'https',
      host: 'app.example.com',
      path,
      query,
      headers: { ...headers, cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') },
      clientAddress: '192.0.2.1',
      requestId: 'r-1',
      relayed: false,
    })
    for (const line of answer.cookies) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (/; Max-Age=0;/.test(line)) jar.delete(name)
      else jar.set(name, value)
    }
    return answer
  }
  return {
    jar,
    visit,
    async begin(site: LoginWorld & Site): Promise<string> {
      await visit(site, '/oauth2/start', 'rd=/wanted')
      return `state=${site.asked.at(-1)?.state}&code=c`
    },
    async logIn(site: Site): Promise<HttpResponse> {
      return visit(site, '/oauth2/callback', await this.begin(site))
    },
    get ticket() {
      return jar.get(sessionName) ?? ''
    },
    get pass() {
      return jar.get(passName)
    },
  }
}

const wanted = 'https://app.example.com/wanted'

// --- login ---------------------------------------------------------------------------------------------------------------

test('who comes back from the provider with an ended session’s cookie while the store is away is logged in (A9)', async () => {
  const site = aSite()
  const browser = aBrowser()
  await browser.logIn(site)
  const { ticket, pass } = browser
  await site.sessions.end(ticket)
  site.cache.goAway()
  const answer = await browser.logIn(site)
  assert.deepEqual([answer.status, answer.headers['location']], [302, wanted])
  assert.notEqual(browser.ticket, ticket)
  assert.equal(await look(site.sessions, browser.ticket), 'near_stale')
  assert.equal(await look(site.sessions, ticket, pass), 'revoked')
})

test('who comes back with a cookie that nobody can look up while the store is away is logged in', async () => {
  const world = aWorld()
  const [site, other] = [aSite(world), aSite(world.replica())]
  const browser = aBrowser()
  await browser.logIn(site)
  browser.jar.delete(passName)
  other.cache.goAway()
  const answer = await browser.logIn(other)
  assert.deepEqual([answer.status, answer.headers['location']], [302, wanted])
  assert.equal(await look(other.sessions, browser.ticket), 'near_stale')
})

test('who comes back because their session could not be believed is logged in, and that session is over', async () => {
  const site = aSite()
  const browser = aBrowser()
  await browser.logIn(site)
  const { ticket, pass } = browser
  site.cache.goAway()
  site.time.advance(hour + 10 * minute)
  assert.equal(await look(site.sessions, ticket, pass), 'rights_too_old')
  const answer = await browser.logIn(site)
  assert.deepEqual([answer.status, answer.headers['location']], [302, wanted])
  assert.equal(await look(site.sessions, ticket, pass), 'revoked')
  assert.equal(await look(site.sessions, browser.ticket), 'near_stale')
  await site.cache.comeBack()
  const other = site.replica()
  assert.equal(await look(other.sessions, ticket, pass), 'revoked')
  assert.equal(await look(other.sessions, browser.ticket), 'shared')
})

test('a late tab of somebody whose session cannot be believed logs in: there is nobody to be “already” logged in', async () => {
  const site = aSite()
  const browser = aBrowser()
  const late = await browser.begin(site)
  await browser.logIn(site)
  const { ticket } = browser
  site.cache.goAway()
  site.time.advance(10 * minute)
  // No copy here any more, and of its withdrawals this replica knows nothing.
  const blind = aSite(site.replica({ blind: true }))
  const answer = await browser.visit(blind, '/oauth2/callback', late)
  assert.equal(answer.status, 302)
  assert.notEqual(browser.ticket, ticket)
})

// --- logout --------------------------------------------------------------------------------------------------------------

test('a logout that nobody else could be told of says so, with a way to try again, and deletes no cookie', async () => {
  const site = aSite()
  const browser = aBrowser()
  await browser.logIn(site)
  const { ticket, pass } = browser
  site.cache.goAway()
  const answer = await browser.visit(site, '/oauth2/logout')
  assert.deepEqual([answer.status, answer.headers['retry-after'], answer.cookies], [503, '5', []])
  assert.match(answer.body, /Not signed out everywhere yet/)
  assert.match(answer.body, /logout_incomplete/)
  assert.match(answer.body, /href="https:\/\/app\.example\.com\/oauth2\/logout\?hint=[\w-]+"/)
  assert.deepEqual([browser.ticket, browser.pass], [ticket, pass])
  assert.equal(await look(site.sessions, ticket, pass), 'revoked', 'here it is over at once')
  assert.equal(site.log.lines.at(-1)?.event, 'logout_incomplete')
})

test('trying again says the same for as long as nobody else can be told, and “signed out” as soon as somebody was', async () => {
  const site = aSite()
  const browser = aBrowser()
  await browser.logIn(site)
  const { ticket, pass } = browser
  site.cache.goAway()
  for (let attempt = 0; attempt < 2; attempt++) {
    assert.equal((await browser.visit(site, '/oauth2/logout')).status, 503)
  }
  await site.cache.comeBack()
  const answer = await browser.visit(site, '/oauth2/logout')
  assert.deepEqual([answer.status, answer.headers['location']], [302, 'https://app.example.com/oauth2/signed_out'])
  assert.deepEqual([browser.ticket, browser.pass], ['', undefined])
  assert.equal(answer.cookies.filter((line) => /; Max-Age=0;/.test(line)).length, 2)
  assert.equal(await look(site.replica().sessions, ticket, pass), 'revoked')
})

test('a logout that was not kept can be tried again at another replica: the cookies prove who asks', async () => {
  const world = aWorld()
  const [here, there] = [aSite(world), aSite(world.replica())]
  const browser = aBrowser()
  await browser.logIn(here)
  const { ticket, pass } = browser
  for (const { cache } of [here, there]) cache.goAway()
  assert.equal((await browser.visit(here, '/oauth2/logout')).status, 503)
  there.cache.secondRoad = 'spool'
  assert.equal(await look(there.sessions, ticket, pass), 'pass')
  assert.equal((await browser.visit(there, '/oauth2/logout')).status, 302)
  assert.equal(await look(there.sessions, ticket, pass), 'revoked')
})

for (const road of ['peers', 'spool'] as const) {
  test(`a logout that the ${road} took while the store is away is done`, async () => {
    const site = aSite()
    const browser = aBrowser()
    await browser.logIn(site)
    site.cache.goAway()
    site.cache.secondRoad = road
    assert.equal((await browser.visit(site, '/oauth2/logout')).status, 302)
    assert.deepEqual([browser.ticket, browser.pass], ['', undefined])
  })
}

test('the second attempt at a logout still names the session to the provider, and ends where the first would have', async () => {
  const asked: EndSessionRequest[] = []
  const world = aWorld()
  const site = aSite(world, {
    endSessionURL: (request) => {
      asked.push(request)
      return new URL('https://id.example.com/logout')
    },
  })
  const browser = aBrowser()
  await browser.logIn(site)
  site.cache.goAway()
  const first = await browser.visit(site, '/oauth2/logout', 'rd=%2Fbye')
  assert.equal(first.status, 503)
  const retry = new URL(/href="([^"]+\/oauth2\/logout[^"]*)"/.exec(first.body)?.[1]?.replaceAll('&#38;', '&') ?? '')
  await site.cache.comeBack()
  const again = await browser.visit(site, retry.pathname, retry.search.slice(1))
  assert.equal(again.headers['location'], 'https://id.example.com/logout')
  assert.equal(asked.at(-1)?.idToken, world.grant().tokens.idToken)
  assert.equal(asked.at(-1)?.postLogoutRedirectURI, 'https://app.example.com/bye')
  assert.equal(first.body.includes(world.grant().tokens.idToken ?? '?'), false, 'the token itself is on no page')
})

for (const hint of ['', 'x', 'AAAA', '%00', 'a'.repeat(3_000)]) {
  test(`a made-up hint ${JSON.stringify(hint.slice(0, 10))} names no session to the provider`, async () => {
    const asked: EndSessionRequest[] = []
    const site = aSite(aWorld(), { endSessionURL: (request) => void asked.push(request) })
    const answer = await aBrowser().visit(site, '/oauth2/logout', `hint=${hint}`)
    assert.equal(answer.status, 302)
    assert.equal(asked[0]?.idToken, undefined)
  })
}

test('a program is told in its own way that a logout is not complete', async () => {
  const site = aSite()
  const browser = aBrowser()
  await browser.logIn(site)
  site.cache.goAway()
  const answer = await browser.visit(site, '/oauth2/logout', '', program)
  assert.equal(answer.status, 503)
  assert.deepEqual(JSON.parse(answer.body), { error: 'logout_incomplete', request_id: 'r-1' })
})

test('who can only be known by a pass that does not count can log out by it all the same', async () => {
  const site = aSite()
  const browser = aBrowser()
  await browser.logIn(site)
  const { ticket, pass } = browser
  site.cache.goAway()
  const blind = aSite(site.replica({ blind: true }))
  assert.equal(await look(blind.sessions, ticket, pass), 'blind')
  blind.cache.secondRoad = 'peers'
  assert.equal((await browser.visit(blind, '/oauth2/logout')).status, 302)
  assert.equal(await look(blind.sessions, ticket, pass), 'revoked')
  assert.equal(await look(site.sessions, ticket, pass), 'revoked', 'its peer was told')
})

test('a logout by a cookie that nothing here can prove, while the store is away, is “later”, and the cookie stays', async () => {
  const world = aWorld()
  const [here, there] = [aSite(world), aSite(world.replica())]
  const browser = aBrowser()
  await browser.logIn(here)
  browser.jar.delete(passName)
  there.cache.goAway()
  const answer = await browser.visit(there, '/oauth2/logout')
  assert.equal(answer.status, 503)
  assert.match(answer.body, /store_unavailable/)
  assert.notEqual(browser.ticket, '')
  assert.equal(there.cache.floors.size, 0)
})

test('a logout takes the cookies of logins under way along, once it is complete', async () => {
  const site = aSite()
  const browser = aBrowser()
  await browser.logIn(site)
  await browser.begin(site)
  const flows = () => [...browser.jar.keys()].filter((name) => name.startsWith(flowPrefix)).length
  site.cache.goAway()
  await browser.visit(site, '/oauth2/logout')
  assert.equal(flows(), 1)
  await site.cache.comeBack()
  await browser.visit(site, '/oauth2/logout')
  assert.equal(flows(), 0)
})

test('nobody reads that they are signed out who is not: they are asked whether they want to be', async () => {
  const site = aSite()
  const browser = aBrowser()
  assert.match((await browser.visit(site, '/oauth2/signed_out')).body, /You are signed out/)
  await browser.logIn(site)
  const answer = await browser.visit(site, '/oauth2/signed_out')
  assert.deepEqual([answer.status, answer.cookies], [200, []])
  assert.match(answer.body, /Sign out\?[^]*Signed in as/)
  assert.doesNotMatch(answer.body, /You are signed out/)
  await browser.visit(site, '/oauth2/logout')
  assert.match((await browser.visit(site, '/oauth2/signed_out')).body, /You are signed out/)
})

test('nor does who cannot be looked up while the store is away', async () => {
  const world = aWorld()
  const [here, there] = [aSite(world), aSite(world.replica())]
  const browser = aBrowser()
  await browser.logIn(here)
  browser.jar.delete(passName)
  there.cache.goAway()
  assert.equal((await browser.visit(there, '/oauth2/signed_out')).status, 503)
})

test('nobody reads that they need to sign in who has a session', async () => {
  const site = aSite()
  const browser = aBrowser()
  await browser.logIn(site)
  const answer = await browser.visit(site, '/oauth2/sign_in')
  assert.equal(answer.status, 200)
  assert.doesNotMatch(answer.body, /need to/)
})

// --- who am I -------------------------------------------------------------------------------------------------------------

test('userinfo says who it is in an outage, and renews a pass only where more than the pass speaks for it', async () => {
  const world = aWorld()
  const [here, there] = [aSite(world), aSite(world.replica())]
  const browser = aBrowser()
  await browser.logIn(here)
  for (const { cache } of [here, there]) cache.goAway()
  const byCopy = await browser.visit(here, '/oauth2/userinfo', '', program)
  const byPass = await browser.visit(there, '/oauth2/userinfo', '', program)
  assert.deepEqual([byCopy.status, byPass.status], [200, 200])
  assert.deepEqual([byCopy.cookies.length, byPass.cookies.length], [1, 0])
})

test('userinfo of somebody who cannot be believed now is “later”, and deletes no cookie', async () => {
  const site = aSite()
  const browser = aBrowser()
  await browser.logIn(site)
  site.cache.goAway()
  site.time.advance(hour + 10 * minute)
  const answer = await browser.visit(site, '/oauth2/userinfo', '', program)
  assert.deepEqual([answer.status, answer.headers['retry-after'], answer.cookies], [503, '5', []])
})

// --- what the log says of it ----------------------------------------------------------------------------------------------

test('who cannot be looked up while the store is away is asked to wait, and that is no error of ours', async () => {
  const world = aWorld()
  const [here, there] = [aSite(world), aSite(world.replica())]
  const browser = aBrowser()
  await browser.logIn(here)
  browser.jar.delete(passName)
  there.cache.goAway()
  assert.equal((await browser.visit(there, '/oauth2/userinfo', '', program)).status, 503)
  assert.ok(!there.log.events().includes('request_failed'))
})

test('an error that nobody expected is a 500, and told with its cause', async () => {
  const fault = new Error('unexpected')
  const site = aSite(aWorld(), {
    endSessionURL: () => {
      throw fault
    },
  })
  assert.equal((await aBrowser().visit(site, '/oauth2/logout')).status, 500)
  const line = site.log.lines.at(-1)
  assert.deepEqual([line?.level, line?.event, line?.['err']], ['error', 'request_failed', fault])
})

// --- a person's own sessions -----------------------------------------------------------------------------------------------

const ownForm = { ...person, origin: 'https://app.example.com' }

test('while the store is away the list of one’s sessions is a 503 that says what is true, and nobody is signed out', async () => {
  const site = aSite()
  const browser = aBrowser()
  await browser.logIn(site)
  site.cache.goAway()
  const page = await browser.visit(site, '/oauth2/sessions')
  assert.equal(page.status, 503)
  assert.equal(page.headers['retry-after'], '5')
  assert.match(page.body, /You are still signed in[\s\S]*sessions_unavailable \(503\)/)
  assert.deepEqual(page.cookies, [])
  const others = await browser.visit(site, '/oauth2/sessions', 'end=others', ownForm, 'POST')
  assert.equal(others.status, 503)
  assert.equal((await browser.visit(site, '/oauth2/userinfo', '', program)).status, 200)
})

test('whoever signs out everywhere while nobody takes it is told so, keeps the cookies, and tries again as with any logout', async () => {
  const world = aWorld()
  const [site, other] = [aSite(world), aSite(world.replica())]
  const [browser, elsewhere] = [aBrowser(), aBrowser()]
  await browser.logIn(site)
  await elsewhere.logIn(site)
  site.cache.goAway()
  const refused = await browser.visit(site, '/oauth2/sessions', 'end=everywhere', ownForm, 'POST')
  assert.equal(refused.status, 503)
  assert.match(refused.body, /logout_incomplete \(503\)/)
  assert.deepEqual(refused.cookies, [])
  const [, retry = ''] = /href="https:\/\/app\.example\.com\/oauth2\/logout\?([^"]+)"/.exec(refused.body) ?? []
  await site.cache.comeBack()
  const done = await browser.visit(site, '/oauth2/logout', retry.replaceAll('&#38;', '&'))
  assert.deepEqual([done.status, done.headers['location']], [302, 'https://app.example.com/oauth2/signed_out'])
  for (const replica of [site, other]) {
    assert.equal(await look(replica.sessions, elsewhere.ticket, elsewhere.pass), 'revoked')
  }
})

test('everywhere is not done while only this browser’s own end is kept', async () => {
  const site = aSite()
  const browser = aBrowser()
  await browser.logIn(site)
  const sessions = { ...site.sessions, endSelected: () => Promise.resolve({ ended: 0, isKept: false }) }
  const answer = await browser.visit(
    aSite({ ...site, sessions }),
    '/oauth2/sessions',
    'end=everywhere',
    ownForm,
    'POST',
  )
  assert.equal(answer.status, 503)
  assert.match(answer.body, /logout_incomplete/)
  assert.deepEqual(answer.cookies, [])
})

test('another session that ends here only is a 503, and the person’s own goes on', async () => {
  const site = aSite()
  const [browser, elsewhere] = [aBrowser(), aBrowser()]
  await browser.logIn(site)
  await elsewhere.logIn(site)
  // Read while the store still answers; away from then on.
  const { listed } = site.sessions
  const away = { ...site.sessions, listed: async (id: string) => listed(id).finally(() => site.cache.goAway()) }
  const answer = await browser.visit(
    aSite({ ...site, sessions: away }),
    '/oauth2/sessions',
    `end=${elsewhere.ticket.slice(0, 22)}`,
    ownForm,
    'POST',
  )
  assert.equal(answer.status, 503)
  assert.match(answer.body, /sessions_incomplete \(503\)/)
  assert.equal(await look(site.sessions, elsewhere.ticket, elsewhere.pass), 'revoked')
  assert.notEqual(await look(site.sessions, browser.ticket, browser.pass), 'revoked')
})

test('who is known by an old pass alone is shown no list, and is not sent to log in', async () => {
  const site = aSite()
  const browser = aBrowser()
  await browser.logIn(site)
  site.cache.goAway()
  site.time.advance(hour + 10 * minute)
  const answer = await browser.visit(site, '/oauth2/sessions')
  assert.equal(answer.status, 503)
  assert.match(answer.body, /store_unavailable/)
})

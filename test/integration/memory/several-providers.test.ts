// Two providers in one process: where somebody is sent, which of them a login, a session and a logout belong to, and that neither speaks
// for the people of the other.
import assert from 'node:assert/strict'
import { before, describe, test, after } from 'node:test'
import { createHttpClient, type HttpClient, type Reply } from '../../fixtures/http-client.ts'
import {
  appHost,
  appOrigin,
  browserHeaders,
  scriptHeaders,
  sessionCookie,
  startTestApp,
  testClientSecret,
  type TestApp,
} from '../../fixtures/in-process-app.ts'
import { startProvider, type FaultyProvider } from '../../fixtures/provider.ts'

const partnerHost = 'partner.example.com'
const person = { sub: 'alice', email: 'alice@example.com', email_verified: true, sid: 'same-everywhere' }

let first: FaultyProvider
let second: FaultyProvider
let app: TestApp
const tasks: (() => Promise<void>)[] = []

before(async () => {
  first = await startProvider({ clientSecret: testClientSecret, person: { ...person, groups: ['staff'] } })
  second = await startProvider({
    clientSecret: testClientSecret,
    // Of the other one's groups it has its own idea.
    person: { ...person, groups: ['staff'], team: ['guests'] },
  })
  app = await startTestApp(
    { after: (task) => void tasks.push(task) },
    {
      sharedProvider: first,
      config: {
        enableBackchannelLogout: true,
        enableFrontchannelLogout: true,
        forwardAuth: { oauth2ProxyDialect: 'traefik' },
        providers: {
          partner: {
            title: 'Partner & Co',
            logo: 'https://cdn.example.com/partner.svg',
            providerURL: second.issuer,
            clientID: second.clientID,
            clientSecret: second.clientSecret,
            groupClaimName: 'team',
          },
          only: {
            providerURL: second.issuer,
            clientID: 'another',
            clientSecret: second.clientSecret,
            hosts: [partnerHost],
          },
        },
        rules: [
          { path: '/staff', require: { providers: ['default'] } },
          { path: '/guests', require: { groups: ['guests'] } },
          { path: '/both', require: { groups: ['staff'] } },
        ],
      },
    },
  )
})
after(async () => {
  for (const task of tasks) await task()
  await Promise.all([first.close(), second.close()])
})

const start = (client: HttpClient, provider: string, rd = '/wanted') =>
  client.send(`${app.url}/oauth2/start?${new URLSearchParams({ rd, provider }).toString()}`, {
    headers: browserHeaders,
  })

async function logIn(provider: string, client = createHttpClient()): Promise<{ client: HttpClient; cookie: string }> {
  const started = await start(client, provider)
  const atProvider = await client.send(started.headers.location ?? '', { headers: browserHeaders })
  const back = await client.send(atProvider.headers.location ?? '', { headers: browserHeaders })
  assert.equal(back.status, 302, back.body)
  return { client, cookie: `${sessionCookie}=${client.cookies.get(sessionCookie)}` }
}

const asked = (reply: Reply) => new URL(reply.headers.location ?? '')
const ask = (cookie: string, uri = '/', headers: Record<string, string> = scriptHeaders, host = appHost) =>
  app.ask('traefik', { uri, cookie, headers, host })

describe('somebody who is not logged in', () => {
  test('chooses, where people may come from several', async () => {
    const sent = await app.ask('traefik', { uri: '/wanted', headers: browserHeaders })
    assert.equal(sent.status, 302)
    const at = asked(sent)
    assert.deepEqual(
      [at.origin, at.pathname, at.searchParams.get('rd')],
      [appOrigin, '/oauth2/sign_in', `${appOrigin}/wanted`],
    )
    const page = await createHttpClient().send(`${app.url}/oauth2/sign_in${at.search}`, { headers: browserHeaders })
    assert.equal(page.status, 200)
    assert.match(page.body, /Continue with Partner &#38; Co/)
    assert.match(page.body, /provider=partner/)
    assert.match(page.body, /provider=default/)
    assert.doesNotMatch(page.body, /provider=only/)
    assert.match(String(page.headers['content-security-policy']), /img-src https:\/\/cdn\.example\.com/)
  })

  test('is sent on at once where there is but one for the host, or for the rule', async () => {
    const atHost = await app.ask('traefik', { uri: '/', headers: browserHeaders, host: partnerHost })
    assert.deepEqual(
      [asked(atHost).origin, asked(atHost).searchParams.get('client_id')],
      [new URL(second.issuer).origin, 'another'],
    )
    const byRule = await app.ask('traefik', { uri: '/staff', headers: browserHeaders })
    assert.equal(asked(byRule).origin, new URL(first.issuer).origin)
  })

  test('is told as a script where to go', async () => {
    const { status, json } = await app.ask('traefik', { uri: '/staff', headers: scriptHeaders })
    assert.equal(status, 401)
    assert.match((json() as { login_url: string }).login_url, /\/oauth2\/start\?.*provider=default/)
  })

  test('is led there by proxies that ask for a yes or a no, too', async () => {
    const choosing = await app.ask('nginx', { uri: '/wanted', headers: browserHeaders })
    assert.equal(choosing.status, 401)
    assert.match(choosing.headers.location ?? '', /\/oauth2\/sign_in\?rd=/)
    const known = await app.ask('nginx', { uri: '/staff', headers: browserHeaders })
    assert.match(known.headers.location ?? '', /\/oauth2\/start\?.*provider=default/)
  })

  test('starts at the sign-in page where a link does not say which, and keeps what the link wants', async () => {
    const sent = await app.begin(createHttpClient(), '/wanted')
    assert.equal(new URL(sent.headers.location ?? '').pathname, '/oauth2/sign_in')
    const link = await createHttpClient().send(`${app.url}/oauth2/start?rd=/a&prompt=select_account`, {
      headers: browserHeaders,
    })
    const page = await createHttpClient().send(`${app.url}/oauth2/sign_in${asked(link).search}`, {
      headers: browserHeaders,
    })
    assert.match(page.body, /prompt=select_account/)
  })

  test('is not led to one that is not for where they go', async () => {
    const sent = await start(createHttpClient(), 'only')
    assert.equal(asked(sent).pathname, '/oauth2/sign_in')
  })

  test('comes from the provider that a third party names (OpenID Connect Core 4)', async () => {
    const url = new URL(`${app.url}/oauth2/start`)
    url.search = new URLSearchParams({ iss: second.issuer, target_link_uri: '/x' }).toString()
    const sent = await createHttpClient().send(url.href, { headers: browserHeaders })
    assert.equal(asked(sent).origin, new URL(second.issuer).origin)
    url.searchParams.set('iss', 'https://nobody.example.com')
    assert.equal((await createHttpClient().send(url.href, { headers: browserHeaders })).status, 400)
  })
})

describe('a login', () => {
  test('comes back to an address of its provider’s own', async () => {
    const sent = await start(createHttpClient(), 'partner')
    assert.equal(new URL(asked(sent).searchParams.get('redirect_uri') ?? '').pathname, '/oauth2/callback/partner')
    const usual = await start(createHttpClient(), 'default')
    assert.equal(new URL(asked(usual).searchParams.get('redirect_uri') ?? '').pathname, '/oauth2/callback')
  })

  for (const [begun, path] of [
    ['partner', '/oauth2/callback'],
    ['default', '/oauth2/callback/partner'],
    ['partner', '/oauth2/callback/only'],
  ] as const) {
    test(`at ${begun} that comes back to ${path} is refused, its code unspent (RFC 9700 section 4.4)`, async () => {
      const client = createHttpClient()
      const started = await start(client, begun)
      const atProvider = await client.send(started.headers.location ?? '', { headers: browserHeaders })
      const back = new URL(atProvider.headers.location ?? '')
      back.pathname = path
      const before = [first.calls.token, second.calls.token]
      const refused = await client.send(back.href, { headers: browserHeaders })
      assert.equal(refused.status, 400)
      assert.match(refused.body, /iss_mismatch/)
      assert.deepEqual([first.calls.token, second.calls.token], before)
      assert.equal(client.cookies.get(sessionCookie), undefined)
    })
  }

  test('whose state says another provider is nobody’s: states are sealed', async () => {
    const unknown = await createHttpClient().send(`${app.url}/oauth2/callback/nobody?code=c&state=s`, {
      headers: browserHeaders,
    })
    assert.equal(unknown.status, 404)
  })
})

describe('a session', () => {
  test('has the claims of its provider by the names that options have for them', async () => {
    const { cookie } = await logIn('partner')
    const told = await ask(cookie)
    assert.deepEqual([told.status, told.headers['x-auth-request-groups']], [200, 'guests'])
    assert.equal((await ask(cookie, '/guests')).status, 200)
    // It says `staff`, too, of which nobody asked it.
    assert.equal((await ask(cookie, '/both')).status, 403)
  })

  test('is no good where another provider’s people are meant: by rule, by host, the other way round', async () => {
    const partner = await logIn('partner')
    const usual = await logIn('default')
    for (const [cookie, uri, host] of [
      [partner.cookie, '/staff', appHost],
      [partner.cookie, '/', partnerHost],
      [usual.cookie, '/', partnerHost],
    ] as const) {
      const refused = await ask(cookie, uri, scriptHeaders, host)
      assert.deepEqual([refused.status, (refused.json() as { reason: string }).reason], [403, 'provider_not_allowed'])
    }
    assert.equal((await ask(usual.cookie, '/staff')).status, 200)
    const page = await ask(partner.cookie, '/staff', browserHeaders)
    assert.equal(page.status, 403)
    assert.match(page.body, /\/oauth2\/start\?[^"]*provider=default/)
  })

  test('is refreshed and revoked at its own provider', async () => {
    const { client, cookie } = await logIn('partner')
    const before = [first.revoked.length, second.revoked.length]
    const out = await client.send(`${app.url}/oauth2/logout`, {
      headers: { ...browserHeaders, 'sec-fetch-site': 'same-origin' },
    })
    assert.equal(asked(out).origin, new URL(second.issuer).origin)
    assert.equal((await ask(cookie)).status, 401)
    assert.equal(first.revoked.length, before[0])
    assert.ok(second.revoked.length > (before[1] ?? 0))
  })
})

describe('a logout that a provider announces', () => {
  const announce = async (token: string) =>
    (
      await createHttpClient().send(`${app.url}/oauth2/backchannel_logout`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ logout_token: token }).toString(),
      })
    ).status

  test('ends the sessions of its own people, though the other’s have the same names', async () => {
    const usual = await logIn('default')
    const partner = await logIn('partner')
    assert.equal(await announce(await second.logoutToken({ sub: person.sub })), 200)
    assert.deepEqual([(await ask(partner.cookie)).status, (await ask(usual.cookie)).status], [401, 200])
    assert.equal(await announce(await first.logoutToken({ sid: person.sid })), 200)
    assert.equal((await ask(usual.cookie)).status, 401)
  })

  test('is refused from anybody else', async () => {
    assert.equal(await announce(await first.logoutToken({ sub: person.sub, iss: second.issuer })), 400)
    assert.equal(await announce(await first.logoutToken({ sub: person.sub, iss: 'https://nobody.example.com' })), 400)
    assert.equal(await announce('no.token.at-all'), 400)
  })

  test('in a frame ends those of the issuer that it names', async () => {
    const usual = await logIn('default')
    const partner = await logIn('partner')
    const query = new URLSearchParams({ iss: second.issuer, sid: person.sid }).toString()
    const frame = await createHttpClient().send(`${app.url}/oauth2/frontchannel_logout?${query}`, {
      headers: browserHeaders,
    })
    assert.equal(frame.status, 200)
    assert.deepEqual([(await ask(partner.cookie)).status, (await ask(usual.cookie)).status], [401, 200])
  })
})

test('one of them that is away is `failing`, and the others’ people log in', async () => {
  second.fault('token', { status: 503 })
  const client = createHttpClient()
  const started = await start(client, 'partner')
  const atProvider = await client.send(started.headers.location ?? '', { headers: browserHeaders })
  assert.equal((await client.send(atProvider.headers.location ?? '', { headers: browserHeaders })).status, 503)
  await logIn('default')
  assert.equal((await createHttpClient().send(`${app.url}/readyz`)).status, 200)
  const told = app.handed.findLast(({ event }) => event.startsWith('provider_'))
  assert.equal(told?.['provider'], 'partner')
  second.fault('token', undefined)
})

// The last: the providers’ clocks stay where they are.
test('a session is looked after where it came from when its token ends', async () => {
  const { cookie } = await logIn('partner')
  const before = first.calls.refresh
  const refreshed = second.nextCall('refresh')
  app.advance(280_000)
  assert.equal((await ask(cookie)).status, 200)
  assert.equal((await refreshed).form.get('grant_type'), 'refresh_token')
  assert.equal(first.calls.refresh, before)
})

// Whom an answer names, and what it gives away with the name.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { startDemoUpstream } from '../../../deploy/demo/upstream.ts'
import { contractNames } from '../../../src/config/contracts.ts'
import { createHttpClient, type Reply } from '../../fixtures/http-client.ts'
import { appHost, browserHeaders, scriptHeaders, startTestApp, subrequest } from '../../fixtures/in-process-app.ts'

const named = (reply: Reply) =>
  Object.fromEntries(
    Object.entries(reply.headers).filter(([name]) => /^x-(?:auth-request|forwarded|name|access)/.test(name)),
  )
const isNobody = (reply: Reply) => Object.values(named(reply)).every((value) => value === '')

const refusing: [name: string, config: Record<string, unknown>, person: Record<string, unknown>][] = [
  ['is not among allowedUsers', { allowedUsers: ['alice@example.com'] }, {}],
  ['is in none of allowedUserDomains', { allowedUserDomains: ['corp.example'] }, {}],
  ['is in none of allowedRolesAndGroups', { allowedRolesAndGroups: ['staff'] }, { groups: ['guests'] }],
  ['has an address that is not verified', { allowedUserDomains: ['example.com'] }, { email_verified: false }],
]
for (const [name, config, person] of refusing) {
  test(`on a public page nobody is named who ${name} (B9)`, async (t) => {
    const app = await startTestApp(t, {
      config: { ...config, excludedURLs: ['/pub'], headers: [{ name: 'X-Name', value: '{{.Claims.email}}' }] },
    })
    app.provider.person = { sub: 'mallory', email: 'mallory@example.com', ...person }
    const cookie = await app.login()
    for (const contract of contractNames) {
      const reply = await app.ask(contract, { uri: '/pub', cookie, headers: browserHeaders })
      assert.ok(reply.status === 200 || reply.status === 202, `${contract}: ${reply.status}`)
      assert.ok(isNobody(reply), `${contract}: ${JSON.stringify(named(reply))}`)
      assert.equal(reply.headers['x-name'], '', 'still there, so that the client’s own does not get through')
      assert.equal((await app.ask(contract, { uri: '/private', cookie, headers: scriptHeaders })).status, 403, contract)
    }
  })
}

test('on a public page who may log in is named, whatever other pages require (B9)', async (t) => {
  const app = await startTestApp(t, {
    config: {
      excludedURLs: ['/pub'],
      allowedUserDomains: ['example.com'],
      rules: [{ path: '/a', require: { groups: ['g'] } }],
    },
  })
  const cookie = await app.login()
  for (const contract of contractNames) {
    assert.ok(!isNobody(await app.ask(contract, { uri: '/pub', cookie })), contract)
  }
})

// --- addresses of which nobody could be asked whether they are verified (B8) --------------------------------------------

const unproven = { sub: 'alice', email: 'alice@example.com', groups: ['staff'] }

for (const config of [
  { allowedUserDomains: ['example.com'] },
  { allowedUsers: ['alice@example.com'] },
  { requireVerifiedEmail: true },
]) {
  test(`with ${Object.keys(config).join()} nobody gets a session while UserInfo fails, and a retry does it (B8)`, async (t) => {
    const app = await startTestApp(t, { config })
    app.provider.person = unproven
    app.provider.userInfo = { sub: 'alice', email_verified: true }
    app.provider.fault('userinfo', { status: 503, times: 1 })
    await assert.rejects(app.login(), /no login: 503/)
    assert.equal((await app.ask('traefik', { cookie: await app.login() })).status, 200)
  })
}

const byRule: [name: string, require: Record<string, unknown>, status: number][] = [
  ['domains', { domains: ['example.com'] }, 403],
  ['users', { users: ['alice@example.com'] }, 403],
  ['the claim email', { claims: { email: ['alice@example.com'] } }, 403],
  ['groups', { groups: ['staff'] }, 200],
]
for (const [name, require, status] of byRule) {
  test(`a login while UserInfo fails gets ${status} where a rule requires ${name}, and 200 elsewhere (B8)`, async (t) => {
    const app = await startTestApp(t, { config: { rules: [{ path: '/a', require }] } })
    app.provider.person = unproven
    app.provider.fault('userinfo', { status: 500, times: 1 })
    const cookie = await app.login()
    assert.equal((await app.ask('traefik', { uri: '/a', cookie, headers: scriptHeaders })).status, status)
    assert.equal((await app.ask('traefik', { uri: '/b', cookie, headers: scriptHeaders })).status, 200)
    // Without the outage: the provider never says it, and the address counts.
    const later = await app.login()
    assert.equal((await app.ask('traefik', { uri: '/a', cookie: later, headers: scriptHeaders })).status, 200)
  })
}

for (const [query, status] of [
  ['allowed_emails=alice@example.com', 403],
  ['allowed_email_domains=example.com', 403],
  ['allowed_groups=staff', 202],
] as const) {
  test(`a login while UserInfo fails gets ${status} from /oauth2/auth?${query} (B8)`, async (t) => {
    const app = await startTestApp(t)
    app.provider.person = unproven
    app.provider.fault('userinfo', { status: 500, times: 1 })
    const { headers } = subrequest('oauth2-proxy', { method: 'GET', uri: '/page', host: appHost, scheme: 'http' })
    for (const expected of [status, 202]) {
      const reply = await createHttpClient().send(`${app.url}/oauth2/auth?${query}`, {
        headers: { ...headers, ...scriptHeaders, cookie: await app.login() },
      })
      assert.equal(reply.status, expected)
    }
  })
}

test('in reverse-proxy mode the application of a public page is not told of a refused person either (B9)', async (t) => {
  const application = await startDemoUpstream()
  t.after(() => application.stop())
  const app = await startTestApp(t, {
    config: {
      excludedURLs: ['/api'],
      allowedUsers: ['alice@example.com'],
      upstreams: [{ url: `http://127.0.0.1:${application.port}` }],
    },
  })
  app.provider.person = { sub: 'mallory', email: 'mallory@example.com' }
  const cookie = await app.login()
  const reply = await createHttpClient().send(`${app.url}/api/whoami`, { headers: { ...scriptHeaders, cookie } })
  assert.equal(reply.status, 200)
  assert.doesNotMatch(reply.body, /mallory/)
})

test('an address that is not verified names nobody, in no contract and not at /oauth2/userinfo (B8)', async (t) => {
  const app = await startTestApp(t)
  app.provider.person = { sub: 'alice', email: 'victim@example.com', email_verified: false }
  const cookie = await app.login()
  for (const contract of contractNames) {
    const reply = await app.ask(contract, { cookie })
    assert.equal(reply.headers['x-auth-request-user'], 'alice', contract)
    assert.doesNotMatch(JSON.stringify(reply.headers), /victim/, contract)
  }
  const info = await createHttpClient().send(`${app.url}/oauth2/userinfo`, { headers: { ...scriptHeaders, cookie } })
  assert.equal(info.status, 200)
  assert.doesNotMatch(info.body, /victim/)
})

test('a claim that the configuration counts on and nobody brings is told once, and without anybody’s name (C13)', async (t) => {
  const app = await startTestApp(t, {
    config: { groupClaimName: 'teams', rules: [{ path: '/a', require: { groups: ['staff'] } }] },
  })
  const notices = () => app.handed.filter(({ event }) => event === 'claim_unusable')
  await createHttpClient().send(`${app.url}/oauth2/callback?state=x&code=y`, { headers: browserHeaders })
  assert.deepEqual(notices(), [])
  app.provider.fault('userinfo', { status: 500, times: 1 })
  await app.login()
  assert.deepEqual(notices(), [], 'UserInfo might have brought it')
  for (const sub of ['alice', 'bob']) {
    app.provider.person = { sub, email: `${sub}@example.com`, groups: ['staff'] }
    await app.login()
  }
  const [notice, ...others] = notices()
  assert.deepEqual(others, [])
  assert.deepEqual(
    [notice?.['reason'], notice?.['claim'], notice?.['options']],
    ['missing', 'teams', 'groupClaimName, rules[0].require.groups'],
  )
  assert.match(notice?.message ?? '', /scopes.*mapper.*claimsFrom/)
  assert.doesNotMatch(JSON.stringify(notice), /alice|bob|staff/)
  assert.ok(app.written.some((line) => line.includes('"claim":"teams"')))
})

// --- tokens --------------------------------------------------------------------------------------------------------------

const tokens = await startTestApp(
  { after },
  {
    config: {
      excludedURLs: ['/pub'],
      headers: [
        { name: 'X-Access-Token', value: '{{.AccessToken}}' },
        { name: 'Authorization', value: 'Bearer {{.IDToken}}' },
        { name: 'X-Forwarded-User', value: '{{default "x" .AccessToken}}' },
        { name: 'X-Name', value: '{{.Claims.email}}' },
      ],
    },
  },
)
const cookie = await tokens.login()

for (const method of ['GET', 'HEAD', 'POST']) {
  for (const uri of ['/', '/pub']) {
    test(`/oauth2/auth by ${method} for ${uri} carries no token, which any script of the site could read (B7)`, async () => {
      for (const headers of [scriptHeaders, browserHeaders]) {
        const reply = await tokens.ask('oauth2-proxy', { uri, cookie, headers, as: method })
        assert.equal(reply.status, 202)
        for (const name of ['x-access-token', 'authorization', 'x-forwarded-user'])
          assert.equal(reply.headers[name], '', name)
        assert.equal(reply.headers['x-name'], 'alice@example.com')
        assert.doesNotMatch(JSON.stringify([reply.headers, reply.body]), /eyJ|Bearer/)
      }
    })
  }
}

test('where the answer goes to the proxy alone the tokens are there, whoever asked first (B7)', async () => {
  for (const contract of contractNames.filter((name) => name !== 'oauth2-proxy')) {
    const { headers } = await tokens.ask(contract, { cookie })
    assert.match(String(headers['authorization']), /^Bearer eyJ/, contract)
    assert.notEqual(headers['x-access-token'], '', contract)
    assert.equal((await tokens.ask('oauth2-proxy', { cookie })).headers['x-access-token'], '')
  }
})

test('no page and no endpoint of ours below /oauth2/ carries a token (B7)', async () => {
  for (const path of ['userinfo', 'auth', 'sign_in', 'signed_out', 'session', 'start', '']) {
    for (const headers of [scriptHeaders, browserHeaders]) {
      const reply = await createHttpClient().send(`${tokens.url}/oauth2/${path}`, { headers: { ...headers, cookie } })
      const { location: _, ...others } = reply.headers
      assert.doesNotMatch(JSON.stringify([others, reply.body]), /eyJ|Bearer eyJ/, path)
    }
  }
})

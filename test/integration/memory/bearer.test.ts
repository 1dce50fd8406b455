// Tokens of machines through the whole service: who is let in and as whom, what is remembered and for how long, what an outage of the
// provider means. What is refused, row by row, is in bearer-table.test.ts.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import { contractNames } from '../../../src/config/contracts.ts'
import { createHttpClient } from '../../fixtures/http-client.ts'
import {
  appHost,
  browserHeaders,
  scriptHeaders,
  startTestApp,
  testClientSecret,
  type Headers,
  type TestApp,
  type TestAppOptions,
} from '../../fixtures/in-process-app.ts'
import { accessToken, apiAudience, proof, proofKey } from '../../fixtures/machine-tokens.ts'
import { startProvider, type Claims } from '../../fixtures/provider.ts'

async function anApp(t: TestContext, config: Readonly<Record<string, unknown>> = {}, options: TestAppOptions = {}) {
  const { bearer = {}, ...others } = config
  const app = await startTestApp(t, {
    ...options,
    config: { bearer: { enabled: true, audiences: [apiAudience], ...(bearer as object) }, ...others },
  })
  const token = (claims: Claims = {}, header: Claims = {}) => accessToken(app.provider, app.clock, claims, header)
  return { app, token, ...asking(app) }
}

function asking(app: TestApp) {
  const ask = (value: string, headers: Headers = {}, uri = '/') =>
    app.ask('traefik', { uri, headers: { ...scriptHeaders, authorization: `Bearer ${value}`, ...headers } })
  const statusOf = async (value: string, uri?: string) => (await ask(value, {}, uri)).status
  return { ask, statusOf }
}

suite('who is let in', () => {
  test('a token is a login: the same headers, rules and lists as for people', async (t) => {
    const { ask, token } = await anApp(t, {
      allowedRolesAndGroups: ['builders'],
      headers: [
        { name: 'X-Token', value: 'Bearer {{.AccessToken}}' },
        { name: 'X-Id', value: '{{.IDToken}}' },
        { name: 'X-Team', value: '{{.Claims.team}}' },
      ],
      rules: [{ path: '/ops', require: { groups: ['ops'] } }],
    })
    const value = await token({ groups: ['builders'], team: 'blue', preferred_username: 'robbie' })
    const { status, headers } = await ask(value)
    assert.equal(status, 200)
    assert.equal(headers['x-auth-request-user'], 'robot')
    assert.equal(headers['x-auth-request-groups'], 'builders')
    assert.equal(headers['x-auth-request-preferred-username'], 'robbie')
    assert.equal(headers['x-auth-request-email'], '')
    assert.equal(headers['x-team'], 'blue')
    assert.equal(headers['x-token'], `Bearer ${value}`)
    assert.equal(headers['x-id'], '')
    assert.equal(headers['set-cookie'], undefined)
    const elsewhere = await ask(value, {}, '/ops')
    assert.equal(elsewhere.status, 403)
    assert.deepEqual((elsewhere.json() as Claims)['reason'], 'group_not_allowed')
    assert.equal((await ask(await token({ groups: ['others'] }))).status, 403)
  })

  test('a signed word about a machine, and none that its client wrote (X-Foregate-Jwt)', async (t) => {
    const { ask, token } = await anApp(t, {
      identityToken: { enabled: true, issuer: 'https://auth.example.com', onAuth: true },
      headers: [{ name: 'X-Other', value: 'x' }],
    })
    const value = await token()
    for (let time = 0; time < 2; time++) {
      const { headers } = await ask(value, { 'x-foregate-jwt': 'forged' })
      const word = String(headers['x-foregate-jwt']).split('.')[1] ?? ''
      assert.equal((JSON.parse(Buffer.from(word, 'base64url').toString()) as Claims)['sub'], 'robot')
    }
  })

  test('an address that is not verified counts no more in a token than in a session', async (t) => {
    const { statusOf, token } = await anApp(t, { allowedUserDomains: ['example.com'] })
    assert.equal(await statusOf(await token({ email: 'r@example.com', email_verified: true })), 200)
    assert.equal(await statusOf(await token({ email: 'r@example.com', email_verified: false })), 403)
    assert.equal(await statusOf(await token()), 403)
  })

  test('scopes: all that the rule names, in each form that issuers write them in; a person has none', async (t) => {
    const { app, statusOf, token } = await anApp(t, { rules: [{ path: '/a', require: { scopes: ['x', 'y'] } }] })
    const forms: [claims: Claims, status: number][] = [
      [{ scope: 'y x z' }, 200],
      [{ scope: ['x', 'y'] }, 200],
      [{ scope: undefined, scp: 'x y' }, 200],
      [{ scope: undefined, scp: ['x', 'y'] }, 200],
      [{ scope: 'x' }, 403],
      [{ scope: 'xy' }, 403],
      [{ scope: 'X Y' }, 403],
      [{ scope: { x: true, y: true } }, 403],
      [{ scope: undefined }, 403],
    ]
    for (const [claims, status] of forms)
      assert.equal(await statusOf(await token(claims), '/a'), status, JSON.stringify(claims))
    const cookie = await app.login()
    const { status, body } = await app.ask('traefik', { uri: '/a', cookie, headers: browserHeaders })
    assert.equal(status, 403)
    assert.match(body, /scope_not_granted/)
  })

  test('how and when its person authenticated is asked of a token as of a session (RFC 9470)', async (t) => {
    const { app, ask, token } = await anApp(t, {
      rules: [
        { path: '/pay', require: { acr: ['mfa'], maxAge: '5m' } },
        { path: '/Hall', require: { acr: ['mfa'] } },
        { path: '/hall', require: { acr: ['pwd'] } },
      ],
    })
    const nobodyCan = await ask(await token({ acr: 'mfa' }), {}, '/hall')
    assert.deepEqual([nobodyCan.status, nobodyCan.headers['www-authenticate']], [403, undefined])
    assert.equal((nobodyCan.json() as Claims)['reason'], 'insufficient_user_authentication')
    const now = Math.floor(app.clock() / 1_000)
    const refused = [{}, { acr: 'mfa' }, { acr: 'mfa', auth_time: now - 400 }, { acr: 'pwd', auth_time: now }]
    for (const claims of [...refused, { acr: 'mfa', auth_time: now + 3_600 }]) {
      const { status, headers, json } = await ask(await token(claims), {}, '/pay')
      assert.deepEqual([status, (json() as Claims)['error']], [401, 'insufficient_user_authentication'])
      assert.match(headers['www-authenticate'] ?? '', /acr_values="mfa", max_age="300", resource_metadata=/)
    }
    const value = await token({ acr: 'mfa', auth_time: now - 200, exp: now + 3_000 })
    assert.equal((await ask(value, {}, '/pay')).status, 200)
    // Known near, and too old by now.
    app.advance(150_000)
    assert.equal((await ask(value, {}, '/pay')).status, 401)
    assert.equal((await ask(value)).status, 200)
  })

  test('whoever fails too often is told to wait, and who is known to be good is let in', async (t) => {
    const { app, ask, token } = await anApp(t, { rateLimit: { bearerFailuresPerMinute: 5 } })
    const good = await token()
    assert.equal((await ask(good)).status, 200)
    const key = await proofKey()
    const bound = await token({ cnf: { jkt: key.thumbprint } })
    const askBound = async () => {
      const dpop = await proof({ key, token: bound, url: `http://${appHost}/`, clock: app.clock })
      return (await ask('', { authorization: `DPoP ${bound}`, dpop })).status
    }
    assert.equal(await askBound(), 200)
    let last = 401
    for (let time = 0; time < 20 && last === 401; time++) last = (await ask(await token({ aud: 'x' }))).status
    assert.equal(last, 429)
    const { status, headers } = await ask(await token())
    assert.equal(status, 429)
    assert.ok(Number(headers['retry-after']) >= 1)
    assert.equal((await ask(good)).status, 200)
    assert.equal(await askBound(), 200)
    // Others are not held up, and what is no token of ours is no failure.
    const elsewhere = { 'x-forwarded-for': '203.0.113.9' }
    assert.equal((await ask(await token(), elsewhere)).status, 200)
    assert.equal((await app.ask('traefik', { headers: { ...scriptHeaders, authorization: 'Basic YTpi' } })).status, 401)
    app.advance(61_000)
    assert.equal((await ask(await token())).status, 200)
  })

  test('further issuers: each with its own audiences and keys, found by jwksURI or by its metadata', async (t) => {
    const other = await startProvider()
    const bare = await startProvider({ discovery: ({ issuer, jwks_uri }) => ({ issuer, jwks_uri }) })
    t.after(() => Promise.all([other.close(), bare.close()]))
    const { app, statusOf, token } = await anApp(t, {
      bearer: {
        issuers: [
          { issuer: other.issuer, audiences: ['deploy'], jwksURI: `${other.issuer}/jwks` },
          { issuer: bare.issuer, audiences: ['build'] },
        ],
      },
    })
    const { clock } = app
    assert.equal(await statusOf(await accessToken(other, clock, { aud: 'deploy' })), 200)
    assert.equal(other.calls.discovery, 0)
    assert.equal(await statusOf(await accessToken(bare, clock, { aud: 'build' })), 200)
    assert.equal(await statusOf(await token()), 200)
    // An audience is accepted from whom it is configured for, and an issuer believed about itself alone.
    for (const aud of [apiAudience, 'build'])
      assert.equal(await statusOf(await accessToken(other, clock, { aud })), 401)
    assert.equal(await statusOf(await accessToken(other, clock, { iss: app.provider.issuer })), 401)
    assert.equal(await statusOf(await accessToken(other, clock, { iss: bare.issuer, aud: 'build' })), 401)
    assert.equal(await statusOf(await token({ iss: other.issuer, aud: 'deploy' })), 401)
  })

  test('several clients of one issuer: a token is of the one whose audience it names, and held to its lists', async (t) => {
    const sharedProvider = await startProvider({ clientSecret: testClientSecret })
    t.after(() => sharedProvider.close())
    const config = {
      providers: {
        partner: {
          providerURL: sharedProvider.issuer,
          clientID: 'another',
          clientSecret: 'Q7v-secret-of-another-2kX',
          bearerAudiences: ['https://partner.example.com'],
          allowedRolesAndGroups: ['guests'],
        },
      },
    }
    const { app, token, ask } = await anApp(t, config, { sharedProvider })
    const described = await createHttpClient().send(`${app.url}/.well-known/oauth-protected-resource`)
    assert.deepEqual((described.json() as Claims)['authorization_servers'], [sharedProvider.issuer])
    const of = async (aud: unknown, claims: Claims = {}) => {
      const reply = await ask(await token({ aud, ...claims }))
      return reply.status === 200 ? 'let in' : (reply.json() as Claims)['reason']
    }
    assert.equal(await of(apiAudience), 'let in')
    assert.equal(await of('https://partner.example.com'), 'group_not_allowed')
    assert.equal(await of('https://partner.example.com', { groups: ['guests'] }), 'let in')
    assert.equal(await of('https://nobody.example.com'), 'token_audience')
  })

  test('a further issuer that cannot be asked is 503, and is asked once in 5 s', async (t) => {
    const other = await startProvider()
    t.after(() => other.close())
    const { app, ask } = await anApp(t, { bearer: { issuers: [{ issuer: other.issuer, audiences: ['deploy'] }] } })
    other.fault('discovery', { status: 500 })
    const value = await accessToken(other, app.clock, { aud: 'deploy' })
    for (let time = 0; time < 10; time++) {
      const { status, headers } = await ask(value)
      assert.deepEqual([status, headers['retry-after']], [503, '5'])
    }
    // Its two addresses.
    assert.equal(other.calls.discovery, 1)
    other.fault('discovery', undefined)
    app.advance(6_000)
    assert.equal((await ask(value)).status, 200)
    assert.equal(app.written.filter((line) => line.includes('bearer_issuer_unavailable')).length, 1)
  })

  test('strangers’ tokens of a further issuer ask for its keys once in 10 s, and in trouble once a second', async (t) => {
    const other = await startProvider()
    t.after(() => other.close())
    const issuers = [{ issuer: other.issuer, audiences: ['deploy'], jwksURI: `${other.issuer}/jwks` }]
    const { app, statusOf } = await anApp(t, { bearer: { issuers } })
    const good = () => accessToken(other, app.clock, { aud: 'deploy' })
    const madeUp = async (status: number) => {
      for (let time = 0; time < 5; time++) assert.equal(await statusOf(`${await good()}x`), status)
    }
    other.fault('jwks', { status: 500 })
    await madeUp(503)
    assert.equal(other.calls.jwks, 1)
    other.fault('jwks', undefined)
    app.advance(1_001)
    await madeUp(401)
    assert.equal(other.calls.jwks, 3, 'the keys, and whether there are newer ones')
    await other.rotateKeys()
    app.advance(10_001)
    assert.equal(await statusOf(await good()), 200)
    assert.equal(other.calls.jwks, 4)
  })

  for (const contract of contractNames) {
    test(`${contract}: a good token, a bad one beside a good cookie, and an odd header`, async (t) => {
      const { app, token } = await anApp(t)
      const cookie = await app.login()
      const asked = (authorization: string, more = {}) =>
        app.ask(contract, { cookie, headers: { ...browserHeaders, ...more, authorization } })
      const good = await asked(`Bearer ${await token()}`)
      assert.equal(good.status, contract === 'oauth2-proxy' ? 202 : 200, good.body)
      assert.equal(good.headers['x-auth-request-user'], 'robot')
      const bad = await asked(`Bearer ${await token({ aud: 'other' })}`)
      assert.equal(bad.status, 401)
      // Nothing that could send a person with a browser round in circles.
      assert.equal(bad.headers.location, undefined)
      assert.match(bad.headers['www-authenticate'] ?? '', /^Bearer realm="foregate", error="invalid_token"/)
      const answers400 = ['traefik', 'caddy', 'haproxy'].includes(contract)
      assert.equal((await asked('Bearer a b')).status, answers400 ? 400 : 403)
      // Not ours: the cookie counts, as ever.
      assert.match(String((await asked('Basic YTpi')).headers['x-auth-request-user']), /^alice/)
    })
  }

  test('what is public is so whatever token comes, and nobody is asked about it', async (t) => {
    const { app, ask } = await anApp(t, { allowOpaqueTokens: true, excludedURLs: ['/public'] })
    assert.equal((await ask('the-applications-own-token', {}, '/public')).status, 200)
    assert.equal((await ask('a, Bearer b', {}, '/public')).status, 200)
    assert.equal(app.provider.calls.introspection, 0)
  })

  test('a token in a query or in a cookie is nobody’s', async (t) => {
    const { app, token } = await anApp(t)
    const value = await token()
    const uri = `/?access_token=${value}`
    assert.equal((await app.ask('traefik', { uri, headers: scriptHeaders })).status, 401)
    assert.equal(
      (await app.ask('traefik', { cookie: `foregate_session=${value}`, headers: scriptHeaders })).status,
      401,
    )
  })

  test('without bearer.enabled a token is the application’s own, and the cookie counts', async (t) => {
    const app = await startTestApp(t)
    const { ask } = asking(app)
    assert.equal((await ask(await accessToken(app.provider, app.clock))).status, 401)
    const cookie = await app.login()
    assert.equal((await ask('anything', { cookie })).status, 200)
  })
})

suite('what is remembered', () => {
  test('a token is verified once in 5 minutes, and never counts past its end', async (t) => {
    const { app, ask, token } = await anApp(t, { clockSkew: 0 })
    const value = await token({ exp: Math.floor(app.clock() / 1_000) + 420 })
    for (let time = 0; time < 3; time++) assert.equal((await ask(value)).status, 200)
    assert.equal(await app.metric('foregate_cache_requests_total{kind="token",tier="l1",result="hit"}'), 2)
    assert.equal(await app.metric('foregate_cache_requests_total{kind="token",tier="l1",result="miss"}'), 1)
    app.advance(301_000)
    assert.equal((await ask(value)).status, 200)
    assert.equal(await app.metric('foregate_cache_requests_total{kind="token",tier="l1",result="miss"}'), 2)
    app.advance(121_000)
    assert.equal((await ask(value)).status, 401)
  })

  test('introspection: one question per token in 5 minutes; one that was revoked ends by then', async (t) => {
    const { app, ask } = await anApp(t, { allowOpaqueTokens: true })
    const { provider } = app
    let isActive = true
    provider.introspect = () => (isActive ? { sub: 'robot', aud: apiAudience, scope: 'x' } : undefined)
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask('an-opaque-token-123456')))
    assert.ok(answers.every(({ status }) => status === 200))
    assert.equal(provider.calls.introspection, 1)
    const asked = provider.received.find(({ endpoint }) => endpoint === 'introspection')
    assert.equal(asked?.form.get('token_type_hint'), 'access_token')
    assert.match(asked?.headers.authorization ?? '', /^Basic /)
    isActive = false
    assert.equal((await ask('an-opaque-token-123456')).status, 200)
    app.advance(300_000)
    assert.equal((await ask('an-opaque-token-123456')).status, 401)
    assert.equal(provider.calls.introspection, 2)
  })

  test('requireTokenIntrospection asks about JWTs whose signature is good, and about no others', async (t) => {
    const { app, ask, token } = await anApp(t, { requireTokenIntrospection: true })
    const { provider } = app
    let answer: Claims | undefined = { sub: 'robot', scope: 'less' }
    provider.introspect = () => answer
    assert.equal((await ask(await token())).status, 200)
    assert.equal(provider.calls.introspection, 1)
    answer = undefined
    const refused = await ask(await token())
    assert.deepEqual([refused.status, (refused.json() as Claims)['reason']], [401, 'token_inactive'])
    answer = { sub: 'somebody-else' }
    assert.equal(((await ask(await token())).json() as Claims)['reason'], 'token_subject')
    answer = { sub: 'robot', cnf: null }
    const bound = await token({ cnf: { jkt: 'x'.repeat(43) } })
    assert.equal(((await ask(bound)).json() as Claims)['reason'], 'token_binding')
    answer = { sub: 'robot', exp: 1 }
    assert.equal(((await ask(await token())).json() as Claims)['reason'], 'token_expired')
    assert.equal(provider.calls.introspection, 5)
    await ask(`${await token()}x`)
    await ask('opaque-and-not-allowed')
    assert.equal(provider.calls.introspection, 5)
  })

  test('a token that costs something to refuse is refused from memory for 10 s', async (t) => {
    const { app, ask } = await anApp(t, { allowOpaqueTokens: true })
    for (let time = 0; time < 50; time++) assert.equal((await ask('a-bad-opaque-token-123')).status, 401)
    assert.equal(app.provider.calls.introspection, 1)
    app.advance(10_001)
    await ask('a-bad-opaque-token-123')
    assert.equal(app.provider.calls.introspection, 2)
  })

  test('one token is remembered once, however many spaces are in front of it', async (t) => {
    const { app, ask, token } = await anApp(t)
    const value = await token()
    for (let spaces = 1; spaces <= 20; spaces++)
      assert.equal((await ask('', { authorization: `Bearer${' '.repeat(spaces)}${value}` })).status, 200)
    assert.equal(await app.metric('foregate_cache_entries{tier="l1"}'), 1)
  })

  test('a flood of made-up tokens pushes no good one out, and asks for keys once', async (t) => {
    const { app, ask, token } = await anApp(t, { allowOpaqueTokens: true })
    const { provider } = app
    provider.introspect = (value) => (value === 'a-good-opaque-token-1' ? { sub: 'r', aud: apiAudience } : undefined)
    const good = await token()
    for (const value of [good, 'a-good-opaque-token-1']) assert.equal((await ask(value)).status, 200)
    const before = provider.calls.jwks
    const forged = await Promise.all(Array.from({ length: 300 }, (_, at) => token({}, { kid: `unknown-${at}` })))
    const statuses = await Promise.all(forged.map(async (value) => (await ask(value)).status))
    assert.ok(statuses.every((status) => status === 401))
    assert.ok(provider.calls.jwks - before <= 1, `${provider.calls.jwks - before} fetches of keys`)
    const asked = provider.calls.introspection
    for (const value of [good, 'a-good-opaque-token-1']) assert.equal((await ask(value)).status, 200)
    assert.equal(provider.calls.introspection, asked)
  })

  test('such a flood starts no cool-down that a login after a change of keys would wait for', async (t) => {
    const { app, ask, token } = await anApp(t)
    await app.login()
    await ask(await token({}, { kid: 'unknown' }))
    await app.provider.rotateKeys()
    await app.login()
  })

  test('keys that changed are fetched for the first token that they signed', async (t) => {
    const { app, statusOf, token } = await anApp(t)
    assert.equal(await statusOf(await token()), 200)
    await app.provider.rotateKeys()
    assert.equal(await statusOf(await token()), 200)
  })
})

suite('single use', () => {
  test('oneTime: each token once, by its jti', async (t) => {
    const { app, ask, token } = await anApp(t, { bearer: { oneTime: true } })
    const jti = 'the-same-jti'
    const [first, second] = [await token({ jti }), await token({ jti, scope: 'other' })]
    assert.equal((await ask(first)).status, 200)
    for (const value of [first, second]) {
      const { status, json } = await ask(value)
      assert.deepEqual([status, (json() as Claims)['reason']], [401, 'token_used'])
    }
    assert.equal((await ask(await token())).status, 200)
    assert.equal(await app.metric('foregate_replays_rejected_total{kind="bearer"}'), 2)
  })

  test('oneTime without a jti: the whole token; of many at a time one is let in', async (t) => {
    const { ask, token } = await anApp(t, { bearer: { oneTime: true } })
    const value = await token({ jti: undefined })
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(value)))
    assert.equal(answers.filter(({ status }) => status === 200).length, 1)
  })

  test('oneTime without a jti: another spelling of the signature makes no other token', async (t) => {
    const { ask, token } = await anApp(t, { bearer: { oneTime: true } })
    const value = await token({ jti: undefined })
    assert.equal((await ask(value)).status, 200)
    // The last character of base64url has bits that mean nothing, and padding is no part of it.
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet.indexOf(value.at(-1) ?? '')
    const again = `${value.slice(0, -1)}${alphabet[last ^ 1]}`
    for (const spelling of [again, `${value}==`]) assert.equal((await ask(spelling)).status, 401, spelling.slice(-4))
  })

  test('oneTime and an opaque token that has no end: refused, since nobody could say how long to remember it', async (t) => {
    const { app, ask } = await anApp(t, { bearer: { oneTime: true }, allowOpaqueTokens: true })
    app.provider.introspect = () => ({ sub: 'robot', aud: apiAudience })
    assert.equal(((await ask('an-opaque-token-123456')).json() as Claims)['reason'], 'token_expired')
  })

  test('a proof counts once; the token counts with the next one, and is verified no second time', async (t) => {
    const { app, token } = await anApp(t)
    const key = await proofKey()
    const value = await token({ cnf: { jkt: key.thumbprint } })
    const url = `http://${appHost}/api/x`
    const made = () => proof({ key, token: value, url, clock: app.clock, method: 'POST' })
    const send = (dpop: string) =>
      app.ask('traefik', { method: 'POST', uri: '/api/x?q=1', headers: { authorization: `DPoP ${value}`, dpop } })
    const one = await made()
    assert.equal((await send(one)).status, 200)
    const again = await send(one)
    assert.deepEqual([again.status, (again.json() as Claims)['reason']], [401, 'dpop_replayed'])
    assert.match(again.headers['www-authenticate'] ?? '', /^DPoP .*algs="RS256 .*ES256/)
    assert.equal((await send(await made())).status, 200)
    assert.equal(await app.metric('foregate_cache_requests_total{kind="token",tier="l1",result="miss"}'), 1)
    // Known near, and bound all the same.
    const stolen = await app.ask('traefik', { headers: { authorization: `Bearer ${value}` } })
    assert.equal(stolen.status, 401)
  })

  test('a bad proof does not use up the jti of a good one', async (t) => {
    const { app, token } = await anApp(t)
    const key = await proofKey()
    const value = await token({ cnf: { jkt: key.thumbprint } })
    const url = `http://${appHost}/`
    const claims = { jti: 'shared-jti' }
    const send = async (dpop: string) =>
      (await app.ask('traefik', { headers: { authorization: `DPoP ${value}`, dpop } })).status
    assert.equal(await send(await proof({ key, token: value, url: `${url}x`, clock: app.clock, claims })), 401)
    const attackers = await proofKey()
    assert.equal(await send(await proof({ key: attackers, token: value, url, clock: app.clock, claims })), 401)
    assert.equal(await send(await proof({ key, token: value, url, clock: app.clock, claims })), 200)
  })

  test('a proof for https, where cookies are for https only, whatever the proxy calls the scheme', async (t) => {
    const { app, token } = await anApp(t, { forceHTTPS: true })
    const key = await proofKey()
    const value = await token({ cnf: { jkt: key.thumbprint } })
    const dpop = await proof({ key, token: value, url: `https://${appHost}/`, clock: app.clock })
    assert.equal((await app.ask('traefik', { headers: { authorization: `DPoP ${value}`, dpop } })).status, 200)
  })

  test('where the proxy does not say which request it is, no proof can be for it', async (t) => {
    const { app, token } = await anApp(t, { forwardAuth: { oauth2ProxyDialect: 'none' } })
    const key = await proofKey()
    const value = await token({ cnf: { jkt: key.thumbprint } })
    const dpop = await proof({ key, token: value, url: `http://${appHost}/`, clock: app.clock })
    const reply = await app.ask('oauth2-proxy', { headers: { authorization: `DPoP ${value}`, dpop } })
    assert.deepEqual([reply.status, (reply.json() as Claims)['reason']], [401, 'dpop_request_unknown'])
  })
})

suite('while the provider is in trouble', () => {
  const faults: [name: string, fault: Parameters<TestApp['provider']['fault']>[1]][] = [
    ['answers 500', { status: 500 }],
    ['answers 429', { status: 429 }],
    ['does not accept this client', { status: 401, body: { error: 'invalid_client' } }],
    ['answers something else', { status: 200, body: 'no JSON', contentType: 'text/html' }],
    ['answers a list', { status: 200, body: [] }],
    ['answers without `active`', { status: 200, body: { sub: 'robot', aud: apiAudience } }],
    ['redirects', { status: 302, headers: { location: '/elsewhere' } }],
    ['cuts the connection', { drop: true }],
  ]
  for (const [name, fault] of faults) {
    test(`the introspection endpoint ${name}: 503 and Retry-After, never 401, and remembered by nobody`, async (t) => {
      const { app, ask } = await anApp(t, { allowOpaqueTokens: true })
      app.provider.introspect = () => ({ sub: 'robot', aud: apiAudience })
      app.provider.fault('introspection', fault)
      const cookie = await app.login()
      const { status, headers, setCookies } = await ask('an-opaque-token-123456', { cookie })
      assert.deepEqual([status, headers['retry-after'], setCookies], [503, '5', []])
      app.provider.fault('introspection', undefined)
      assert.equal((await ask('an-opaque-token-123456')).status, 200)
    })
  }

  test('keys that cannot be had: 503, never 401; tokens that were verified go on', async (t) => {
    const { app, ask, token } = await anApp(t)
    const before = app.provider.calls.jwks
    app.provider.fault('jwks', { status: 500 })
    // Made-up ones, of whom nothing but the signature says so.
    for (let time = 0; time < 20; time++) assert.equal((await ask(`${await token()}x`)).status, 503)
    assert.equal(app.provider.calls.jwks - before, 1)
    app.provider.fault('jwks', undefined)
    app.advance(1_001)
    const value = await token()
    assert.equal((await ask(value)).status, 200)
    app.provider.fault('jwks', { status: 500 })
    assert.equal((await ask(value)).status, 200)
  })

  test('no introspection endpoint anywhere: 503, and the log names the option', async (t) => {
    const { app, ask } = await anApp(
      t,
      { allowOpaqueTokens: true },
      { provider: { discovery: (document) => ({ ...document, introspection_endpoint: undefined }) } },
    )
    assert.equal((await ask('an-opaque-token-123456')).status, 503)
    assert.match(app.written.join(''), /introspection_impossible.*introspectionURL/)
  })

  test('introspectionURL stands in for what the metadata lacks', async (t) => {
    const provider = await startProvider({
      discovery: (document) => ({ ...document, introspection_endpoint: undefined }),
    })
    t.after(() => provider.close())
    const config = { allowOpaqueTokens: true, introspectionURL: `${provider.issuer}/introspect` }
    const { ask } = await anApp(t, config, { sharedProvider: provider })
    provider.introspect = () => ({ sub: 'robot', aud: apiAudience })
    assert.equal((await ask('an-opaque-token-123456')).status, 200)
  })
})

suite('how a program finds its way (RFC 9728)', () => {
  const wellKnown = '/.well-known/oauth-protected-resource'
  const metadataAt = (app: TestApp, path: string, headers: Headers = {}, method = 'GET') =>
    createHttpClient().send(`${app.url}${path}`, {
      method,
      headers: { 'x-forwarded-host': appHost, 'x-forwarded-proto': 'http', ...headers },
    })

  test('whoever brings nothing is told where this host describes itself, and what scopes the page needs', async (t) => {
    const { app } = await anApp(t, { rules: [{ path: '/mcp', require: { scopes: ['tools'] } }] })
    const reply = await app.ask('traefik', { uri: '/mcp', headers: scriptHeaders })
    assert.equal(reply.status, 401)
    assert.equal(
      reply.headers['www-authenticate'],
      `Bearer realm="foregate", scope="tools", resource_metadata="http://${appHost}${wellKnown}"`,
    )
    const { status, headers, json } = await metadataAt(app, wellKnown)
    assert.equal(status, 200)
    assert.equal(headers['access-control-allow-origin'], '*')
    const { dpop_signing_alg_values_supported: algorithms, ...body } = json() as Claims
    assert.ok((algorithms as string[]).includes('ES256'))
    assert.deepEqual(body, {
      resource: `http://${appHost}`,
      authorization_servers: [app.provider.issuer],
      bearer_methods_supported: ['header'],
      scopes_supported: ['tools'],
    })
  })

  test('an audience on this host is the resource, with the path that it has', async (t) => {
    const { app } = await anApp(t, {
      bearer: { audiences: [`http://${appHost}/mcp`, 'https://else.example.com/mcp/x'] },
    })
    const challenge = async (uri: string) =>
      (await app.ask('traefik', { uri, headers: scriptHeaders })).headers['www-authenticate'] ?? ''
    for (const uri of ['/mcp', '/mcp/messages?x=1', '/mcp/x'])
      assert.match(await challenge(uri), /oauth-protected-resource\/mcp"$/, uri)
    for (const uri of ['/mcpx', '/', '/MCP']) assert.match(await challenge(uri), /oauth-protected-resource"$/, uri)
    const at = async (path: string) => ((await metadataAt(app, path)).json() as Claims)['resource']
    assert.equal(await at(`${wellKnown}/mcp`), `http://${appHost}/mcp`)
    assert.equal(await at(wellKnown), `http://${appHost}`)
    assert.equal(await at(`${wellKnown}/`), `http://${appHost}`)
  })

  test('scripts of every origin may read it, after a preflight, too; nothing else is done there', async (t) => {
    const { app } = await anApp(t)
    const preflight = await metadataAt(app, wellKnown, { origin: 'https://inspector.example' }, 'OPTIONS')
    assert.equal(preflight.status, 204)
    assert.equal(preflight.headers['access-control-allow-origin'], '*')
    assert.equal(preflight.headers['access-control-allow-headers'], '*')
    assert.equal(preflight.headers['access-control-allow-credentials'], undefined)
    assert.equal((await metadataAt(app, wellKnown, {}, 'POST')).status, 405)
    assert.equal((await metadataAt(app, `${wellKnown}x`)).status, 404)
  })

  test('through a middleware alone it is never an "allow"', async (t) => {
    const { app } = await anApp(t)
    for (const contract of contractNames) {
      for (const uri of [wellKnown, `${wellKnown}/mcp`]) {
        const { status } = await app.ask(contract, { uri, headers: scriptHeaders, cookie: await app.login() })
        assert.ok(status === 404 || status === 403, `${contract} ${uri}: ${status}`)
      }
    }
  })

  test('in reverse-proxy mode hosts without an application describe nothing', async (t) => {
    const { app } = await anApp(t, { upstreams: [{ url: 'http://127.0.0.1:9', host: '*.example.com' }] })
    assert.equal(((await metadataAt(app, wellKnown)).json() as Claims)['resource'], `http://${appHost}`)
    const elsewhere = { 'x-forwarded-host': 'evil.example' }
    assert.equal((await metadataAt(app, `${wellKnown}/mcp`, elsewhere)).status, 404)
    assert.equal((await metadataAt(app, wellKnown, elsewhere, 'OPTIONS')).status, 404)
  })

  test('where no token counts the path is the application’s', async (t) => {
    const app = await startTestApp(t)
    const cookie = await app.login()
    assert.equal((await app.ask('traefik', { uri: wellKnown, cookie })).status, 200)
    assert.equal((await metadataAt(app, wellKnown)).status, 404)
    const { headers } = await app.ask('traefik', { headers: scriptHeaders })
    assert.equal(headers['www-authenticate'], 'Bearer realm="foregate"')
  })
})

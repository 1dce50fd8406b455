import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seconds } from '../../src/time.ts'
import { aWorld, configFor, flow } from './setup.ts'

describe('the authorization request', () => {
  test('carries everything that binds the answer to this login', async (t) => {
    const { op, provider } = await aWorld(t)
    const url = await provider.authorizationURL(flow)
    assert.equal(url.origin + url.pathname, `${op.issuer}/authorize`)
    assert.deepEqual(Object.fromEntries(url.searchParams), {
      response_type: 'code',
      client_id: 'client',
      redirect_uri: flow.redirectURI,
      scope: 'openid profile email',
      state: flow.state,
      nonce: flow.nonce,
      // echo -n VERIFIER | openssl dgst -sha256 -binary | base64url
      code_challenge: 'CA8ZX_tCUggdKo5Op_9_qFdJFsOd2HjT3XmtjifCAYo',
      code_challenge_method: 'S256',
    })
  })

  test('leads to a login that the provider accepts', async (t) => {
    const { provider } = await aWorld(t)
    const url = await provider.authorizationURL(flow)
    const answer = await fetch(url, { redirect: 'manual' })
    const { search } = new URL(answer.headers.get('location') ?? '')
    const grant = await provider.exchangeCode({ ...flow, query: search.slice(1) })
    assert.equal(grant.claims['sub'], 'alice')
  })

  test('has no challenge, and the redemption no verifier, when PKCE is off', async (t) => {
    const { op, provider, login } = await aWorld(t, { config: { enablePKCE: false } })
    const { searchParams } = await provider.authorizationURL(flow)
    assert.ok(!searchParams.has('code_challenge') && !searchParams.has('code_challenge_method'))
    await login().catch(() => {})
    assert.ok(!op.received.find(({ endpoint }) => endpoint === 'token')?.form.has('code_verifier'))
  })

  test('takes extra parameters (the configuration refuses those that are ours), and what the login asks for wins', async (t) => {
    const { provider } = await aWorld(t, {
      config: { extraAuthParams: { ui_locales: 'de', prompt: 'none', state: 'x', nonce: 'x' }, audience: 'api' },
    })
    const { searchParams } = await provider.authorizationURL({ ...flow, prompt: 'login' })
    assert.equal(searchParams.get('ui_locales'), 'de')
    assert.deepEqual(searchParams.getAll('prompt'), ['login'])
    assert.deepEqual(searchParams.getAll('state'), [flow.state])
    assert.deepEqual(searchParams.getAll('nonce'), [flow.nonce])
    assert.equal(searchParams.get('audience'), 'api')
  })

  test('keeps the query of the endpoint', async (t) => {
    const { provider } = await aWorld(t, {
      provider: {
        discovery: (document) => ({
          ...document,
          authorization_endpoint: `${String(document['authorization_endpoint'])}?p=1`,
        }),
      },
    })
    assert.equal((await provider.authorizationURL(flow)).searchParams.get('p'), '1')
  })

  test('asks Google for a refresh token in the only way it knows', async (t) => {
    const { op, cache, another } = await aWorld(t)
    const issuer = 'https://accounts.google.com'
    // A cached document stands for Google: nothing is fetched while it is fresh.
    const [kept] = cache.metadata.entries.values()
    const document = (kept ?? '').replaceAll(op.issuer, issuer)
    const config = configFor(op, { providerURL: issuer, scopes: ['openid', 'offline_access'] })
    const google = another({
      config,
      cache: { metadata: { get: async () => document, set: async () => {} }, jwks: cache.jwks },
    })
    google.start()
    const { searchParams } = await google.authorizationURL(flow)
    assert.equal(searchParams.get('scope'), 'openid')
    assert.equal(searchParams.get('access_type'), 'offline')
    assert.equal(searchParams.get('prompt'), 'consent')
  })
})

describe('the logout request', () => {
  const request = { idToken: 'x.y.z', postLogoutRedirectURI: 'https://app.example.com/', state: 'logout-state' }

  test('names the session, the client and the way back', async (t) => {
    const { op, provider } = await aWorld(t)
    const url = provider.endSessionURL(request)
    assert.equal(`${url?.origin}${url?.pathname}`, `${op.issuer}/logout`)
    assert.deepEqual(Object.fromEntries(url?.searchParams ?? []), {
      id_token_hint: 'x.y.z',
      client_id: 'client',
      post_logout_redirect_uri: 'https://app.example.com/',
      state: 'logout-state',
    })
  })

  test('of a Cognito pool has its own words for the client and the way back, and no hint', async (t) => {
    const { op, another } = await aWorld(t, { start: false })
    const providerURL = 'https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI'
    const endSessionURL = 'https://auth.example.com/logout'
    const provider = another({ config: configFor(op, { providerURL, endSessionURL }) })
    assert.equal(
      provider.endSessionURL(request)?.href,
      `${endSessionURL}?client_id=client&logout_uri=https%3A%2F%2Fapp.example.com%2F`,
    )
  })

  test('has no hint without an ID token', async (t) => {
    const { provider } = await aWorld(t)
    assert.ok(!provider.endSessionURL({ ...request, idToken: undefined })?.searchParams.has('id_token_hint'))
  })

  test('is undefined where the provider has no such endpoint, and before it is known', async (t) => {
    const { provider } = await aWorld(t, {
      provider: { discovery: (document) => ({ ...document, end_session_endpoint: undefined }) },
    })
    assert.equal(provider.endSessionURL(request), undefined)
    const { provider: unknown } = await aWorld(t, { start: false })
    assert.equal(unknown.endSessionURL(request), undefined)
  })

  test('leaves out an ID token that would make it longer than 2 KB, and names the client all the same (C4)', async (t) => {
    const { provider } = await aWorld(t)
    const lengthWith = (length: number) =>
      provider.endSessionURL({ ...request, idToken: 'x'.repeat(length) })?.href.length ?? 0
    const fits = 2_048 - lengthWith(1) + 1
    assert.equal(lengthWith(fits), 2_048)
    const url = provider.endSessionURL({ ...request, idToken: 'x'.repeat(fits + 1) })
    assert.deepEqual(Object.fromEntries(url?.searchParams ?? []), {
      client_id: 'client',
      post_logout_redirect_uri: 'https://app.example.com/',
      state: 'logout-state',
    })
  })

  test('is undefined where it would be too long even so (C4)', async (t) => {
    const { provider } = await aWorld(t)
    const long = `https://app.example.com/?${'x'.repeat(2_000)}`
    assert.equal(provider.endSessionURL({ ...request, postLogoutRedirectURI: long }), undefined)
    assert.equal(provider.endSessionURL({ ...request, state: long }), undefined)
  })

  test('goes to the configured endpoint first', async (t) => {
    const { provider } = await aWorld(t, { config: { endSessionURL: 'https://op.example/bye?x=1' }, start: false })
    const url = provider.endSessionURL(request)
    assert.equal(url?.host, 'op.example')
    assert.equal(url?.searchParams.get('x'), '1')
  })
})

describe('a revocation', () => {
  const tokens = { accessToken: 'at', idToken: 'x.y.z', refreshToken: 'rt' }

  test('names both tokens and the client, and never the ID token', async (t) => {
    const { op, provider } = await aWorld(t)
    await provider.revoke(tokens)
    assert.deepEqual([...op.revoked].sort(), ['at', 'rt'])
    const hints = op.received.filter(({ endpoint }) => endpoint === 'revocation').map(({ form }) => [...form])
    assert.ok(hints.every((form) => form.some(([name]) => name === 'token_type_hint')))
  })

  test('that fails is a warning that quotes nothing', async (t) => {
    const { op, provider, log } = await aWorld(t)
    op.fault('revocation', { status: 503 })
    await provider.revoke({ ...tokens, refreshToken: 'secret-refresh-token' })
    assert.equal(log.lines.filter(({ event }) => event === 'revocation_failed').length, 2)
    assert.ok(!JSON.stringify(log.lines).includes('secret-refresh-token'))
  })

  test('that hangs ends after providerTimeout', async (t) => {
    const { op, provider, time } = await aWorld(t)
    op.fault('revocation', { hang: true })
    const first = op.nextCall('revocation')
    const done = provider.revoke({ ...tokens, refreshToken: undefined })
    await first
    time.advance(seconds(5))
    await done
  })

  test('asks nobody where there is nowhere to ask', async (t) => {
    const { op, provider } = await aWorld(t, {
      provider: { discovery: (document) => ({ ...document, revocation_endpoint: undefined }) },
    })
    await provider.revoke(tokens)
    assert.equal(op.calls.revocation, 0)
  })

  test('goes to the configured endpoint first', async (t) => {
    const { op, provider, another } = await aWorld(t, {
      provider: { discovery: (document) => ({ ...document, revocation_endpoint: undefined }) },
    })
    const configured = another({ config: configFor(op, { revocationURL: `${op.issuer}/revoke` }) })
    await configured.revoke(tokens)
    assert.equal(op.revoked.length, 2)
    assert.ok(provider)
  })
})

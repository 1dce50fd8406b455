// The manners of real providers, through the whole service: what the guides in docs/providers promise.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test, type TestContext } from 'node:test'
import { manners, type FaultyProviderOptions } from '../../fixtures/provider.ts'
import { appHost, browserHeaders, scriptHeaders, startTestApp, type TestApp } from '../../fixtures/in-process-app.ts'

async function anApp(t: TestContext, provider: FaultyProviderOptions, config: Record<string, unknown> = {}) {
  const app = await startTestApp(t, { provider, config: { providerTimeout: '1s', ...config } })
  const ask = (cookie: string, uri = '/') => app.ask('traefik', { uri, cookie, headers: scriptHeaders })
  return { app, ask }
}

for (const [name, provider] of Object.entries(manners)) {
  test(`${name}: a refresh token that is worth nothing any more: served to the token's end, then a login, one call (E1)`, async (t) => {
    const { app, ask } = await anApp(t, provider)
    const cookie = await app.login()
    app.provider.revokeRefreshTokens()
    app.advance(242_000)
    assert.equal((await ask(cookie)).status, 200)
    while ((await app.metric('foregate_token_refreshes_total{outcome="rejected"}')) === 0) await turn()
    app.advance(57_000)
    assert.equal((await ask(cookie)).status, 200)
    app.advance(2_000)
    for (let request = 0; request < 5; request++) assert.equal((await ask(cookie)).status, 401)
    assert.equal(app.provider.calls.refresh, 1)
    const line = app.handed.find(({ event }) => event === 'refresh_refused')
    assert.ok(JSON.stringify(line).includes(provider.refusal.error_description.slice(0, 20)), 'in its own words (C12)')
    const again = await app.login()
    assert.equal((await ask(again)).status, 200)
  })

  test(`${name}: logs in, refreshes again and again, uses no token twice`, async (t) => {
    const { app, ask } = await anApp(t, provider)
    const cookie = await app.login()
    for (let round = 1; round <= 3; round++) {
      app.advance(301_000)
      assert.equal((await ask(cookie)).status, 200)
      assert.equal(app.provider.calls.refresh, round)
    }
    assert.equal(app.provider.reuses, 0)
  })
}

test('dex: a login in a second browser ends the first one with its token, and there is no 503 (E1)', async (t) => {
  const { app, ask } = await anApp(t, manners.dex)
  const first = await app.login()
  const second = await app.login()
  app.advance(301_000 + 15 * 60_000)
  assert.equal((await ask(first)).status, 401)
  assert.equal((await ask(second)).status, 200)
})

test('keycloak: roles are in the access token only: rules see them with claimsFrom, and not without (E5)', async (t) => {
  const config = { roleClaimName: 'realm_access.roles', rules: [{ path: '/admin', require: { roles: ['admin'] } }] }
  const blind = await anApp(t, manners.keycloak, config)
  assert.equal((await blind.ask(await blind.app.login(), '/admin')).status, 403)
  const seeing = await anApp(t, manners.keycloak, { ...config, claimsFrom: ['idToken', 'accessToken'] })
  const cookie = await seeing.app.login()
  assert.equal((await seeing.ask(cookie, '/admin')).status, 200)
  seeing.app.provider.accessTokenClaims = { realm_access: { roles: [] } }
  seeing.app.advance(301_000)
  assert.equal((await seeing.ask(cookie, '/admin')).status, 403, 'a role that a refresh takes away is gone')
})

for (const [name, provider] of Object.entries({ keycloak: manners.keycloak, auth0: manners.auth0 })) {
  test(`${name}: a changed client secret is the operator's mistake and ends nobody's session (E1)`, async (t) => {
    const { app, ask } = await anApp(t, provider)
    const cookie = await app.login()
    app.provider.fault('refresh', { status: provider.clientRefusal.status, body: { ...provider.clientRefusal } })
    app.advance(301_000)
    assert.equal((await ask(cookie)).status, 200)
    app.provider.fault('refresh', undefined)
    app.advance(61_000)
    assert.equal((await ask(cookie)).status, 200)
    const line = app.handed.find(({ event }) => event === 'provider_client_rejected')
    assert.equal(line?.['detail'], `${provider.clientRefusal.error}: ${provider.clientRefusal.error_description}`)
  })
}

test('a provider that sends no nonce: nobody gets in, and with allowMissingNonce everybody does (C14)', async (t) => {
  const strict = await anApp(t, { sendsNonce: false })
  await assert.rejects(strict.app.login())
  const { app, ask } = await anApp(t, { sendsNonce: false }, { allowMissingNonce: true })
  assert.equal((await ask(await app.login())).status, 200)
  const loud = (started: TestApp) =>
    started.handed.filter(({ level, event }) => level === 'warn' && event === 'provider_nonce_optional').length
  assert.deepEqual([loud(strict.app), loud(app)], [0, 1])
})

test('what README and the guides tell to register is what is sent (E6)', async (t) => {
  const { app } = await anApp(t, { discovery: (document) => ({ ...document, prompt_values_supported: ['login'] }) })
  const sent = async (uri: string, name: string, cookie?: string) => {
    const reply = await app.ask('traefik', { uri, cookie, headers: browserHeaders })
    return new URL(reply.headers.location ?? '').searchParams.get(name)?.replace(/^http:/, 'https:') ?? ''
  }
  const cookie = await app.login()
  const callback = await sent('/', 'redirect_uri')
  const switching = await sent('/oauth2/start?prompt=select_account', 'post_logout_redirect_uri', cookie)
  const afterLogout = await sent('/oauth2/logout', 'post_logout_redirect_uri', cookie)
  const told = (page: string) =>
    readFileSync(new URL(`../../../${page}`, import.meta.url), 'utf8').replaceAll('YOUR-APP', appHost)
  for (const page of ['README.md', 'docs/providers/README.md', 'docs/providers/keycloak.md']) {
    for (const address of [callback, afterLogout])
      assert.ok(told(page).includes(`\`${address}\``), `${page}: ${address}`)
  }
  // Keycloak knows no choice of account: it is asked to end its session, and to come back to the start.
  for (const page of ['docs/providers/README.md', 'docs/providers/keycloak.md']) {
    assert.ok(told(page).includes(`\`${switching}\``), `${page}: ${switching}`)
  }
})

const turn = () => new Promise((resolve) => setImmediate(resolve))

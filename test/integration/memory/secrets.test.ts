// No log line holds a token, code, cookie, secret or password: everything that a whole run logged, at level debug, searched for
// every secret that was used in it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHttpClient } from '../../fixtures/http-client.ts'
import {
  browserHeaders,
  scriptHeaders,
  sessionCookie,
  startTestApp,
  testClientSecret,
  testEncryptionKey,
} from '../../fixtures/in-process-app.ts'

test('nothing secret is logged, by us or past the redaction, whatever happens', async (t) => {
  const app = await startTestApp(t, { config: { providerTimeout: '1s' } })
  const secrets = new Set([
    testClientSecret,
    testEncryptionKey,
    Buffer.from(`client:${testClientSecret}`).toString('base64'),
  ])
  const learn = (query: URLSearchParams) => {
    for (const name of [
      'state',
      'nonce',
      'code',
      'code_challenge',
      'code_verifier',
      'id_token_hint',
      'refresh_token',
      'token',
    ]) {
      for (const value of query.getAll(name)) if (value.length > 7) secrets.add(value)
    }
  }
  const keepTokens = (body: Record<string, unknown>) => {
    for (const name of ['access_token', 'refresh_token', 'id_token']) secrets.add(String(body[name]))
    return body
  }
  app.provider.tokenResponse = keepTokens

  // Logins: a good one, one with a bad token, one that is replayed, one whose code is refused, one that hangs.
  const client = createHttpClient()
  const cookie = await app.login(client)
  secrets.add(cookie.slice(sessionCookie.length + 1))
  secrets.add(cookie.slice(sessionCookie.length + 1 + 22))
  const callbacks: string[] = []
  for (const trouble of ['bad', 'replayed', 'refused', 'away']) {
    const browser = createHttpClient()
    const started = await app.begin(browser, '/wanted?token=value-of-a-query-parameter')
    secrets.add('value-of-a-query-parameter')
    const atProvider = await browser.send(started.headers.location ?? '', { headers: browserHeaders })
    const callback = new URL(atProvider.headers.location ?? '')
    callbacks.push(callback.href)
    const flows = browser.cookies.header(new URL(app.url)) ?? ''
    secrets.add(flows.split('=').slice(1).join('='))
    if (trouble === 'bad') app.provider.idToken = (draft) => ({ ...draft, claims: { ...draft.claims, nonce: 'x' } })
    if (trouble === 'refused') callback.searchParams.set('code', 'code-that-was-made-up')
    if (trouble === 'away') app.provider.fault('token', { drop: true })
    await browser.send(callback.href, { headers: browserHeaders })
    app.provider.idToken = (draft) => draft
    app.provider.fault('token', undefined)
    if (trouble === 'replayed') {
      const again = { ...browserHeaders, cookie: flows }
      assert.equal((await createHttpClient().send(callback.href, { headers: again })).status, 400)
    }
    // Something of the application's that comes by on its way.
    await app.ask('traefik', {
      uri: `/page?${callback.searchParams.toString()}`,
      headers: { ...scriptHeaders, authorization: 'Bearer bearer-of-the-application' },
    })
  }
  secrets.add('bearer-of-the-application')

  // Refreshes that fail and succeed, denials, damaged cookies, a logout with a revocation that fails.
  app.provider.fault('refresh', { status: 500, body: { error: 'x', refresh_token: 'echoed-refresh-token' } })
  secrets.add('echoed-refresh-token')
  app.advance(301_000)
  await app.ask('traefik', { cookie, headers: scriptHeaders })
  app.provider.fault('refresh', undefined)
  app.advance(61_000)
  assert.equal((await app.ask('traefik', { cookie, headers: scriptHeaders })).status, 200)
  await app.ask('traefik', { cookie: `${cookie}x`, headers: scriptHeaders })
  await app.ask('traefik', { cookie, uri: '//x/%zz', host: 'a b' })
  app.provider.fault('revocation', { status: 500, body: 'echo' })
  await client.send(`${app.url}/oauth2/logout`, { headers: browserHeaders })
  await client.send(`${app.url}/oauth2/callback?code=code-without-a-flow&state=state-without-a-flow`)
  secrets.add('code-without-a-flow').add('state-without-a-flow')

  for (const { query, form } of app.provider.received) {
    learn(query)
    learn(form)
  }
  for (const callback of callbacks) learn(new URL(callback).searchParams)
  await app.stop()

  assert.ok(secrets.size > 25, `${secrets.size} secrets were used`)
  assert.ok(app.handed.length > 10, `${app.handed.length} lines were logged`)
  for (const secret of secrets) {
    const encoded = [secret, encodeURIComponent(secret)]
    for (const form of encoded) {
      assert.equal(
        app.written.find((line) => line.includes(form)),
        undefined,
        'a line as it was written',
      )
      // Redaction is the net under the callers, not their excuse.
      const handed = app.handed.find((fields) => JSON.stringify(fields, withErrors).includes(form))
      assert.equal(handed, undefined, 'a line as it was handed over')
    }
  }
  for (const line of app.written) assert.equal(typeof (JSON.parse(line) as { event: unknown }).event, 'string')
})

/** Errors have no enumerable fields: message, stack and cause would be missed. */
const withErrors = (_key: string, value: unknown): unknown =>
  value instanceof Error
    ? Object.fromEntries(
        ['message', 'stack', 'cause', ...Object.keys(value)].map((name) => [name, Reflect.get(value, name)]),
      )
    : value

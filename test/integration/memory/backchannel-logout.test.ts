// What the provider may tell of a logout, and what nobody may (OpenID Connect Back-Channel Logout 1.0).
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { after, beforeEach, describe, test } from 'node:test'
import { forgeries } from '../../fixtures/forged-tokens.ts'
import { createHttpClient, type Reply } from '../../fixtures/http-client.ts'
import { browserHeaders, startTestApp, testClientSecret } from '../../fixtures/in-process-app.ts'
import type { Claims } from '../../fixtures/provider.ts'
import { recordedSelections } from '../../fixtures/selected-sessions.ts'
import { providerSignals } from '../../fixtures/provider-signals.ts'

const selected = recordedSelections()
const app = await startTestApp({ after }, { selected, amend: providerSignals({ backChannelLogout: true }) })
const { provider } = app
const path = '/oauth2/backchannel_logout'
const form = 'application/x-www-form-urlencoded'
const now = () => Math.floor(app.clock() / 1_000)

beforeEach(() => {
  selected.ended.length = 0
  selected.isKept = true
})

function post(body: string | undefined, headers: Record<string, string> = {}, to = path): Promise<Reply> {
  return createHttpClient().send(`${app.url}${to}`, {
    method: 'POST',
    headers: { 'content-type': form, ...headers },
    ...(body !== undefined && { body }),
  })
}
const tell = (token: string) => post(new URLSearchParams({ logout_token: token }).toString())
/** Sends this and hangs up. */
const cutOff = (port: number, text: string) =>
  new Promise<void>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text, () => socket.destroy()))
    socket.on('error', reject)
    socket.on('close', () => resolve())
  })
const refusal = (reply: Reply) => {
  const { error, reason } = reply.json() as { error: string; reason: string }
  return [reply.status, error, reason]
}

describe('a logout token', () => {
  const good: readonly (readonly [name: string, claims: Claims, header: Claims, expected: Claims])[] = [
    ['about a session', { sid: 's-1' }, {}, { by: 'sid', sid: 's-1' }],
    ['about a person', { sub: 'alice' }, {}, { by: 'subject', subject: 'alice' }],
    ['about a session of a person', { sub: 'alice', sid: 's-1' }, {}, { by: 'sid', sid: 's-1', subject: 'alice' }],
    ['of the general type', { sid: 's-1' }, { typ: 'JWT' }, { by: 'sid', sid: 's-1' }],
    ['of no type', { sid: 's-1' }, { typ: undefined }, { by: 'sid', sid: 's-1' }],
    ['of its type in full', { sid: 's-1' }, { typ: 'application/logout+jwt' }, { by: 'sid', sid: 's-1' }],
    ['for us in a list', { sid: 's-1', aud: ['client'] }, {}, { by: 'sid', sid: 's-1' }],
    ['for us and others', { sid: 's-1', aud: ['other', 'client'] }, {}, { by: 'sid', sid: 's-1' }],
    [
      'with more in its event, as Keycloak sends it',
      {
        sid: 's-1',
        typ: 'Logout',
        events: { 'http://schemas.openid.net/event/backchannel-logout': { revoke_offline_access: true } },
      },
      {},
      { by: 'sid', sid: 's-1' },
    ],
  ]
  for (const [name, claims, header, expected] of good) {
    test(`${name} is obeyed: 200, not to be stored, and no cookie`, async () => {
      const reply = await tell(await provider.logoutToken({ ...claims, iat: now() - 3 }, header))
      assert.deepEqual([reply.status, reply.body, reply.headers['cache-control']], [200, '', 'no-store'])
      assert.deepEqual(reply.setCookies, [])
      assert.equal(reply.headers['access-control-allow-origin'], undefined)
      const [{ issuedAt, ...selection } = {}, ...others] = selected.ended as Claims[]
      assert.deepEqual([selection, others], [{ issuer: provider.issuer, ...expected }, []])
      assert.ok(Math.abs(Number(issuedAt) - (now() - 3)) <= 1, 'whole seconds, as the provider’s clock has it')
    })
  }

  const event = 'http://schemas.openid.net/event/backchannel-logout'
  const bad: readonly (readonly [name: string, reason: string, claims: () => Claims, header?: Claims])[] = [
    ['of an access token’s type', 'type', () => ({}), { typ: 'at+jwt' }],
    ['of a security event’s type', 'type', () => ({}), { typ: 'secevent+jwt' }],
    ['of a type that only ends like it', 'type', () => ({}), { typ: 'x-logout+jwt' }],
    ['of another issuer', 'issuer', () => ({ iss: 'https://evil.example' })],
    ['of our issuer with a slash more', 'issuer', () => ({ iss: `${provider.issuer}/` })],
    ['of no issuer', 'issuer', () => ({ iss: undefined })],
    ['of two issuers', 'issuer', () => ({ iss: [provider.issuer] })],
    ['for another client', 'audience', () => ({ aud: 'other' })],
    ['for other clients', 'audience', () => ({ aud: ['other', 'third'] })],
    ['for nobody', 'audience', () => ({ aud: undefined })],
    ['for us, authorized for another', 'audience', () => ({ aud: ['client', 'other'], azp: 'other' })],
    ['without iat', 'issued_at', () => ({ iat: undefined })],
    ['with an iat in words', 'issued_at', () => ({ iat: String(now()) })],
    ['from the future', 'issued_at', () => ({ iat: now() + 90, exp: now() + 200 })],
    ['from the year 10000', 'issued_at', () => ({ iat: 1e300 })],
    ['not valid yet', 'not_yet_valid', () => ({ nbf: now() + 90 })],
    ['without exp', 'expired', () => ({ exp: undefined })],
    ['with an exp in words', 'expired', () => ({ exp: 'tomorrow' })],
    ['that has expired', 'expired', () => ({ iat: now() - 400, exp: now() - 90 })],
    [
      'of the day before yesterday, whatever its exp says',
      'expired',
      () => ({ iat: now() - 172_800, exp: now() + 60 }),
    ],
    ['without jti', 'token_id', () => ({ jti: undefined })],
    ['with an empty jti', 'token_id', () => ({ jti: '' })],
    ['with a number for jti', 'token_id', () => ({ jti: 7 })],
    ['without events', 'events', () => ({ events: undefined })],
    ['with a list of events', 'events', () => ({ events: [event] })],
    ['with another event', 'events', () => ({ events: { 'http://schemas.openid.net/event/other': {} } })],
    ['whose event is a word', 'events', () => ({ events: { [event]: 'yes' } })],
    ['whose event is a list', 'events', () => ({ events: { [event]: [] } })],
    ['whose event is null', 'events', () => ({ events: { [event]: null } })],
    ['whose event has a slash more', 'events', () => ({ events: { [`${event}/`]: {} } })],
    ['with a nonce', 'nonce', () => ({ nonce: 'n' })],
    ['with a nonce of null', 'nonce', () => ({ nonce: null })],
    ['about nobody', 'subject', () => ({ sub: undefined, sid: undefined })],
    ['about nobody by name', 'subject', () => ({ sub: '', sid: undefined })],
    ['about a list of people', 'subject', () => ({ sub: ['alice'] })],
    ['about a session without a name', 'subject', () => ({ sid: '' })],
    ['about a session that is null', 'subject', () => ({ sid: null })],
    ['about a name without end', 'subject', () => ({ sub: 'a'.repeat(256) })],
    ['nested without end', 'token_too_large', () => ({ deep: JSON.parse('['.repeat(40) + ']'.repeat(40)) })],
  ]
  for (const [name, reason, claims, header] of bad) {
    test(`${name} is refused: 400, ${reason}`, async () => {
      const token = await provider.logoutToken({ sid: 's-1', sub: 'alice', ...claims() }, header)
      const reply = await tell(token)
      assert.deepEqual(refusal(reply), [400, 'invalid_request', reason])
      assert.equal(reply.headers['cache-control'], 'no-store')
      assert.deepEqual(selected.ended, [])
    })
  }

  for (const [name, reason, forge] of forgeries) {
    test(`forged (${name}) is refused: 400, ${reason}`, async () => {
      const publicKey = (await createHttpClient().send(`${provider.issuer}/jwks`)).body
      const token = await forge(await provider.logoutToken({ sid: 's-1' }), {
        clientSecret: testClientSecret,
        publicKey,
      })
      assert.deepEqual(refusal(await tell(token)), [400, 'invalid_request', reason])
      assert.deepEqual(selected.ended, [])
    })
  }

  test('that is an ID token is refused', async () => {
    const claims = {
      iss: provider.issuer,
      aud: 'client',
      sub: 'alice',
      sid: 's',
      iat: now(),
      exp: now() + 60,
      jti: 'j',
    }
    assert.deepEqual(refusal(await tell(await provider.sign(claims))), [400, 'invalid_request', 'events'])
  })

  test('that came before is refused: 400, replayed', async () => {
    const token = await provider.logoutToken({ sid: 's-1' })
    assert.equal((await tell(token)).status, 200)
    assert.deepEqual(refusal(await tell(token)), [400, 'invalid_request', 'replayed'])
    assert.ok((await app.metric('foregate_replays_rejected_total{kind="logout_token"}')) > 0)
  })

  test('whose jti another token had is refused: 400, replayed', async () => {
    const jti = randomUUID()
    assert.equal((await tell(await provider.logoutToken({ sid: 's-1', jti }))).status, 200)
    assert.deepEqual(refusal(await tell(await provider.logoutToken({ sid: 's-2', jti }))), [
      400,
      'invalid_request',
      'replayed',
    ])
  })

  test('sent ten times at once counts once', async () => {
    const token = await provider.logoutToken({ sid: 's-1' })
    const replies = await Promise.all(Array.from({ length: 10 }, () => tell(token)))
    assert.equal(replies.filter(({ status }) => status === 200).length, 1)
    assert.equal(replies.filter(({ status }) => status === 400).length, 9)
  })

  test('whose logout nobody could be told of is to be sent again, and then counts', async () => {
    const token = await provider.logoutToken({ sid: 's-1' })
    selected.isKept = false
    for (let attempt = 0; attempt < 2; attempt++) {
      const reply = await tell(token)
      assert.deepEqual(refusal(reply), [503, 'temporarily_unavailable', 'logout_incomplete'])
      assert.equal(reply.headers['retry-after'], '5')
    }
    selected.isKept = true
    assert.equal((await tell(token)).status, 200)
    assert.deepEqual(refusal(await tell(token)), [400, 'invalid_request', 'replayed'])
  })

  test('signed with a key that the provider has made since is obeyed', async () => {
    // Forged ones above had the keys fetched in vain.
    app.advance(10_000)
    await provider.rotateKeys()
    assert.equal((await tell(await provider.logoutToken({ sid: 's-1' }))).status, 200)
  })
})

describe('a request for a back-channel logout', () => {
  const good = () => provider.logoutToken({ sid: 's-1' })

  test('is a POST', async () => {
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS']) {
      const reply = await createHttpClient().send(`${app.url}${path}?logout_token=${await good()}`, { method })
      assert.deepEqual([reply.status, reply.headers.allow], [405, 'POST'], method)
    }
    assert.deepEqual(selected.ended, [])
  })

  const requests: readonly (readonly [name: string, reason: string, send: () => Promise<Reply>])[] = [
    ['without a body', 'token_missing', () => post(undefined)],
    ['with an empty token', 'token_missing', () => post('logout_token=')],
    ['with another field', 'token_missing', async () => post(`id_token=${await good()}`)],
    [
      'with the token in the address',
      'token_missing',
      async () => post('', {}, `${path}?logout_token=${await good()}`),
    ],
    [
      'with two tokens',
      'token_repeated',
      async () => post(`logout_token=${await good()}&logout_token=${await good()}`),
    ],
    [
      'with JSON',
      'token_missing',
      async () => post(JSON.stringify({ logout_token: await good() }), { 'content-type': 'application/json' }),
    ],
    [
      'with a form that calls itself text',
      'token_missing',
      async () => post(`logout_token=${await good()}`, { 'content-type': 'text/plain' }),
    ],
    ['with the bare token', 'token_missing', async () => post(await good(), { 'content-type': 'application/jwt' })],
    [
      'with a body of more than 16 KB',
      'token_too_large',
      async () => post(`logout_token=${await good()}&x=${'a'.repeat(16 * 1024)}`),
    ],
  ]
  for (const [name, reason, send] of requests) {
    test(`${name} is refused: 400, ${reason}`, async () => {
      assert.deepEqual(refusal(await send()), [400, 'invalid_request', reason])
      assert.deepEqual(selected.ended, [])
    })
  }

  test('may name the charset of its form', async () => {
    const body = new URLSearchParams({ logout_token: await good() }).toString()
    assert.equal((await post(body, { 'content-type': `${form}; charset=UTF-8` })).status, 200)
  })

  test('reads no cookie and sets none, whoever’s session comes along', async () => {
    const cookie = await app.login()
    const body = new URLSearchParams({ logout_token: await good() }).toString()
    const reply = await post(body, { cookie, origin: 'https://evil.example', ...browserHeaders })
    assert.deepEqual([reply.status, reply.setCookies], [200, []])
    assert.equal((await app.ask('traefik', { cookie })).status, 200)
  })

  test('by way of a forward-auth question has no body: it is refused, with one line for the operator', async () => {
    for (let attempt = 0; attempt < 2; attempt++) {
      for (const contract of ['traefik', 'caddy'] as const) {
        const reply = await app.ask(contract, { method: 'POST', uri: path })
        assert.deepEqual([reply.status, (reply.json() as { error: string }).error], [404, 'not_routed'])
      }
    }
    assert.equal((await app.ask('nginx', { method: 'POST', uri: path })).status, 403)
    assert.equal(app.handed.filter(({ event }) => event === 'signal_not_routed').length, 1)
  })

  test('while the keys of the provider cannot be had is to be sent again', async (t) => {
    const blind = await startTestApp(t, { selected, amend: providerSignals({ backChannelLogout: true }) })
    blind.provider.fault('jwks', { status: 500, body: '' })
    const send = async () =>
      createHttpClient().send(`${blind.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': form },
        body: new URLSearchParams({ logout_token: token }).toString(),
      })
    const token = await blind.provider.logoutToken({ sid: 's-1' })
    const reply = await send()
    assert.deepEqual(refusal(reply), [503, 'temporarily_unavailable', 'provider_unavailable'])
    assert.equal(reply.headers['retry-after'], '5')
    blind.provider.fault('jwks', undefined)
    // Strangers' tokens have the keys asked for once a second.
    blind.advance(1_001)
    assert.equal((await send()).status, 200)
  })

  test('is read in reverse-proxy mode, too, and no application sees it', async (t) => {
    const config = { upstreams: [{ url: 'http://127.0.0.1:9', rules: [{ policy: 'public' }] }] }
    const amend = providerSignals({ backChannelLogout: true }, { backChannelLogout: '/hooks/logout' })
    const proxying = await startTestApp(t, { selected, amend, config, sharedProvider: provider })
    const reply = await createHttpClient().send(`${proxying.url}/hooks/logout`, {
      method: 'POST',
      headers: { 'content-type': form },
      body: new URLSearchParams({ logout_token: await good() }).toString(),
    })
    assert.equal(reply.status, 200)
  })

  test('whose body is cut off ends nothing', async () => {
    const head = `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Type: ${form}\r\nContent-Length: 5000\r\n\r\n`
    await cutOff(app.port, `${head}logout_token=${await good()}`)
    assert.deepEqual(selected.ended, [])
    assert.equal((await post(new URLSearchParams({ logout_token: await good() }).toString())).status, 200)
  })

  test('is for nobody where it is not switched on', async (t) => {
    const off = await startTestApp(t, { selected })
    const reply = await createHttpClient().send(`${off.url}${path}`, { method: 'POST' })
    assert.equal(reply.status, 404)
  })

  test('may have a path of its own, which is then no application’s', async (t) => {
    const amend = providerSignals({ backChannelLogout: true }, { backChannelLogout: '/hooks/logout' })
    const moved = await startTestApp(t, { selected, amend, sharedProvider: provider })
    const reply = await createHttpClient().send(`${moved.url}/hooks/logout`, {
      method: 'POST',
      headers: { 'content-type': form },
      body: new URLSearchParams({ logout_token: await good() }).toString(),
    })
    assert.equal(reply.status, 200)
    assert.equal((await moved.ask('nginx', { method: 'POST', uri: '/hooks/logout' })).status, 403)
  })
})

describe('a stranger’s tokens', () => {
  const forged = async () => {
    const [header, payload] = (await provider.logoutToken({ sid: 's-1' }, { kid: randomUUID() })).split('.')
    return `${header}.${payload}.${'A'.repeat(86)}`
  }

  test('have the keys fetched once, however many there are, and never for another issuer', async (t) => {
    const flooded = await startTestApp(t, { selected, amend: providerSignals({ backChannelLogout: true }) })
    const { calls } = flooded.provider
    const send = async (token: string) =>
      createHttpClient().send(`${flooded.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': form },
        body: new URLSearchParams({ logout_token: token }).toString(),
      })
    await send(await flooded.provider.logoutToken({ iss: 'https://evil.example', sid: 's' }))
    assert.equal(calls.jwks, 0)
    for (let count = 0; count < 20; count++) {
      const [header, payload] = (await flooded.provider.logoutToken({ sid: 's' }, { kid: `${count}` })).split('.')
      assert.equal((await send(`${header}.${payload}.${'A'.repeat(86)}`)).status, 400)
    }
    assert.equal(calls.jwks, 2, 'once to know them, once more for the first unknown one')
    // E4: a login that the provider has new keys for is none of a stranger's business.
    await flooded.provider.rotateKeys()
    assert.match(await flooded.login(), /^foregate_session=/)
  })

  test('are told once for each reason, and counted', async () => {
    const series = 'foregate_signals_total{kind="logout_token",outcome="refused",reason="signature"}'
    const before = await app.metric(series)
    for (let count = 0; count < 3; count++) await tell(await forged())
    assert.equal(await app.metric(series), before + 3)
    const told = app.handed.filter(({ event, reason }) => event === 'signal_not_believed' && reason === 'signature')
    assert.equal(told.length, 1)
  })

  test('never show up in a log line, nor do the good ones', async () => {
    const [good, bad] = [await provider.logoutToken({ sid: 'very-secret-sid', sub: 'x' }), await forged()]
    await tell(good)
    await tell(bad)
    const text = app.written.join('')
    for (const secret of [good, bad, 'very-secret-sid']) assert.equal(text.includes(secret), false)
  })
})

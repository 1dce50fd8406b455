import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, test } from 'node:test'
import type { ProviderConfig } from '../../src/config/config.ts'
import type { Fault } from '../fixtures/provider.ts'
import { aWorld, flow, outcomeOf } from './setup.ts'

const good = { access_token: 'at', token_type: 'Bearer', id_token: 'x.y.z' }
const rows: [name: string, fault: Fault, outcome: string][] = [
  ['invalid_grant', { status: 400, body: { error: 'invalid_grant' } }, 'code_rejected'],
  ['invalid_client', { status: 401, body: { error: 'invalid_client' } }, 'client_rejected'],
  ['unauthorized_client', { status: 400, body: { error: 'unauthorized_client' } }, 'client_rejected'],
  ['another error', { status: 400, body: { error: 'invalid_request' } }, 'provider_error'],
  ['an error with status 200', { status: 200, body: { error: 'invalid_grant' } }, 'code_rejected'],
  ['temporarily_unavailable', { status: 400, body: { error: 'temporarily_unavailable' } }, 'PROVIDER_UNAVAILABLE'],
  ['status 500', { status: 500, body: 'oops' }, 'PROVIDER_UNAVAILABLE'],
  ['status 503 in OAuth words', { status: 503, body: { error: 'invalid_grant' } }, 'PROVIDER_UNAVAILABLE'],
  ['status 429', { status: 429, body: { error: 'slow' } }, 'PROVIDER_UNAVAILABLE'],
  ['a cut connection', { drop: true }, 'PROVIDER_UNAVAILABLE'],
  ['half an answer', { stall: true, drop: true }, 'PROVIDER_UNAVAILABLE'],
  ['a page of HTML with status 200', { status: 200, body: '<html>' }, 'token_response_invalid'],
  ['a page of HTML with status 404', { status: 404, body: '<html>' }, 'token_response_invalid'],
  ['a list', { status: 200, body: [good] }, 'token_response_invalid'],
  ['null', { status: 200, body: null }, 'token_response_invalid'],
  ['nothing', { status: 200, body: '' }, 'token_response_invalid'],
  ['a megabyte', { status: 200, body: { ...good, x: 'x'.repeat(1_000_000) } }, 'token_response_invalid'],
  ['no access token', { status: 200, body: { ...good, access_token: undefined } }, 'token_response_invalid'],
  ['an access token that is a number', { status: 200, body: { ...good, access_token: 1 } }, 'token_response_invalid'],
  [
    'an access token with a line break',
    { status: 200, body: { ...good, access_token: 'a\nb' } },
    'token_response_invalid',
  ],
  ['no token type', { status: 200, body: { ...good, token_type: undefined } }, 'token_response_invalid'],
  ['a DPoP token', { status: 200, body: { ...good, token_type: 'DPoP' } }, 'token_response_invalid'],
  ['a redirect', { status: 307, headers: { location: 'http://127.0.0.1:1/' }, body: '' }, 'token_response_invalid'],
]

describe('the token endpoint', () => {
  for (const [name, fault, outcome] of rows) {
    test(`that answers with ${name} ends a login with ${outcome}, after one request`, async (t) => {
      const { op, login } = await aWorld(t)
      op.fault('token', fault)
      assert.equal(await outcomeOf(login()), outcome)
      assert.equal(op.calls.token, 1)
    })
  }

  for (const tokenType of ['bearer', 'BEARER', 'Bearer']) {
    test(`may write the token type as ${tokenType} (RFC 6749 section 5.1)`, async (t) => {
      const { op, login } = await aWorld(t)
      op.tokenResponse = (body) => ({ ...body, token_type: tokenType })
      assert.equal(await outcomeOf(login()), 'ok')
    })
  }

  for (const [name, fault] of [
    ['does not answer', { hang: true }],
    ['stops in the middle of its answer', { stall: true }],
  ] satisfies [string, Fault][]) {
    test(`that ${name} is given up after providerTimeout`, async (t) => {
      const { op, login, time, requests } = await aWorld(t, { config: { providerTimeoutMs: 250 } })
      op.fault('token', fault)
      const arrived = op.nextCall('token')
      const outcome = outcomeOf(login())
      await arrived
      time.advance(249)
      assert.ok(!requests.includes('token timeout'))
      time.advance(1)
      assert.equal(await outcome, 'PROVIDER_UNAVAILABLE')
      assert.equal(requests.at(-1), 'token timeout')
    })
  }

  test('that says why it is not there is heard in the log, too (C12)', async (t) => {
    const { op, login } = await aWorld(t)
    op.fault('token', { status: 503, body: { error: 'temporarily_unavailable', error_description: 'back at\nnoon' } })
    await assert.rejects(login(), /token: http:\S+\/token: status 503 \(temporarily_unavailable: back at noon\)/)
    op.fault('token', { status: 502, body: '<html>' })
    await assert.rejects(login(), /token: http:\S+\/token: status 502$/)
  })

  test('that refuses a code says why, and the code is in no message (C12)', async (t) => {
    const { op, login, query } = await aWorld(t)
    const given = query()
    const code = new URLSearchParams(given).get('code') ?? ''
    op.fault('token', { status: 400, body: { error: 'invalid_grant', error_description: `Code ${code} not valid` } })
    await assert.rejects(login({ query: given }), {
      reason: 'code_rejected',
      message: /invalid_grant: Code \[redacted\] not valid/,
    })
  })

  test('is told redirect_uri, code and the PKCE verifier', async (t) => {
    const { op, login } = await aWorld(t)
    await login()
    const form = op.received.find(({ endpoint }) => endpoint === 'token')?.form
    assert.equal(form?.get('redirect_uri'), flow.redirectURI)
    assert.equal(form?.get('code_verifier'), flow.codeVerifier)
    assert.equal(form?.get('grant_type'), 'authorization_code')
  })

  test('refuses a code whose verifier is another', async (t) => {
    const { provider, query } = await aWorld(t)
    const callback = { ...flow, query: query(), codeVerifier: 'another-verifier-that-also-has-43-characters' }
    assert.equal(await outcomeOf(provider.exchangeCode(callback)), 'code_rejected')
  })

  test('that refuses the client is named in the log with the options to look at, without the secret', async (t) => {
    const { login, log } = await aWorld(t, { config: { clientSecret: 'wrong-secret' } })
    assert.equal(await outcomeOf(login()), 'client_rejected')
    const line = log.lines.find(({ event }) => event === 'provider_client_rejected')
    assert.equal(line?.level, 'error')
    assert.match(line?.message ?? '', /clientSecret and clientAuthMethod/)
    assert.ok(!JSON.stringify(log.lines).includes('wrong-secret'))
  })

  test('is not asked while no keys are known and none can be had: the code stays unspent', async (t) => {
    const { op, login } = await aWorld(t)
    op.fault('jwks', { status: 500 })
    assert.equal(await outcomeOf(login()), 'PROVIDER_UNAVAILABLE')
    assert.equal(op.calls.token, 0)
  })
})

describe('the client', () => {
  const odd = 'a-b_c d%:+ü'
  const basic = `Basic ${Buffer.from('my-client:a-b_c+d%25%3A%2B%C3%BC').toString('base64')}`
  const methods: [method: ProviderConfig['clientAuthMethod'], authorization: string | undefined, form: string[]][] = [
    ['client_secret_basic', basic, []],
    ['client_secret_post', undefined, ['client_id', 'client_secret']],
    ['none', undefined, ['client_id']],
  ]
  for (const [clientAuthMethod, authorization, names] of methods) {
    test(`that uses ${clientAuthMethod} is accepted, and sends its secret nowhere else`, async (t) => {
      const clientSecret = clientAuthMethod === 'none' ? '' : odd
      const { op, login } = await aWorld(t, {
        provider: { clientID: 'my-client', clientSecret },
        config: { clientAuthMethod },
      })
      assert.equal(await outcomeOf(login()), 'ok')
      const request = op.received.find(({ endpoint }) => endpoint === 'token')
      assert.equal(request?.headers.authorization, authorization)
      assert.deepEqual([...(request?.form.keys() ?? [])].filter((name) => name.startsWith('client_')).sort(), names)
    })
  }

  test('that uses private_key_jwt is accepted, with a new assertion each time', async (t) => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const privateKeyPEM = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const { op, login } = await aWorld(t, {
      provider: {
        clock: Date.now,
        clientSecret: 'not sent',
        clientKey: { ...publicKey.export({ format: 'jwk' }), kid: 'key-1' },
      },
      config: {
        clientAuthMethod: 'private_key_jwt',
        clientAssertion: { privateKeyPEM, keyID: 'key-1', algorithm: 'ES256' },
      },
      options: { clock: Date.now },
    })
    assert.equal(await outcomeOf(login()), 'ok')
    assert.equal(await outcomeOf(login()), 'ok')
    const forms = op.received.filter(({ endpoint }) => endpoint === 'token').map(({ form }) => form)
    const assertions = forms.map((form) => form.get('client_assertion'))
    assert.equal(new Set(assertions).size, 2)
    assert.ok(forms.every((form) => !form.has('client_secret')))
    const [header] = (assertions[0] ?? '').split('.')
    assert.equal(JSON.parse(Buffer.from(header ?? '', 'base64url').toString()).kid, 'key-1')
  })

  test('with a private key that cannot be read fails without quoting it', async (t) => {
    const { login } = await aWorld(t, {
      config: {
        clientAuthMethod: 'private_key_jwt',
        clientAssertion: { privateKeyPEM: 'top secret', keyID: undefined, algorithm: 'RS256' },
      },
    })
    await assert.rejects(login(), (error: Error) => {
      assert.match(error.message, /private key of the client cannot be used for RS256/)
      assert.ok(error.cause === undefined && !String(error.stack).includes('top secret'))
      return true
    })
  })
})

// Pushed authorization requests (RFC 9126): when, with what, and what follows from each answer.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Fault } from '../fixtures/provider.ts'
import { aWorld, flow, outcomeOf } from './setup.ts'

const reference = 'urn:ietf:params:oauth:request_uri:x'

describe('a login', () => {
  for (const [mode, pushedRequests, isPushed] of [
    ['auto', 'offered', false],
    ['auto', 'required', true],
    ['require', 'offered', true],
    ['require', 'required', true],
    ['off', 'required', false],
  ] as const) {
    test(`is ${isPushed ? 'pushed' : 'carried by the browser'} where pushing is ${pushedRequests} and the option ${mode}`, async (t) => {
      const { op, provider } = await aWorld(t, {
        provider: { pushedRequests },
        config: { pushedAuthorizationRequests: mode },
      })
      const { searchParams } = await provider.authorizationURL(flow)
      assert.equal(searchParams.has('request_uri'), isPushed)
      assert.equal(op.received.filter(({ endpoint }) => endpoint === 'par').length > 0, isPushed)
    })
  }

  test('that is pushed leaves nothing but the reference and who asks to the browser', async (t) => {
    const { op, provider } = await aWorld(t, {
      provider: { pushedRequests: 'required' },
      config: { extraAuthParams: { acr_values: 'phr' } },
    })
    const url = await provider.authorizationURL({ ...flow, loginHint: 'alice@example.com' })
    assert.deepEqual([...url.searchParams.keys()].toSorted(), ['client_id', 'request_uri'])
    const { form, headers } = op.received.findLast(({ endpoint }) => endpoint === 'par') ?? assert.fail('not pushed')
    assert.match(headers.authorization ?? '', /^Basic /)
    assert.equal(form.get('state'), flow.state)
    assert.equal(form.get('nonce'), flow.nonce)
    assert.equal(form.get('redirect_uri'), flow.redirectURI)
    assert.equal(form.get('login_hint'), 'alice@example.com')
    assert.equal(form.get('response_type'), 'code')
    assert.equal(form.get('acr_values'), 'phr')
    assert.equal(form.get('code_challenge_method'), 'S256')
    assert.equal(form.has('code_verifier'), false)
  })

  const rows: [name: string, fault: Fault, outcome: string, isFailing: boolean][] = [
    ['a reference', { status: 201, body: { request_uri: reference, expires_in: 60 } }, 'ok', false],
    ['a reference and status 200', { body: { request_uri: reference } }, 'ok', false],
    ['a redirect URI that is unknown', { status: 400, body: { error: 'invalid_request' } }, 'provider_error', false],
    ['that the client is unknown', { status: 401, body: { error: 'invalid_client' } }, 'client_rejected', true],
    ['that the client may not', { status: 400, body: { error: 'unauthorized_client' } }, 'client_rejected', false],
    ['later', { status: 400, body: { error: 'temporarily_unavailable' } }, 'PROVIDER_UNAVAILABLE', true],
    ['status 503', { status: 503, body: 'down' }, 'PROVIDER_UNAVAILABLE', true],
    // What a link put into it may be what it chokes on.
    ['status 500', { status: 500, body: 'oops' }, 'PROVIDER_UNAVAILABLE', false],
    ['status 404', { status: 404, body: '<html>' }, 'PROVIDER_UNAVAILABLE', true],
    ['a page', { status: 200, body: '<html>' }, 'PROVIDER_UNAVAILABLE', true],
    ['no reference', { status: 201, body: { expires_in: 60 } }, 'PROVIDER_UNAVAILABLE', true],
    [
      'a reference of a megabyte',
      { status: 201, body: { request_uri: 'x'.repeat(100_000) } },
      'PROVIDER_UNAVAILABLE',
      true,
    ],
    ['a cut connection', { drop: true }, 'PROVIDER_UNAVAILABLE', false],
  ]
  for (const [name, fault, outcome, isFailing] of rows) {
    test(`whose push is answered with ${name} begins with ${outcome}, after one request`, async (t) => {
      const { op, provider } = await aWorld(t, { provider: { pushedRequests: 'required' }, start: false })
      provider.start()
      await provider.known()
      op.fault('par', fault)
      assert.equal(await outcomeOf(provider.authorizationURL(flow)), outcome)
      assert.equal(op.calls.par, 1)
      assert.equal(provider.status(), isFailing ? 'failing' : 'ready')
    })
  }

  test('that is refused is told, without what it carried', async (t) => {
    const { op, provider, log } = await aWorld(t, { provider: { pushedRequests: 'required' } })
    const description = `unknown redirect_uri for ${flow.state}`
    op.fault('par', { status: 400, body: { error: 'invalid_request', error_description: description } })
    await outcomeOf(provider.authorizationURL(flow))
    const line = log.lines.find(({ event }) => event === 'authorization_request_refused')
    assert.equal(line?.['reason'], 'invalid_request')
    assert.equal(JSON.stringify(log.lines).includes(flow.state), false)
  })

  test('that must be pushed and cannot be is a 503, and said at the start', async (t) => {
    const { provider, log } = await aWorld(t, { config: { pushedAuthorizationRequests: 'require' } })
    assert.equal(await outcomeOf(provider.authorizationURL(flow)), 'PROVIDER_UNAVAILABLE')
    assert.equal(log.lines.filter(({ event }) => event === 'provider_pushed_requests').length, 1)
    assert.equal(provider.concerns().length, 1)
  })
})

// A client that proves who it is by its certificate (RFC 8705), over real TLS, and whose files are rotated under it.
import assert from 'node:assert/strict'
import { after, before, describe, test, type TestContext } from 'node:test'
import type { CertificatePair, ProviderConfig } from '../../src/config/config.ts'
import { AnswerLost, ProviderUnavailable } from '../../src/errors.ts'
import { createClientCertificate } from '../../src/oidc/client-certificate.ts'
import { seconds } from '../../src/time.ts'
import { createAuthority, startStrictTLS, type Authority, type Certificate } from '../fixtures/certificates.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { missingProgram } from '../fixtures/programs.ts'
import { startProvider, type FaultyProviderOptions } from '../fixtures/provider.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'
import { aWorld, outcomeOf } from './setup.ts'

describe('a client with a certificate', { skip: missingProgram('openssl') }, () => {
  let authority: Authority
  let server: Certificate
  let ours: Certificate
  let renewed: Certificate
  let foreign: Certificate
  let strangers: Authority
  before(() => {
    authority = createAuthority()
    strangers = createAuthority()
    server = authority.issue('server')
    ours = authority.issue('ours')
    renewed = authority.issue('renewed')
    foreign = strangers.issue('ours')
  })
  after(() => {
    authority.close()
    strangers.close()
  })

  const pairOf = ({ cert, key }: Certificate): CertificatePair => ({ cert, key })

  async function aWorldOver(
    t: TestContext,
    shown: Certificate | undefined,
    given: FaultyProviderOptions = {},
    config: Partial<ProviderConfig> = {},
  ) {
    // TLS compares certificates with the real time.
    const time = fakeTime(Date.now())
    const op = await startProvider({
      clock: time.clock,
      tls: pairOf(server),
      clientAuthority: { ca: authority.ca, demanded: false },
      clientName: 'ours',
      ...given,
    })
    const files: { pair: CertificatePair | undefined } = { pair: shown && pairOf(shown) }
    const read = () => files.pair ?? assert.fail('cannot be read')
    const world = await aWorld(t, {
      op,
      config: {
        caPEM: authority.ca,
        clientAuthMethod: 'tls_client_auth',
        clientCertificate: shown && { first: pairOf(shown), read },
        ...config,
      },
      options: { clock: time.clock },
    })
    return { ...world, time, files }
  }

  for (const method of ['tls_client_auth', 'self_signed_tls_client_auth'] as const) {
    test(`is accepted with ${method}, and sends no secret`, async (t) => {
      const { op, login } = await aWorldOver(t, ours, {}, { clientAuthMethod: method, clientSecret: 'unused-secret' })
      assert.equal(await outcomeOf(login()), 'ok')
      const { headers, form, peer } = op.received.findLast(({ endpoint }) => endpoint === 'token') ?? assert.fail()
      assert.equal(peer, 'ours')
      assert.equal(headers.authorization, undefined)
      assert.equal(form.get('client_id'), op.clientID)
      assert.equal(form.has('client_secret'), false)
    })
  }

  test('that is another one is not taken for ours', async (t) => {
    const { login } = await aWorldOver(t, renewed)
    assert.equal(await outcomeOf(login()), 'client_rejected')
  })

  test('shows a new one as soon as both files are there, and the one of before until then', async (t) => {
    const { op, login, time, files, log } = await aWorldOver(t, ours, { clientName: 'renewed' })
    const peer = () => op.received.findLast(({ endpoint }) => endpoint === 'token')?.peer
    await outcomeOf(login())
    assert.equal(peer(), 'ours')
    for (const half of [undefined, { cert: renewed.cert, key: ours.key }, { cert: 'half a fi', key: renewed.key }]) {
      files.pair = half
      time.advance(seconds(10))
      await outcomeOf(login())
      assert.equal(peer(), 'ours')
    }
    const reasons = log.lines.filter(({ event }) => event === 'client_certificate_unusable').map(({ reason }) => reason)
    assert.deepEqual(reasons, ['unreadable', 'not_a_pair'])
    files.pair = pairOf(renewed)
    time.advance(seconds(10))
    assert.equal(await outcomeOf(login()), 'ok')
    assert.equal(peer(), 'renewed')
    assert.equal(JSON.stringify(log.lines).includes('PRIVATE KEY'), false)
  })

  test('meets a provider that lets nobody in without one', async (t) => {
    const { login } = await aWorldOver(t, ours, { clientAuthority: { ca: authority.ca, demanded: true } })
    assert.equal(await outcomeOf(login()), 'ok')
  })

  const refusals = [
    ['none to show', () => undefined, /client certificate is asked for .*clientCertPath/],
    ['one of another authority', () => foreign, /our client certificate is refused .*clientCertPath/],
  ] as const
  for (const [name, shown, words] of refusals) {
    test(`with ${name} hears from a port that lets nobody else in what to do, and has spent no refresh token`, async (t) => {
      const strict = await startStrictTLS(server, authority)
      t.after(strict.stop)
      const endpoint = `https://localhost:${strict.port}/token`
      const { op, provider } = await aWorldOver(t, shown(), {
        discovery: (document) => ({ ...document, token_endpoint: endpoint }),
      })
      const tokens = { accessToken: 'at', idToken: undefined, refreshToken: 'rt-1' }
      await assert.rejects(provider.refresh(tokens, { issuer: op.issuer, subject: 'alice' }), (error: Error) => {
        assert.match(error.message, words)
        // Nobody has read the request: it may be sent again.
        return error instanceof ProviderUnavailable && !(error instanceof AnswerLost)
      })
    })
  }

  test('calls the aliases for such clients, and sends browsers to the usual address', async (t) => {
    const { op, login, provider } = await aWorldOver(t, ours, {
      discovery: (document) => {
        const { issuer } = document as { issuer: string }
        const alias = issuer.replace('localhost', '127.0.0.1')
        return {
          ...document,
          mtls_endpoint_aliases: { token_endpoint: `${alias}/token`, authorization_endpoint: `${alias}/authorize` },
        }
      },
    })
    assert.equal(await outcomeOf(login()), 'ok')
    const { headers } = op.received.findLast(({ endpoint }) => endpoint === 'token') ?? assert.fail()
    assert.match(headers.host ?? '', /^127\.0\.0\.1:/)
    const url = await provider.authorizationURL({ redirectURI: 'https://a', state: 's', nonce: 'n', codeVerifier: 'v' })
    assert.equal(url.hostname, 'localhost')
  })

  test('an alias that cannot be called is an error, and no reason to call the other address', async (t) => {
    const { provider } = await aWorldOver(t, ours, {
      discovery: (document) => ({
        ...document,
        mtls_endpoint_aliases: { token_endpoint: 'http://id.example.com/token' },
      }),
    })
    await assert.rejects(provider.known(), /mtls_endpoint_aliases\.token_endpoint is not an https URL/)
  })

  test('hears that it has expired, once, and again after it was well', () => {
    const log = recordedLog()
    const old = authority.issue('expired', { expired: true })
    let pair = pairOf(old)
    let now = Date.now()
    const certificate = createClientCertificate({ first: pair, read: () => pair }, { clock: () => now, logger: log })
    const looks = (times: number) => {
      for (let look = 0; look < times; look++) {
        now += seconds(10)
        certificate.current()
      }
      return log.lines.filter(({ reason }) => reason === 'expired').length
    }
    assert.equal(looks(3), 1)
    assert.match(certificate.concern() ?? '', /expired/)
    pair = pairOf(ours)
    assert.equal(looks(3), 1)
    assert.equal(certificate.concern(), undefined)
    pair = pairOf(old)
    assert.equal(looks(3), 2)
  })
})

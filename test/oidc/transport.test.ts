import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import net from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { AnswerLost, ProviderUnavailable } from '../../src/errors.ts'
import { hours, seconds } from '../../src/time.ts'
import type { FaultyProvider } from '../fixtures/provider.ts'
import { startProvider } from '../fixtures/provider.ts'
import { startOfTest } from '../fixtures/fake-time.ts'
import { aWorld, configFor, outcomeOf, settled } from './setup.ts'

const hasOpenssl = ((): boolean => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

describe('a provider with a certificate of its own', { skip: !hasOpenssl && 'needs the openssl command' }, () => {
  let op: FaultyProvider
  let cert: string
  before(async () => {
    const directory = mkdtempSync(join(tmpdir(), 'foregate-'))
    const [keyFile, certFile] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
    const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=localhost'
    const names = ['-addext', 'subjectAltName=DNS:localhost', '-keyout', keyFile, '-out', certFile]
    execFileSync('openssl', [...request.split(' '), ...names], { stdio: 'ignore' })
    cert = readFileSync(certFile, 'utf8')
    op = await startProvider({ clock: () => startOfTest, tls: { key: readFileSync(keyFile, 'utf8'), cert } })
    rmSync(directory, { recursive: true })
  })
  after(() => op.close())

  test('is not trusted, and the log says why', async (t) => {
    const { another, log } = await aWorld(t, { start: false })
    const provider = another({ config: configFor(op) })
    provider.start()
    await settled(provider)
    assert.equal(provider.status(), 'starting')
    assert.match(String(log.lines[0]?.['detail']), /DEPTH_ZERO_SELF_SIGNED_CERT/)
  })

  test('is trusted with caCertPEM, by this provider only', async (t) => {
    const { another } = await aWorld(t, { start: false })
    const trusting = another({ config: configFor(op, { caPEM: cert }) })
    trusting.start()
    await settled(trusting)
    assert.equal(trusting.status(), 'ready')
    await assert.rejects(fetch(op.issuer), 'the rest of the process trusts it no more than before')
  })

  test('is trusted with insecureSkipVerify, with a warning', async (t) => {
    const { another, log } = await aWorld(t, { start: false })
    const provider = another({ config: configFor(op, { insecureSkipVerify: true }) })
    provider.start()
    await settled(provider)
    assert.equal(provider.status(), 'ready')
    assert.ok(log.lines.some(({ event, level }) => event === 'provider_tls_unverified' && level === 'warn'))
  })
})

describe('requests to the provider', () => {
  test('are measured by operation and outcome', async (t) => {
    const { op, login, requests, provider } = await aWorld(t, { options: { claimsWanted: ['groups'] } })
    const { tokens } = await login()
    op.fault('refresh', { status: 503 })
    await outcomeOf(provider.refresh(tokens, { issuer: op.issuer, subject: 'alice' }))
    op.fault('token', { status: 400, body: { error: 'invalid_grant' } })
    await outcomeOf(login())
    await provider.revoke({ ...tokens, refreshToken: undefined })
    assert.deepEqual(requests, [
      'discovery ok',
      'jwks ok',
      'token ok',
      'userinfo ok',
      'refresh error',
      'token rejected',
      'revocation ok',
    ])
  })

  test('that carry a code or a refresh token never go out on a kept connection', async (t) => {
    const { op, login } = await aWorld(t)
    await login()
    await login()
    const connections = op.received.map(({ endpoint, headers }) => `${endpoint} ${headers.connection}`)
    assert.deepEqual(connections, ['discovery keep-alive', 'jwks keep-alive', 'token close', 'token close'])
  })

  test('follow no redirect, not even on the same origin', async (t) => {
    const { op, login } = await aWorld(t)
    op.fault('token', { status: 307, headers: { location: '/token' }, body: '' })
    assert.equal(await outcomeOf(login()), 'token_response_invalid')
    assert.equal(op.calls.token, 1)
  })

  test('that could not be sent within providerTimeout are not sent later, and have spent nothing (E2)', async (t) => {
    // It takes connections, and never says a word of TLS.
    const connected = Promise.withResolvers<net.Socket>()
    const silent = net.createServer((socket) => {
      socket.on('error', () => socket.destroy())
      connected.resolve(socket)
    })
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    t.after(() => silent.close())
    const { port } = silent.address() as net.AddressInfo
    const endpoint = `https://127.0.0.1:${port}/token`
    const { op, provider, time, login, cache } = await aWorld(t)
    const { tokens } = await login()
    op.discovery = (document) => ({ ...document, token_endpoint: endpoint })
    const kept = new Promise<void>((resolve) => {
      cache.metadata.set = async () => resolve()
    })
    time.advance(hours(1))
    await kept
    const outcome = assert.rejects(
      provider.refresh(tokens, { issuer: op.issuer, subject: 'alice' }),
      (error) => error instanceof ProviderUnavailable && !(error instanceof AnswerLost),
    )
    const socket = await connected.promise
    time.advance(seconds(30))
    await outcome
    socket.destroy()
    assert.equal(op.calls.refresh, 0)
  })

  for (const [name, headers] of [
    ['headers of 20 KB', { 'x-long': 'x'.repeat(20_000) }],
    ['a length that is none', { 'content-length': 'abc' }],
  ] as const) {
    test(`answered with ${name} are an outage, and break nothing`, async (t) => {
      const { op, login } = await aWorld(t)
      op.fault('token', { status: 200, body: {}, headers, times: 1 })
      assert.equal(await outcomeOf(login()), 'PROVIDER_UNAVAILABLE')
      assert.equal(await outcomeOf(login()), 'ok')
    })
  }
})

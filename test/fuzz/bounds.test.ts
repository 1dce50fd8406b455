// Where a length is bounded, so that whatever is done with it is bounded, too: one character more is refused.
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { suite, test } from 'node:test'
import { originalRequest } from '../../src/access/canonical.ts'
import { cookieValues } from '../../src/http/cookies.ts'
import { requestIdOf } from '../../src/http/request-id.ts'
import { maxReturnURLLength, safeReturnURL } from '../../src/http/return-url.ts'
import { readCallback } from '../../src/oidc/callback.ts'
import { maxTokenLength, decodeUnverified } from '../../src/oidc/signature.ts'
import { announcedLength } from '../../src/peers/body.ts'
import { maxMessageBytes } from '../../src/peers/message.ts'
import { createFrontChannelLogout } from '../../src/signals/frontchannel-logout.ts'
import { redactFields, redactText } from '../../src/telemetry/redact.ts'
import { startTestApp } from '../fixtures/in-process-app.ts'

const plain = { method: 'GET', scheme: 'https', host: 'app.example.com', target: '/' }
const long = (length: number, start = '') => start + 'a'.repeat(length - start.length)
const callback = { state: 'a', redirectURI: '', nonce: '', codeVerifier: '' }
const header = `${Buffer.from('{"alg":"RS256"}').toString('base64url')}.${Buffer.from('{}').toString('base64url')}.`
const frontChannel = createFrontChannelLogout({
  isIssuer: () => true,
  endSelected: () => Promise.resolve({ ended: 0, isKept: true }),
  clockSkewMs: 0,
  clock: Date.now,
})
const context = { origin: 'https://app.example.com', allowedRedirectHosts: [] }

const bounds: readonly (readonly [what: string, most: number, read: (length: number) => unknown])[] = [
  ['a request target', 16_384, (length) => originalRequest({ ...plain, target: long(length, '/') })],
  ['a host', 253, (length) => originalRequest({ ...plain, host: long(length) })],
  ['a host in capitals', 253, (length) => originalRequest({ ...plain, host: long(length).toUpperCase() })],
  ['a method', 32, (length) => originalRequest({ ...plain, method: long(length).toUpperCase() })],
  ["a logout frame's query", 8_192, (length) => frontChannel.read(long(length, 'iss=i&sid=s&x='))],
  ["a callback's query", 8_192, (length) => readCallback({ ...callback, query: long(length, 'state=a&code=') })],
  ['a token', maxTokenLength, (length) => decodeUnverified(long(length, header), ['RS256'])],
  ['a return address', maxReturnURLLength, (length) => urlOf(safeReturnURL(long(length, '/'), context))],
  ['a request id', 64, (length) => taken(requestIdOf({ 'x-request-id': long(length) }, () => '') || undefined)],
  ["a peer's message", maxMessageBytes, (length) => taken(announced(length))],
]

const announced = (length: number) =>
  // Only this header is read.
  announcedLength({ headers: { 'content-length': String(length) } } as never, maxMessageBytes)

const urlOf = (judged: ReturnType<typeof safeReturnURL>) => taken('url' in judged ? judged.url : undefined)

function taken(value: unknown): void {
  if (value === undefined) throw new RangeError('not taken')
}

suite('one character more than a bound is refused (B10)', () => {
  for (const [what, most, read] of bounds) {
    test(`${what} has at most ${most} characters`, () => {
      assert.doesNotThrow(() => read(most))
      assert.throws(() => read(most + 1))
    })
  }

  test('the head of a request has at most 32 KB', async (t) => {
    const app = await startTestApp(t)
    const statusWith = (length: number) =>
      new Promise<number | undefined>((resolve, reject) => {
        request({ port: app.port, path: '/livez', headers: { cookie: long(length) } }, (response) => {
          response.resume().on('end', () => resolve(response.statusCode))
        })
          .on('error', reject)
          .end()
      })
    assert.equal(await statusWith(32 * 1024 - 512), 200)
    assert.equal(await statusWith(32 * 1024 + 1), 431)
  })

  test('of one name 4 cookies are read', () => {
    assert.equal(cookieValues('a=b; '.repeat(1_000), 'a').length, 4)
  })

  test('a text in the log has at most 4,096 characters, and a list 50 items', () => {
    assert.equal(redactText(long(100_000)).length, 4_097)
    assert.deepEqual(redactFields({ list: Array.from({ length: 1_000 }, () => 1) }), {
      list: Array.from({ length: 50 }, () => 1),
    })
  })
})

// The frame in the provider's page (OpenID Connect Front-Channel Logout 1.0): anybody's page can show it, too.
import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import { createHttpClient } from '../../fixtures/http-client.ts'
import { sessionCookie, startTestApp } from '../../fixtures/in-process-app.ts'
import { providerSignals } from '../../fixtures/provider-signals.ts'
import { recordedSelections } from '../../fixtures/selected-sessions.ts'

const selected = recordedSelections()
const amend = providerSignals({ frontChannelLogout: true })
const app = await startTestApp({ after }, { selected, amend })
const { issuer } = app.provider
const path = '/oauth2/frontchannel_logout'
const inFrame = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe', 'sec-fetch-site': 'cross-site' }

beforeEach(() => {
  selected.ended.length = 0
  selected.isKept = true
  selected.sessions = 1
})

const frame = (query: Record<string, string> | string, headers: Record<string, string> = {}, url = app.url) =>
  createHttpClient().send(`${url}${path}?${new URLSearchParams(query).toString()}`, {
    headers: { ...inFrame, ...headers },
  })

/** A login, whose session the provider calls `sid`. */
async function loggedIn(sid: string): Promise<string> {
  app.provider.person = { sub: 'alice', sid }
  return app.login()
}

describe('a frame of the provider’s', () => {
  test('ends the sessions of that name, known ones only, and cannot be kept or shown elsewhere', async () => {
    const reply = await frame({ iss: issuer, sid: 's-1' })
    assert.equal(reply.status, 200)
    assert.match(reply.headers['cache-control'] ?? '', /no-store/)
    const policy = String(reply.headers['content-security-policy'])
    assert.match(policy, /default-src 'none'/)
    assert.match(policy, new RegExp(`frame-ancestors ${issuer};`))
    assert.equal(reply.headers['x-frame-options'], undefined, 'which would forbid the provider, too')
    assert.deepEqual(reply.setCookies, [], 'nothing of this browser’s is known')
    const [{ issuedAt, ...selection } = { issuedAt: 0 }, ...others] = selected.ended
    assert.deepEqual([selection, others], [{ by: 'sid', issuer, sid: 's-1', onlyKnown: true }, []])
    const seconds = app.clock() / 1_000
    assert.ok(issuedAt >= seconds + 59 && issuedAt <= seconds + 62, 'now, by a clock that may be ahead of ours')
  })

  test('lets pages of the provider show it that are on another origin than its issuer', async (t) => {
    const other = await startTestApp(t, { selected, amend })
    other.provider.discovery = (document) => ({ ...document, end_session_endpoint: 'https://logout.example.com/end' })
    const apart = await startTestApp(t, { selected, amend, sharedProvider: other.provider })
    const reply = await frame({ iss: other.provider.issuer, sid: 's' }, {}, apart.url)
    assert.match(
      String(reply.headers['content-security-policy']),
      new RegExp(`frame-ancestors ${other.provider.issuer} https://logout.example.com;`),
    )
  })

  test('says the same of a session that nobody knows', async () => {
    const known = await frame({ iss: issuer, sid: 's-1' })
    selected.sessions = 0
    const unknown = await frame({ iss: issuer, sid: 's-2' })
    assert.deepEqual([unknown.status, unknown.body], [known.status, known.body])
  })

  test('takes the cookies of this very session with it', async () => {
    const cookie = await loggedIn('s-cookie')
    const reply = await frame({ iss: issuer, sid: 's-cookie' }, { cookie })
    assert.equal(reply.status, 200)
    assert.ok(reply.setCookies.some((line) => line.startsWith(`${sessionCookie}=;`)))
  })

  test('leaves the cookies of another session alone', async () => {
    const cookie = await loggedIn('s-mine')
    const reply = await frame({ iss: issuer, sid: 's-theirs' }, { cookie })
    assert.deepEqual([reply.status, reply.setCookies], [200, []])
    assert.deepEqual(
      selected.ended.map((selection) => selection.by === 'sid' && selection.sid),
      ['s-theirs'],
    )
  })

  test('says so where the logout is not complete, and leaves the cookies', async () => {
    const cookie = await loggedIn('s-cookie')
    selected.isKept = false
    const reply = await frame({ iss: issuer, sid: 's-cookie' }, { cookie })
    assert.deepEqual([reply.status, reply.headers['retry-after'], reply.setCookies], [503, '5', []])
  })

  test('works by way of a forward-auth middleware, whose browser sees a 403 in it', async () => {
    const reply = await app.ask('traefik', {
      uri: `${path}?${new URLSearchParams({ iss: issuer, sid: 's-1' }).toString()}`,
    })
    assert.deepEqual([reply.status, selected.ended.length], [403, 1])
    assert.match(String(reply.headers['content-security-policy']), new RegExp(`frame-ancestors ${issuer};`))
  })
})

describe('a frame of anybody’s', () => {
  const odd: readonly (readonly [name: string, query: string])[] = [
    ['without iss', 'sid=s-1'],
    ['without sid', `iss=${encodeURIComponent(issuer)}`],
    ['without either', ''],
    ['with another iss', 'iss=https%3A%2F%2Fevil.example&sid=s-1'],
    ['with our iss and a slash more', `iss=${encodeURIComponent(`${issuer}/`)}&sid=s-1`],
    ['with two iss', `iss=${encodeURIComponent(issuer)}&iss=${encodeURIComponent(issuer)}&sid=s-1`],
    ['with two sid', `iss=${encodeURIComponent(issuer)}&sid=s-1&sid=s-2`],
    ['with an address without end', `iss=${encodeURIComponent(issuer)}&sid=s-1&x=${'x'.repeat(8_192)}`],
    ['with an empty sid', `iss=${encodeURIComponent(issuer)}&sid=`],
    ['with a sid without end', `iss=${encodeURIComponent(issuer)}&sid=${'s'.repeat(1_025)}`],
  ]
  for (const [name, query] of odd) {
    test(`${name} ends nothing: 400, and cannot be framed`, async () => {
      const cookie = await loggedIn('s-1')
      const reply = await frame(query, { cookie })
      assert.deepEqual([reply.status, reply.setCookies, selected.ended], [400, [], []])
      assert.match(String(reply.headers['content-security-policy']), /frame-ancestors 'none'/)
      assert.equal((await app.ask('traefik', { cookie })).status, 200)
    })
  }

  test('is a GET', async () => {
    for (const method of ['POST', 'HEAD', 'PUT']) {
      const reply = await createHttpClient().send(`${app.url}${path}?iss=${issuer}&sid=s`, { method })
      assert.deepEqual([reply.status, reply.headers.allow], [405, 'GET'], method)
    }
  })

  test('is counted per client: whoever guesses is stopped', async (t) => {
    const config = { rateLimit: { loginsPerMinute: 3 } }
    const limited = await startTestApp(t, { selected, amend, config, sharedProvider: app.provider })
    const statuses = []
    for (let guess = 0; guess < 4; guess++)
      statuses.push((await frame({ iss: issuer, sid: `guess-${guess}` }, {}, limited.url)).status)
    assert.deepEqual(statuses, [200, 200, 200, 429])
  })

  test('writes no line of the log that counts', async () => {
    const before = app.handed.length
    selected.sessions = 0
    for (let guess = 0; guess < 5; guess++) await frame({ iss: issuer, sid: `guess-${guess}` })
    const lines = app.handed.slice(before).filter(({ level }) => level !== 'debug')
    assert.deepEqual(lines, [])
  })

  test('is nobody’s where it is not switched on', async (t) => {
    const off = await startTestApp(t, { selected })
    assert.equal((await frame({ iss: issuer, sid: 's' }, {}, off.url)).status, 404)
  })
})

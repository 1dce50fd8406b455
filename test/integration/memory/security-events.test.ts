// Security events that a transmitter pushes (Shared Signals Framework 1.0, RFC 8417, RFC 8935, RFC 9493): which are believed, and what
// follows from them.
import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import type { SharedSignalsConfig } from '../../../src/config/config.ts'
import { forgeries } from '../../fixtures/forged-tokens.ts'
import { createHttpClient, type Reply } from '../../fixtures/http-client.ts'
import { startTestApp, testClientSecret } from '../../fixtures/in-process-app.ts'
import { startProvider, type Claims } from '../../fixtures/provider.ts'
import { providerSignals } from '../../fixtures/provider-signals.ts'
import { recordedSelections } from '../../fixtures/selected-sessions.ts'

const selected = recordedSelections()
const transmitter = await startProvider()
after(() => transmitter.close())
const bearerToken = 'agreed-on-with-the-transmitter'

const sharedSignals: SharedSignalsConfig = {
  transmitter: transmitter.issuer,
  discoveryURL: undefined,
  jwksURI: undefined,
  audiences: ['stream', 'https://app.example.com'],
  bearerToken,
  endOnCredentialChange: ['revoke', 'update', 'delete'],
}
const withSignals = (given: Partial<SharedSignalsConfig> = {}) =>
  providerSignals({ sharedSignals: { ...sharedSignals, ...given } })
const app = await startTestApp({ after }, { selected, amend: withSignals() })
const path = '/oauth2/security_events'
const now = () => Math.floor(app.clock() / 1_000)
const maxAgeSeconds = 86_400

beforeEach(() => {
  selected.ended.length = 0
  selected.refreshed.length = 0
  selected.isKept = true
})

function push(token: string, headers: Record<string, string> = {}, url = app.url): Promise<Reply> {
  return createHttpClient().send(`${url}${path}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/secevent+jwt',
      accept: 'application/json',
      authorization: `Bearer ${bearerToken}`,
      ...headers,
    },
    body: token,
  })
}
const refusal = (reply: Reply) => {
  const { err, reason } = reply.json() as { err: string; reason: string }
  return [reply.status, err, reason]
}

const revoked = { 'caep/event-type/session-revoked': {} }
const alice = { format: 'iss_sub', iss: app.provider.issuer, sub: 'alice' }
const session = { format: 'opaque', id: 's-1' }
const event = (claims: Claims = {}, header: Claims = {}, events: Claims = revoked) =>
  transmitter.securityEvent(events, { sub_id: alice, ...claims }, header)

describe('an event', () => {
  const person = { by: 'subject', subject: 'alice' }
  const said: readonly (readonly [
    name: string,
    events: Claims,
    claims: Claims,
    ended: Claims[],
    refreshed?: Claims[],
  ])[] = [
    ['session-revoked about a person', revoked, {}, [person]],
    [
      'session-revoked about a person by the transmitter’s own name',
      revoked,
      { sub_id: { ...alice, iss: transmitter.issuer } },
      [person],
    ],
    [
      'session-revoked about a session of a person',
      revoked,
      { sub_id: { format: 'complex', user: alice, session } },
      [{ by: 'sid', sid: 's-1', subject: 'alice' }],
    ],
    [
      'session-revoked about a session',
      revoked,
      { sub_id: { format: 'complex', session } },
      [{ by: 'sid', sid: 's-1' }],
    ],
    [
      'session-revoked about something opaque, a session or a person',
      revoked,
      { sub_id: session },
      [
        { by: 'subject', subject: 's-1' },
        { by: 'sid', sid: 's-1' },
      ],
    ],
    [
      'session-revoked about a person on a device that nobody here can tell',
      revoked,
      { sub_id: { format: 'complex', user: alice, device: session } },
      [person],
    ],
    [
      'session-revoked about a person by one of several names',
      revoked,
      { sub_id: { format: 'aliases', identifiers: [{ format: 'email', email: 'a@example.com' }, alice] } },
      [person],
    ],
    [
      'sessions-revoked, with the subject in the event and an older name, as Google sends it',
      {
        'risc/event-type/sessions-revoked': {
          subject: { subject_type: 'iss-sub', iss: app.provider.issuer, sub: 'alice' },
        },
      },
      { sub_id: undefined },
      [person],
    ],
    [
      'session-revoked about a complex subject without a format, as in drafts',
      revoked,
      { sub_id: { user: alice, session } },
      [{ by: 'sid', sid: 's-1', subject: 'alice' }],
    ],
    ['account-disabled', { 'risc/event-type/account-disabled': { reason: 'hijacking' } }, {}, [person]],
    ['account-purged', { 'risc/event-type/account-purged': {} }, {}, [person]],
    ['credential-compromise', { 'risc/event-type/credential-compromise': {} }, {}, [person]],
    ['credential-change: update', { 'caep/event-type/credential-change': { change_type: 'update' } }, {}, [person]],
    ['credential-change: revoke', { 'caep/event-type/credential-change': { change_type: 'revoke' } }, {}, [person]],
    ['credential-change: delete', { 'caep/event-type/credential-change': { change_type: 'delete' } }, {}, [person]],
    ['credential-change: create', { 'caep/event-type/credential-change': { change_type: 'create' } }, {}, []],
    ['credential-change of a kind nobody knows', { 'caep/event-type/credential-change': {} }, {}, [person]],
    ['token-claims-change', { 'caep/event-type/token-claims-change': { claims: { groups: [] } } }, {}, [], [person]],
    [
      'verification',
      { 'ssf/event-type/verification': { state: 'x' } },
      { sub_id: { format: 'opaque', id: 'stream' } },
      [],
    ],
    ['stream-updated', { 'ssf/event-type/stream-updated': { status: 'paused' } }, {}, []],
    ['device-compliance-change', { 'caep/event-type/device-compliance-change': {} }, {}, []],
    ['of a type that nobody knows', { 'https://example.com/whatever': {} }, {}, []],
    [
      'with two aspects',
      { 'caep/event-type/token-claims-change': {}, 'caep/event-type/session-revoked': {} },
      {},
      [person],
      [person],
    ],
    ['about somebody of another issuer', revoked, { sub_id: { ...alice, iss: 'https://other.example' } }, []],
    [
      'about a session of somebody of another issuer',
      revoked,
      { sub_id: { format: 'complex', user: { ...alice, iss: 'https://other.example' }, session } },
      [],
    ],
    ['about an e-mail address', revoked, { sub_id: { format: 'email', email: 'a@example.com' } }, []],
    ['about a tenant', revoked, { sub_id: { format: 'complex', tenant: session } }, []],
    ['about nobody', revoked, { sub_id: undefined }, []],
    ['about a name without end', revoked, { sub_id: { ...alice, sub: 'a'.repeat(256) } }, []],
    [
      'about names within names',
      revoked,
      { sub_id: { format: 'aliases', identifiers: [{ format: 'aliases', identifiers: [alice] }] } },
      [],
    ],
  ]
  for (const [name, events, claims, ended, refreshed = []] of said) {
    test(`${name}: 202, ${ended.length} ended, ${refreshed.length} refreshed`, async () => {
      const reply = await push(await event(claims, {}, events))
      assert.deepEqual([reply.status, reply.body, reply.headers['cache-control']], [202, '', 'no-store'])
      const whole = (selection: Claims) => ({ issuer: app.provider.issuer, ...selection })
      const timeless = (all: readonly object[]) => all.map((selection) => ({ ...selection, issuedAt: undefined }))
      assert.deepEqual(timeless(selected.ended), timeless(ended.map(whole)))
      assert.deepEqual(timeless(selected.refreshed), timeless(refreshed.map(whole)))
    })
  }

  const times: readonly (readonly [name: string, payload: () => Claims, claims: () => Claims, at: () => number])[] = [
    ['when it says that it happened', () => ({ event_timestamp: now() - 90 }), () => ({}), () => now() - 90],
    [
      'in milliseconds, as drafts had it',
      () => ({ event_timestamp: (now() - 90) * 1_000 }),
      () => ({}),
      () => now() - 90,
    ],
    ['by toe', () => ({}), () => ({ toe: now() - 60 }), () => now() - 60],
    ['when it was issued', () => ({}), () => ({ iat: now() - 30 }), () => now() - 30],
    [
      'when it was issued, where it claims to come',
      () => ({ event_timestamp: now() + 900 }),
      () => ({ iat: now() }),
      () => now(),
    ],
  ]
  for (const [name, payload, claims, at] of times) {
    test(`counts for the sessions begun before it: ${name}`, async () => {
      const expected = at()
      await push(await event(claims(), {}, { 'caep/event-type/session-revoked': payload() }))
      assert.ok(Math.abs((selected.ended[0]?.issuedAt ?? 0) - expected) <= 1)
    })
  }

  test('older than any session can be is received, and nothing is looked for', async () => {
    const old = { event_timestamp: now() - maxAgeSeconds - 61 }
    assert.equal((await push(await event({}, {}, { 'caep/event-type/session-revoked': old }))).status, 202)
    assert.deepEqual(selected.ended, [])
  })

  test('of a form that nobody here can read is told, at most five times a minute', async () => {
    const email = { sub_id: { format: 'email', email: 'very-private@example.com' } }
    for (let count = 0; count < 8; count++) await push(await event(email))
    const told = app.handed.filter(
      ({ event, reason }) => event === 'security_event_not_applied' && reason === 'unreadable',
    )
    assert.equal(told.length, 5)
    assert.equal(app.written.join('').includes('very-private'), false)
  })

  test('that comes again is received again, counted, and asks for nothing new', async () => {
    const token = await event()
    assert.equal((await push(token)).status, 202)
    assert.equal((await push(token)).status, 202)
    assert.equal((await app.metric('foregate_replays_rejected_total{kind="security_event"}')) > 0, true)
    const [first, second] = selected.ended
    assert.deepEqual(first, second, 'the very same selection: whoever came since is not in it')
  })

  test('that nobody could be told of is to be sent again, and then counts', async () => {
    const replays = 'foregate_replays_rejected_total{kind="security_event"}'
    const before = await app.metric(replays)
    const token = await event()
    selected.isKept = false
    const reply = await push(token)
    assert.deepEqual([reply.status, reply.headers['retry-after']], [503, '5'])
    selected.isKept = true
    assert.equal((await push(token)).status, 202)
    assert.equal(await app.metric(replays), before, 'the first that counts is no second one')
  })
})

describe('a security event token', () => {
  const bad: readonly (readonly [name: string, err: string, reason: string, claims: () => Claims, header?: Claims])[] =
    [
      ['of no type', 'invalid_request', 'type', () => ({}), { typ: undefined }],
      ['of the general type', 'invalid_request', 'type', () => ({}), { typ: 'JWT' }],
      ['of a logout token’s type', 'invalid_request', 'type', () => ({}), { typ: 'logout+jwt' }],
      ['of another issuer', 'invalid_issuer', 'issuer', () => ({ iss: 'https://evil.example' })],
      ['of the provider, which is no transmitter', 'invalid_issuer', 'issuer', () => ({ iss: app.provider.issuer })],
      ['of no issuer', 'invalid_issuer', 'issuer', () => ({ iss: undefined })],
      ['for another stream', 'invalid_audience', 'audience', () => ({ aud: 'other' })],
      ['for nobody', 'invalid_audience', 'audience', () => ({ aud: undefined })],
      ['for the client, whose id is no stream', 'invalid_audience', 'audience', () => ({ aud: 'client' })],
      ['without iat', 'invalid_request', 'issued_at', () => ({ iat: undefined })],
      ['from the future', 'invalid_request', 'issued_at', () => ({ iat: now() + 90 })],
      ['that has expired', 'invalid_request', 'expired', () => ({ exp: now() - 90 })],
      ['with an exp in words', 'invalid_request', 'expired', () => ({ exp: 'never' })],
      ['not valid yet', 'invalid_request', 'not_yet_valid', () => ({ nbf: now() + 90 })],
      ['without jti', 'invalid_request', 'token_id', () => ({ jti: undefined })],
      ['with a list for jti', 'invalid_request', 'token_id', () => ({ jti: ['a'] })],
      ['without events', 'invalid_request', 'events', () => ({ events: undefined })],
      ['with no event in events', 'invalid_request', 'events', () => ({ events: {} })],
      ['with a list of events', 'invalid_request', 'events', () => ({ events: Object.keys(revoked) })],
      ['whose event is null', 'invalid_request', 'events', () => ({ events: { x: null } })],
      ['whose event is a word', 'invalid_request', 'events', () => ({ events: { x: 'y' } })],
      [
        'with a hundred events',
        'invalid_request',
        'events',
        () => ({ events: Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`e${index}`, {}])) }),
      ],
      [
        'nested without end',
        'invalid_request',
        'token_too_large',
        () => ({ deep: JSON.parse('['.repeat(40) + ']'.repeat(40)) }),
      ],
    ]
  for (const [name, err, reason, claims, header] of bad) {
    test(`${name} is refused: 400, ${err}, ${reason}`, async () => {
      const reply = await push(await event(claims(), header))
      assert.deepEqual(refusal(reply), [400, err, reason])
      assert.deepEqual([reply.headers['content-language'], reply.headers['cache-control']], ['en', 'no-store'])
      assert.match(reply.headers['content-type'] ?? '', /^application\/json/)
      assert.deepEqual([selected.ended, selected.refreshed], [[], []])
    })
  }

  for (const [name, reason, forge] of forgeries) {
    const err = reason === 'malformed' ? 'invalid_request' : 'invalid_key'
    test(`forged (${name}) is refused: 400, ${err}, ${reason}`, async () => {
      const publicKey = (await createHttpClient().send(`${transmitter.issuer}/jwks`)).body
      const token = await forge(await event(), { clientSecret: testClientSecret, publicKey })
      assert.deepEqual(refusal(await push(token)), [400, err, reason])
      assert.deepEqual(selected.ended, [])
    })
  }

  test('signed by the provider in the transmitter’s name is refused', async () => {
    const token = await app.provider.securityEvent(revoked, { iss: transmitter.issuer, sub_id: alice })
    assert.deepEqual(refusal(await push(token)), [400, 'invalid_key', 'signature'])
  })
})

describe('whoever pushes', () => {
  const senders: readonly (readonly [name: string, headers: Record<string, string>])[] = [
    ['without a word', { authorization: '' }],
    ['with another word', { authorization: 'Bearer something-else' }],
    ['with the beginning of it', { authorization: `Bearer ${bearerToken.slice(0, -1)}` }],
    ['with more than it', { authorization: `Bearer ${bearerToken}x` }],
    ['by another scheme', { authorization: `Basic ${bearerToken}` }],
    ['in another case', { authorization: `BEARER ${bearerToken}` }],
  ]
  for (const [name, headers] of senders) {
    test(`${name} is refused before the token is read: 400, authentication_failed`, async () => {
      assert.deepEqual(refusal(await push('no token', headers)), [400, 'authentication_failed', 'sender'])
      assert.deepEqual(refusal(await push(await event(), headers)), [400, 'authentication_failed', 'sender'])
      assert.deepEqual(selected.ended, [])
    })
  }

  test('sends the media type of the token, and the token alone', async () => {
    for (const type of ['application/jwt', 'application/json', 'text/plain', 'application/x-www-form-urlencoded'])
      assert.deepEqual(refusal(await push(await event(), { 'content-type': type })), [
        400,
        'invalid_request',
        'token_missing',
      ])
    assert.deepEqual(refusal(await push('')), [400, 'invalid_request', 'token_missing'])
    assert.deepEqual(refusal(await push('a'.repeat(16 * 1024 + 1))), [400, 'invalid_request', 'token_too_large'])
    assert.equal(
      (await push(await event(), { 'content-type': 'Application/SecEvent+JWT; charset=us-ascii' })).status,
      202,
    )
  })

  test('does it by POST, to this service itself', async () => {
    const reply = await createHttpClient().send(`${app.url}${path}`)
    assert.deepEqual([reply.status, reply.headers.allow], [405, 'POST'])
    assert.equal((await app.ask('traefik', { method: 'POST', uri: path })).status, 404)
  })

  test('needs no word where none was agreed on', async (t) => {
    const open = await startTestApp(t, {
      selected,
      amend: withSignals({ bearerToken: undefined }),
      sharedProvider: app.provider,
    })
    assert.equal((await push(await event(), { authorization: '' }, open.url)).status, 202)
  })

  test('finds nobody where no transmitter is configured', async (t) => {
    const off = await startTestApp(t, { selected })
    assert.equal((await push(await event(), {}, off.url)).status, 404)
  })
})

describe('the transmitter', () => {
  async function another(t: { after(task: () => Promise<void>): unknown }, given: Partial<SharedSignalsConfig> = {}) {
    const sender = await startProvider()
    t.after(() => sender.close())
    const listening = await startTestApp(t, {
      selected,
      amend: withSignals({ transmitter: sender.issuer, bearerToken: undefined, ...given }),
      sharedProvider: app.provider,
    })
    return { sender, push: async (token: string) => (await push(token, {}, listening.url)).status, listening }
  }
  const good = { sub_id: alice }

  test('is asked for its document and keys once, when the first token comes', async (t) => {
    const { sender, push } = await another(t)
    assert.equal(sender.calls.transmitter, 0)
    const sent = await Promise.all(
      Array.from({ length: 5 }, async () => push(await sender.securityEvent(revoked, good))),
    )
    assert.deepEqual(new Set(sent), new Set([202]))
    assert.deepEqual([sender.calls.transmitter, sender.calls.jwks], [1, 1])
  })

  test('is not asked for a token that is not even said to be its', async (t) => {
    const { sender, push } = await another(t)
    assert.equal(await push(await sender.securityEvent(revoked, { iss: 'https://evil.example' })), 400)
    assert.deepEqual([sender.calls.transmitter, sender.calls.jwks], [0, 0])
  })

  test('whose keys are configured is asked for no document', async (t) => {
    const sender = await startProvider()
    t.after(() => sender.close())
    const listening = await startTestApp(t, {
      selected,
      amend: withSignals({
        transmitter: sender.issuer,
        jwksURI: `${sender.issuer}/jwks`,
        bearerToken: undefined,
      }),
      sharedProvider: app.provider,
    })
    assert.equal((await push(await sender.securityEvent(revoked, good), {}, listening.url)).status, 202)
    assert.equal(sender.calls.transmitter, 0)
  })

  const odd: readonly (readonly [name: string, document: Claims])[] = [
    ['of another issuer', { issuer: 'https://evil.example' }],
    ['without keys', { jwks_uri: undefined }],
    ['with keys on plain http elsewhere', { jwks_uri: 'http://keys.example.com/jwks' }],
    ['with keys behind a password', { jwks_uri: 'https://a:b@keys.example.com/jwks' }],
  ]
  for (const [name, document] of odd) {
    test(`with a document ${name} is not believed, and asked to send again later`, async (t) => {
      const { sender, push, listening } = await another(t)
      sender.transmitter = (usual) => ({ ...usual, ...document })
      assert.equal(await push(await sender.securityEvent(revoked, good)), 503)
      assert.equal(await push(await sender.securityEvent(revoked, good)), 503)
      assert.equal(sender.calls.transmitter, 1, 'not at each token')
      assert.equal(listening.handed.filter(({ event }) => event === 'transmitter_unavailable').length, 1)
      sender.transmitter = (usual) => usual
      listening.advance(5_000)
      assert.equal(await push(await sender.securityEvent(revoked, good)), 202)
      assert.equal(listening.handed.filter(({ event }) => event === 'transmitter_ready').length, 1)
    })
  }

  test('that is away for an hour is still believed by its keys', async (t) => {
    const { sender, push, listening } = await another(t)
    assert.equal(await push(await sender.securityEvent(revoked, good)), 202)
    listening.advance(3_600_000)
    for (const endpoint of ['transmitter', 'jwks'] as const) sender.fault(endpoint, { status: 500 })
    const iat = Math.floor(listening.clock() / 1_000)
    assert.equal(await push(await sender.securityEvent(revoked, { ...good, iat })), 202)
  })
})

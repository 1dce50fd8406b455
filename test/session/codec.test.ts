import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { createSealer } from '../../src/sealing.ts'
import { createSessionCodec, generationOf, headBytes, identityReadBytes, startsAlike } from '../../src/session/codec.ts'
import type { SessionWithTokens } from '../../src/session/session.ts'
import { newTicket } from '../../src/session/ticket.ts'
import { encryptionKey } from './world.ts'

const codec = createSessionCodec(createSealer([encryptionKey], 'session', randomBytes), 7 * 86_400_000, () => true)
const ticket = newTicket(randomBytes)

const full = (generation = 1, claims: Record<string, unknown> = { email: 'alice@example.com' }): SessionWithTokens => ({
  session: {
    id: ticket.id,
    subject: 'alice',
    issuer: 'https://id.example.com',
    providerSessionId: 'sid-1',
    claims,
    createdAt: 1_000,
    expiresAt: 9_000,
    tokenExpiresAt: 5_000,
    refreshAt: 4_000,
    refreshable: true,
    generation,
  },
  tokens: { accessToken: 'at', idToken: 'id', refreshToken: 'rt' },
})
const value = codec.encode(full(), ticket)
const identityEnd = headBytes + value.readUIntBE(5, 3)

test('a session and its tokens come back as they were', () => {
  assert.deepEqual(codec.decode(value, ticket), full().session)
  assert.deepEqual(codec.decodeTokens(value, ticket), full().tokens)
})

test('the key that its tokens are bound to stays with them, and in nobody else’s sight', () => {
  const { session, tokens } = full()
  const stored = codec.encode({ session, tokens: { ...tokens, proofKey: 'proof-key' } }, ticket)
  assert.deepEqual(codec.decodeTokens(stored, ticket), { ...tokens, proofKey: 'proof-key' })
  assert.equal(JSON.stringify(codec.decode(stored, ticket)).includes('proof-key'), false)
  assert.equal(stored.includes('proof-key'), false)
})

test('that its login was half known stays with a session', () => {
  const { session, tokens } = full()
  const stored = codec.encode({ session: { ...session, isHalfKnown: true }, tokens }, ticket)
  assert.deepEqual(codec.decode(stored, ticket), { ...session, isHalfKnown: true })
})

test('a maxAge that was made shorter holds for sessions that were begun before', () => {
  const stricter = createSessionCodec(createSealer([encryptionKey], 'session', randomBytes), 3_000, () => true)
  assert.deepEqual(stricter.decode(value, ticket), { ...full().session, expiresAt: 4_000 })
})

test('what a session lacks, it lacks again', () => {
  const bare: SessionWithTokens = {
    session: { ...full().session, providerSessionId: undefined, refreshable: false, claims: {} },
    tokens: { accessToken: 'at', idToken: undefined, refreshToken: undefined },
  }
  const stored = codec.encode(bare, ticket)
  assert.deepEqual(codec.decode(stored, ticket), bare.session)
  assert.deepEqual(codec.decodeTokens(stored, ticket), bare.tokens)
})

test('how and when a person authenticated comes back, and a session of before those fields says nothing of it', () => {
  // With all that may be beside them: each has a name of its own.
  const beside = { lostAnswers: 1, issuedAt: 600, after: { subject: 7 }, network: '192.0.2.0/24', browser: 'Firefox' }
  const known = { ...full().session, acr: 'gold', authenticatedAt: 500, ...beside }
  assert.deepEqual(codec.decode(codec.encode({ ...full(), session: known }, ticket), ticket), known)
  // `full` is what a version before wrote: the bytes have nothing of them.
  assert.equal('authenticatedAt' in (codec.decode(value, ticket) as object), false)
})

test('nothing of it can be read in the store', () => {
  for (const text of ['alice', 'example.com', 'at"', 'rt"', 'sid-1', ticket.secret]) {
    assert.equal(value.includes(text), false, text)
  }
})

test('the first kilobyte of a usual session is enough for a decision', () => {
  const large = codec.encode({ ...full(), tokens: { ...full().tokens, accessToken: 'a'.repeat(5_000) } }, ticket)
  assert.deepEqual(codec.decode(large.subarray(0, identityReadBytes), ticket), full().session)
})

test('of an identity longer than what was read, it says so', () => {
  const claims = { groups: Array.from({ length: 200 }, (_, index) => `group-${index}`) }
  const large = codec.encode(full(1, claims), ticket)
  assert.equal(codec.decode(large.subarray(0, identityReadBytes), ticket), 'short')
  assert.deepEqual(codec.decode(large, ticket), full(1, claims).session)
  assert.equal(codec.decodeTokens(large.subarray(0, identityReadBytes), ticket), undefined)
})

const withByte = (at: number, byte: number) => {
  const changed = Buffer.from(value)
  changed[at] = byte
  return changed
}
const other = codec.encode(full(2), ticket)
const otherIdentityEnd = headBytes + other.readUIntBE(5, 3)
const neighbour = newTicket(randomBytes)
const swapped: [name: string, value: Buffer, as?: typeof ticket][] = [
  ['of a newer format', withByte(0, 2)],
  ['of format 0', withByte(0, 0)],
  ['empty', Buffer.alloc(0)],
  ['shorter than its head', value.subarray(0, headBytes - 1)],
  ['text of somebody else', Buffer.from('{"a":"session","of":"another program"}')],
  ['with its generation raised', withByte(4, 2)],
  [
    'with its parts exchanged',
    Buffer.concat([value.subarray(0, headBytes), value.subarray(identityEnd), value.subarray(headBytes, identityEnd)]),
  ],
  ['that belongs to another id', value, neighbour],
  ['with the same id and another secret', value, { ...ticket, secret: neighbour.secret }],
  [
    'with the identity of another state',
    Buffer.concat([value.subarray(0, headBytes), other.subarray(headBytes, otherIdentityEnd)]),
  ],
]
for (const [name, stored, as = ticket] of swapped) {
  test(`a value ${name} is no session`, () => assert.equal(codec.decode(stored, as), undefined))
}

test('tokens of one state do not go with the identity of another', () => {
  const mixed = Buffer.concat([other.subarray(0, otherIdentityEnd), value.subarray(identityEnd)])
  assert.deepEqual(codec.decode(mixed, ticket), full(2).session)
  assert.equal(codec.decodeTokens(mixed, ticket), undefined)
})

test('property: with any byte changed it is no session, or has no tokens; it never throws', () => {
  for (let at = 0; at < value.length; at++) {
    const damaged = withByte(at, (value[at] ?? 0) ^ 0x10)
    const session = codec.decode(damaged, ticket)
    const isIdentityWhole = at >= identityEnd
    if (isIdentityWhole) assert.deepEqual(session, full().session, `byte ${at}`)
    else assert.ok(session === undefined || session === 'short', `byte ${at}`)
    if (isIdentityWhole || at < headBytes) assert.equal(codec.decodeTokens(damaged, ticket), undefined, `byte ${at}`)
  }
})

test('two values are one state where the shorter is how the longer begins, and a head alone is no proof', () => {
  const value = Buffer.from('\x01----------and so on')
  assert.equal(startsAlike(value, value.subarray(0, 12)), true)
  assert.equal(startsAlike(value.subarray(0, 12), value), true)
  assert.equal(startsAlike(value, value.subarray(0, 8)), false)
  assert.equal(startsAlike(value, Buffer.from('\x01----------and so no')), false)
  assert.equal(generationOf(Buffer.from('hello')), undefined)
})

test('a session of one of several providers names it, and is for nobody who does not know that one', () => {
  const sealer = createSealer([encryptionKey], 'session', randomBytes)
  const knowing = createSessionCodec(sealer, 7 * 86_400_000, (provider) => provider === 'partner')
  const { session, tokens } = full()
  const theirs = { ...session, provider: 'partner' }
  const stored = knowing.encode({ session: theirs, tokens }, ticket)
  assert.deepEqual(knowing.decode(stored, ticket), theirs)
  assert.deepEqual(knowing.decodeTokens(stored, ticket), tokens)
  assert.equal(generationOf(stored), 1)
  // Of the one at the top, which is not configured here.
  assert.equal(knowing.decode(value, ticket), undefined)
  const another = createSessionCodec(sealer, 7 * 86_400_000, (provider) => provider === undefined)
  assert.equal(another.decode(stored, ticket), undefined)
  // A version before there were several reads nothing but 1, and must not read this one as one of its own.
  assert.equal(stored[0], 2)
  const disguised = Buffer.concat([Buffer.from([1]), stored.subarray(1)])
  assert.equal(codec.decode(disguised, ticket), undefined)
})

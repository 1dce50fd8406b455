import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createSealer } from '../../src/sealing.ts'
import { createPasses, maxPassLength } from '../../src/session/pass.ts'
import type { Session } from '../../src/session/session.ts'
import { newTicket } from '../../src/session/ticket.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { encryptionKey, hour } from './world.ts'

const sealer = createSealer([encryptionKey], 'pass', randomBytes)

function aPass(claims: Session['claims'] = { email: 'alice@example.com' }, lives = 24 * hour) {
  const time = fakeTime()
  const passes = createPasses({
    isOurs: () => true,
    sealer,
    clock: time.clock,
    maxAgeMs: 8 * hour,
    sessionMaxAgeMs: 7 * 24 * hour,
    maxLength: maxPassLength,
  })
  const ticket = newTicket(randomBytes)
  const session: Session = {
    id: ticket.id,
    subject: 'alice',
    issuer: 'https://id.example.com',
    providerSessionId: 'sid-1',
    claims,
    createdAt: time.clock(),
    expiresAt: time.clock() + lives,
    tokenExpiresAt: time.clock() + hour,
    refreshAt: time.clock() + hour,
    refreshable: true,
    generation: 3,
  }
  return { time, passes, ticket, session, value: passes.issue(session, ticket) ?? '' }
}

test('how and when a person authenticated comes along: a rule that asks for it holds in an outage, too', () => {
  const { passes, ticket, session } = aPass()
  const known = { ...session, acr: 'gold', authenticatedAt: session.createdAt }
  assert.deepEqual(passes.open([passes.issue(known, ticket) ?? ''], ticket), known)
})

test('a pass gives back the session that it was issued for', () => {
  const { passes, ticket, session, value } = aPass()
  assert.deepEqual(passes.open([value], ticket), session)
  assert.match(value, /^[\w-]+$/)
})

test('a pass is of no use without its ticket: not with another id, not with another secret', () => {
  const { passes, ticket, value } = aPass()
  const stranger = newTicket(randomBytes)
  assert.equal(passes.open([value], stranger), undefined)
  assert.equal(passes.open([value], { ...ticket, secret: stranger.secret }), undefined)
  assert.equal(passes.open([value], { ...ticket, id: stranger.id }), undefined)
})

test('a maxAge that was made shorter holds for passes that were issued before', () => {
  const { time, ticket, session, value } = aPass()
  const stricter = createPasses({
    isOurs: () => true,
    sealer,
    clock: time.clock,
    maxAgeMs: 8 * hour,
    sessionMaxAgeMs: hour,
    maxLength: maxPassLength,
  })
  const expiresAt = session.createdAt + hour
  assert.deepEqual(stricter.open([value], ticket), { ...session, expiresAt })
  time.advance(hour)
  assert.equal(stricter.open([value], ticket), undefined)
})

test('a pass ends with its own age', () => {
  const { time, passes, ticket, value } = aPass()
  time.advance(8 * hour - 1)
  assert.notEqual(passes.open([value], ticket), undefined)
  time.advance(1)
  assert.equal(passes.open([value], ticket), undefined)
})

test('a pass does not outlive its session', () => {
  const { time, passes, ticket, value } = aPass({}, hour)
  time.advance(hour - 1)
  assert.notEqual(passes.open([value], ticket), undefined)
  time.advance(1)
  assert.equal(passes.open([value], ticket), undefined)
})

test('an identity too large for a cookie gets no pass', () => {
  assert.equal(aPass({ groups: Array.from({ length: 400 }, (_, index) => `group-${index}`) }).value, '')
})

test('property: whatever else a browser sends as a pass opens nothing and never throws', () => {
  const { passes, ticket, value } = aPass()
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.base64String(), fc.string({ minLength: 3_400, maxLength: 4_000 })), (text) => {
      assert.equal(passes.open([text], ticket), undefined)
      assert.equal(passes.open([value.slice(0, text.length % value.length)], ticket), undefined)
    }),
    { numRuns: 200 },
  )
})

test('of several the newest state counts, and of that the youngest pass, in whatever order they come (B5)', () => {
  const { time, passes, ticket, session } = aPass()
  const issue = (generation: number, group: string) =>
    passes.issue({ ...session, generation, claims: { group } }, ticket) ?? ''
  const newest = issue(4, 'newest')
  const older = issue(3, 'older')
  time.advance(hour)
  const youngest = issue(3, 'youngest')
  const stranger = passes.issue(session, newTicket(randomBytes)) ?? ''
  const whose = (...values: string[]) => passes.open(values, ticket)?.claims['group']
  assert.equal(whose('made up', stranger, older), 'older')
  assert.deepEqual([whose(older, youngest), whose(youngest, older)], ['youngest', 'youngest'])
  assert.deepEqual([whose(newest, youngest), whose(youngest, newest)], ['newest', 'newest'])
  assert.equal(whose('made up', stranger), undefined)
  time.advance(7 * hour)
  assert.equal(whose(newest, youngest), 'youngest', 'one that is too old counts for nothing')
})

test('whether the session was written is what the pass that counts says', () => {
  const { time, passes, ticket, session } = aPass()
  const unwritten = passes.issue(session, ticket, true) ?? ''
  assert.equal(passes.isUnwritten(['made up', unwritten], ticket, hour), true)
  time.advance(1)
  const written = passes.issue(session, ticket) ?? ''
  assert.equal(passes.isUnwritten([unwritten, written], ticket, hour), false)
})

test('a pass of one of several providers opens where that one is configured, and nowhere else', () => {
  const { time, ticket, session, value } = aPass()
  const passesOf = (isOurs: (provider: string | undefined) => boolean) =>
    createPasses({
      isOurs,
      sealer,
      clock: time.clock,
      maxAgeMs: 8 * hour,
      sessionMaxAgeMs: 7 * 24 * hour,
      maxLength: maxPassLength,
    })
  const partner = passesOf((provider) => provider === 'partner')
  const theirs = { ...session, provider: 'partner' }
  const pass = partner.issue(theirs, ticket) ?? ''
  assert.deepEqual(partner.open([pass], ticket), theirs)
  assert.equal(partner.open([value], ticket), undefined)
  assert.equal(passesOf((provider) => provider === undefined).open([pass], ticket), undefined)
})

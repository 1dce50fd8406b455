import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createNearSessions, presentsSecret, type NearSession } from '../../src/session/near.ts'
import type { Session } from '../../src/session/session.ts'

const ticket = { id: 'i'.repeat(22), secret: 's'.repeat(43) }
// Near copies are kept whatever the session says.
const session = { id: ticket.id } as Session
const entry = (bytes = 100): NearSession => ({
  session,
  secret: ticket.secret,
  value: Buffer.alloc(bytes),
  validatedAt: 0,
  attentionAt: 0,
  refreshAt: 0,
  refreshFailures: 0,
  lastSeenAt: 0,
  touchedAt: 0,
  outdated: false,
  pending: false,
})

test('past the limit of items the copy that was not used for longest goes', () => {
  const near = createNearSessions({ maxItems: 2, maxBytes: 1_000_000 }, () => 0)
  near.set('a', entry())
  near.set('b', entry())
  near.get('a')
  near.set('c', entry())
  assert.equal(near.get('b'), undefined)
  assert.notEqual(near.get('a'), undefined)
  assert.equal(near.size, 2)
})

test('past the limit of bytes as well, with what an entry weighs besides its value', () => {
  const near = createNearSessions({ maxItems: undefined, maxBytes: 10_000 }, () => 0)
  for (let number = 0; number < 100; number++) near.set(`s${number}`, entry(1_000))
  assert.ok(near.size >= 2 && near.size <= 9, `${near.size} entries`)
  assert.ok(near.bytes <= 10_000)
})

test('one value larger than the whole limit is not kept, and pushes nothing out', () => {
  const near = createNearSessions({ maxItems: undefined, maxBytes: 10_000 }, () => 0)
  near.set('small', entry())
  near.set('huge', entry(50_000))
  assert.equal(near.get('huge'), undefined)
  assert.notEqual(near.get('small'), undefined)
})

test('a near copy answers to its own secret only', () => {
  const copy = entry()
  assert.equal(presentsSecret(copy, ticket.secret), true)
  for (const wrong of ['', 's', `${ticket.secret}s`, `${'s'.repeat(42)}t`]) {
    assert.equal(presentsSecret(copy, wrong), false, JSON.stringify(wrong))
  }
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  createSweeps,
  createTaggers,
  parseSweep,
  sweepId,
  type Named,
  type Sweep,
  type Swept,
} from '../../src/session/sweeps.ts'
import { parseTicket } from '../../src/session/ticket.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { encryptionKey, hour } from './world.ts'

const tag = 'AbC_-9dEfGhIjKlM'
const other = 'zzzzzzzzzzzzzzzz'

const sweeps: Sweep[] = [
  { by: 'sid', tag, until: 1_800_000_000_123 },
  { by: 'subject', tag, until: 1_800_000_000_123 },
  { by: 'person', tag, until: 1 },
  { by: 'user', tag, until: 0 },
  { by: 'both', tag, subject: other, until: 1_800_000_000_999 },
  { by: 'everybody', until: 1_800_000_000_123 },
]

describe('the id of a sweep', () => {
  for (const sweep of sweeps) {
    test(`by ${sweep.by} says all of it`, () => {
      assert.deepEqual(parseSweep(sweepId(sweep)), sweep)
    })

    test(`by ${sweep.by} fits into log, notes, peers and spool, and is no session's`, () => {
      const id = sweepId(sweep)
      assert.match(id, /^[\w-]{1,128}$/)
      assert.notEqual(id.length, 22)
      assert.equal(parseTicket(id + 's'.repeat(43)), undefined)
    })
  }

  for (const id of [
    '',
    'A'.repeat(22),
    `s_${tag}`,
    `s_${tag}_`,
    `x_${tag}_1`,
    `s_${tag}_1_2`,
    `s_${tag}__1`,
    `q_${tag}_1`,
    'all_',
    'all_-1',
    'all_A',
    `s_${tag}_${'z'.repeat(12)}`,
  ]) {
    test(`is not ${id || 'nothing'}`, () => {
      assert.equal(parseSweep(id), undefined)
    })
  }
})

describe('tags', () => {
  const [tagger] = createTaggers([encryptionKey], 'scope')

  test('tell nothing to whoever lacks the key, and differ by what they mean', () => {
    const tags = [
      tagger.subject('https://id.example.com', 'alice'),
      tagger.sid('https://id.example.com', 'alice'),
      tagger.user('alice'),
      tagger.everybody,
      tagger.subject('https://id.example.co', 'malice'),
      ...createTaggers([Buffer.alloc(32, 1)], 'scope').map((another) => another.user('alice')),
      ...createTaggers([encryptionKey], 'another').map((another) => another.user('alice')),
    ]
    assert.equal(new Set(tags).size, tags.length)
    for (const one of tags) assert.match(one, /^[\w-]{16}$/)
  })

  test('of a user do not depend on case', () => {
    assert.equal(tagger.user('Alice@Example.com'), tagger.user('alice@example.com'))
  })
})

describe('a sweep', () => {
  const time = fakeTime()
  const begun = time.clock()
  const alice: Named = {
    issuer: 'https://id.example.com',
    subject: 'alice',
    user: 'Alice@example.com',
    providerSessionId: 'sid-1',
  }
  const session = (overrides: Partial<Swept & Named> = {}, keys = [encryptionKey]): Swept => ({
    tags: createTaggers(keys, 'scope').map((one) => one.of({ ...alice, ...overrides })),
    createdAt: begun + 5_000,
    issuedAt: begun,
    ...overrides,
  })

  function known(...list: Sweep[]) {
    const all = createSweeps({ clock: time.clock, lifeMs: hour })
    for (const sweep of list) all.add(sweep)
    return all
  }
  const [tagger] = createTaggers([encryptionKey], 'scope')
  const subject = tagger.subject('https://id.example.com', 'alice')
  const sid = tagger.sid('https://id.example.com', 'sid-1')
  const user = tagger.user('alice@example.com')

  test('that nobody made ends nobody', () => {
    assert.equal(known().end(session()), false)
  })

  const cases: [name: string, sweep: Sweep, ends: boolean][] = [
    ['of the subject, at the moment of its ID token', { by: 'subject', tag: subject, until: begun }, true],
    ['of the subject, from before its ID token', { by: 'subject', tag: subject, until: begun - 1 }, false],
    ['of its provider session', { by: 'sid', tag: sid, until: begun }, true],
    ['of its provider session, from before it', { by: 'sid', tag: sid, until: begun - 1 }, false],
    ['of provider session and subject', { by: 'both', tag: sid, subject, until: begun }, true],
    ['of its provider session and somebody else', { by: 'both', tag: sid, subject: other, until: begun }, false],
    ['of another provider session of its subject', { by: 'both', tag: other, subject, until: begun }, false],
    ['of the person, by our clock', { by: 'person', tag: subject, until: begun + 5_000 }, true],
    ['of the person, from before it by our clock', { by: 'person', tag: subject, until: begun + 4_999 }, false],
    ['of the user', { by: 'user', tag: user, until: begun + 5_000 }, true],
    ['of another user', { by: 'user', tag: other, until: begun + 5_000 }, false],
    ['of everybody', { by: 'everybody', until: begun + 5_000 }, true],
    ['of everybody who is older', { by: 'everybody', until: begun + 4_999 }, false],
  ]
  for (const [name, sweep, ends] of cases) {
    test(`${name} ${ends ? 'ends' : 'leaves'} the session`, () => {
      assert.equal(known(sweep).end(session()), ends)
      // Others beside it change nothing.
      assert.equal(
        known({ by: 'user', tag: other, until: begun * 2 }, sweep, { by: 'sid', tag: other, until: begun * 2 }).end(
          session(),
        ),
        ends,
      )
    })
  }

  test('of a session without a provider session, or without a time of issue, goes by what it has', () => {
    const { issuedAt: _, ...old } = session({ providerSessionId: undefined })
    assert.equal(known({ by: 'sid', tag: sid, until: begun * 2 }).end(old), false)
    assert.equal(known({ by: 'subject', tag: subject, until: begun + 4_999 }).end(old), false)
    assert.equal(known({ by: 'subject', tag: subject, until: begun + 5_000 }).end(old), true)
  })

  test('that is older than another one of the same does not take its place', () => {
    const all = known(
      { by: 'subject', tag: subject, until: begun },
      { by: 'subject', tag: subject, until: begun - 60_000 },
    )
    assert.equal(all.end(session()), true)
  })

  test('is found under each key that is still configured', () => {
    const rotated = session({}, [Buffer.alloc(32, 9), encryptionKey])
    assert.equal(known({ by: 'subject', tag: subject, until: begun }).end(rotated), true)
  })

  test('is forgotten when no session that it ends can live any more', () => {
    const all = known({ by: 'subject', tag: subject, until: begun })
    time.advance(hour - 1)
    assert.equal(all.end(session()), true)
    time.advance(1)
    assert.equal(all.end(session()), false)
  })

  describe('before a login', () => {
    const swept: Sweep = { by: 'user', tag: user, until: begun + 9_000 }

    test('that was begun earlier ends it', () => {
      assert.equal(known(swept).before(session(), time.clock()), undefined)
      assert.equal(known(swept).before(session(), time.clock() - 1), undefined)
    })

    test('that was begun later does not, and is remembered with the session', () => {
      const all = known(swept)
      const after = all.before(session(), time.clock() + 1)
      assert.deepEqual(after, { u: begun + 9_000 })
      assert.equal(all.end(session({ after })), false)
      assert.equal(all.end(session()), true)
    })

    test('that it does not reach is not remembered', () => {
      assert.deepEqual(known({ ...swept, until: begun }).before(session(), time.clock() + 1), {})
      assert.deepEqual(known().before(session(), 0), {})
    })

    test('spares it from no other one, and from no later one of its kind', () => {
      const all = known(swept)
      const after = all.before(session(), time.clock() + 1)
      const again = all.renewed({ ...swept, until: begun + 6_000 })
      assert.equal(again.until, begun + 9_001)
      for (const sweep of [again, { by: 'person', tag: subject, until: begun + 6_000 } as const]) {
        const more = known(swept, sweep)
        assert.equal(more.end(session({ after })), true)
      }
    })
  })
})

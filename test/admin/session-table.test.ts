import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assert as check, property, string } from 'fast-check'
import { fitted, printable, printableJSON, widthOf } from '../../src/admin/printable.ts'
import { ago, sessionCard, sessionTable } from '../../src/admin/session-table.ts'
import type { SessionView } from '../../src/admin/wire.ts'

const now = Date.UTC(2026, 10, 27, 12)
const at = (ms: number) => new Date(now - ms).toISOString()
const [second, minute, hour, day] = [1_000, 60_000, 3_600_000, 86_400_000]

const view = (given: Partial<SessionView> = {}): SessionView => ({
  id: 'AAAAAAAAAAAAAAAAAAAAAA',
  user: 'ann@example.com',
  issuer: 'https://id.example.com',
  subject: 'sub-1',
  sid: null,
  createdAt: at(3 * hour),
  lastSeenAt: at(5 * minute),
  expiresAt: at(-21 * hour),
  network: '192.0.2.0/24',
  browser: 'Firefox on Linux',
  ...given,
})

test('a table is aligned, and says when in the operator’s words', () => {
  const table = sessionTable([view(), view({ user: 'b@example.com', createdAt: at(2 * day), network: null })], now)
  assert.equal(
    table,
    [
      'ID                      USER             SINCE    SEEN       NETWORK       BROWSER',
      'AAAAAAAAAAAAAAAAAAAAAA  ann@example.com  3 h ago  5 min ago  192.0.2.0/24  Firefox on Linux',
      'AAAAAAAAAAAAAAAAAAAAAA  b@example.com    2 d ago  5 min ago  -             Firefox on Linux',
      '',
    ].join('\n'),
  )
})

const columnsOf = (line: string) =>
  [...line.matchAll(/\S.*?(?=\s{2}|$)/g)].map(({ index }) => widthOf(line.slice(0, index)))

test('no line is longer than 100 cells, whatever a person calls themselves, and columns stay where they are', () => {
  const users = ['x'.repeat(300), '名'.repeat(200), `e\u0301${'é'.repeat(90)}`, '👩‍👩‍👧'.repeat(40), 'a']
  const long = users.map((user) =>
    view({ user, network: '2001:db8:1234::/48', browser: 'Samsung Internet on Android' }),
  )
  const lines = sessionTable(long, now).trimEnd().split('\n')
  const [heads = []] = lines.map(columnsOf)
  for (const line of lines) {
    assert.ok(widthOf(line) <= 100, line)
    assert.deepEqual(columnsOf(line), heads, line)
  }
})

const hostile = [
  '\u001b[2J\u001b[1;1Hall is well',
  '\u001b]0;title\u0007',
  '\u009b31m',
  'a\rb',
  'a\nroot  forged line',
  'a\u0008\u0008\u0008b',
  '\u202egnp.exe',
  '\u2066x\u2069',
  'a\u2028b',
  'a\u200bb',
  'a\u0000b',
  '\u007f',
  '\ud800',
]
// oxlint-disable-next-line no-control-regex -- they are what must not be there
const acts = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]/u

for (const name of hostile) {
  test(`${JSON.stringify(name)} does nothing to a terminal`, () => {
    const session = view({ user: name, subject: name, sid: name, issuer: name, network: name, browser: name })
    assert.equal(sessionTable([session], now).split('\n').length, 3)
    assert.equal(sessionCard(session, now).split('\n').length, 11)
    for (const text of [sessionTable([session], now), sessionCard(session, now), printableJSON([session])]) {
      assert.doesNotMatch(text, acts)
    }
    assert.deepEqual(JSON.parse(printableJSON([session])), [session])
  })
}

test('no text at all does anything to a terminal, and JSON stays what it was', () => {
  check(
    property(string({ unit: 'binary' }), (text) => {
      assert.doesNotMatch(printable(text), acts)
      assert.doesNotMatch(printableJSON({ text }).replaceAll('\n', ''), acts)
      assert.deepEqual(JSON.parse(printableJSON({ text })), { text })
      assert.equal(widthOf(fitted(printable(text), 20)), 20)
    }),
    { numRuns: 500 },
  )
})

test('a card tells all that is known of a session', () => {
  assert.equal(
    sessionCard(view({ sid: 's-1' }), now),
    [
      'id       AAAAAAAAAAAAAAAAAAAAAA',
      'user     ann@example.com',
      'subject  sub-1',
      'issuer   https://id.example.com',
      'sid      s-1',
      'since    2026-11-27T09:00:00.000Z (3 h ago)',
      'seen     2026-11-27T11:55:00.000Z (5 min ago)',
      'ends     2026-11-28T09:00:00.000Z (in 21 h)',
      'network  192.0.2.0/24',
      'browser  Firefox on Linux',
      '',
    ].join('\n'),
  )
})

for (const [ms, words] of [
  [0, 'now'],
  [999, 'now'],
  [second, '1 s ago'],
  [59 * second, '59 s ago'],
  [minute, '1 min ago'],
  [23 * hour, '23 h ago'],
  [400 * day, '400 d ago'],
  [-2 * hour, 'in 2 h'],
] as const) {
  test(`${ms} ms is ${words}`, () => assert.equal(ago(at(ms), now), words))
}

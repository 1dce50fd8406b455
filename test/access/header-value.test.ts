import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { headerSafe } from '../../src/access/header-value.ts'

const table: [value: string, header: string][] = [
  ['', ''],
  ['alice@example.com', 'alice@example.com'],
  ['Ada Lovelace (CEO), "x"; y=1', 'Ada Lovelace (CEO), "x"; y=1'],
  ['100%', '100%'],
  ['50% of', '50% of'],
  ['Jürgen', 'J%C3%BCrgen'],
  ['\u{1F600}', '%F0%9F%98%80'],
  ['a\r\nSet-Cookie: x=y', 'a%0D%0ASet-Cookie: x=y'],
  ['a\0b\x7fc\td', 'a%00b%7Fc%09d'],
  ['\u2028', '%E2%80%A8'],
  ['\xe9', '%C3%A9'],
  ['a\ud800b', 'a%EF%BF%BDb'],
  ['\udc00', '%EF%BF%BD'],
  [' root', '%20root'],
  ['root  ', 'root%20%20'],
  ['   ', '%20%20%20'],
  ['J%C3%BCrgen', 'J%25C3%25BCrgen'],
  ['%%41', '%%2541'],
]
for (const [value, header] of table) {
  test(`${JSON.stringify(value)} is ${JSON.stringify(header)} in a header`, () =>
    assert.equal(headerSafe(value), header))
}

test('a header value is printable ASCII without spaces at its ends, and says what the claim said', () => {
  const hostile = fc.string({
    unit: fc.oneof(fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }), fc.constantFrom('%', '4', '1', ' ')),
  })
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), hostile), (value) => {
      const header = headerSafe(value)
      assert.match(header, /^(?! )[\x20-\x7e]*(?<! )$/)
      assert.equal(lenientlyDecoded(header), value.toWellFormed())
    }),
    { numRuns: 3_000 },
  )
})

/** As percent-decoders that leave damaged escapes alone do. */
function lenientlyDecoded(header: string): string {
  return header.replace(/(?:%[0-9a-f]{2})+/gi, decodeURIComponent)
}

test('a long claim costs no more than its length', { timeout: 5_000 }, () => {
  assert.equal(headerSafe(`a${' '.repeat(200_000)}ü`).length, 200_007)
})

// Addresses that are the same, and those that are not (RFC 9449 section 4.3, RFC 3986 section 6.2). What a proof must say is in
// integration/memory/bearer-table.test.ts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { plainURL } from '../../src/bearer/proof.ts'

const same: readonly (readonly [one: string, other: string])[] = [
  ['https://api.example.com/a', 'HTTPS://API.example.com:443/a?x=1#y'],
  ['https://api.example.com', 'https://api.example.com/'],
  ['https://api.example.com/%7euser', 'https://api.example.com/~user'],
  ['https://api.example.com/caf%c3%a9', 'https://api.example.com/café'],
  ['https://api.example.com/a/../b', 'https://api.example.com/b'],
]
for (const [one, other] of same) {
  test(`${one} is ${other}`, () => {
    assert.notEqual(plainURL(one), undefined)
    assert.equal(plainURL(one), plainURL(other))
  })
}

const different: readonly (readonly [one: string, other: string])[] = [
  ['https://api.example.com/a', 'http://api.example.com/a'],
  ['https://api.example.com/a', 'https://api.example.com/A'],
  ['https://api.example.com/a', 'https://api.example.com/a/'],
  ['https://api.example.com/a%2fb', 'https://api.example.com/a/b'],
  ['https://api.example.com/a', 'https://api.example.com:8443/a'],
]
for (const [one, other] of different) {
  test(`${one} is not ${other}`, () => assert.notEqual(plainURL(one), plainURL(other)))
}

for (const none of [
  'api.example.com/a',
  '',
  'ftp://a/',
  'https://user@api.example.com/a',
  7,
  undefined,
  ['https://a/'],
]) {
  test(`${JSON.stringify(none)} is no address`, () => assert.equal(plainURL(none), undefined))
}

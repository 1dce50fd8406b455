import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requestIdOf } from '../../src/http/request-id.ts'

const table: [given: string | string[] | undefined, expected: string][] = [
  ['0af7651916cd43dd8448eb211c80319c', '0af7651916cd43dd8448eb211c80319c'],
  ['a.b:c-d_e', 'a.b:c-d_e'],
  ['x'.repeat(64), 'x'.repeat(64)],
  ['x'.repeat(65), 'new'],
  ['', 'new'],
  [undefined, 'new'],
  [['a', 'b'], 'new'],
  ['a, b', 'new'],
  ['<script>', 'new'],
  ['a\nb', 'new'],
  ['a\n', 'new'],
  ['ü', 'new'],
]
for (const [given, expected] of table) {
  test(`the request id ${JSON.stringify(given)} ${expected === 'new' ? 'is replaced' : 'is kept'}`, () =>
    assert.equal(
      requestIdOf({ 'x-request-id': given }, () => 'new'),
      expected,
    ))
}

// docs/bearer.md names every reason that a program may be given, and no other.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const quoted = (text: string, quote: string) =>
  [...text.matchAll(new RegExp(`${quote}((?:token|dpop|authorization)_[a-z_]+)${quote}`, 'g'))].map(
    ([, name = '']) => name,
  )

test('every reason of a refused token is in the guide, and none that there is not', () => {
  const [, union = ''] = /export type TokenReason =([^]*?)\n\n/.exec(read('src/errors.ts')) ?? []
  const [, table = ''] = /\n## What is answered\n([^]*?)\n## /.exec(read('docs/bearer.md')) ?? []
  const reasons = quoted(union, "'").toSorted()
  assert.ok(reasons.length > 20)
  assert.deepEqual(quoted(table, '`').toSorted(), reasons)
})

test('each of them is a row of the table of bad tokens', () => {
  const [, union = ''] = /export type TokenReason =([^]*?)\n\n/.exec(read('src/errors.ts')) ?? []
  const rows = read('test/integration/memory/bearer-table.test.ts') + read('test/integration/memory/bearer.test.ts')
  for (const reason of quoted(union, "'")) assert.ok(rows.includes(`'${reason}'`), reason)
})

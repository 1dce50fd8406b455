import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeNote, encodeNote } from '../../src/cache/note.ts'

const note = { origin: 'replica-1', sentAt: 1_700_000_000_000, what: 'revoked', id: 'AbC_-012' } as const

test('a note is understood as it was meant', () => {
  assert.deepEqual(decodeNote(encodeNote(note)), note)
  assert.deepEqual(decodeNote(encodeNote({ ...note, what: 'written' })), { ...note, what: 'written' })
})

for (const text of [
  '',
  'x',
  'a 1 gone id',
  'a x revoked id',
  'a 1 revoked',
  'a 1 revoked id more',
  `a 1 revoked ${'x'.repeat(129)}`,
  'a 1 revoked id\n',
]) {
  test(`anything else is no note: ${JSON.stringify(text.slice(0, 30))}`, () =>
    assert.equal(decodeNote(text), undefined))
}

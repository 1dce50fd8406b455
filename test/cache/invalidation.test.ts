import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createNotes } from '../../src/cache/invalidation.ts'

const key = Buffer.from('k9Jv2mPq8sXw4zB7nD1fG5hL0tRyUcEa')
const newKey = Buffer.from('Q2wX8eRt5yUiO1pLkJ7hGfD4sAzXc3Vb')
const notes = createNotes([key])
const note = { origin: 'replica-1', sentAt: 1_700_000_000_000, what: 'revoked', id: 'AbC_-012' } as const

test('a note is understood as it was meant', () => {
  assert.deepEqual(notes.decode(notes.encode(note)), note)
  assert.deepEqual(notes.decode(notes.encode({ ...note, what: 'written' })), { ...note, what: 'written' })
})

test('a note that no replica of ours wrote ends nobody’s session', () => {
  const line = notes.encode(note)
  assert.equal(createNotes([newKey]).decode(line), undefined, 'signed with another key')
  assert.equal(notes.decode(line.replace('AbC_-012', 'AbC_-013')), undefined, 'about another session')
  assert.equal(notes.decode(line.replace(' revoked ', ' written ')), undefined, 'saying something else')
  assert.equal(notes.decode(line.slice(0, line.lastIndexOf(' '))), undefined, 'not signed at all')
})

test('while keys are rolled over, replicas understand each other', () => {
  const before = createNotes([key, newKey])
  const after = createNotes([newKey, key])
  assert.deepEqual(before.decode(after.encode(note)), note)
  assert.deepEqual(after.decode(before.encode(note)), note)
})

const signature = 'A'.repeat(22)
for (const text of [
  '',
  'x',
  `a 1 gone id ${signature}`,
  `a x revoked id ${signature}`,
  `a 1 revoked ${signature}`,
  `a 1 revoked id more ${signature}`,
  `a 1 revoked ${'x'.repeat(129)} ${signature}`,
  `a 1 revoked id ${signature}\n`,
]) {
  test(`anything else is no note: ${JSON.stringify(text.slice(0, 30))}`, () =>
    assert.equal(notes.decode(text), undefined))
}

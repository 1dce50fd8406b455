import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createInvalidations } from '../../src/cache/invalidation.ts'

const key = Buffer.from('k9Jv2mPq8sXw4zB7nD1fG5hL0tRyUcEa')
const newKey = Buffer.from('Q2wX8eRt5yUiO1pLkJ7hGfD4sAzXc3Vb')
const notes = createInvalidations([key], 'scope')
const note = {
  origin: 'replica-1',
  sentAt: 1_700_000_000_000,
  what: 'withdrawn',
  id: 'AbC_-012',
  number: 4_294_967_295,
} as const

test('a note is understood as it was meant', () => {
  assert.deepEqual(notes.decode(notes.encode(note)), note)
  assert.deepEqual(notes.decode(notes.encode({ ...note, what: 'changed', number: 2 })), {
    ...note,
    what: 'changed',
    number: 2,
  })
  const hello = { ...note, what: 'here', id: note.origin, number: 0 } as const
  assert.deepEqual(notes.decode(notes.encode(hello)), hello)
})

test('a note that no replica of ours wrote ends nobody’s session', () => {
  const line = notes.encode(note)
  assert.equal(createInvalidations([newKey], 'scope').decode(line), undefined, 'signed with another key')
  assert.equal(notes.decode(line.replace('AbC_-012', 'AbC_-013')), undefined, 'about another session')
  assert.equal(notes.decode(line.replace(' withdrawn ', ' changed ')), undefined, 'saying something else')
  assert.equal(notes.decode(line.replace('4294967295', '4294967294')), undefined, 'up to another generation')
  assert.equal(notes.decode(line.slice(0, line.lastIndexOf(' '))), undefined, 'not signed at all')
})

test('a note of another deployment with the same key is nobody’s (A4)', () => {
  assert.equal(createInvalidations([key], 'another').decode(notes.encode(note)), undefined)
})

test('while keys are rolled over, replicas understand each other', () => {
  const before = createInvalidations([key, newKey], 'scope')
  const after = createInvalidations([newKey, key], 'scope')
  assert.deepEqual(before.decode(after.encode(note)), note)
  assert.deepEqual(after.decode(before.encode(note)), note)
})

const signature = 'A'.repeat(22)
for (const text of [
  '',
  'x',
  `a 1 gone id 1 ${signature}`,
  `a x withdrawn id 1 ${signature}`,
  `a 1 withdrawn 1 ${signature}`,
  `a 1 withdrawn id more 1 ${signature}`,
  `a 1 withdrawn ${'x'.repeat(129)} 1 ${signature}`,
  `a 1 withdrawn id 1 ${signature}\n`,
]) {
  test(`anything else is no note: ${JSON.stringify(text.slice(0, 30))}`, () =>
    assert.equal(notes.decode(text), undefined))
}

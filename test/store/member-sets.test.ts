import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemberSets } from '../../src/store/member-sets.ts'

test('a member leaves at its end, and a set with its last member', () => {
  const sets = createMemberSets()
  sets.add('a', 'one', 100, 0)
  sets.add('a', 'two', 200, 0)
  assert.deepEqual(sets.of('a', 99), ['one', 'two'])
  assert.deepEqual(sets.of('a', 100), ['two'])
  assert.deepEqual(sets.of('a', 200), [])
  assert.deepEqual(sets.of('nothing', 0), [])
})

test('too many members: those of the sets that were written to least lately go first', () => {
  const sets = createMemberSets(3)
  sets.add('old', 'one', 100, 0)
  sets.add('newer', 'two', 100, 0)
  sets.add('old', 'three', 100, 0)
  sets.add('newest', 'four', 100, 0)
  assert.deepEqual(sets.of('newer', 0), [])
  assert.deepEqual(sets.of('old', 0), ['one', 'three'])
  assert.deepEqual(sets.of('newest', 0), ['four'])
})

test('a member that is put again counts once', () => {
  const sets = createMemberSets(2)
  for (let end = 100; end < 110; end++) sets.add('a', 'one', end, 0)
  sets.add('b', 'two', 100, 0)
  assert.deepEqual(sets.of('a', 0), ['one'])
  assert.deepEqual(sets.of('b', 0), ['two'])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTagIndex } from '../../src/session/tag-index.ts'

test('finds those with a tag: none, one, several', () => {
  const index = createTagIndex()
  assert.deepEqual(index.of('alice'), [])
  index.set('1', ['alice', 'sid-1'])
  assert.deepEqual(index.of('alice'), ['1'])
  index.set('2', ['alice', 'sid-2'])
  index.set('3', ['bob'])
  assert.deepEqual(index.of('alice'), ['1', '2'])
  assert.deepEqual(index.of('sid-2'), ['2'])
  index.remove('1')
  index.remove('1')
  assert.deepEqual(index.of('alice'), ['2'])
  assert.deepEqual(index.of('sid-1'), [])
  index.remove('2')
  assert.deepEqual(index.of('alice'), [])
  assert.deepEqual(index.of('bob'), ['3'])
})

test('what is set again has its new tags only', () => {
  const index = createTagIndex()
  index.set('1', ['alice', 'old'])
  index.set('1', ['alice', 'new'])
  assert.deepEqual(index.of('old'), [])
  assert.deepEqual(index.of('new'), ['1'])
  assert.deepEqual(index.of('alice'), ['1'])
})

// docs/provider-signals.md: the reasons and events that it lists are those of the code.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { judgedTypes } from '../../src/signals/event-types.ts'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const guide = read('docs/provider-signals.md')

test('every reason for which a signal is refused is in the guide, and no other', () => {
  const [, union = ''] = /type SignalReason =\n(.*?)\n\n/s.exec(read('src/errors.ts')) ?? []
  const reasons = [...union.matchAll(/\| '(\w+)'/g)].map(([, reason = '']) => reason)
  const [, table = ''] = /\| reason \|[^\n]*\n\|-.*?\n(.*?)\n\n/s.exec(guide) ?? []
  const listed = table
    .split('\n')
    .flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, reason = '']) => reason))
  assert.ok(reasons.length > 10)
  assert.deepEqual(new Set(listed), new Set(reasons))
})

test('every type of event that brings something about is in the guide', () => {
  for (const type of judgedTypes) assert.ok(guide.includes(`\`${type.split('/').at(-1)}\``), type)
})

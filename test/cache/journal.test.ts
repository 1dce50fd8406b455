import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createJournal } from '../../src/cache/journal.ts'
import type { JournalEntry } from '../../src/cache/shared-tier.ts'
import { StoreUnavailable } from '../../src/errors.ts'

function aJournal(maxEntries = 100) {
  let now = 0
  const dropped = { value: 0 }
  const written: string[] = []
  const journal = createJournal({ maxEntries, dropped, clock: () => now })
  const entry = (name: string, overrides: Partial<JournalEntry> = {}): JournalEntry => ({
    name,
    revocation: name.startsWith('revoked:'),
    expiresAt: 1_000,
    write: async () => void written.push(name),
    ...overrides,
  })
  return { journal, dropped, written, entry, at: (ms: number) => (now = ms) }
}

test('revocations are written first, then the rest, each in the order of its coming', async () => {
  const { journal, entry, written } = aJournal()
  for (const name of ['session:a', 'revoked:x', 'used:b', 'revoked:y']) journal.add(entry(name))
  assert.equal(await journal.replay('revocations'), 2)
  assert.deepEqual(written, ['revoked:x', 'revoked:y'])
  assert.equal(await journal.replay('all'), 2)
  assert.deepEqual(written, ['revoked:x', 'revoked:y', 'session:a', 'used:b'])
  assert.equal(journal.size, 0)
})

test('of two writes with one name the later one counts', async () => {
  const { journal, entry, written } = aJournal()
  journal.add(entry('session:a', { write: async () => void written.push('old') }))
  journal.add(entry('session:a', { write: async () => void written.push('new') }))
  await journal.replay('all')
  assert.deepEqual(written, ['new'])
})

test('what was revoked is not written any more', async () => {
  const { journal, entry, written } = aJournal()
  journal.add(entry('session:a'))
  journal.add(entry('revoked:a'))
  await journal.replay('all')
  assert.deepEqual(written, ['revoked:a'])
})

test('a write that has lost its meaning is left out', async () => {
  const { journal, entry, written, at } = aJournal()
  journal.add(entry('session:a'))
  at(1_000)
  assert.equal(await journal.replay('all'), 0)
  assert.deepEqual(written, [])
  assert.equal(journal.size, 0)
})

test('full, it drops the oldest write and counts it; a revocation only when there is nothing else', async () => {
  const { journal, entry, written, dropped } = aJournal(3)
  for (const name of ['revoked:a', 'session:b', 'session:c', 'revoked:d', 'revoked:e']) journal.add(entry(name))
  assert.equal(dropped.value, 2)
  journal.add(entry('revoked:f'))
  assert.equal(dropped.value, 3)
  await journal.replay('all')
  assert.deepEqual(written, ['revoked:d', 'revoked:e', 'revoked:f'])
})

test('a write that fails again stays, with all that come after it', async () => {
  const { journal, entry, written } = aJournal()
  let isDown = true
  journal.add(entry('session:a'))
  const write = async () => {
    if (isDown) throw new StoreUnavailable('down')
    written.push('session:b')
  }
  journal.add(entry('session:b', { write }))
  journal.add(entry('session:c'))
  await assert.rejects(journal.replay('all'), StoreUnavailable)
  assert.deepEqual(written, ['session:a'])
  assert.equal(journal.size, 2)
  isDown = false
  await journal.replay('all')
  assert.deepEqual(written, ['session:a', 'session:b', 'session:c'])
})

test('what is written anew during a replay is not lost', async () => {
  const { journal, entry, written } = aJournal()
  const write = async () => {
    written.push('old')
    journal.add(entry('session:a', { write: async () => void written.push('new') }))
  }
  journal.add(entry('session:a', { write }))
  await journal.replay('all')
  await journal.replay('all')
  assert.deepEqual(written, ['old', 'new'])
})

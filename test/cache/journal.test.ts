import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createJournal } from '../../src/cache/journal.ts'
import type { JournalEntry } from '../../src/cache/journal.ts'
import { StoreUnavailable, StoreValueRejected } from '../../src/errors.ts'
import { failingWith } from '../fixtures/fake-store.ts'
import { fakeTime } from '../fixtures/fake-time.ts'

function aJournal(maxEntries = 100) {
  const time = fakeTime(0)
  let added = 0
  const dropped = { value: 0 }
  const written: string[] = []
  const journal = createJournal({ maxEntries, dropped, clock: time.clock, onAdd: () => added++ })
  const entry = (name: string, overrides: Partial<JournalEntry> = {}): JournalEntry => ({
    name,
    expiresAt: 1_000,
    write: async () => void written.push(name),
    ...overrides,
  })
  return { journal, dropped, written, entry, added: () => added, at: (ms: number) => time.advance(ms - time.clock()) }
}

const failing = (error: () => Error) => ({ write: () => Promise.reject(error()) })

test('writes are made up for in the order of their coming, once', async () => {
  const { journal, entry, written, added } = aJournal()
  for (const name of ['session:a', 'used:b', 'session:c']) journal.add(entry(name))
  assert.equal(journal.size, 3)
  assert.equal(added(), 3)
  await journal.replay()
  await journal.replay()
  assert.deepEqual(written, ['session:a', 'used:b', 'session:c'])
  assert.equal(journal.size, 0)
})

test('of two writes with one name the later one counts, in its own place', async () => {
  const { journal, entry, written } = aJournal()
  journal.add(entry('session:a', { write: async () => void written.push('old') }))
  journal.add(entry('session:b'))
  journal.add(entry('session:a', { write: async () => void written.push('new') }))
  assert.equal(journal.size, 2)
  await journal.replay()
  assert.deepEqual(written, ['session:b', 'new'])
})

test('what was withdrawn is dropped by its name', async () => {
  const { journal, entry, written } = aJournal()
  journal.add(entry('session:a'))
  journal.add(entry('session:b'))
  journal.drop('session:a')
  journal.drop('session:never')
  await journal.replay()
  assert.deepEqual(written, ['session:b'])
})

test('a write that has lost its meaning is left out', async () => {
  const { journal, entry, written, at } = aJournal()
  journal.add(entry('session:a'))
  at(1_000)
  await journal.replay()
  assert.deepEqual(written, [])
  assert.equal(journal.size, 0)
})

test('full, it drops the oldest write and counts it', async () => {
  const { journal, entry, written, dropped } = aJournal(2)
  for (const name of ['session:a', 'session:b', 'session:c']) journal.add(entry(name))
  assert.equal(dropped.value, 1)
  journal.add(entry('session:c'))
  assert.equal(dropped.value, 1, 'one that is there already needs no room')
  await journal.replay()
  assert.deepEqual(written, ['session:b', 'session:c'])
})

for (const [what, error] of [
  ['nobody answers', failingWith('timeout')],
  ['the circuit is open', () => new StoreUnavailable('circuit breaker is open')],
] as const) {
  test(`when ${what}, that write stays, with all that come after it`, async () => {
    const { journal, entry, written } = aJournal()
    let isDown = true
    journal.add(entry('session:a'))
    const write = async () => {
      if (isDown) throw error()
      written.push('session:b')
    }
    journal.add(entry('session:b', { write }))
    journal.add(entry('session:c'))
    await assert.rejects(journal.replay(), StoreUnavailable)
    assert.deepEqual(written, ['session:a'])
    assert.equal(journal.size, 2)
    isDown = false
    await journal.replay()
    assert.deepEqual(written, ['session:a', 'session:b', 'session:c'])
  })
}

for (const kind of ['oom', 'readonly', 'no_permission', 'write_refused'] as const) {
  test(`what Redis refuses (${kind}) stays, and does not stop the rest`, async () => {
    const { journal, entry, written, dropped } = aJournal()
    journal.add(entry('session:a', failing(failingWith(kind))))
    journal.add(entry('session:b'))
    await journal.replay()
    assert.deepEqual(written, ['session:b'])
    assert.equal(journal.size, 1)
    assert.equal(dropped.value, 0)
  })
}

test('what can never be written, as its key holds something else, is dropped and counted, and does not stop the rest', async () => {
  const { journal, entry, written, dropped } = aJournal()
  journal.add(
    entry(
      'session:a',
      failing(() => new StoreValueRejected('a list')),
    ),
  )
  journal.add(entry('session:b'))
  await journal.replay()
  assert.deepEqual(written, ['session:b'])
  assert.equal(journal.size, 0)
  assert.equal(dropped.value, 1)
})

test('a mistake of ours is not swallowed', async () => {
  const { journal, entry } = aJournal()
  journal.add(
    entry(
      'session:a',
      failing(() => new TypeError('no')),
    ),
  )
  await assert.rejects(journal.replay(), TypeError)
})

test('what is written anew during a replay is not lost', async () => {
  const { journal, entry, written } = aJournal()
  const write = async () => {
    written.push('old')
    journal.add(entry('session:a', { write: async () => void written.push('new') }))
  }
  journal.add(entry('session:a', { write }))
  await journal.replay()
  await journal.replay()
  assert.deepEqual(written, ['old', 'new'])
})

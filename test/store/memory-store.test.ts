import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMarks } from '../../src/store/marks.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import { everyGeneration } from '../../src/store/withdrawal-log.ts'
import { minutes } from '../../src/time.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { storeContract } from './store-contract.ts'

function memoryAt(start: number, maxBytes = 1 << 20) {
  const { clock, advance } = fakeTime(start)
  const notes: string[] = []
  const store = createMemoryStore({ clock, maxBytes, announce: (note) => notes.push(note) })
  return { store, notes, clock, advance }
}

// A clock that starts at 0 is what a test would take first, and what lru-cache takes for "no time to live".
for (const start of [0, 1_700_000_000_000]) {
  storeContract(`memory, on a clock that starts at ${start}`, async () => {
    const { store, notes, advance } = memoryAt(start)
    return { store, notes, pass: async (ms) => advance(ms), close: () => {} }
  })
}

test('memory stays within its bytes: the value unused for longest makes room', async () => {
  const { store } = memoryAt(1, 100_000)
  for (let at = 0; at < 200; at++) await store.set({ kind: 'session', id: `s${at}` }, Buffer.alloc(1_000, 1), 60_000)
  let kept = 0
  for (let at = 0; at < 200; at++) if ((await store.get({ kind: 'session', id: `s${at}` })) !== undefined) kept++
  assert.ok(kept > 50 && kept <= 100, `${kept} of 1,000 bytes each`)
  assert.equal(await store.get({ kind: 'session', id: 's0' }), undefined)
  assert.ok((await store.get({ kind: 'session', id: 's199' })) !== undefined)
})

test('no pressure evicts a revocation mark', async () => {
  const { store } = memoryAt(1, 100_000)
  await store.withdraw({ kind: 'session', id: 'a' }, { kind: 'revoked', id: 'a' }, everyGeneration, 60_000)
  for (let at = 0; at < 500; at++) await store.set({ kind: 'session', id: `s${at}` }, Buffer.alloc(1_000, 1), 60_000)
  assert.equal((await store.get({ kind: 'revoked', id: 'a' }))?.toString(), '1')
})

test('a value is a copy: the network buffer it was cut from may be reused', async () => {
  const { store } = memoryAt(1)
  const buffer = Buffer.from('first')
  await store.set({ kind: 'session', id: 'a' }, buffer, 60_000)
  buffer.write('XXXXX')
  assert.equal((await store.get({ kind: 'session', id: 'a' }))?.toString(), 'first')
})

test('expired marks are swept when others are written', () => {
  const { clock, advance } = memoryAt(1)
  const marks = createMarks<string>(clock)
  for (let at = 0; at < 100; at++) marks.set(`r${at}`, 'x', clock() + 1_000)
  advance(minutes(2))
  assert.deepEqual([...marks.entries()], [], 'and nobody sees them before')
  marks.set('last', 'x', clock() + 1_000)
  assert.equal(marks.size, 1)
})

test('a flood of marks is bounded by their count: the oldest goes', () => {
  const marks = createMarks<string>(() => 1, 3)
  for (const id of ['a', 'b', 'c', 'd']) marks.set(id, id, 1_000)
  assert.equal(marks.size, 3)
  assert.equal(marks.get('a'), undefined)
  assert.equal(marks.get('d'), 'd')
  marks.set('d', 'newer', 1_000)
  assert.equal(marks.get('b'), 'b', 'one that is there already needs no room')
})

test('a mark that is set again keeps the later of its ends', () => {
  const { clock, advance } = memoryAt(1)
  const marks = createMarks<string>(clock)
  marks.set('a', 'first', clock() + 1_000)
  marks.set('a', 'second', clock() + 10)
  advance(500)
  assert.equal(marks.get('a'), 'second')
})

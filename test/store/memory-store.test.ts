import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMarks } from '../../src/store/memory-marks.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import type { Kind } from '../../src/store/store.ts'
import { minutes } from '../../src/time.ts'
import { storeContract } from './store-contract.ts'

function memoryAt(start: number, maxBytes = 1 << 20) {
  let now = start
  const evicted: Kind[] = []
  const store = createMemoryStore({ clock: () => now, maxBytes, onEvict: (kind) => evicted.push(kind) })
  return { store, evicted, clock: () => now, turn: (ms: number) => (now += ms) }
}

// A clock that starts at 0 is what a test would take first, and what lru-cache takes for "no time to live".
for (const start of [0, 1_700_000_000_000]) {
  storeContract(`memory, on a clock that starts at ${start}`, async () => {
    const { store, clock, turn } = memoryAt(start)
    const notes: string[] = []
    store.onNote((note) => notes.push(note))
    return { store, notes, now: clock, pass: async (ms) => void turn(ms), close: () => {} }
  })
}

test('memory stays within its bytes: the value unused for longest makes room, and is reported', async () => {
  const { store, evicted } = memoryAt(1, 100_000)
  for (let at = 0; at < 200; at++) await store.set({ kind: 'session', id: `s${at}` }, Buffer.alloc(1_000, 1), 60_000)
  assert.ok(store.usage().bytes <= 100_000)
  assert.equal(await store.get({ kind: 'session', id: 's0' }), undefined)
  assert.ok((await store.get({ kind: 'session', id: 's199' })) !== undefined)
  assert.ok(evicted.length > 100 && evicted.every((kind) => kind === 'session'))
})

test('no pressure evicts a revocation mark', async () => {
  const { store } = memoryAt(1, 100_000)
  await store.revoke({ kind: 'session', id: 'a' }, { kind: 'revoked', id: 'a' }, Buffer.from('1'), 60_000)
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

test('expired revocation marks are swept when others are written', async () => {
  const { store, turn } = memoryAt(1)
  for (let at = 0; at < 100; at++) await store.set({ kind: 'revoked', id: `r${at}` }, Buffer.from('1'), 1_000)
  turn(minutes(2))
  await store.set({ kind: 'revoked', id: 'last' }, Buffer.from('1'), 1_000)
  assert.equal(store.usage().entries, 1)
})

test('a flood of marks is bounded by their count: the oldest goes, and is reported', () => {
  let lost = 0
  const marks = createMarks({ clock: () => 1, onEvict: () => lost++, maxCount: 3 })
  for (const id of ['a', 'b', 'c', 'd']) marks.set(id, Buffer.from('1'), 1_000)
  assert.equal(marks.size(), 3)
  assert.equal(marks.get('a'), undefined)
  assert.ok(marks.get('d') !== undefined)
  assert.equal(lost, 1)
})

test('who has stopped listening hears no more notes', async () => {
  const { store } = memoryAt(1)
  const notes: string[] = []
  const stop = store.onNote((note) => notes.push(note))
  await store.announce('one')
  stop()
  await store.announce('two')
  assert.deepEqual(notes, ['one'])
})

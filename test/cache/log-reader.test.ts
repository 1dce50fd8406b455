import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFloors } from '../../src/cache/floors.ts'
import { createLogReader } from '../../src/cache/log-reader.ts'
import { StoreUnavailable } from '../../src/errors.ts'
import { createFakeLog } from '../fixtures/fake-log.ts'
import { fakeTime } from '../fixtures/fake-time.ts'

function aReader(maxEntries = 500) {
  const time = fakeTime()
  const log = createFakeLog({ clock: time.clock, maxEntries })
  const floors = createFloors({ ...time, lifeMs: 60_000 })
  const reader = createLogReader({ log, floors, withdrawalLifeMs: 60_000, runtime: time })
  const ask = () => log.beat({ replica: 'one', token: 1, position: reader.position, clean: true, hello: '' })
  return { time, log, floors, reader, ask }
}

async function aReaderWithAll(...ids: string[]) {
  const it = aReader()
  await it.log.append(ids.map((id) => ({ id, floor: 7 })))
  await it.reader.load(await it.ask())
  it.log.calls.length = 0
  return it
}

test('before anything was read no answer can be followed: all of it is read, and counts as logged', async () => {
  const { reader, ask, log, floors } = aReader()
  await log.append([{ id: 'a', floor: 7 }])
  const reply = await reader.complete(await ask())
  assert.equal(reader.follow(reply), false)
  await reader.load(reply)
  assert.deepEqual([reader.position, floors.of('a'), floors.isLogged('a')], [log.head, 7, true])
})

test('an answer that goes on is taken in, and the way to it lies on the trail', async () => {
  const { reader, ask, log, floors } = await aReaderWithAll('a')
  const before = reader.position ?? assert.fail('it has read')
  await log.append([{ id: 'b', floor: 7 }])
  assert.equal(reader.follow(await reader.complete(await ask())), true)
  assert.deepEqual([reader.position, floors.of('b')], [log.head, 7])
  assert.deepEqual([reader.trail.includes(before), reader.trail.includes(log.head)], [true, true])
  assert.deepEqual(
    log.calls.filter((call) => call.startsWith('page')),
    [],
  )
})

test('what is too much for one answer is read in pages, and is no other history', async () => {
  const { reader, ask, log, floors } = aReader(1)
  await reader.load(await ask())
  await log.append(['a', 'b', 'c'].map((id) => ({ id, floor: 7 })))
  assert.equal(reader.follow(await reader.complete(await ask())), true)
  assert.deepEqual([reader.position, floors.size], [log.head, 3])
})

test('another history is not followed: nothing of it is taken in until it is read as a whole', async () => {
  const { reader, ask, log, floors } = await aReaderWithAll('a', 'b')
  log.empty()
  await log.append(['c', 'd'].map((id) => ({ id, floor: 7 })))
  const reply = await reader.complete(await ask())
  assert.equal(reader.follow(reply), false)
  assert.equal(floors.of('c'), 0)
  const before = reader.position ?? assert.fail('it has read')
  await reader.load(reply)
  assert.deepEqual([floors.of('c'), reader.trail.includes(before), reader.trail.includes(log.head)], [7, false, true])
  assert.deepEqual(['a', 'b', 'c', 'd'].map(floors.isLogged), [false, false, true, true])
})

test('a load that is cut short leaves nothing that counts as read', async () => {
  const { reader, ask, log } = await aReaderWithAll('a')
  const reply = await ask()
  log.down = true
  await assert.rejects(reader.load(reply), StoreUnavailable)
  assert.equal(reader.position, undefined)
})

test('a withdrawal of long ago is kept for the rest of its use', async () => {
  const { reader, ask, log, time, floors } = aReader()
  await log.append([{ id: 'a', floor: 7 }])
  time.advance(59_000)
  await reader.load(await ask())
  assert.equal(floors.of('a'), 7)
  time.advance(1_000)
  assert.equal(floors.of('a'), 0)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { instrumented } from '../../src/store/instrumented.ts'
import { StoreUnavailable } from '../../src/errors.ts'
import { createFakeStore } from '../fixtures/fake-store.ts'

test('every command is timed under its own name, in seconds, failed ones too', async () => {
  let now = 0
  const observed: [command: string, seconds: number][] = []
  const fake = createFakeStore({ clock: () => 1 })
  const store = instrumented(fake, {
    durations: { labels: ({ command }) => ({ observe: (seconds) => observed.push([command, seconds]) }) },
    // Each look at it is 2 ms later.
    stopwatch: () => (now += 2),
  })
  await store.get({ kind: 'session', id: 'a' })
  await store.compareAndDelete({ kind: 'lease', id: 'a' }, Buffer.from('x'))
  fake.down = true
  await assert.rejects(
    store.withdraw({ kind: 'session', id: 'a' }, { kind: 'revoked', id: 'a' }, 2, 1_000),
    StoreUnavailable,
  )
  assert.deepEqual(observed, [
    ['get', 0.002],
    ['compare_and_delete', 0.002],
    ['withdraw', 0.002],
  ])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { instrumented } from '../../src/store/instrumented.ts'
import { StoreUnavailable } from '../../src/errors.ts'
import { fakeStore } from '../cache/fake-store.ts'

test('every command is timed under its own name, in seconds, failed ones too', async () => {
  let now = 0
  const observed: [command: string, seconds: number][] = []
  const fake = fakeStore(() => 1)
  const store = instrumented(fake.store, {
    durations: { with: ({ command }) => ({ observe: (seconds) => observed.push([command, seconds]) }) },
    // Each look at it is 2 ms later.
    stopwatch: () => (now += 2),
  })
  await store.get({ kind: 'session', id: 'a' })
  await store.deleteIf({ kind: 'lease', id: 'a' }, Buffer.from('x'))
  fake.mode = () => new StoreUnavailable('away')
  await assert.rejects(store.announce('note'), StoreUnavailable)
  assert.deepEqual(observed, [
    ['get', 0.002],
    ['delete_if', 0.002],
    ['announce', 0.002],
  ])
})

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { createLeases } from '../../src/cache/lease.ts'
import { createFakeStore, unavailable } from '../fixtures/fake-store.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { quiet } from '../session/world.ts'

function replicas() {
  const time = fakeTime()
  const store = createFakeStore({ clock: time.clock })
  const deps = { store, timer: time.timer, randomBytes }
  return { time, store, here: createLeases(deps), there: createLeases(deps) }
}

test('of all who ask, one gets the lease, until it is given back', async () => {
  const { here, there } = replicas()
  const lease = await here.acquire('s')
  assert.notEqual(lease, undefined)
  assert.equal(await there.acquire('s'), undefined)
  assert.notEqual(await there.acquire('another'), undefined)
  await lease?.release()
  assert.notEqual(await there.acquire('s'), undefined)
})

test('it is renewed for as long as its owner lives', async () => {
  const { time, here, there } = replicas()
  await here.acquire('s')
  for (let second = 0; second < 20; second++) {
    time.advance(1_000)
    await quiet()
  }
  assert.equal(await there.acquire('s'), undefined)
})

test('that of an owner who has died ends by itself within 4 seconds', async () => {
  const { time, store, there } = replicas()
  // A timer that never fires: a process that is gone.
  await createLeases({ store, timer: () => () => undefined, randomBytes }).acquire('s')
  time.advance(3_999)
  assert.equal(await there.acquire('s'), undefined)
  time.advance(2)
  assert.notEqual(await there.acquire('s'), undefined)
})

test('a renewal that fails is tried again', async () => {
  const { time, store, here, there } = replicas()
  await here.acquire('s')
  store.once('compareAndTouch', unavailable)
  for (let second = 0; second < 6; second++) {
    time.advance(1_000)
    await quiet()
  }
  assert.equal(await there.acquire('s'), undefined)
})

test('a late owner gives back nothing that is not its own any more', async () => {
  const { time, store, there, here } = replicas()
  const late = await createLeases({ store, timer: () => () => undefined, randomBytes }).acquire('s')
  time.advance(4_001)
  await there.acquire('s')
  await late?.release()
  assert.equal(await here.acquire('s'), undefined)
})

test('giving back never throws', async () => {
  const { store, here } = replicas()
  const lease = await here.acquire('s')
  store.down = true
  await lease?.release()
})

test('while the token lives it stands although its owner is gone: what was begun may have been done (E2)', async () => {
  const time = fakeTime()
  const store = createFakeStore({ clock: time.clock })
  // Whoever has no timer any more is dead.
  const dead = createLeases({ store, timer: () => () => undefined, randomBytes })
  const other = createLeases({ store, timer: time.timer, randomBytes })
  await dead.acquire('s', 60_000)
  time.advance(59_999)
  assert.equal(await other.acquire('s', 1), undefined)
  time.advance(2)
  assert.notEqual(await other.acquire('s', 0), undefined)
})

test('an owner that lives renews it past the time it is to stand, and can give it back before', async () => {
  const { time, here, there } = replicas()
  const lease = await here.acquire('s', 3_000)
  for (let second = 0; second < 20; second++) {
    time.advance(1_000)
    await quiet()
    assert.equal(await there.acquire('s', 3_000), undefined)
  }
  await lease?.release()
  assert.notEqual(await there.acquire('s', 3_000), undefined)
})

test('one that a silent store grants when nobody waits for it any more is given back as soon as the store answers', async () => {
  const { time, store, here, there } = replicas()
  // Carried out, and the answer came too late.
  store.once('add', async (run) => {
    await run()
    store.down = true
    return unavailable()
  })
  await assert.rejects(here.acquire('s', 60_000), { code: 'STORE_UNAVAILABLE' })
  time.advance(3_000)
  await quiet()
  store.down = false
  assert.equal(await there.acquire('s'), undefined)
  time.advance(1_000)
  await quiet()
  assert.notEqual(await there.acquire('s'), undefined)
})

test('it stands for long only once it is known to be ours', async () => {
  const { time, store, there } = replicas()
  // A process that is gone before it hears the answer.
  const dead = createLeases({ store, timer: () => () => undefined, randomBytes })
  store.once('add', async (run) => {
    await run()
    store.down = true
    return unavailable()
  })
  await assert.rejects(dead.acquire('s', 60_000))
  store.down = false
  time.advance(4_001)
  assert.notEqual(await there.acquire('s'), undefined)
})

test('where its holding cannot be made sure of nothing is begun under it', async () => {
  const { store, here, there } = replicas()
  store.once('compareAndTouch', unavailable)
  await assert.rejects(here.acquire('s', 60_000), { code: 'STORE_UNAVAILABLE' })
  await quiet()
  assert.notEqual(await there.acquire('s'), undefined)
})

for (const end of ['release', 'fail'] as const) {
  test(`what a store that is away does not take of a ${end} is done when it is back`, async () => {
    const { time, store, here, there } = replicas()
    const lease = await here.acquire('s', 60_000)
    store.down = true
    await lease?.[end]()
    store.down = false
    assert.equal(await there.acquire('s'), undefined)
    time.advance(1_000)
    await quiet()
    assert.notEqual(await there.acquire('s'), undefined)
  })
}

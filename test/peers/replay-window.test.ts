import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createReplayWindow, maxOffMs, maxOrigins, windowSize } from '../../src/peers/replay-window.ts'
import { fakeTime } from '../fixtures/fake-time.ts'

function aWindow() {
  const time = fakeTime()
  const window = createReplayWindow(time.clock)
  time.advance(1)
  const admit = (seq: number, origin = 'a', sentAt = time.clock()) => window.admit({ origin, seq, sentAt })
  return { window, time, admit }
}

test('a message counts once', () => {
  const { admit } = aWindow()
  assert.equal(admit(1), 'new')
  assert.equal(admit(1), 'replayed')
  assert.equal(admit(2), 'new')
  assert.equal(admit(1), 'replayed')
})

test('messages may overtake each other inside the window, and not beyond it', () => {
  const { admit } = aWindow()
  assert.equal(admit(windowSize + 10), 'new')
  assert.equal(admit(11), 'new', 'the oldest that is remembered')
  assert.equal(admit(11), 'replayed')
  assert.equal(admit(10), 'replayed', 'too old to be told from a replay')
})

test('a jump ahead forgets what lies behind the window, and nothing else', () => {
  const { admit } = aWindow()
  for (const seq of [0, 1, 31, 32, 1_023]) assert.equal(admit(seq), 'new')
  assert.equal(admit(1_024), 'new')
  assert.equal(admit(32), 'replayed')
  assert.equal(admit(33), 'new')
  assert.equal(admit(5_000_000), 'new')
  assert.equal(admit(1_024), 'replayed')
  assert.equal(admit(4_999_000), 'new')
  assert.equal(admit(2 ** 53 - 1), 'new')
  assert.equal(admit(5_000_000), 'replayed')
})

test('as a set that remembers everything would, it never takes a message twice', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 3 * windowSize }), { maxLength: 400 }), (numbers) => {
      const { admit } = aWindow()
      const taken = new Set<number>()
      let highest = 0
      for (const seq of numbers) {
        const isWithin = seq > highest - windowSize
        assert.equal(admit(seq) === 'new', !taken.has(seq) && isWithin)
        if (isWithin) taken.add(seq)
        highest = Math.max(highest, seq)
      }
    }),
  )
})

test('each sender is counted by itself', () => {
  const { admit } = aWindow()
  assert.equal(admit(1, 'a'), 'new')
  assert.equal(admit(1, 'b'), 'new')
})

test('a message that is minutes old, or of a time to come, is refused', () => {
  const { admit, time } = aWindow()
  assert.equal(admit(1, 'a', time.clock() - maxOffMs + 10), 'stale', 'from before our start')
  time.advance(maxOffMs * 2)
  assert.equal(admit(1, 'a', time.clock() - maxOffMs), 'new')
  assert.equal(admit(2, 'a', time.clock() + maxOffMs), 'new')
  assert.equal(admit(3, 'a', time.clock() - maxOffMs - 1), 'stale')
  assert.equal(admit(4, 'a', time.clock() + maxOffMs + 1), 'stale')
})

test('what was recorded before our start is not taken after it, when nothing is remembered', () => {
  const { admit, time } = aWindow()
  assert.equal(admit(1, 'a', time.clock() - 1), 'stale')
  assert.equal(admit(1, 'a', time.clock()), 'new')
  assert.equal(admit(2, 'a', time.clock() - 1_000), 'new', 'a sender that is known may have sent it on its way earlier')
})

test('senders are bounded, and what was forgotten is not replayable', () => {
  const { admit, time, window } = aWindow()
  for (let index = 0; index < maxOrigins * 3; index++) {
    time.advance(10)
    assert.equal(admit(1, `life-${index}`), 'new')
  }
  assert.equal(window.size, maxOrigins)
  for (let index = 0; index < maxOrigins * 2; index++) {
    const sentAt = 1_000_001 + (index + 1) * 10
    assert.equal(admit(1, `life-${index}`, sentAt), 'stale', `life-${index}`)
  }
  assert.equal(admit(2, `life-${maxOrigins * 3 - 1}`), 'new', 'those that speak are remembered')
  time.advance(1)
  assert.equal(admit(1, 'another life'), 'new')
})

test('the sender that was silent for longest is forgotten', () => {
  const { admit, time } = aWindow()
  for (let index = 0; index < maxOrigins; index++) {
    time.advance(1)
    admit(1, `life-${index}`)
  }
  time.advance(1)
  admit(2, 'life-0')
  const sentAt = time.clock()
  time.advance(1)
  admit(1, 'one more')
  assert.equal(admit(2, 'life-0', sentAt), 'replayed')
  assert.equal(admit(2, 'life-1', sentAt - 1_000_000), 'stale')
  assert.equal(admit(3, 'life-0'), 'new')
})

test('a clock that was set back shuts nobody out', () => {
  const { admit, time } = aWindow()
  time.setClock(-3_600_000)
  assert.equal(admit(1, 'a', time.clock() - 1), 'stale')
  time.advance(1)
  assert.equal(admit(1, 'a'), 'new')
})

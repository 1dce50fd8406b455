import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLoginRateLimit } from '../../src/login/rate-limit.ts'
import { fakeTime } from '../fixtures/fake-time.ts'

test('so many logins a minute and address, and not one more', () => {
  const time = fakeTime()
  const limit = createLoginRateLimit(3, time.clock)
  const asked = Array.from({ length: 5 }, () => limit.allows('192.0.2.1'))
  assert.deepEqual(asked, [true, true, true, false, false])
  assert.equal(limit.allows('192.0.2.2'), true, 'another address')
  time.advance(59_999)
  assert.equal(limit.allows('192.0.2.1'), false)
  time.advance(1)
  assert.equal(limit.allows('192.0.2.1'), true)
})

test('an address that never stops asking is let in again a minute after its window began', () => {
  const time = fakeTime()
  const limit = createLoginRateLimit(1, time.clock)
  const allowed = Array.from({ length: 180 }, () => {
    const allows = limit.allows('192.0.2.1')
    time.advance(1_000)
    return allows
  })
  assert.equal(allowed.filter(Boolean).length, 3)
})

test('a limit of one lets one in', () => assert.equal(createLoginRateLimit(1, () => 0).allows('a'), true))

const sameNetwork: [one: string, other: string, isOne: boolean][] = [
  ['2001:db8:0:1::1', '2001:db8:0:1:ffff:ffff:ffff:ffff', true],
  ['2001:db8:0:1::1', '2001:0DB8::1:0:0:0:2', true],
  ['2001:db8:0:1::1', '2001:db8:0:2::1', false],
  ['2001:db8::', '2001:db8::1:2', true],
  ['fe80::1%eth0', 'fe80::2', true],
  ['::1', '::2', true],
  ['64:ff9b::192.0.2.1', '64:ff9b::192.0.2.2', true],
  ['1::2:3:4:5:6:7', '1:0:2:3::', true],
  ['192.0.2.1', '192.0.2.2', false],
]
for (const [one, other, isOne] of sameNetwork) {
  test(`${one} and ${other} are ${isOne ? 'one client' : 'two clients'} to the limit`, () => {
    const limit = createLoginRateLimit(1, () => 0)
    assert.equal(limit.allows(one), true)
    assert.equal(limit.allows(other), !isOne)
  })
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { flowLifetimeMs, flowSlots } from '../../src/login/flow.ts'
import { chooseSlot, type FlowCookies } from '../../src/login/slots.ts'

const now = 1_800_000_000_000
const cookie = (ageMs: number) => (now - ageMs).toString(36).padStart(9, '0') + 'a'.repeat(51)
const choose = (cookies: FlowCookies, random = 0) =>
  chooseSlot(
    cookies,
    () => now,
    () => random,
  )
const full = [3, 1, 5, 2, 4].map((age, slot) => [slot, cookie(age)] as const)

const table: [name: string, cookies: FlowCookies, random: number, slot: number][] = [
  ['any slot of an empty jar, by chance', [], 0.99, flowSlots - 1],
  ['the first of an empty jar, by chance', [], 0, 0],
  ['a free one', [0, 1, 3, 4].map((slot) => [slot, cookie(1)]), 0.5, 2],
  ['the oldest login’s of a full jar', full, 0.5, 2],
  ['that of a login which is over', [...full.slice(0, 4), [4, cookie(flowLifetimeMs)]], 0, 4],
  ['that of a value which is none of ours', [...full.slice(0, 4), [4, 'x'.repeat(3_000)]], 0, 4],
  ['one that a planted old double does not free', [...full, [2, cookie(flowLifetimeMs)]], 0, 2],
]
for (const [name, cookies, random, slot] of table) {
  test(`the next login gets ${name} (B5)`, () => assert.equal(choose(cookies, random), slot))
}

test('sixteen tabs that see no cookie spread over the slots (B5)', () => {
  const chosen = new Set(Array.from({ length: 16 }, (_, tab) => choose([], tab / 16)))
  assert.equal(chosen.size, flowSlots)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRecentWrites } from '../../src/session/recent-writes.ts'

function recentWrites() {
  let now = 100_000
  const writes = createRecentWrites(() => now)
  return { ...writes, now: () => now, wait: (ms: number) => void (now += ms) }
}

test('what was written in the ten seconds before a loss is at risk, oldest first, each once', () => {
  const { add, atRisk, now, wait } = recentWrites()
  add('old')
  wait(1)
  add('twice')
  add('first')
  wait(9_999)
  add('twice')
  assert.deepEqual(atRisk(now()), ['first', 'twice'])
})

test('it is still known after an outage as long as those ten seconds, whatever is written meanwhile', () => {
  const { add, atRisk, now, wait } = recentWrites()
  add('a')
  const lostAt = now()
  wait(19_999)
  add('b')
  assert.deepEqual(atRisk(lostAt), ['a', 'b'])
  wait(1)
  add('c')
  assert.deepEqual(atRisk(lostAt), ['b', 'c'])
})

test('of more than ten thousand the latest are kept: a flood of logins is no flood of memory', () => {
  const { add, atRisk, now } = recentWrites()
  for (let number = 0; number < 10_001; number++) add(`s${number}`)
  const ids = atRisk(now())
  assert.deepEqual([ids.length, ids[0]], [10_000, 's1'])
})

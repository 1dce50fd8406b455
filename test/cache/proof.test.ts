import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createProof } from '../../src/cache/proof.ts'

function aProof() {
  let now = 10_000
  let isInUse = true
  const told: number[] = []
  const proof = createProof({
    isStoreInUse: () => isInUse,
    onTrust: (until) => told.push(until),
    stopwatch: () => now,
  })
  return {
    proof,
    told,
    wait: (ms: number) => void (now += ms),
    become: (inUse: boolean) => void (isInUse = inUse),
    /** Both proofs, sent at once. */
    both() {
      const token = proof.nextToken()
      proof.logRead(now)
      proof.arrived(token)
    },
  }
}

describe('copies answer alone', () => {
  test('for two seconds after the earlier of both was sent, and by one of them not at all', () => {
    const { proof, wait } = aProof()
    const token = proof.nextToken()
    wait(300)
    proof.logRead(10_100)
    assert.equal(proof.trustedUntil, 0)
    proof.arrived(token)
    assert.equal(proof.trustedUntil, 12_000)
    proof.arrived(proof.nextToken())
    assert.equal(proof.trustedUntil, 12_100)
  })

  test('by a token of ours that comes once, in whatever order', () => {
    const { proof, wait } = aProof()
    const first = proof.nextToken()
    wait(500)
    const second = proof.nextToken()
    proof.logRead(10_500)
    proof.arrived(second)
    assert.equal(proof.trustedUntil, 12_500)
    for (const token of [first, second, 99]) proof.arrived(token)
    assert.equal(proof.trustedUntil, 12_500)
  })

  test('not while the store is not in use, nor from then on until the next proof', () => {
    const { proof, become, both, told } = aProof()
    both()
    become(false)
    proof.suspend()
    both()
    assert.deepEqual([proof.trustedUntil, told.at(-1)], [0, 0])
    become(true)
    both()
    assert.equal(proof.trustedUntil, 12_000)
  })

  test('not once notes may have been missed, until a token of after that has come', () => {
    const { proof, both } = aProof()
    both()
    const underWay = proof.nextToken()
    proof.notesMissed()
    assert.equal(proof.trustedUntil, 0)
    proof.arrived(underWay)
    proof.logRead(10_000)
    assert.equal(proof.trustedUntil, 0)
    both()
    assert.equal(proof.trustedUntil, 12_000)
  })
})

describe('a token', () => {
  test('that does not come is given up once, with all that were sent before it, and with none of after', () => {
    const { proof } = aProof()
    const [first, second, third] = [proof.nextToken(), proof.nextToken(), proof.nextToken()]
    assert.deepEqual([proof.giveUp(second), proof.giveUp(first), proof.giveUp(third)], [true, false, true])
  })

  for (const [why, undo] of [
    ['has come', 'arrived'],
    ['was not taken', 'notTaken'],
    ['was under way when the way became a new one', 'resubscribed'],
    ['was under way when notes may have been missed', 'notesMissed'],
  ] as const) {
    test(`that ${why} is not waited for`, () => {
      const { proof } = aProof()
      const token = proof.nextToken()
      proof[undo](token)
      assert.equal(proof.giveUp(token), false)
    })
  }
})

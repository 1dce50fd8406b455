import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createSealer } from '../src/sealing.ts'

const oldKey = Buffer.from('an old key of more than thirty-two bytes')
const newKey = Buffer.from('the new key of more than thirty-two bytes')
const sealer = createSealer([newKey], 'session', randomBytes)
const plain = Buffer.from('{"who":"alice"}')

test('what was sealed opens again, with and without a secret', () => {
  assert.deepEqual(sealer.open(sealer.seal(plain, 'c'), 'c'), plain)
  assert.deepEqual(sealer.open(sealer.seal(plain, 'c', 's'), 'c', 's'), plain)
  assert.deepEqual(sealer.open(sealer.seal(Buffer.alloc(0), 'c'), 'c'), Buffer.alloc(0))
})

test('sealing the same twice never looks the same', () =>
  assert.notDeepEqual(sealer.seal(plain, 'c', 's'), sealer.seal(plain, 'c', 's')))

const elsewhere: [name: string, open: (sealed: Buffer) => Buffer | undefined][] = [
  ['under another context', (sealed) => sealer.open(sealed, 'd', 's')],
  ['with another secret', (sealed) => sealer.open(sealed, 'c', 't')],
  ['without its secret', (sealed) => sealer.open(sealed, 'c')],
  ['with an empty secret', (sealed) => sealer.open(sealed, 'c', '')],
  ['with another key', (sealed) => createSealer([oldKey], 'session', randomBytes).open(sealed, 'c', 's')],
  ['for another purpose', (sealed) => createSealer([newKey], 'pass', randomBytes).open(sealed, 'c', 's')],
]
for (const [name, open] of elsewhere) {
  test(`a sealed value does not open ${name}`, () => assert.equal(open(sealer.seal(plain, 'c', 's')), undefined))
}

test('a value without a secret does not open with one', () =>
  assert.equal(sealer.open(sealer.seal(plain, 'c'), 'c', ''), undefined))

test('rotation: the first key seals, every key of the list opens', () => {
  const before = createSealer([oldKey], 'session', randomBytes)
  const rotated = createSealer([newKey, oldKey], 'session', randomBytes)
  const after = createSealer([newKey], 'session', randomBytes)
  assert.deepEqual(rotated.open(before.seal(plain, 'c', 's'), 'c', 's'), plain)
  assert.deepEqual(after.open(rotated.seal(plain, 'c', 's'), 'c', 's'), plain)
  assert.equal(before.open(rotated.seal(plain, 'c', 's'), 'c', 's'), undefined)
  assert.equal(after.open(before.seal(plain, 'c', 's'), 'c', 's'), undefined)
})

test('a sealer without a key is a mistake of ours', () =>
  assert.throws(() => createSealer([], 'session', randomBytes), RangeError))

test('property: anything sealed opens to the same bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2_000 }), fc.string(), fc.option(fc.string()), (bytes, context, secret) => {
      const sealed = sealer.seal(Buffer.from(bytes), context, secret ?? undefined)
      assert.deepEqual(sealer.open(sealed, context, secret ?? undefined), Buffer.from(bytes))
    }),
    { numRuns: 200 },
  )
})

test('property: with any bit flipped it does not open', () => {
  const sealed = sealer.seal(plain, 'c', 's')
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const damaged = Buffer.from(sealed)
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    assert.equal(sealer.open(damaged, 'c', 's'), undefined, `bit ${bit}`)
  }
})

test('property: cut short, made longer or made up, it does not open and never throws', () => {
  const sealed = sealer.seal(plain, 'c', 's')
  for (let length = 0; length < sealed.length; length++) {
    assert.equal(sealer.open(sealed.subarray(0, length), 'c', 's'), undefined, `${length} bytes`)
  }
  assert.equal(sealer.open(Buffer.concat([sealed, Buffer.from([0])]), 'c', 's'), undefined)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      assert.equal(sealer.open(Buffer.from(bytes), 'c', 's'), undefined)
      // With our own version and key id in front, so that the tag is what refuses.
      assert.equal(sealer.open(Buffer.concat([sealed.subarray(0, 5), Buffer.from(bytes)]), 'c', 's'), undefined)
    }),
    { numRuns: 300 },
  )
})

import assert from 'node:assert/strict'
import { createPublicKey, sign, verify } from 'node:crypto'
import { test } from 'node:test'
import { calculateJwkThumbprint } from 'jose'
import { createSigningKeys } from '../../src/identity-token/signing-keys.ts'
import { startOfTest } from '../fixtures/fake-time.ts'

const day = 86_400_000
const [key, other] = ['k9Jv2mPq8sXw4zB7nD1fG5hL0tRyUcEa', 'a9Jv2mPq8sXw4zB7nD1fG5hL0tRyUcEb'].map((text) =>
  Buffer.from(text),
)
const keysAt = (now: number, masters = [key ?? Buffer.alloc(0)], scope = 'here') =>
  createSigningKeys({ masters, scope, clock: () => now })
const kids = (keys: ReturnType<typeof keysAt>) => keys.published().map(({ kid }) => kid)

test('replicas have the same key, by their configuration alone; other deployments have others', () => {
  const { kid } = keysAt(startOfTest).current().publicJWK
  assert.equal(keysAt(startOfTest + 60_000).current().publicJWK.kid, kid)
  assert.notEqual(keysAt(startOfTest, undefined, 'there').current().publicJWK.kid, kid)
  assert.notEqual(keysAt(startOfTest, [other ?? Buffer.alloc(0)]).current().publicJWK.kid, kid)
})

test('a key is published a day before it signs, and a day after; whoever’s clock is off by less knows it', () => {
  const { kid } = keysAt(startOfTest).current().publicJWK
  for (const offset of [-day, 0, day]) assert.ok(kids(keysAt(startOfTest + offset)).includes(kid), `${offset}`)
  for (const offset of [-2 * day, 2 * day]) assert.ok(!kids(keysAt(startOfTest + offset)).includes(kid), `${offset}`)
  assert.equal(kids(keysAt(startOfTest))[0], kid, 'the current one comes first')
})

test('one process changes its key with the day', () => {
  let now = startOfTest
  const keys = createSigningKeys({ masters: [key ?? Buffer.alloc(0)], scope: 'here', clock: () => now })
  const seen = new Set<string>()
  for (; seen.size < 5; now += day) seen.add(keys.current().publicJWK.kid)
  assert.equal(keys.published().length, 3)
})

test('while an encryption key is replaced, replicas of before and after know each other’s keys', () => {
  const [old = Buffer.alloc(0), fresh = Buffer.alloc(0)] = [key, other]
  const before = keysAt(startOfTest, [old, fresh])
  const after = keysAt(startOfTest, [fresh, old])
  assert.ok(kids(before).includes(after.current().publicJWK.kid))
  assert.ok(kids(after).includes(before.current().publicJWK.kid))
})

test('what is published verifies what was signed, is named by its thumbprint, and has no private part', async () => {
  for (let offset = 0; offset < 50; offset++) {
    const { privateKey, publicJWK } = keysAt(startOfTest + offset * day).current()
    assert.deepEqual(Object.keys(publicJWK).toSorted(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
    const data = Buffer.from(`${offset}`)
    const publicKey = createPublicKey({ key: { ...publicJWK }, format: 'jwk' })
    assert.ok(verify('sha256', data, publicKey, sign('sha256', data, privateKey)))
    assert.equal(publicJWK.kid, await calculateJwkThumbprint({ ...publicJWK }, 'sha256'))
  }
})

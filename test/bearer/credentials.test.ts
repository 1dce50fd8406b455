import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { maxTokenLength, readCredentials } from '../../src/bearer/credentials.ts'
import { TokenRejected } from '../../src/errors.ts'

const others = [
  'Basic YTpi',
  'Digest username="a, b", realm="c"',
  'Negotiate abc',
  '',
  'Bearertoken',
  'dpopx y',
  'AWS4 bearer x',
]
for (const header of others) {
  test(`another scheme is the application's business: ${JSON.stringify(header)}`, () => {
    assert.equal(readCredentials(header), undefined)
  })
}

test('the scheme counts in any letter case, the token as it is', () => {
  assert.deepEqual(readCredentials('bEARER aB.c-_~+/=='), { scheme: 'Bearer', token: 'aB.c-_~+/==' })
  assert.deepEqual(readCredentials('dpop   x'), { scheme: 'DPoP', token: 'x' })
})

const odd = [
  'Bearer',
  'Bearer ',
  'Bearer a b',
  'Bearer a,b',
  'Bearer a, Bearer b',
  'Bearer a, Basic b',
  'Basic a, bearer b',
  'Basic a,DPoP b',
  'Bearer =a',
  'Bearer a=b',
  'Bearer é',
  'Bearer\ta',
  'Bearer a ',
]
for (const header of odd) {
  test(`neither one token nor another scheme, so refused: ${JSON.stringify(header)}`, () => {
    assert.throws(() => readCredentials(header), { reason: 'authorization_malformed' })
  })
}

test('a token is bounded', () => {
  assert.equal(readCredentials(`Bearer ${'a'.repeat(maxTokenLength)}`)?.token.length, maxTokenLength)
  assert.throws(() => readCredentials(`Bearer ${'a'.repeat(maxTokenLength + 1)}`), { reason: 'token_too_large' })
})

test('whatever the header holds, it is another scheme, one token, or refused', () => {
  fc.assert(
    fc.property(fc.constantFrom('', 'Bearer ', 'DPoP ', 'Basic x, '), fc.string({ unit: 'binary' }), (start, rest) => {
      try {
        const found = readCredentials(start + rest)
        assert.ok(found === undefined || /^[\w.~+/-]+=*$/.test(found.token))
      } catch (error) {
        assert.ok(error instanceof TokenRejected)
      }
    }),
  )
})

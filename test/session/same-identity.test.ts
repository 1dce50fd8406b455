import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Claims } from '../../src/oidc/provider.ts'
import { sameIdentity } from '../../src/session/same-identity.ts'
import { aSession } from '../fixtures/session.ts'

const withClaims = (claims: Claims) => aSession({ claims })

const acrs: [before: string | undefined, after: string | undefined, isSame: boolean][] = [
  ['gold', 'gold', true],
  ['gold', 'silver', false],
  ['silver', 'gold', false],
  [undefined, 'gold', true],
]
for (const [before, after, isSame] of acrs) {
  test(`acr ${before} and then ${after}: ${isSame ? 'the same identity' : 'another identity'}`, () => {
    const withAcr = (acr: string | undefined) => aSession(acr === undefined ? {} : { acr })
    assert.equal(sameIdentity(withAcr(before), withAcr(after)), isSame)
  })
}

const table: [name: string, before: Claims, after: Claims, isSame: boolean][] = [
  ['the same words', { sub: 'alice', groups: ['a', 'b'] }, { sub: 'alice', groups: ['a', 'b'] }, true],
  ['names in another order', { sub: 'alice', email: 'x' }, { email: 'x', sub: 'alice' }, true],
  ['groups in another order', { groups: ['a', 'b'] }, { groups: ['b', 'a'] }, true],
  ['groups in another order, further inside', { realm: { roles: ['a', 'b'] } }, { realm: { roles: ['b', 'a'] } }, true],
  ['a group less', { groups: ['a', 'b'] }, { groups: ['a'] }, false],
  ['a group twice, another one less', { groups: ['a', 'b', 'b'] }, { groups: ['a', 'a', 'b'] }, false],
  ['a list that is not of words, in another order', { levels: [1, 2] }, { levels: [2, 1] }, false],
  ['a number that was a word', { level: '1' }, { level: 1 }, false],
  ['a list that was a word', { groups: 'a' }, { groups: ['a'] }, false],
  ['one group that reads like two', { groups: ['a","b'] }, { groups: ['a', 'b'] }, false],
  ['a claim that is null now', { email: 'x' }, { email: null }, false],
  ['a claim that has gone', { email: 'x' }, {}, false],
]
for (const [name, before, after, isSame] of table) {
  test(`${name}: ${isSame ? 'the same identity' : 'another identity'}`, () => {
    assert.equal(sameIdentity(withClaims(before), withClaims(after)), isSame)
    assert.equal(sameIdentity(withClaims(after), withClaims(before)), isSame)
  })
}

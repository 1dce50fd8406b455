import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { claimText, claimValues, keepClaims, memberships } from '../../src/access/claims.ts'
import { claimAt } from '../../src/oidc/claims.ts'

const claims = {
  email: 'a@example.com',
  realm_access: { roles: ['admin', 7, true, null, {}, ['x'], ''] },
  'https://x.example/roles': ['ns'],
  'a.b': 'literal',
  a: { b: 'nested', c: { d: 1 } },
  'x.y': { z: 'inside a dotted name' },
}

const table: [path: string, value: unknown][] = [
  ['email', 'a@example.com'],
  ['https://x.example/roles', ['ns']],
  ['a.b', 'literal'],
  ['a.c.d', 1],
  ['x.y.z', 'inside a dotted name'],
  ['a.c.d.e', undefined],
  ['email.length', undefined],
  ['realm_access.roles.length', undefined],
  ['', undefined],
  ['.', undefined],
  ['.a', undefined],
  ['a.', undefined],
  ['__proto__', undefined],
  ['constructor', undefined],
  ['a.__proto__', undefined],
  ['a.constructor.name', undefined],
  ['toString', undefined],
]
for (const [path, value] of table) {
  test(`the claim at ${JSON.stringify(path)} is ${JSON.stringify(value)}`, () =>
    assert.deepEqual(claimAt(claims, path), value))
}

test('the values of a claim are its scalars as text, without empty ones', () => {
  assert.deepEqual(claimValues(claims, 'realm_access.roles'), ['admin', '7', 'true'])
  assert.deepEqual(claimValues(claims, 'email'), ['a@example.com'])
  assert.deepEqual(claimValues(claims, 'a'), [])
  assert.equal(claimText(claims, 'realm_access.roles'), '')
})

test('an own claim named __proto__ is data like any other', () => {
  const hostile: Record<string, unknown> = JSON.parse('{"__proto__": {"admin": "yes"}}')
  assert.equal(claimText(hostile, '__proto__.admin'), 'yes')
  assert.equal(claimAt(keepClaims(hostile, ['admin', '__proto__.admin']), 'admin'), undefined)
})

test('claims that were kept read the same as before', () => {
  const name = fc.constantFrom('a', 'b', 'a.b', '__proto__', 'c')
  const tree = fc.letrec((tie) => ({
    claims: fc.dictionary(name, fc.oneof({ maxDepth: 3 }, fc.string(), fc.array(fc.string()), tie('claims'))),
  })).claims
  const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('.'))
  fc.assert(
    fc.property(tree, fc.array(path), (given, paths) => {
      const all: Record<string, unknown> = { ...given }
      const kept = keepClaims(all, paths)
      for (const each of paths) assert.deepEqual(claimAt(kept, each), claimAt(all, each))
    }),
  )
})

const DN = 'CN=admins,OU=groups,DC=example,DC=com'
const forms: [claim: unknown, names: string[]][] = [
  [
    ['a', 'b'],
    ['a', 'b'],
  ],
  ['a', ['a']],
  ['a,b', ['a', 'b']],
  [' a , b ,', ['a', 'b']],
  ['["a","b c"]', ['a', 'b c']],
  ['{"a":{"1":"x"},"b":true}', ['a', 'b']],
  [{ admin: { '2201': 'example.zitadel.cloud' }, user: {} }, ['admin', 'user']],
  [{ admin: false, user: null, guest: true, '': true }, ['guest']],
  [DN, [DN]],
  [
    [DN, 'a,b'],
    [DN, 'a,b'],
  ],
  ['[broken', ['[broken']],
  ['[broken,x', ['[broken', 'x']],
  [7, ['7']],
  ['', []],
  [undefined, []],
  [null, []],
  [[['a'], { b: 1 }, null], []],
  ['"a"', ['"a"']],
]
for (const [claim, names] of forms) {
  test(`groups given as ${JSON.stringify(claim)} are ${JSON.stringify(names)} (C13, C14)`, () =>
    assert.deepEqual(memberships({ groups: claim }, 'groups'), names))
}

test('groups that come as an object name nothing of its prototype (C14)', () => {
  assert.deepEqual(memberships({ roles: JSON.parse('{"__proto__": {"x": 1}}') }, 'roles'), ['__proto__'])
  assert.deepEqual(memberships({ roles: {} }, 'roles'), [])
})

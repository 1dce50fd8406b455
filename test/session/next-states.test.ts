import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Authentication } from '../../src/oidc/provider.ts'
import { authenticationOf } from '../../src/session/next-states.ts'
import type { Session } from '../../src/session/session.ts'

type Known = Pick<Session, 'acr' | 'authenticatedAt'>

const table: [name: string, before: Known, said: Authentication | undefined, after: Known][] = [
  ['no ID token', { acr: 'gold', authenticatedAt: 5 }, undefined, { acr: 'gold', authenticatedAt: 5 }],
  [
    'an ID token that is silent',
    { acr: 'gold', authenticatedAt: 5 },
    { acr: undefined, at: undefined },
    { acr: 'gold', authenticatedAt: 5 },
  ],
  ['the same again', { acr: 'gold', authenticatedAt: 5 }, { acr: 'gold', at: 5 }, { acr: 'gold', authenticatedAt: 5 }],
  ['the same, told by a slow clock', { authenticatedAt: 5 }, { acr: undefined, at: 3 }, { authenticatedAt: 5 }],
  [
    'another login',
    { acr: 'gold', authenticatedAt: 5 },
    { acr: 'silver', at: 9 },
    { acr: 'silver', authenticatedAt: 9 },
  ],
  ['what was not known', {}, { acr: 'gold', at: 5 }, { acr: 'gold', authenticatedAt: 5 }],
]
for (const [name, before, said, after] of table) {
  test(`a refresh brings ${name}: what is known of the authentication`, () => {
    assert.deepEqual(authenticationOf(before, said), after)
  })
}

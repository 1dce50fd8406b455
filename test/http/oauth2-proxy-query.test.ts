import assert from 'node:assert/strict'
import { test } from 'node:test'
import { constraintOf } from '../../src/http/oauth2-proxy-query.ts'
import type { Session } from '../../src/session/session.ts'
import { aSession } from '../fixtures/session.ts'

const session = (claims: Session['claims']) => aSession({ claims })
const alice = session({ email: 'alice@corp.example', groups: ['dev', 'ops team'] })

const table: [query: string, passes: boolean][] = [
  ['allowed_groups=dev', true],
  ['allowed_groups=x,dev', true],
  ['allowed_groups=x&allowed_groups=dev', true],
  ['allowed_groups=ops%20team', true],
  ['allowed_groups=ops+team', true],
  ['allowed_groups= dev ', true],
  ['allowed_groups=DEV', false],
  ['allowed_groups=de', false],
  ['allowed_groups=', false],
  ['allowed_groups=,', false],
  ['allowed_emails=ALICE@corp.example', true],
  ['allowed_emails=corp.example', false],
  ['allowed_emails=', false],
  ['allowed_email_domains=corp.example', true],
  ['allowed_email_domains=.example', true],
  ['allowed_email_domains=orp.example', false],
  ['allowed_email_domains=', false],
  ['allowed_groups=dev&allowed_email_domains=other.example', false],
]
for (const [query, passes] of table) {
  test(`?${query} ${passes ? 'lets' : 'does not let'} alice of dev in`, () =>
    assert.equal(constraintOf(query, 'groups')?.(alice), passes))
}

for (const [query, passes] of [
  ['allowed_emails=alice@corp.example', false],
  ['allowed_email_domains=corp.example', false],
  ['allowed_groups=dev&allowed_emails=alice@corp.example', false],
  ['allowed_groups=dev', true],
] as const) {
  test(`?${query} ${passes ? 'lets' : 'does not let'} alice in while her address is not verified (B8)`, () => {
    for (const email_verified of [false, 'false']) {
      assert.equal(constraintOf(query, 'groups')?.(session({ ...alice.claims, email_verified })), passes)
    }
  })
}

test('a query that asks for nothing adds no condition', () => {
  for (const query of ['', 'x=y', 'rd=/']) assert.equal(constraintOf(query, 'groups'), undefined)
})

test('a session without claims meets no condition', () => {
  for (const query of ['allowed_groups=dev', 'allowed_emails=a@b.example', 'allowed_email_domains=b.example']) {
    assert.equal(constraintOf(query, 'groups')?.(session({})), false)
  }
})

test('oauth2-proxy CVE-2026-40574: an address with two @ is in no domain', () =>
  assert.equal(
    constraintOf('allowed_email_domains=corp.example', 'groups')?.(session({ email: 'a@evil.example@corp.example' })),
    false,
  ))

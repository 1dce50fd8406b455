import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createClaimNotices, type Lacking } from '../../src/login/claim-notices.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'

test('one warning per claim and reason, however many people lack it (C13)', () => {
  const log = recordedLog()
  const found: Lacking[] = [
    { reason: 'missing', claim: 'groups', options: ['a', 'b', 'c', 'd', 'e', 'f', 'g'] },
    { reason: 'not_verified', claim: 'email_verified', options: [] },
  ]
  const notice = createClaimNotices(() => found, log)
  for (let person = 0; person < 100; person++) notice({ email: `person-${person}@example.com` })
  found.push({ reason: 'unreadable', claim: 'groups', options: ['a'] })
  notice({})
  assert.deepEqual(
    log.lines.map(({ event, reason, claim, options }) => [event, reason, claim, options]),
    [
      ['claim_unusable', 'missing', 'groups', 'a, b, c, d, e, 2 more'],
      ['claim_unusable', 'not_verified', 'email_verified', ''],
      ['claim_unusable', 'unreadable', 'groups', 'a'],
    ],
  )
  assert.doesNotMatch(JSON.stringify(log.lines), /person-|@/)
})

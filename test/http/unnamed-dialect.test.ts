import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createUnnamedDialectNotice } from '../../src/http/unnamed-dialect.ts'
import { aRule } from '../access/fixtures.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'

for (const [name, access, lines] of [
  ['rules', { rules: [aRule()], excludedURLs: [] }, 1],
  ['excluded addresses', { rules: [], excludedURLs: ['/public'] }, 1],
  ['neither, where none can be missed', { rules: [], excludedURLs: [] }, 0],
] as const) {
  test(`a dialect that nobody named is told once with ${name}: ${lines} lines`, () => {
    const log = recordedLog()
    const notice = createUnnamedDialectNotice(access, log)
    notice()
    notice()
    assert.equal(log.lines.filter(({ event }) => event === 'dialect_not_named').length, lines)
  })
}

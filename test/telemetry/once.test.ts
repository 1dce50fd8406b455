import assert from 'node:assert/strict'
import { test } from 'node:test'
import { warnOnce } from '../../src/telemetry/once.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'

test('what is the same at each request is told at the first, and each notice for itself', () => {
  const log = recordedLog()
  const one = warnOnce(log, { event: 'one' }, 'm')
  const other = warnOnce(log, { event: 'other' }, 'm')
  assert.deepEqual(log.lines, [])
  one()
  one()
  other()
  assert.deepEqual(
    log.lines.map(({ event }) => event),
    ['one', 'other'],
  )
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { afterEvent, neverReached, settleMs } from '../../src/cache/availability.ts'
import type { Availability, AvailabilityEvent } from '../../src/cache/availability.ts'

const now = 9_000
const away = (everWell: boolean, since = 100): Availability => ({ at: 'away', since, everWell })
const recovering = (everWell: boolean, since = 100): Availability => ({ at: 'recovering', since, everWell })
const well = (missCountsFrom = 0): Availability => ({ at: 'well', missCountsFrom })

describe('the store', () => {
  const table: [name: string, before: Availability, what: AvailabilityEvent['what'], after: Availability][] = [
    ['is lost at a moment that is kept', well(), 'lost', away(true, now)],
    ['is lost again while it is away: one outage', away(true), 'lost', away(true)],
    ['is lost during a recovery: the same outage', recovering(true), 'lost', away(true)],
    ['is lost during its first recovery: it was never well', recovering(false), 'lost', away(false)],
    ['is reached: that alone is no end of the outage', away(true), 'reached', recovering(true)],
    ['is reached while it recovers', recovering(true), 'reached', recovering(true)],
    ['is reached while it is well', well(7), 'reached', well(7)],
    [
      'has recovered: others may need as long to write what they know',
      recovering(true),
      'recovered',
      well(now + settleMs),
    ],
    ['is reached for the first time: nobody has anything to write', recovering(false), 'recovered', well(0)],
    ['was lost meanwhile: a recovery that ends then counts for nothing', away(true), 'recovered', away(true)],
    ['is well: a second recovery changes nothing', well(7), 'recovered', well(7)],
    ['could not be recovered: away as before', recovering(true), 'broken-off', away(true)],
    ['is away: what was broken off was over', away(true), 'broken-off', away(true)],
    ['is well: what was broken off was over', well(7), 'broken-off', well(7)],
  ]
  for (const [name, before, what, after] of table) {
    test(name, () => assert.deepEqual(afterEvent(before, { what }, now), after))
  }
})

test('whatever happens, it is well only from a completed recovery on, and an outage begins when it was last well', () => {
  const event = fc.constantFrom<AvailabilityEvent['what']>('lost', 'reached', 'recovered', 'broken-off')
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), (events) => {
      let state = neverReached
      let lostAt = 0
      events.forEach((what, at) => {
        const before = state
        state = afterEvent(state, { what }, at + 1)
        if (before.at === 'well' && state.at !== 'well') lostAt = at + 1
        if (before.at !== 'well' && state.at === 'well')
          assert.deepEqual([before.at, what], ['recovering', 'recovered'])
        if (state.at !== 'well') assert.equal(state.since, lostAt)
      })
    }),
  )
})

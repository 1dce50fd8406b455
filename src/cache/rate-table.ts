// How much each client has taken lately, as far as this process knows, in 2 MB whatever comes. Nothing is ever pushed out, so that
// no flood of made-up clients gives anybody a fresh start: a client has one cell in each of four rows (a count-min sketch with
// conservative update), by a hash that nobody outside can know, and the lowest of the four counts. Who shares all four with others
// is limited early; a flood would have to fill each row for that.
import { take, type Rate } from '../store/rate.ts'

export interface RateTable {
  /** How long (ms) until it may be taken; 0: it may, and was. `hash`: at least 16 bytes. */
  take(hash: Buffer, rate: Rate): number
  /** The same, and nothing is taken. */
  waitMs(hash: Buffer, rate: Rate): number
  /** How far what was taken is ahead of an even pace (ms); 0 for whoever has not been here lately. */
  aheadMs(hash: Buffer, rate: Rate): number
  /** Others know that nothing may be taken for so long. */
  raise(hash: Buffer, rate: Rate, waitMs: number): void
}

const rows = 4
const width = 65_536

export function createRateTable(clock: () => number): RateTable {
  const cells = new Float64Array(rows * width)
  const cellOf = (hash: Buffer, row: number) => row * width + hash.readUInt16BE(row * 4)

  function lowest(hash: Buffer, limit: number): number {
    let dueAt = Infinity
    for (let row = 0; row < rows; row++) {
      const cell = cells[cellOf(hash, row)] ?? 0
      // Too far ahead: of a clock that was set back since.
      dueAt = Math.min(dueAt, cell > limit ? 0 : cell)
    }
    return dueAt
  }

  function raiseTo(hash: Buffer, dueAt: number, limit: number): void {
    for (let row = 0; row < rows; row++) {
      const at = cellOf(hash, row)
      const cell = cells[at] ?? 0
      cells[at] = cell > limit ? dueAt : Math.max(cell, dueAt)
    }
  }

  const look = (hash: Buffer, rate: Rate, now: number) => take(lowest(hash, now + rate.windowMs), now, rate)

  return {
    take(hash, rate) {
      const now = clock()
      const { waitMs, dueAt } = look(hash, rate, now)
      if (waitMs === 0) raiseTo(hash, dueAt, now + rate.windowMs)
      return waitMs
    },
    aheadMs(hash, { windowMs }) {
      const now = clock()
      return Math.max(0, lowest(hash, now + windowMs) - now)
    },
    waitMs: (hash, rate) => look(hash, rate, clock()).waitMs,
    raise(hash, rate, waitMs) {
      const now = clock()
      const limit = now + rate.windowMs
      raiseTo(hash, Math.min(limit, limit + waitMs - rate.intervalMs), limit)
    },
  }
}

// Chance from a seed: the same numbers in the same order, whatever machine runs it.

export interface Chance {
  /** 0 <= x < 1 */
  next(): number
  /** Both ends included. */
  between(from: number, to: number): number
  hits(probability: number): boolean
  pick<Item>(list: readonly Item[]): Item
  bytes(size: number): Buffer
}

/** `stream`: what is drawn for one purpose does not move what is drawn for another. */
export function createChance(seed: number, stream: number): Chance {
  let state = Math.imul(seed + Math.imul(stream, 0x85eb_ca6b), 0x9e37_79b1) ^ 0x5bd1_e995

  function next(): number {
    state = (state + 0x6d2b_79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  for (let warmUp = 0; warmUp < 8; warmUp++) next()
  return {
    next,
    between: (from, to) => from + Math.floor(next() * (to - from + 1)),
    hits: (probability) => next() < probability,
    pick(list) {
      const item = list[Math.floor(next() * list.length)]
      if (item === undefined) throw new RangeError('nothing to pick from')
      return item
    },
    bytes(size) {
      const bytes = Buffer.allocUnsafeSlow(size)
      for (let at = 0; at < size; at++) bytes[at] = Math.floor(next() * 256)
      return bytes
    },
  }
}

import { randomBytes, randomFillSync } from 'node:crypto'

const poolBytes = 4_096

/**
 * Random bytes from the system's generator, fetched 4 KiB at a time: a login needs a dozen small pieces, and asking the system
 * for each was a fifth of its whole cost. Bytes are handed out once and wiped from the pool.
 */
export function createRandomBytes(): (size: number) => Buffer {
  const pool = Buffer.allocUnsafeSlow(poolBytes)
  let used = poolBytes
  return (size) => {
    if (size > poolBytes) return randomBytes(size)
    if (used + size > poolBytes) {
      randomFillSync(pool)
      used = 0
    }
    const bytes = Buffer.allocUnsafeSlow(size)
    pool.copy(bytes, 0, used, used + size)
    pool.fill(0, used, used + size)
    used += size
    return bytes
  }
}

// What every store checks before it writes, so that all of them refuse the same mistakes.

/**
 * Redis takes whole milliseconds > 0 only; the rest of a life may come out as 0.4. Throws TypeError where there is no
 * number at all: a key without an end would stay for ever.
 */
export function wholeTtl(ttlMs: number): number {
  if (!Number.isFinite(ttlMs)) throw new TypeError('a time to live must be a number of milliseconds')
  return Math.max(1, Math.ceil(ttlMs))
}

/** GETRANGE answers an absent key and an empty value alike: an empty value would be written and never found. */
export function notEmpty(value: Buffer): Buffer {
  if (value.length === 0) throw new TypeError('a stored value is never empty')
  return value
}

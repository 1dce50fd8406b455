// The last second of the year 9999: past it, numbers are a mistake or an attack (1e300 overflows every date).
const lastSecond = 253_402_300_799

/** NumericDate (RFC 7519 section 2; fractions are allowed) as ms since the epoch, or undefined where it is none. */
export const instant = (value: unknown): number | undefined =>
  typeof value === 'number' && value >= 0 && value <= lastSecond ? value * 1_000 : undefined

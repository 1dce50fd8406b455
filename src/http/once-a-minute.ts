import { minutes, type Clock } from '../time.ts'

const maxKeys = 1_000

/** True for the first time within a minute for each key: what anybody can cause would otherwise fill the log. */
export function createOnceAMinute(clock: Clock): (key: string) => boolean {
  const quietUntil = new Map<string, number>()
  return (key) => {
    const now = clock()
    if (now < (quietUntil.get(key) ?? 0)) return false
    if (quietUntil.size >= maxKeys) quietUntil.clear()
    quietUntil.set(key, now + minutes(1))
    return true
  }
}

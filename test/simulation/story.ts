// What happened, told to a person who asks for one seed, or folded into a hash that says whether two runs were the same.
import { createHash } from 'node:crypto'

export interface Story {
  /** Somebody reads it: only then are words made. */
  readonly isTold: boolean
  say(words: string): void
  readonly lines: readonly string[]
  hash(): string
}

export function createStory(isTold: boolean, now: () => number): Story {
  const lines: string[] = []
  return {
    isTold,
    say(words) {
      if (isTold) lines.push(`${String(now()).padStart(6)} ${words}`)
    },
    lines,
    hash: () => createHash('sha256').update(lines.join('\n')).digest('hex'),
  }
}

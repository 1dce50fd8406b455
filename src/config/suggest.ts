// "Did you mean ...": the nearest known name, for the configuration's keys and the command line's options.
import { distance } from 'fastest-levenshtein'

/** The known name that was probably meant, letter case aside, or undefined when none is near enough to be a help. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  // Names past this length are no typing mistake, and the comparison costs the product of the lengths.
  if (name.length > 80) return undefined
  const wanted = name.toLowerCase()
  // Two letters that changed places are two edits; of a name of two letters nothing would be left.
  const limit = wanted.length < 4 ? 1 : Math.max(2, Math.floor(wanted.length / 3))
  const [best] = known
    .map((candidate) => ({ candidate, edits: distance(wanted, candidate.toLowerCase()) }))
    .filter(({ candidate, edits }) => edits <= limit && edits * 2 <= candidate.length)
    .toSorted((a, b) => a.edits - b.edits)
  return best?.candidate
}

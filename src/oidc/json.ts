// JSON as it comes from outside: objects, and none so deep that whoever walks over one by recursion (merging, sealing, comparing,
// writing into a header) could run out of stack.

export type JSONObject = Readonly<Record<string, unknown>>

export const isObject = (value: unknown): value is JSONObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Verified claims (OpenID Connect for Identity Assurance), the deepest in use, have about ten levels. */
const maxDepth = 32

export const notAnObject = `not a JSON object of at most ${maxDepth} levels`
export const tooDeep = `it is nested more than ${maxDepth} levels deep`

/** Level by level: the reading of any depth needs no stack. */
export function isTooDeep(value: unknown): boolean {
  let level: readonly unknown[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > maxDepth) return true
    level = level.flatMap((inner) => (typeof inner === 'object' && inner !== null ? Object.values(inner) : []))
  }
  return false
}

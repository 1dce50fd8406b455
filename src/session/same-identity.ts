import type { Session } from './session.ts'

/**
 * Whether nothing that decisions are made of has changed: names and lists of words (groups) have no order. That the provider says for
 * the first time how a person authenticated takes nothing from what was known before.
 */
export function sameIdentity(before: Session, after: Session): boolean {
  if (before.acr !== undefined && before.acr !== after.acr) return false
  return before.claims === after.claims || inOrder(before.claims) === inOrder(after.claims)
}

/** JSON with one order for names and for lists of words. */
function inOrder(value: unknown): string {
  if (Array.isArray(value)) {
    const items = value.map(inOrder)
    return `[${(value.every((item) => typeof item === 'string') ? items.sort() : items).join()}]`
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const fields = Object.entries(value).map(([name, inner]) => `${JSON.stringify(name)}:${inOrder(inner)}`)
  return `{${fields.sort().join()}}`
}

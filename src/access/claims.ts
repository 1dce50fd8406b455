// Reading claims by the names that operators write. Claims come from outside: only own properties are ever read, so that
// a path such as `__proto__.x` or `constructor` finds nothing instead of the prototype.
import { isDistinguishedName } from '../config/distinguished-name.ts'
import { claimAt } from '../oidc/claims.ts'
import type { Claims } from '../oidc/provider.ts'

/** The claim as a list: a string (or number, boolean) counts as a list of one; anything else in it is left out. */
export function claimValues(claims: Claims, path: string): readonly string[] {
  const value = claimAt(claims, path)
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  return list.map(scalarText).filter((text) => text !== '')
}

/** A single claim as text, also where it comes as a list of one; empty when it is missing, empty, or anything else. */
export function claimText(claims: Claims, path: string): string {
  const value = claimAt(claims, path)
  return scalarText(Array.isArray(value) && value.length === 1 ? value[0] : value)
}

/**
 * Groups or roles in each form that providers give them: a list, an object whose keys they are (Zitadel), or one text, which
 * is JSON of either, a list with commas, or a single name. A name of a directory (`CN=admins,OU=groups`) has commas of its own.
 */
export function memberships(claims: Claims, path: string): readonly string[] {
  return namesIn(claimAt(claims, path))
}

function namesIn(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.map(scalarText).filter((name) => name !== '')
  if (typeof value === 'object' && value !== null) {
    // `{ admin: false }` says that somebody is no admin.
    return Object.entries(value).flatMap(([name, held]) =>
      held === false || held === null || name === '' ? [] : [name],
    )
  }
  const text = scalarText(value).trim()
  if (text === '' || isDistinguishedName(text)) return text === '' ? [] : [text]
  const inside = /^[[{]/.test(text) ? parsedJson(text) : undefined
  if (inside !== undefined) return namesIn(inside)
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}

function parsedJson(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

/** Only what `paths` read, each under its whole path as a literal key: what a session needs to keep, and no more. */
export function keepClaims(claims: Claims, paths: readonly string[]): Claims {
  return Object.fromEntries(
    paths.map((path) => [path, claimAt(claims, path)]).filter(([, value]) => value !== undefined),
  )
}

export function scalarText(value: unknown): string {
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : ''
}

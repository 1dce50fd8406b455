// Reading claims by the names that operators write. Claims come from outside: only own properties are ever read, so that
// a path such as `__proto__.x` or `constructor` finds nothing instead of the prototype.
import { claimAt } from '../oidc/claims.ts'
import type { Claims } from '../oidc/provider.ts'

/** The claim as a list: a string (or number, boolean) counts as a list of one; anything else in it is left out. */
export function claimValues(claims: Claims, path: string): readonly string[] {
  const value = claimAt(claims, path)
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  return list.map(scalarText).filter((text) => text !== '')
}

/** A single claim as text; empty when it is missing, empty, or no scalar. */
export function claimText(claims: Claims, path: string): string {
  return scalarText(claimAt(claims, path))
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

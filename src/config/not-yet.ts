// What the contract names and this version does not do yet. An operator who turns it on must hear so at the start instead
// of believing in it. When something lands, its row goes.
import type { Path } from './problems.ts'
import { isRecord } from './yaml-file.ts'

const isMany = (value: unknown): boolean => typeof value === 'number' && value > 1

/** Path (`*` is any item) -> whether this value turns it on. */
const NOT_YET: readonly (readonly [path: string, turnsOn: (value: unknown) => boolean])[] = [['workers', isMany]]

/** Paths of the settings that ask for something not built yet. */
export function notAvailableYet(settings: unknown): Path[] {
  return NOT_YET.flatMap(([pattern, turnsOn]) =>
    find(settings, pattern.split('.'), [])
      .filter(([, value]) => turnsOn(value))
      .map(([path]) => path),
  )
}

function find(node: unknown, pattern: readonly string[], path: Path): [path: Path, value: unknown][] {
  const [part, ...rest] = pattern
  if (part === undefined) return [[path, node]]
  if (part === '*') {
    return Array.isArray(node) ? node.flatMap((item: unknown, index) => find(item, rest, [...path, index])) : []
  }
  return isRecord(node) && Object.hasOwn(node, part) ? find(node[part], rest, [...path, part]) : []
}

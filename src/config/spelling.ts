// Traefik reads options in any letter case, and published files use it (`providerUrl`, `ClientID`). Names are taken in any case
// where that leaves no doubt; from here on they have their own spelling, and only lines are looked up under the written one.
import { knownKeys } from './option-names.ts'
import type { Finding, Path } from './problems.ts'
import { isRecord } from './yaml-file.ts'

export interface Spelled {
  readonly tree: Record<string, unknown>
  /** The path as the file has it. */
  writtenPath(path: Path): Path
  readonly problems: readonly Finding[]
}

export function spelled(tree: Record<string, unknown>): Spelled {
  const written = new Map<string, Path>()
  const problems: Finding[] = []

  function read(node: unknown, path: Path, asWritten: Path): unknown {
    written.set(JSON.stringify(path), asWritten)
    if (Array.isArray(node)) {
      return node.map((item: unknown, index) => read(item, [...path, index], [...asWritten, index]))
    }
    if (!isRecord(node)) return node
    const known = knownKeys(path)
    const entries = new Map<string, unknown>()
    for (const [key, value] of Object.entries(node)) {
      const name = known.includes(key) ? key : (known.find((one) => one.toLowerCase() === key.toLowerCase()) ?? key)
      const here = [...path, name]
      if (entries.has(name)) {
        problems.push({
          path: here,
          message: 'is given twice on the same level, in two spellings; keep one of the two',
        })
      } else {
        entries.set(name, read(value, here, [...asWritten, key]))
      }
    }
    return Object.fromEntries(entries)
  }

  // A record stays one.
  const result = read(tree, [], []) as Record<string, unknown>
  return { tree: result, problems, writtenPath: (path) => known(path) }

  function known(path: Path): Path {
    for (let length = path.length; length > 0; length -= 1) {
      const found = written.get(JSON.stringify(path.slice(0, length)))
      if (found !== undefined) return [...found, ...path.slice(length)]
    }
    return path
  }
}

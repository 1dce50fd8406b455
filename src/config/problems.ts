// Where a setting came from, and what is wrong with it: one line per problem, all of them at once, never a value (it may be
// a secret, or hold one through `${VAR}`).
import { ConfigInvalid } from '../errors.ts'

export type Path = readonly (string | number)[]

/** What something written means, or what is wrong with it. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string }

/** One thing that is wrong, as a compiler of options says it: what is wrong; what would be right. */
export interface Finding {
  readonly path: Path
  readonly message: string
}

/** For who is handed a configuration that nobody has checked. Throws ConfigInvalid unless there is none. */
export function refuseFindings(findings: readonly Finding[]): void {
  if (findings.length === 0) return
  throw new ConfigInvalid([...new Set(findings.map(({ path, message }) => `${pathText(path)}: ${message}`))])
}

/** `rules[0].require.users`: the operator's spelling of a path. */
export function pathText(path: Path): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    return text === '' ? part : `${text}.${part}`
  }, '')
}

/** Collects problems and warnings. `message`: what is wrong; what would be right. */
export interface Findings {
  /** `paths`: what the problem is about, the first one named. Dropped when one of them was already refused by itself. */
  readonly refuse: (paths: Path | readonly Path[], message: string) => void
  readonly warn: (path: Path, message: string) => void
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
}

export function createFindings(
  locate: (path: Path) => string,
  isBroken: (path: Path) => boolean = () => false,
): Findings {
  const problems: string[] = []
  const warnings: string[] = []
  const line = (path: Path, message: string): string => {
    const name = pathText(path)
    // A key can hold a line break in YAML; a problem stays one line.
    return `${locate(path)}: ${name === '' ? '' : `${name}: `}${message}`.replaceAll(/\p{Cc}+/gu, ' ')
  }
  return {
    refuse(paths, message) {
      const all: readonly Path[] = isPathList(paths) ? paths : [paths]
      if (all.some(isBroken)) return
      problems.push(line(all[0] ?? [], message))
    },
    warn: (path, message) => void warnings.push(line(path, message)),
    problems,
    warnings,
  }
}

function isPathList(paths: Path | readonly Path[]): paths is readonly Path[] {
  return paths.length > 0 && Array.isArray(paths[0])
}

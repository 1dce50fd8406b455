// The fallback: an option that the file leaves out is taken from the environment, under its path in upper snake case.
import { isRecord } from './yaml-file.ts'
import type { Environment } from './interpolate.ts'
import type { ListedOption } from './option.ts'
import type { Path } from './problems.ts'

/** `redis.hybridL1MemoryMB` -> `REDIS_HYBRID_L1_MEMORY_MB`: an acronym (also in the plural, `URLs`) is one word. */
export function environmentName(path: readonly string[]): string {
  return path
    .map((part) =>
      part
        .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
        .replaceAll(/([A-Z]+)([A-Z][a-z])(?=[a-z])/g, '$1_$2')
        .toUpperCase(),
    )
    .join('_')
}

export interface Fallback {
  /** The file's tree with what the environment adds. */
  readonly tree: Record<string, unknown>
  /** Path (as JSON) -> the variable it came from. */
  readonly origins: ReadonlyMap<string, string>
  readonly problems: readonly { readonly path: Path; readonly message: string }[]
}

export function withEnvironment(
  file: Record<string, unknown>,
  options: readonly ListedOption[],
  env: Environment,
): Fallback {
  const tree = structuredClone(file)
  const origins = new Map<string, string>()
  const problems: { path: Path; message: string }[] = []
  for (const { path, info } of options) {
    if (info.ignored !== undefined) continue
    if (isPresent(valueAt(tree, path))) continue
    const upper = environmentName(path)
    const isLower = info.inLowerCase === true && (env[upper] ?? '') === '' && env[upper.toLowerCase()] !== undefined
    const name = isLower ? upper.toLowerCase() : upper
    const direct = env[name] ?? ''
    const inFile = info.secret === true ? (env[`${name}_FILE`] ?? '') : ''
    if (direct !== '' && inFile !== '') {
      problems.push({ path, message: `both ${name} and ${name}_FILE are set in the environment; set one` })
    }
    const value = direct === '' && inFile !== '' ? `file:${inFile}` : direct
    if (value === '') remove(tree, path)
    else if (put(tree, path, value)) origins.set(JSON.stringify(path), direct === '' ? `${name}_FILE` : name)
  }
  return { tree, origins, problems }
}

/** An empty text says nothing: `${VAR:-}` and `logoutURL: ""` leave the option to the environment and its default. */
function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null && !(typeof value === 'string' && value.trim() === '')
}

export function valueAt(tree: unknown, path: Path): unknown {
  return path.reduce<unknown>((node, part) => {
    if (Array.isArray(node) && typeof part === 'number') return node[part]
    return isRecord(node) && Object.hasOwn(node, part) ? node[part] : undefined
  }, tree)
}

export function remove(tree: unknown, path: Path): void {
  const parent = valueAt(tree, path.slice(0, -1))
  const last = path.at(-1)
  if (isRecord(parent) && last !== undefined) delete parent[last]
}

/** False where a group's place is taken by something that is no group; the schema complains about that itself. */
function put(tree: Record<string, unknown>, path: readonly string[], value: unknown): boolean {
  let node = tree
  for (const part of path.slice(0, -1)) {
    const child: unknown = Object.hasOwn(node, part) ? node[part] : undefined
    if (isRecord(child)) {
      node = child
      continue
    }
    if (isPresent(child)) return false
    const made: Record<string, unknown> = {}
    node[part] = made
    node = made
  }
  const last = path.at(-1)
  if (last !== undefined) node[last] = value
  return true
}

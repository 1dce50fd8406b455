// The YAML file as plain data with line numbers: duplicate keys, aliases that explode and broken syntax end here, and
// `${VAR}` is replaced. What the data means is schema.ts's business.
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import { interpolate } from './interpolate.ts'
import type { Environment } from './interpolate.ts'
import type { Path } from './problems.ts'

export interface Document {
  /** Plain data; keys without a value are left out (they count as absent). */
  readonly tree: Record<string, unknown>
  /** Line of the deepest part of `path` that the file has; 1 when it has none of it. */
  lineOf(path: Path): number
  readonly problems: readonly { readonly path: Path; readonly line: number; readonly message: string }[]
}

const MAX_DEPTH = 20
const MAX_NODES = 100_000

export function readDocument(text: string, env: Environment): Document {
  const lines = new Map<string, number>()
  const problems: { path: Path; line: number; message: string }[] = []
  const lineOf = (path: Path): number => {
    for (let length = path.length; length > 0; length -= 1) {
      const line = lines.get(JSON.stringify(path.slice(0, length)))
      if (line !== undefined) return line
    }
    return 1
  }
  const failed = (line: number, message: string): Document => {
    problems.push({ path: [], line, message })
    return { tree: {}, lineOf, problems }
  }

  const counter = new LineCounter()
  let document: ReturnType<typeof parseDocument>
  try {
    document = parseDocument(text, { lineCounter: counter, prettyErrors: false })
  } catch {
    return failed(1, 'cannot be read as YAML; check brackets and nesting')
  }
  for (const error of document.errors) {
    // The library's own messages quote the source, which may hold a secret.
    const line = counter.linePos(error.pos[0]).line
    if (error.code !== 'DUPLICATE_KEY') {
      return failed(line, `is not valid YAML (${error.code}); check indentation, quotes and brackets on this line`)
    }
    const key = /^["']?([\w.-]{1,60})/.exec(text.slice(error.pos[0]))?.[1]
    const message = 'is given twice on the same level; keep one of the two'
    problems.push({ path: key === undefined ? [] : [key], line, message })
  }

  let nodes = 0
  const lineAt = (offset: number | undefined): number => counter.linePos(offset ?? 0).line

  function read(node: unknown, path: Path): unknown {
    nodes += 1
    // Aliases can nest without end, or multiply: neither is a configuration.
    if (path.length > MAX_DEPTH || nodes > MAX_NODES) throw new TooLarge()
    if (isAlias(node)) return read(node.resolve(document), path)
    if (isMap(node)) {
      const entries: [string, unknown][] = []
      for (const pair of node.items) {
        const key = isScalar(pair.key) ? String(pair.key.value) : '(a key that is no plain text)'
        const here = [...path, key]
        if (isScalar(pair.key)) lines.set(JSON.stringify(here), lineAt(pair.key.range?.[0]))
        const value = read(pair.value, here)
        if (value !== undefined && value !== null) entries.push([key, value])
      }
      // fromEntries defines properties, so that a key `__proto__` is a key and nothing else.
      return Object.fromEntries(entries)
    }
    if (isSeq(node)) {
      return node.items.map((item, index) => {
        const here = [...path, index]
        const start = isScalar(item) || isMap(item) || isSeq(item) ? item.range?.[0] : undefined
        if (start !== undefined) lines.set(JSON.stringify(here), lineAt(start))
        return read(item, here)
      })
    }
    if (!isScalar(node)) return undefined
    if (typeof node.value !== 'string') return node.value
    const result = interpolate(node.value, env)
    if ('text' in result) return result.text
    problems.push({ path, line: lineOf(path), message: result.problem })
    return undefined
  }

  try {
    const tree = read(document.contents, [])
    if (tree === undefined || tree === null) return { tree: {}, lineOf, problems }
    if (!isRecord(tree)) return failed(1, 'must be a YAML mapping of options, such as `clientID: …`')
    return { tree, lineOf, problems }
  } catch (error) {
    if (error instanceof TooLarge || error instanceof RangeError) {
      return failed(1, `is nested more than ${MAX_DEPTH} deep or too large; check its anchors and aliases`)
    }
    throw error
  }
}

class TooLarge extends Error {}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

// YAML as plain data with line numbers: broken syntax, duplicate keys, aliases that explode and tags of other programs end here.
// Merge keys (`<<`) are followed, several documents come out one by one, and what another program's templates leave unquoted
// (`{{ env "X" }}`, which YAML reads as a map in a map) stays the text that it is.
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments } from 'yaml'
import type { Document as YamlDocument, YAMLError } from 'yaml'
import type { Path } from './problems.ts'

export interface YamlPart {
  /** Plain data; keys without a value are left out (they count as absent). */
  readonly tree: unknown
  readonly line: number
  /** Line of the deepest part of `path` that the document has; its first line when it has none of it. */
  lineOf(path: Path): number
}

export interface YamlProblem {
  readonly path: Path
  readonly line: number
  readonly message: string
}

export interface YamlFile {
  /** The documents that say anything. */
  readonly parts: readonly YamlPart[]
  readonly problems: readonly YamlProblem[]
  /** False: anything more that could be said of the file would be a guess. */
  readonly isReadable: boolean
}

const MAX_DEPTH = 20
const MAX_NODES = 100_000

export function readYaml(text: string): YamlFile {
  const problems: YamlProblem[] = []
  const unreadable = (line: number, message: string): YamlFile => ({
    parts: [],
    problems: [...problems, { path: [], line, message }],
    isReadable: false,
  })
  if (text.includes('\0')) return unreadable(1, 'is not UTF-8 text; save it as UTF-8')

  const counter = new LineCounter()
  let documents: YamlDocument.Parsed[]
  try {
    const parsed = parseAllDocuments(text, { lineCounter: counter, prettyErrors: false, logLevel: 'silent' })
    documents = 'empty' in parsed ? [] : parsed
  } catch {
    return unreadable(1, 'cannot be read as YAML; check brackets and nesting')
  }
  const lineAt = (offset: number | undefined): number => Math.max(1, counter.linePos(offset ?? 0).line)
  for (const error of documents.flatMap(({ errors }) => errors)) {
    const line = lineAt(error.pos[0])
    // The library's own messages quote the source, which may hold a secret.
    if (error.code !== 'DUPLICATE_KEY') return unreadable(line, words(error, text.split('\n')[line - 1] ?? ''))
    const key = /^["']?([\w.-]{1,60})/.exec(text.slice(error.pos[0]))?.[1]
    problems.push({
      path: key === undefined ? [] : [key],
      line,
      message: 'is given twice on the same level; keep one of the two',
    })
  }

  const budget = { nodes: 0 }
  try {
    const parts = documents.map((document) => readPart(document, { text, lineAt, problems, budget }))
    return { parts: parts.filter(({ tree }) => tree !== undefined && tree !== null), problems, isReadable: true }
  } catch (error) {
    if (!(error instanceof TooLarge) && !(error instanceof RangeError)) throw error
    return unreadable(1, `is nested more than ${MAX_DEPTH} deep or too large; check its anchors and aliases`)
  }
}

class TooLarge extends Error {}

interface Reading {
  readonly text: string
  readonly lineAt: (offset: number | undefined) => number
  readonly problems: YamlProblem[]
  readonly budget: { nodes: number }
}

function readPart(document: YamlDocument.Parsed, { text, lineAt, problems, budget }: Reading): YamlPart {
  const lines = new Map<string, number>()
  const lineOf = (path: Path): number => {
    for (let length = path.length; length > 0; length -= 1) {
      const line = lines.get(JSON.stringify(path.slice(0, length)))
      if (line !== undefined) return line
    }
    return lineAt(document.contents?.range[0])
  }

  function read(node: unknown, path: Path): unknown {
    budget.nodes += 1
    // Aliases can nest without end, or multiply: neither is a configuration.
    if (path.length > MAX_DEPTH || budget.nodes > MAX_NODES) throw new TooLarge()
    if (isAlias(node)) return read(node.resolve(document), path)
    if (isMap(node)) {
      if (isUnquotedTemplate(node)) return text.slice(node.range?.[0], node.range?.[1])
      return readMap(node.items, path)
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
    if (node.tag?.startsWith('!') === true) {
      const message = 'has a tag that another program would follow; write ${VAR}, file:/path or the text itself'
      problems.push({ path, line: lineOf(path), message })
      return undefined
    }
    return node.value
  }

  function readMap(items: readonly { key: unknown; value: unknown }[], path: Path): Record<string, unknown> {
    const entries = new Map<string, unknown>()
    // What is merged counts where the map itself says nothing; of several, the first.
    const merged = items.filter(({ key }) => isMergeKey(key)).flatMap(({ value }) => sources(value))
    for (const source of merged.toReversed()) {
      const inherited = read(source, path)
      if (isRecord(inherited)) for (const [key, value] of Object.entries(inherited)) entries.set(key, value)
    }
    for (const { key, value } of items) {
      if (isMergeKey(key)) continue
      const name = isScalar(key) ? String(key.value) : '(a key that is no plain text)'
      const here = [...path, name]
      if (isScalar(key)) lines.set(JSON.stringify(here), lineAt(key.range?.[0]))
      const found = read(value, here)
      if (found !== undefined && found !== null) entries.set(name, found)
    }
    // fromEntries defines properties, so that a key `__proto__` is a key and nothing else.
    return Object.fromEntries(entries)
  }

  function sources(value: unknown): readonly unknown[] {
    const node = isAlias(value) ? value.resolve(document) : value
    return isSeq(node) ? node.items : [node]
  }

  const tree = read(document.contents, [])
  return { tree, line: lineOf([]), lineOf }
}

function isMergeKey(key: unknown): boolean {
  return isScalar(key) && key.value === '<<' && key.type === 'PLAIN'
}

/** `{{ env "X" }}` without quotes: a flow map whose only key is a flow map. */
function isUnquotedTemplate(node: { items: readonly { key: unknown; value: unknown }[]; flow?: boolean | undefined }) {
  const [only, ...more] = node.items
  return (
    node.flow === true && more.length === 0 && isMap(only?.key) && (only.value === null || only.value === undefined)
  )
}

function words({ code }: YAMLError, line: string): string {
  if (/^ *\t/.test(line)) return 'is indented with a tab, which YAML does not allow; use spaces'
  if (line.includes('{{')) return 'is not valid YAML; put a template into quotes: "{{.Claims.email}}"'
  if (code === 'BAD_SCALAR_START')
    return 'begins with a character that YAML keeps for itself (@, ` or %); put the value into quotes'
  if (code === 'BAD_ALIAS') return 'begins with * or &, which YAML keeps for itself; put the value into quotes'
  if (code === 'BAD_DQ_ESCAPE') return 'has a \\ that YAML reads as an escape; use single quotes'
  return `is not valid YAML (${code}); check indentation, quotes and brackets on this line`
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

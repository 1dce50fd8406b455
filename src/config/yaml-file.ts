// YAML as plain data with line numbers: broken syntax, duplicate keys, aliases that explode and tags of other programs end here.
// Merge keys (`<<`) are followed, several documents come out one by one, and what another program's templates leave unquoted
// (`{{ env "X" }}`, which YAML reads as a map in a map) stays the text that it is.
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments, visit } from 'yaml'
import type { Document as YamlDocument } from 'yaml'
import type { Path } from './problems.ts'
import { mistake } from './yaml-mistakes.ts'

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
  try {
    const found = syntaxProblems(documents, { text, lineAt })
    problems.push(...found.problems)
    if (!found.isReadable) return { parts: [], problems, isReadable: false }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return unreadable(1, tooNested)
  }

  const budget = { nodes: 0 }
  try {
    const parts = documents.map((document) => readPart(document, { text, lineAt, problems, budget }))
    return { parts: parts.filter(({ tree }) => tree !== undefined && tree !== null), problems, isReadable: true }
  } catch (error) {
    if (!(error instanceof TooLarge) && !(error instanceof RangeError)) throw error
    return unreadable(1, tooNested)
  }
}

const tooNested = `is nested more than ${MAX_DEPTH} deep or too large; check its anchors and aliases`

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

/** What the library found wrong: duplicate keys, of which the rest can be read all the same, or one mistake in the syntax. */
function syntaxProblems(
  documents: readonly YamlDocument.Parsed[],
  { text, lineAt }: Pick<Reading, 'text' | 'lineAt'>,
): Pick<YamlFile, 'problems' | 'isReadable'> {
  const errors = documents.flatMap((document) => document.errors)
  if (errors.some(({ code }) => code !== 'DUPLICATE_KEY')) {
    const { offset, message } = mistake(errors, documents, text)
    return { problems: [{ path: [], line: lineAt(offset), message }], isReadable: false }
  }
  const firsts = errors.length === 0 ? undefined : firstOfEach(documents)
  const problems = errors.map(({ pos: [second] }): YamlProblem => {
    const key = /^["']?([\w.-]{1,60})/.exec(text.slice(second, second + 64))?.[1]
    const first = firsts?.get(second)
    const where = first === undefined ? '' : `, first on line ${lineAt(first)}`
    const message = `is given twice on the same level${where}; keep one of the two`
    return { path: key === undefined ? [] : [key], line: lineAt(second), message }
  })
  return { problems, isReadable: true }
}

/** Offset of each key that comes again -> that of its first time in the same map. */
function firstOfEach(documents: readonly YamlDocument.Parsed[]): ReadonlyMap<number, number> {
  const firsts = new Map<number, number>()
  for (const document of documents) {
    visit(document, {
      Map(_key, { items }) {
        const seen = new Map<unknown, number>()
        for (const { key } of items) {
          if (!isScalar(key) || !key.range) continue
          const first = seen.get(key.value)
          if (first === undefined) seen.set(key.value, key.range[0])
          else firsts.set(key.range[0], first)
        }
      },
    })
  }
  return firsts
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

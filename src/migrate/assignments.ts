// Lines of `name = value`: TOML as oauth2-proxy's configuration and Traefik's files have it, INI files, environment files. Read
// tolerantly: what TOML would refuse (a value without quotes) is text. Tables (`[a.b]`) come out as records, `[[a]]` as lists of them.
import { isRecord } from '../config/yaml-file.ts'

export interface Assignment {
  /** The table's names and the key's: `http.middlewares.x` and `a.b = 1`. */
  readonly path: readonly string[]
  readonly value: unknown
  readonly line: number
}

const KEY = /^\s*(?:export\s+)?((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=\s*(.*)$/s
const TABLE = /^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$/
const MAX_LINES = 20_000

/** Undefined where the text is something else: YAML, a script, prose. */
export function readAssignments(text: string): readonly Assignment[] | undefined {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  if (lines.length > MAX_LINES) return undefined
  const found: Assignment[] = []
  const counts = new Map<string, number>()
  let table: readonly string[] = []
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? ''
    if (/^\s*(?:[#;].*)?$/.test(line)) continue
    const [, brackets, name = ''] = TABLE.exec(line) ?? []
    if (brackets !== undefined) {
      table = keyParts(name)
      if (brackets === '[[') {
        const id = table.join('.')
        const position = counts.get(id) ?? 0
        counts.set(id, position + 1)
        table = [...table, String(position)]
      }
      continue
    }
    const [, key, rest] = KEY.exec(line) ?? []
    if (key === undefined || rest === undefined) return undefined
    let written = rest
    const start = index
    while (isOpen(written) && index + 1 < lines.length) written += `\n${lines[(index += 1)] ?? ''}`
    found.push({ path: [...table, ...keyParts(key)], value: valueOf(written), line: start + 1 })
  }
  return found.length === 0 ? undefined : found
}

/** As a tree, for what reads trees. A list of tables is a list. */
export function treeOf(assignments: readonly Assignment[]): Record<string, unknown> {
  const tree: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  for (const { path, value } of assignments) {
    let node = tree
    for (const name of path.slice(0, -1)) {
      const child = node[name]
      node = isRecord(child) ? child : (node[name] = Object.create(null) as Record<string, unknown>)
    }
    node[path.at(-1) ?? ''] = value
  }
  return listed(tree) as Record<string, unknown>
}

function listed(node: unknown): unknown {
  if (!isRecord(node)) return node
  const keys = Object.keys(node)
  const isList = keys.length > 0 && keys.every((key, index) => key === String(index))
  return isList ? keys.map((key) => listed(node[key])) : Object.fromEntries(keys.map((key) => [key, listed(node[key])]))
}

const keyParts = (key: string): readonly string[] =>
  [...key.matchAll(/"([^"]*)"|'([^']*)'|([^.\s"']+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? '',
  )

/** A list or a text of several lines that has not ended yet. */
function isOpen(written: string): boolean {
  const text = written.trimStart()
  const quote = /^("""|''')/.exec(text)?.[1]
  if (quote !== undefined) return !text.slice(3).includes(quote)
  return text.startsWith('[') && depthOf(text) > 0
}

function depthOf(text: string): number {
  let depth = 0
  for (const [token] of text.matchAll(/"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|#[^\n]*|[[\]]/g)) {
    if (token === '[') depth += 1
    else if (token === ']') depth -= 1
  }
  return depth
}

function valueOf(written: string): unknown {
  const text = written.trim()
  const block = /^("""|''')\n?([^]*?)\1/.exec(text)?.[2]
  if (block !== undefined) return block
  if (text.startsWith('[') && depthOf(text) <= 0) return itemsOf(text.slice(1))
  const [, double, single] = /^(?:"((?:[^"\\]|\\.)*)"|'([^']*)')\s*(?:[#;].*)?$/.exec(text) ?? []
  if (double !== undefined) return unescaped(double)
  if (single !== undefined) return single
  // A comment behind a number or a switch; in a text without quotes `#` may be part of it.
  const bare = text.replace(/^(true|false|[\d.]+[a-z]*)\s+#.*$/i, '$1')
  return bare === 'true' || bare === 'false' ? bare === 'true' : bare
}

function itemsOf(text: string): readonly string[] {
  const items: string[] = []
  for (const [, double, single, bare] of text.matchAll(/"((?:[^"\\\n]|\\.)*)"|'([^'\n]*)'|#[^\n]*|([^\s,[\]"'#]+)/g)) {
    const item = double === undefined ? (single ?? bare) : unescaped(double)
    if (item !== undefined) items.push(item)
  }
  return items
}

/** TOML's escapes are JSON's; a text that is none (`\d` in a regular expression, as INI files have it) stays as it is. */
function unescaped(text: string): string {
  try {
    return String(JSON.parse(`"${text}"`))
  } catch {
    return text
  }
}

// Programs in Compose files, Kubernetes manifests and scripts: their flags and variables, with the lines on which they stand. Other
// containers of the same file are not looked at.
import { isRecord, type YamlPart } from '../config/yaml-file.ts'
import type { Path } from '../config/problems.ts'
import { Elsewhere, type LineOf } from './found.ts'

export interface Container {
  readonly line: number
  readonly flags: readonly Said[]
  readonly variables: readonly Said[]
}

export interface Said {
  readonly name: string
  /** Text, `true` for a flag without a value, or where it is. */
  readonly value: unknown
  readonly line: number
}

/** `isOurs`: by image, or by a name that only this program has. */
export interface Program {
  readonly image: RegExp
  readonly variable: RegExp
  /** Flags that take no value: what follows is not theirs. */
  readonly isSwitch: (flag: string) => boolean
}

export function containersIn(parts: readonly YamlPart[], program: Program): readonly Container[] {
  return parts.flatMap((part) => {
    const found = visit(part.tree, [], part.lineOf.bind(part))
    const isCompose = isRecord(part.tree) && isRecord(part.tree['services'])
    return isCompose ? found.map(withoutDoubled) : found
  })

  function visit(node: unknown, at: Path, lineOf: LineOf): readonly Container[] {
    if (Array.isArray(node)) return node.flatMap((item: unknown, index) => visit(item, [...at, index], lineOf))
    if (!isRecord(node)) return []
    const container = isContainer(node) ? read(node, at, lineOf) : undefined
    if (container !== undefined) return [container]
    return Object.entries(node).flatMap(([key, value]) => visit(value, [...at, key], lineOf))
  }

  function read(node: Record<string, unknown>, at: Path, lineOf: LineOf): Container | undefined {
    const variables = [
      ...variablesIn(node['environment'], [...at, 'environment'], lineOf),
      ...variablesIn(node['env'], [...at, 'env'], lineOf),
    ]
    const hasImage = typeof node['image'] === 'string' && program.image.test(node['image'])
    // The program itself is what runs: `oauth2-proxy --a=b`, ["/bin/oauth2-proxy", …].
    const isRun = ['command', 'entrypoint'].some((key) => {
      const [first] = [node[key]].flat()
      const [word = ''] = typeof first === 'string' ? first.trim().split(/\s/) : []
      return !word.startsWith('-') && program.image.test(word)
    })
    if (!hasImage && !isRun && !variables.some(({ name }) => program.variable.test(name))) return undefined
    const flags = ['entrypoint', 'command', 'args'].flatMap((key) => flagsIn(node[key], [...at, key], lineOf, program))
    return { line: lineOf(at), flags, variables }
  }
}

/** `$$` is Compose's way of writing a dollar sign. `$${` is no reference for us either. */
function withoutDoubled({ line, flags, variables }: Container): Container {
  const single = (said: Said): Said =>
    typeof said.value === 'string' ? { ...said, value: said.value.replaceAll(/\$\$(?!\{)/g, '$') } : said
  return { line, flags: flags.map(single), variables: variables.map(single) }
}

function isContainer(node: Record<string, unknown>): boolean {
  return (
    ['command', 'args', 'environment', 'env', 'entrypoint'].some((key) => {
      const value = node[key]
      return Array.isArray(value) || typeof value === 'string' || (isRecord(value) && key !== 'command')
    }) || typeof node['image'] === 'string'
  )
}

function variablesIn(node: unknown, at: Path, lineOf: LineOf): readonly Said[] {
  if (Array.isArray(node)) {
    return node.flatMap((item: unknown, index): readonly Said[] => {
      const line = lineOf([...at, index])
      if (isRecord(item) && typeof item['name'] === 'string') {
        const value = item['valueFrom'] === undefined ? item['value'] : elsewhere(item['valueFrom'])
        return [{ name: item['name'], value: value ?? '', line }]
      }
      if (typeof item !== 'string') return []
      const [, name = item, value] = /^([^=]+)=(.*)$/s.exec(item) ?? []
      return [{ name: name.trim(), value: value ?? new Elsewhere('the environment of the compose file'), line }]
    })
  }
  if (!isRecord(node)) return []
  return Object.entries(node).map(([name, value]) => ({ name, value, line: lineOf([...at, name]) }))
}

function elsewhere(source: unknown): Elsewhere {
  const [kind = '', reference] = isRecord(source) ? (Object.entries(source)[0] ?? []) : []
  const { name, key } = isRecord(reference) ? reference : {}
  return new Elsewhere(`${kind.replace(/Ref$/, '')} ${String(name)}/${String(key)}`)
}

function flagsIn(node: unknown, at: Path, lineOf: LineOf, { isSwitch }: Program): readonly Said[] {
  const words: { word: string; line: number }[] = []
  if (typeof node === 'string') words.push(...wordsOf(node).map((word) => ({ word, line: lineOf(at) })))
  if (Array.isArray(node)) {
    for (const [index, item] of node.entries()) {
      if (typeof item !== 'string') continue
      const line = lineOf([...at, index])
      // `sh -c "oauth2-proxy --a=b"` has its flags in one text.
      const several = /\s--?[a-z]/.test(item) ? wordsOf(item) : [item]
      words.push(...several.map((word) => ({ word, line })))
    }
  }
  return flagsOf(words, isSwitch)
}

export function flagsOf(
  words: readonly { word: string; line: number }[],
  isSwitch: (flag: string) => boolean,
): readonly Said[] {
  const found: Said[] = []
  for (let index = 0; index < words.length; index += 1) {
    const { word = '', line = 1 } = words[index] ?? {}
    const [, name, value] = /^(--?[A-Za-z][\w.-]*)(?:=(.*))?$/s.exec(word.trim()) ?? []
    if (name === undefined) continue
    const next = words[index + 1]?.word
    const isNext = value === undefined && !isSwitch(name) && next !== undefined && !/^--?[A-Za-z]/.test(next)
    if (isNext) index += 1
    found.push({ name, value: value ?? (isNext ? next : true), line })
  }
  return found
}

/** A command line as words, as a shell reads its quotes and line ends. */
export function wordsOf(text: string): readonly string[] {
  const joined = text.replaceAll(/\\\r?\n/g, ' ')
  return [...joined.matchAll(/(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^\s"'])+/g)].map(([word]) =>
    word.replaceAll(
      /"((?:[^"\\]|\\.)*)"|'([^']*)'/g,
      (_whole, double: string | undefined, single: string | undefined) =>
        double === undefined ? (single ?? '') : double.replaceAll(/\\(["\\$`])/g, '$1'),
    ),
  )
}

// A file in which the options are only a part, because the whole thing was pasted: a Kubernetes Middleware (perhaps among other
// manifests), Traefik's dynamic file, labels of containers, or the block under the plugin's own key. Finds the part.
import { oauth2ProxyMove } from './moving.ts'
import { optionNames } from './option-names.ts'
import type { Path } from './problems.ts'
import { pathText } from './problems.ts'
import { isRecord, type YamlPart } from './yaml-file.ts'

export interface Block {
  readonly tree: Record<string, unknown>
  readonly line: number
  lineOf(path: Path): number
  /** Where it stood in the file, in words; undefined: the file is the block. */
  readonly place: string | undefined
  /** The plugin's name, where a plugin's block was found. */
  readonly plugin: string | undefined
}

/** Every block of options that the documents hold. A document without one counts as options only where there is no other. */
export function blocksIn(parts: readonly YamlPart[]): readonly Block[] {
  const blocks = parts.flatMap(blocksOf)
  // Beside a plugin's block other mappings with such names are something else: a Secret that holds what it needs.
  const hasPlugins = blocks.some(({ plugin }) => plugin !== undefined)
  if (blocks.length > 0) {
    return hasPlugins ? blocks.filter(({ plugin, place }) => plugin !== undefined || place === undefined) : blocks
  }
  return parts.flatMap((part) => (isRecord(part.tree) ? [whole(part, part.tree)] : []))
}

/** Names at its top that an option of ours, or one that we answer, could have. */
export function hasOptions(tree: Record<string, unknown>): boolean {
  return Object.keys(tree).some((key) => optionNames.has(key.toLowerCase()) || oauth2ProxyMove(key) !== undefined)
}

function whole({ line, lineOf }: YamlPart, tree: Record<string, unknown>): Block {
  return { tree, line, lineOf, place: undefined, plugin: undefined }
}

function blocksOf(part: YamlPart): readonly Block[] {
  const { tree } = part
  // Options of ours at the top: whatever else is there is a mistake among them, and no place to look for others.
  // The same of oauth2-proxy's names, which are answered one by one.
  if (isRecord(tree) && hasOptions(tree)) return [whole(part, tree)]
  return [...nestedBlocks(part, tree, []), ...labelBlocks(part)]
}

function nestedBlocks(part: YamlPart, node: unknown, at: Path): readonly Block[] {
  if (Array.isArray(node)) return node.flatMap((item: unknown, index) => nestedBlocks(part, item, [...at, index]))
  if (!isRecord(node)) return []
  const [parent, name] = at.slice(-2)
  // `experimental.plugins` of the static file only says which plugins there are.
  const isPlugin = parent === 'plugin' && typeof name === 'string'
  if (isPlugin || (at.length > 0 && Object.keys(node).some((key) => UNMISTAKABLE.has(key.toLowerCase())))) {
    return [
      {
        tree: node,
        line: part.lineOf(at),
        lineOf: (path) => part.lineOf([...at, ...path]),
        place: oneLine(pathText(at)),
        plugin: isPlugin ? name : undefined,
      },
    ]
  }
  return Object.entries(node).flatMap(([key, value]) => nestedBlocks(part, value, [...at, key]))
}

/** A key can hold a line break in YAML; what is said of it stays one line. */
function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ')
}

/** Other names, such as redis, are also names of services. */
const UNMISTAKABLE = new Set(['providerurl', 'clientid', 'clientsecret', 'sessionencryptionkey', 'callbackurl'])

// --- labels ---------------------------------------------------------------------------------------------------------

export interface Label {
  readonly name: string
  readonly value: unknown
  readonly line: number
}

const PLUGIN_LABEL = /^(?:--)?traefik\.http\.middlewares\.([^.]+)\.plugin\.([^.]+)\.(.+)$/i

function labelBlocks(part: YamlPart): readonly Block[] {
  return blocksFromLabels(labelsIn(part, part.tree, []))
}

function labelsIn(part: YamlPart, node: unknown, at: Path): readonly Label[] {
  if (typeof node === 'string') {
    const [, name, value] = /^([^=\s]+)=(.*)$/s.exec(node) ?? []
    return name === undefined ? [] : [{ name, value, line: part.lineOf(at) }]
  }
  if (Array.isArray(node)) return node.flatMap((item: unknown, index) => labelsIn(part, item, [...at, index]))
  if (!isRecord(node)) return []
  return Object.entries(node).flatMap(([key, value]) => {
    const here = [...at, key]
    return PLUGIN_LABEL.test(key) ? [{ name: key, value, line: part.lineOf(here) }] : labelsIn(part, value, here)
  })
}

/** One block for each middleware that the labels name. */
export function blocksFromLabels(labels: readonly Label[]): readonly Block[] {
  const groups = Map.groupBy(
    labels.filter(({ name }) => PLUGIN_LABEL.test(name)),
    ({ name }) => PLUGIN_LABEL.exec(name)?.slice(1, 3).join('.plugin.').toLowerCase(),
  )
  return [...groups].map(([group, members]): Block => {
    const tree: Record<string, unknown> = {}
    const lines = new Map<string, number>()
    for (const { name, value, line } of members) {
      const path = labelPath(PLUGIN_LABEL.exec(name)?.[3] ?? '')
      put(tree, path, unescaped(value))
      for (let length = 1; length <= path.length; length += 1) {
        const key = JSON.stringify(path.slice(0, length))
        if (!lines.has(key)) lines.set(key, line)
      }
    }
    const line = members[0]?.line ?? 1
    const lineOf = (path: Path): number => {
      for (let length = path.length; length > 0; length -= 1) {
        const found = lines.get(JSON.stringify(path.slice(0, length)))
        if (found !== undefined) return found
      }
      return line
    }
    const plugin = group?.split('.plugin.').at(-1)
    return { tree, line, lineOf, place: oneLine(`the labels traefik.http.middlewares.${group}`), plugin }
  })
}

/** `headers[0].name` -> headers, 0, name. */
function labelPath(text: string): Path {
  return text.split('.').flatMap((part) => {
    const [name = '', ...indexes] = part.split(/\[(\d{1,4})\]/).filter((piece) => piece !== '')
    return [name, ...indexes.map(Number)]
  })
}

/** Compose reads `$$` as a dollar sign. */
function unescaped(value: unknown): unknown {
  return typeof value === 'string' ? value.replaceAll(/\$\$(?!\{)/g, '$') : value
}

function put(tree: Record<string, unknown>, path: Path, value: unknown): void {
  let node: Record<string | number, unknown> = tree
  for (const [index, part] of path.entries()) {
    if (index === path.length - 1) {
      Object.defineProperty(node, part, { value, writable: true, enumerable: true, configurable: true })
      return
    }
    const child: unknown = Object.hasOwn(node, part) ? node[part] : undefined
    if (isRecord(child) || Array.isArray(child)) {
      // A list is a record of its positions.
      node = child as Record<string | number, unknown>
      continue
    }
    const made = typeof path[index + 1] === 'number' ? [] : {}
    Object.defineProperty(node, part, { value: made, writable: true, enumerable: true, configurable: true })
    node = made
  }
}

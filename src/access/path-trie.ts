// Finds the first rule for a path at a cost that depends on the path's depth, not on how many rules there are. Every
// pattern is a prefix that ends at a segment boundary: `/api/*/docs` holds for `/api/v1/docs` and all that is below it.
// `*` is exactly one segment, `**` any number of them, none included. Of several that match, the lowest `order` wins.

export interface Entry<T> {
  /** Position in the list of rules: the lowest that matches wins. */
  readonly order: number
  /** Undefined: every method. */
  readonly methods: readonly string[] | undefined
  readonly value: T
}

export interface PathTrie<T> {
  add(segments: readonly string[], entry: Entry<T>): void
  /**
   * `path` is canonical: decoded, no empty segment but perhaps a last one. `method` undefined: nobody knows it, and only entries
   * for every method match.
   */
  find(path: string, method: string | undefined): Entry<T> | undefined
  /** All that match and come before `order`, in no order. `method` undefined: it could be any. */
  allBefore(order: number, path: string, method: string | undefined): readonly Entry<T>[]
}

interface Node<T> {
  readonly entries: Entry<T>[]
  anyMethod: Entry<T> | undefined
  byMethod: Map<string, Entry<T>> | undefined
  literal: Map<string, Node<T>> | undefined
  oneSegment: Node<T> | undefined
  anySegments: Node<T> | undefined
  /** Stands for `**`: stays where it is on every segment. */
  readonly loops: boolean
  /** Lowest order in this node and below: a branch that cannot win any more is not walked. */
  lowest: number
}

export function createPathTrie<T>(): PathTrie<T> {
  const root = newNode<T>(false)
  let hasWildcards = false

  return {
    add(segments, entry) {
      let node = root
      node.lowest = Math.min(node.lowest, entry.order)
      // A prefix matches what is below it anyway; without this a trailing `**` would only cost time.
      const significant = segments.slice(0, segments.findLastIndex((segment) => segment !== '**') + 1)
      for (const segment of significant) {
        hasWildcards ||= segment === '*' || segment === '**'
        node = childFor(node, segment)
        node.lowest = Math.min(node.lowest, entry.order)
      }
      node.entries.push(entry)
      keepFirst(node, entry)
    },
    find: (path, method) => (hasWildcards ? findAmongAll(root, path, method) : walkOne(root, path, method)),
    allBefore(order, path, method) {
      const found: Entry<T>[] = []
      walkAll(root, path, (node) => {
        if (node.lowest >= order) return false
        for (const entry of node.entries) {
          const isMeant = method === undefined || entry.methods === undefined || entry.methods.includes(method)
          if (entry.order < order && isMeant) found.push(entry)
        }
        return true
      })
      return found
    },
  }
}

function walkOne<T>(root: Node<T>, path: string, method: string | undefined): Entry<T> | undefined {
  let best = firstOf(entryAt(root, method), undefined)
  let node = root
  for (let start = 1; start < path.length;) {
    const slash = path.indexOf('/', start)
    const end = slash < 0 ? path.length : slash
    const next = node.literal?.get(path.slice(start, end))
    if (next === undefined) return best
    node = next
    best = firstOf(best, entryAt(node, method))
    start = end + 1
  }
  return best
}

function findAmongAll<T>(root: Node<T>, path: string, method: string | undefined): Entry<T> | undefined {
  let best: Entry<T> | undefined
  walkAll(root, path, (node) => {
    if (best !== undefined && node.lowest > best.order) return false
    best = firstOf(best, entryAt(node, method))
    return true
  })
  return best
}

/**
 * All branches side by side, one segment at a time: a Set, so that several `**` cannot multiply the work. `visit` says whether the
 * branch is worth going on.
 */
function walkAll<T>(root: Node<T>, path: string, visit: (node: Node<T>) => boolean): void {
  const enter = (node: Node<T> | undefined, into: Set<Node<T>>): void => {
    if (node === undefined || into.has(node) || !visit(node)) return
    into.add(node)
    enter(node.anySegments, into)
  }
  let active = new Set<Node<T>>()
  enter(root, active)
  for (let start = 1; start < path.length && active.size > 0;) {
    const slash = path.indexOf('/', start)
    const end = slash < 0 ? path.length : slash
    const segment = path.slice(start, end)
    const next = new Set<Node<T>>()
    for (const node of active) {
      enter(node.literal?.get(segment), next)
      enter(node.oneSegment, next)
      if (node.loops) enter(node, next)
    }
    active = next
    start = end + 1
  }
}

/** The one that comes first in the list of rules. */
export function firstOf<T>(one: Entry<T> | undefined, other: Entry<T> | undefined): Entry<T> | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return other.order < one.order ? other : one
}

function entryAt<T>(node: Node<T>, method: string | undefined): Entry<T> | undefined {
  if (node.byMethod === undefined || method === undefined) return node.anyMethod
  return firstOf(node.anyMethod, node.byMethod.get(method))
}

function keepFirst<T>(node: Node<T>, entry: Entry<T>): void {
  if (entry.methods === undefined) {
    node.anyMethod = firstOf(node.anyMethod, entry)
    return
  }
  node.byMethod ??= new Map()
  for (const method of entry.methods) {
    const first = firstOf(node.byMethod.get(method), entry)
    if (first !== undefined) node.byMethod.set(method, first)
  }
}

function childFor<T>(node: Node<T>, segment: string): Node<T> {
  if (segment === '*') return (node.oneSegment ??= newNode<T>(false))
  // `**/**` says no more than `**`.
  if (segment === '**') return node.loops ? node : (node.anySegments ??= newNode<T>(true))
  node.literal ??= new Map()
  let child = node.literal.get(segment)
  if (child === undefined) node.literal.set(segment, (child = newNode<T>(false)))
  return child
}

function newNode<T>(loops: boolean): Node<T> {
  return {
    entries: [],
    anyMethod: undefined,
    byMethod: undefined,
    literal: undefined,
    oneSegment: undefined,
    anySegments: undefined,
    loops,
    lowest: Infinity,
  }
}

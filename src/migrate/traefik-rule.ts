// Rules of Traefik's routers (`Host(`a`) && PathPrefix(`/b`)`), as traefik-forward-auth and traefik-oidc-auth take them, as sets of
// requests that rules of ours can hold.
import type { PathSet } from './public-paths.ts'
import { pathsOfRegex } from './public-paths.ts'

/** Requests: each part that is given must hold. */
export interface Requests {
  readonly hosts?: readonly string[]
  readonly methods?: readonly string[]
  readonly networks?: readonly string[]
  readonly paths?: readonly PathSet[]
}

export type Parsed =
  | { readonly ok: true; readonly any: readonly Requests[] }
  /** `why` names matchers, never their values: a header or a query may hold a key. */
  | { readonly ok: false; readonly why: string }

interface Call {
  readonly name: string
  readonly values: readonly string[]
}
type Node =
  | { readonly kind: 'call'; readonly call: Call }
  | { readonly kind: 'and' | 'or'; readonly left: Node; readonly right: Node }
  | { readonly kind: 'not'; readonly inner: Node }

const MAX_REQUESTS = 64

export function parseTraefikRule(written: string): Parsed {
  const node = parse(written)
  if (node === undefined) return no('it cannot be read as a rule of Traefik')
  return requestsOf(node)
}

const no = (why: string): Parsed => ({ ok: false, why })

function requestsOf(node: Node): Parsed {
  if (node.kind === 'not') return no('a rule of ours says what holds, not what does not (`!`)')
  if (node.kind === 'call') return requestsOfCall(node.call)
  const left = requestsOf(node.left)
  const right = requestsOf(node.right)
  if (!left.ok) return left
  if (!right.ok) return right
  if (node.kind === 'or')
    return left.any.length + right.any.length > MAX_REQUESTS
      ? no('it has too many alternatives')
      : { ok: true, any: [...left.any, ...right.any] }
  const any: Requests[] = []
  for (const one of left.any) {
    for (const other of right.any) {
      const both = { ...one, ...other }
      // Two of a kind: what both say is hard to say, so nothing is.
      if (Object.keys(both).length < Object.keys(one).length + Object.keys(other).length)
        return no('it asks twice for the same part of a request')
      any.push(both)
      if (any.length > MAX_REQUESTS) return no('it has too many alternatives')
    }
  }
  return { ok: true, any }
}

function requestsOfCall({ name, values }: Call): Parsed {
  const one = (requests: Requests): Parsed => ({ ok: true, any: [requests] })
  if (values.length === 0) return no(`${name} says nothing`)
  switch (name.toLowerCase()) {
    case 'host':
      // A port would be part of the name there, and braces are a pattern (version 2).
      return values.every((value) => /^[a-z0-9.-]+$/i.test(value)) ? one({ hosts: values }) : no('Host has a pattern')
    case 'method':
      return values.every((value) => /^[a-z]+$/i.test(value))
        ? one({ methods: values.map((value) => value.toUpperCase()) })
        : no('Method has a pattern')
    case 'clientip':
      return one({ networks: values })
    case 'path':
      return paths(name, values, false)
    case 'pathprefix':
      return paths(name, values, true)
    case 'pathregexp': {
      const sets = values.map(pathsOfRegex)
      return sets.includes(undefined)
        ? no('PathRegexp has a regular expression that is more than a path')
        : one({ paths: sets.flatMap((set) => set ?? []) })
    }
    default:
      return no(`${name} looks at what rules of ours do not look at`)
  }

  function paths(matcher: string, texts: readonly string[], isOpen: boolean): Parsed {
    // `{id:[0-9]+}` is a pattern in version 2 of Traefik.
    if (texts.some((text) => /[{}*]/.test(text))) return no(`${matcher} has a pattern`)
    return one({ paths: texts.map((text) => ({ text, isOpen })) })
  }
}

// --- the grammar: calls with `…` or "…" as arguments, !, &&, ||, brackets ----------------------------------------------

function parse(text: string): Node | undefined {
  if (text.length > 4_000) return undefined
  const tokens = [...text.matchAll(/\s*(?:([A-Za-z]\w*)|(`[^`]*`|"(?:[^"\\]|\\.)*")|(&&|\|\||[!(),]))/gy)]
  if (tokens.map(([whole]) => whole).join('').length !== text.trimEnd().length) return undefined
  let position = 0
  let depth = 0
  const node = or()
  return position === tokens.length ? node : undefined

  function take(symbol: string): boolean {
    if (tokens[position]?.[3] !== symbol) return false
    position += 1
    return true
  }

  function or(): Node | undefined {
    let left = and()
    while (left !== undefined && take('||')) {
      const right = and()
      left = right === undefined ? undefined : { kind: 'or', left, right }
    }
    return left
  }

  function and(): Node | undefined {
    let left = not()
    while (left !== undefined && take('&&')) {
      const right = not()
      left = right === undefined ? undefined : { kind: 'and', left, right }
    }
    return left
  }

  function not(): Node | undefined {
    depth += 1
    if (depth > 200) return undefined
    if (take('!')) {
      const inner = not()
      return inner === undefined ? undefined : { kind: 'not', inner }
    }
    if (take('(')) {
      const inner = or()
      return inner !== undefined && take(')') ? inner : undefined
    }
    return call()
  }

  function call(): Node | undefined {
    const name = tokens[position]?.[1]
    if (name === undefined) return undefined
    position += 1
    if (!take('(')) return undefined
    const values: string[] = []
    while (!take(')')) {
      const argument = tokens[position]?.[2]
      if (argument === undefined) return undefined
      position += 1
      values.push(argument.startsWith('`') ? argument.slice(1, -1) : argument.slice(1, -1).replaceAll(/\\(.)/g, '$1'))
      if (!take(',') && tokens[position]?.[3] !== ')') return undefined
    }
    return { kind: 'call', call: { name, values } }
  }
}

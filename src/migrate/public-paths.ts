// From another program's idea of public paths to rules of ours. A rule is made only where each path that it makes public was public
// before: what is left over needs a login, and is said. Where our nearest rule would open anything more, none is made.
// Here a path holds for itself (with or without a slash at its end) and for what is below it, `*` is one segment.
import { movablePaths, covers, fixedPaths, pathPattern } from '../config/url-path.ts'
import { Wrong } from '../config/option.ts'
import { parsePathPattern } from '../access/patterns.ts'

/** A set of paths: one path, everything that begins with a text, or every path. */
export interface PathSet {
  readonly text: string
  /** Anything may follow. */
  readonly isOpen: boolean
  /** It may be written anywhere in a path, not only at its start. */
  readonly isFloating?: boolean
  /** Taken as a smaller set than it was: a `.` for a dot. */
  readonly isNarrowed?: boolean
}

export interface PublicPaths {
  /** Paths for rules of ours. */
  readonly paths: readonly string[]
  /** What was public and is not any more. */
  readonly lost: readonly string[]
  /** Rules that come near and would open more: what to write, and what it would open. */
  readonly near: readonly { readonly rules: readonly Readonly<Record<string, string>>[]; readonly opens: string }[]
}

/** Undefined: one of them is everything, or a path that no rule of ours can hold. */
export function publicPaths(sets: readonly PathSet[]): PublicPaths | undefined {
  const bareOf = ({ text }: PathSet): string => text.replace(/\/$/, '')
  if (!sets.every((set) => isUsable(bareOf(set)) || (set.text === '/' && !set.isOpen && !set.isFloating)))
    return undefined
  const paths: string[] = []
  const lost: string[] = []
  for (const set of sets.filter(({ isOpen }) => isOpen)) {
    const bare = bareOf(set)
    const isWithin = !set.text.endsWith('/')
    // The path itself and what is below it: our prefix, exactly.
    const isWhole = isWithin || sets.some((other) => other.text === bare)
    paths.push(isWhole ? bare : `${bare}/*`)
    if (isWithin) lost.push(`names that go on, such as ${bare}x`)
    else if (!isWhole) lost.push(`${bare}/ itself`)
  }
  for (const { text, isFloating, isNarrowed } of sets) {
    if (isNarrowed === true) lost.push(`paths with another character where ${text} has a dot`)
    if (isFloating === true) lost.push(`paths that have it further back, such as /x${text}`)
  }
  const closed = sets.filter((set) => !set.isOpen && !paths.some((path) => covers(path, bareOf(set))))
  const near = closed.map((set) => {
    const bare = bareOf(set)
    const rules = [
      { path: `${bare}/*`, policy: 'login' },
      { path: bare === '' ? '/' : bare, policy: 'public' },
    ]
    return { rules, opens: bare === '' ? 'nothing more' : set.text.endsWith('/') ? bare : `${bare}/` }
  })
  return { paths: [...new Set(paths)], lost: [...new Set(lost)], near }
}

/** One of our own paths is never public, nor is a path that our rules could not hold. */
function isUsable(path: string): boolean {
  if (!/^(?:\/[\w.~!&'()+,=:@$-]+)+$/.test(path)) return false
  return !(pathPattern(path) instanceof Wrong) && parsePathPattern(path).ok
}

/** Whether a rule for `path` would take in a path of ours. */
export function coversOwn(
  path: string,
  settings: { pathPrefix: string; callbackURL?: string; logoutURL?: string },
): boolean {
  return [...fixedPaths(settings.pathPrefix), ...Object.values(movablePaths(settings))].some((own) => covers(path, own))
}

const MAX_ALTERNATIVES = 64

/**
 * The paths that a regular expression (Go's RE2, not anchored) finds something in: of the small part of the language that people
 * write for paths. Undefined for the rest: nothing is made public by what is not understood.
 */
export function pathsOfRegex(pattern: string): readonly PathSet[] | undefined {
  const alternatives = alternativesOf(pattern)
  const sets = alternatives?.map(setOf)
  return sets === undefined || sets.length === 0 || sets.includes(undefined) ? undefined : (sets as PathSet[])
}

type Piece = { readonly kind: 'text'; readonly text: string } | { readonly kind: 'start' | 'end' | 'anything' | 'dot' }

function setOf(pieces: readonly Piece[]): PathSet | undefined {
  const isAnchored = pieces[0]?.kind === 'start'
  const rest = isAnchored ? pieces.slice(1) : pieces
  const ending = rest.findIndex(({ kind }) => kind === 'end' || kind === 'anything')
  const head = ending < 0 ? rest : rest.slice(0, ending)
  const tail = ending < 0 ? [] : rest.slice(ending)
  if (head.some(({ kind }) => kind === 'start')) return undefined
  // `.*`, `.*$` or `$`, and nothing behind it.
  const isOpen = tail.length === 0 || tail[0]?.kind === 'anything'
  const after = tail[0]?.kind === 'anything' ? tail.slice(1) : tail
  if (after.length > 1 || (after[0] !== undefined && after[0].kind !== 'end')) return undefined
  const text = head.map((piece) => (piece.kind === 'text' ? piece.text : '.')).join('')
  // Nothing that has to be there: everything.
  if (text === '' && isOpen) return { text: '/', isOpen }
  if (!text.startsWith('/')) return undefined
  return {
    text,
    isOpen,
    ...(!isAnchored && { isFloating: true }),
    ...(head.some(({ kind }) => kind === 'dot') && { isNarrowed: true }),
  }
}

/** Groups and alternatives multiplied out. */
function alternativesOf(pattern: string): readonly (readonly Piece[])[] | undefined {
  let position = 0
  let isUnderstood = pattern.length <= 2_000
  const result = alternation(0)
  return isUnderstood && position === pattern.length ? result : undefined

  function alternation(depth: number): (readonly Piece[])[] {
    if (depth > 8) isUnderstood = false
    let all = isUnderstood ? sequence(depth) : []
    while (isUnderstood && pattern[position] === '|') {
      position += 1
      all = [...all, ...sequence(depth)]
      if (all.length > MAX_ALTERNATIVES) isUnderstood = false
    }
    return all
  }

  function sequence(depth: number): (readonly Piece[])[] {
    let all: (readonly Piece[])[] = [[]]
    while (isUnderstood && position < pattern.length && pattern[position] !== '|' && pattern[position] !== ')') {
      const next = quantified(depth)
      if (all.length * next.length > MAX_ALTERNATIVES) isUnderstood = false
      else all = all.flatMap((before) => next.map((after) => [...before, ...after]))
    }
    return all
  }

  function quantified(depth: number): readonly (readonly Piece[])[] {
    const piece = atom(depth)
    const quantifier = pattern[position]
    if (quantifier === '?' && pattern[position + 1] !== '?') {
      position += 1
      return [...piece, []]
    }
    // `.*` alone is understood: more would be a language of its own.
    if (quantifier === '*' && piece.length === 1 && piece[0]?.length === 1 && piece[0][0]?.kind === 'dot') {
      position += 1
      if (pattern[position] === '?') position += 1
      return [[{ kind: 'anything' }]]
    }
    if (quantifier !== undefined && '*+?{'.includes(quantifier)) isUnderstood = false
    return piece
  }

  function atom(depth: number): readonly (readonly Piece[])[] {
    const character = pattern[position] ?? ''
    position += 1
    if (character === '^') return [[{ kind: 'start' }]]
    if (character === '$') return [[{ kind: 'end' }]]
    if (character === '.') return [[{ kind: 'dot' }]]
    if (character === '(') return group(depth)
    if (character === '\\') {
      const escaped = pattern[position] ?? ''
      position += 1
      // A letter or digit behind a backslash means something else than itself.
      if (!/^[^A-Za-z0-9\s]$/.test(escaped)) isUnderstood = false
      return [[{ kind: 'text', text: escaped }]]
    }
    if (/[[\]{}*+?\\]/.test(character)) isUnderstood = false
    return [[{ kind: 'text', text: character }]]
  }

  function group(depth: number): readonly (readonly Piece[])[] {
    if (pattern.startsWith('?:', position)) position += 2
    else if (pattern[position] === '?') isUnderstood = false
    const inner = isUnderstood ? alternation(depth + 1) : []
    if (pattern[position] !== ')') isUnderstood = false
    position += 1
    return inner
  }
}

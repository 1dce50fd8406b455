// Inputs of any length that are known to hurt: one piece, over and over, between a beginning that opens the door and an end
// that makes everything tried before worth nothing; or pieces that open, and as many that close.
import * as fc from 'fast-check'

export interface Recipe {
  readonly start: string
  readonly piece: string
  /** Closes each piece, in the second half. */
  readonly closing: string
  readonly end: string
}

/** The text of a recipe, of this many characters. */
export function cook({ start, piece, closing, end }: Recipe, size: number): string {
  const room = Math.max(0, size - start.length - end.length)
  const count = Math.floor(room / (piece.length + closing.length))
  return flat(start + piece.repeat(count) + closing.repeat(count) + end)
}

export const spelled = (recipe: Recipe): string => JSON.stringify(recipe)

/** Characters of a header as Node gives it: each byte of UTF-8 one character. Control bytes never get through its parser. */
export const asHeader = (text: string): string => Buffer.from(text).toString('latin1').replace(control, '_')

// oxlint-disable-next-line no-control-regex -- control bytes are what is left out
const control = /[\x00-\x08\x0a-\x1f\x7f]/g

/** Repeating and joining leaves a tree of pieces, which would be flattened at the first look and be in its time. */
function flat(text: string): string {
  // oxlint-disable-next-line no-control-regex -- every character of one byte
  const encoding = /^[\x00-\xff]*$/.test(text) ? 'latin1' : 'utf16le'
  return Buffer.from(text, encoding).toString(encoding)
}

const bytes = 'aA0 -_./%=;,:@?&#"\'\\<>[({`$*|~^+!\t\n\x00'.split('')
const pairs = [
  'a-',
  'a.',
  'a/',
  'a:',
  'a=',
  'a;',
  'a,',
  'a@',
  'a ',
  'a&',
  '-a',
  '.a',
  '/a',
  '; a',
  ', ',
  ',,',
  '//',
  '..',
]
const syntax = [
  '/.',
  '/..',
  './',
  '/-',
  '/%',
  '://',
  'a://',
  'a:/',
  '::',
  '1.',
  '1:',
  '"a',
  '\\"',
  '""',
  '[]',
  '{}',
  '$${',
  '${a',
]
const escapes = [
  '%2',
  '%20',
  '%25',
  '%2f',
  '%5c',
  '%2e',
  '%00',
  '%zz',
  '%u0041',
  '%25%32%66',
  '%C3%A9',
  '%C3',
  '%ED%A0%80',
]
const keywords = [
  'https://',
  'http',
  'xn--',
  'xn--a9.',
  'bearer ',
  'Basic ',
  'eyJ',
  'eyJa.',
  '-eyJ',
  '__Host-',
  '__proto__',
  '::ffff:',
]
const marks = [
  '\u0301',
  'a\u0301',
  '\u0301\u0323',
  '\u0344',
  '%CC%81',
  '%CC%81%CC%A3',
  'a%CC%81%CC%A3',
  '%CD%84',
  '\uff9e',
  '\u0f73',
  '\u05b0',
]
const unicode = [
  '\u00e9',
  '\ud800',
  '\udc00',
  '\ud83d\ude00',
  '\ufdfa',
  '\u1100\u1161',
  '\u202e',
  '\u2028',
  '\u00a0',
  '\u212a',
  '\u0130',
]
const nests: readonly (readonly [piece: string, closing: string])[] = [
  ['[', ']'],
  ['{"a":', '}'],
  ['{{', '}}'],
  ['(', ')'],
  ['<a ', '>'],
]

/** A word that almost is one: cut short, begun twice, in the other case. */
const nearMisses = (word: string): string[] => [word, word.slice(0, -1), word.slice(0, 1) + word, word.toUpperCase()]

/** What opens the door of one reader, and the words that mean something to it. */
export interface Dialect {
  readonly start?: string
  readonly words?: readonly string[]
}

/** The end that nothing fits. */
const badEnd = '\u0001!'

/** The worst that is known, for one reader. */
export function knownRecipes({ start = '', words = [] }: Dialect): readonly Recipe[] {
  const pieces = [...bytes, ...pairs, ...syntax, ...escapes, ...keywords, ...marks, ...unicode]
  const own = words.flatMap(nearMisses)
  return [
    ...[...new Set([...pieces, ...own])].filter((piece) => piece !== '').map((piece) => pumped(start, piece, badEnd)),
    ...own.flatMap((word) => ['a', ' ', ';', '='].map((separator) => pumped(start, word + separator, '='))),
    ...words.map((word) => pumped(start + word, 'a-', word)),
    ...nests.map(([piece, closing]) => ({ start, piece, closing, end: '' })),
  ]
}

const pumped = (start: string, piece: string, end: string): Recipe => ({ start, piece, closing: '', end })

/** What nobody has thought of yet. */
export function anyRecipe({ start = '', words = [] }: Dialect): fc.Arbitrary<Recipe> {
  const part = fc.constantFrom(
    ...new Set([...bytes, ...pairs, ...syntax, ...escapes, ...keywords, ...marks, ...unicode, ...words]),
  )
  const parts = (constraints: fc.ArrayConstraints) => fc.array(part, constraints).map((some) => some.join(''))
  return fc.record({
    start: parts({ maxLength: 2 }).map((more) => start + more),
    piece: parts({ minLength: 1, maxLength: 4 }).filter((piece) => piece !== ''),
    closing: fc.oneof({ weight: 4, arbitrary: fc.constant('') }, { weight: 1, arbitrary: part }),
    end: parts({ maxLength: 2 }),
  })
}

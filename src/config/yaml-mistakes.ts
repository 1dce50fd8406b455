// What is wrong with text that is no YAML: the line where the mistake is, as far as that can be known, and what would be right. Never
// in the library's own words: they quote the text, which may hold a secret, and their codes say nothing to an operator.
import { isCollection, isScalar, visit } from 'yaml'
import type { Document as YamlDocument, YAMLError } from 'yaml'

export interface Mistake {
  readonly offset: number
  readonly message: string
}

/** `errors`: at least one. All of them are looked at, because the library names where it stumbled, and that may be the line before. */
export function mistake(
  errors: readonly YAMLError[],
  documents: readonly YamlDocument.Parsed[],
  text: string,
): Mistake {
  const first = errors.find(({ code }) => code !== 'DUPLICATE_KEY')
  const [start, end] = first?.pos ?? [0, 0]
  const line = lineAround(text, start)
  const at = (offset: number, message: string): Mistake => ({ offset, message })

  if (/^ *\t/.test(line)) return at(start, 'is indented with a tab, which YAML does not allow; use spaces')
  if (line.includes('{{')) return at(start, 'is not valid YAML; put a template into quotes: "{{.Claims.email}}"')
  switch (first?.code) {
    case 'BAD_SCALAR_START':
      return at(start, 'begins with a character that YAML keeps for itself (@, ` or %); put the value into quotes')
    case 'BAD_ALIAS':
      return at(start, 'begins with * or &, which YAML keeps for itself; put the value into quotes')
    case 'BAD_DQ_ESCAPE':
      return at(start, 'has a \\ that YAML reads as an escape; use single quotes')
    case 'BLOCK_AS_IMPLICIT_KEY': {
      // The key further down that was taken for a part of this line's value.
      const below = errors.find(({ code }) => code === 'MULTILINE_IMPLICIT_KEY')
      if (below !== undefined)
        return at(below.pos[1] - 1, 'is indented too far: the option above has a value already; align the two')
      return at(start, 'has a second ": " on one line; put a value that holds it into quotes')
    }
    case 'MULTILINE_IMPLICIT_KEY':
      return at(
        start,
        'is not `option: value` (colon and space), and not indented like text that goes on from the line above',
      )
    case 'BAD_INDENT': {
      const bracket = first.message.startsWith('Flow') ? opened(documents, start) : undefined
      return bracket === undefined
        ? at(start, 'is indented otherwise than the lines it belongs to; align it with them')
        : at(bracket, 'has a bracket, [ or {, that is not closed')
    }
    case 'MISSING_CHAR': {
      const quote = openedQuote(documents, end)
      if (quote !== undefined)
        return at(
          quote,
          'has a quotation mark that is not closed, or one within the text; write it twice within single quotes',
        )
      break
    }
    case 'UNEXPECTED_TOKEN':
      return at(start, 'goes on after the end of its value; put the whole value into quotes')
  }
  return at(start, 'is not valid YAML; check indentation, quotes and brackets on this line and on the one before')
}

function lineAround(text: string, offset: number): string {
  const start = text.lastIndexOf('\n', offset - 1) + 1
  return text.slice(start).split('\n', 1)[0] ?? ''
}

/** Where the last list or map in brackets before `offset` begins. */
function opened(documents: readonly YamlDocument.Parsed[], offset: number): number | undefined {
  return last(documents, offset, (node) => isCollection(node) && node.flow === true)
}

function openedQuote(documents: readonly YamlDocument.Parsed[], offset: number): number | undefined {
  return last(documents, offset, (node) => isScalar(node) && node.type?.startsWith('QUOTE_') === true)
}

function last(
  documents: readonly YamlDocument.Parsed[],
  offset: number,
  isOne: (node: unknown) => boolean,
): number | undefined {
  let found: number | undefined
  for (const document of documents) {
    visit(document, {
      Node(_key, node) {
        const start = node.range?.[0]
        if (start !== undefined && start <= offset && isOne(node)) found = start
      },
    })
  }
  return found
}

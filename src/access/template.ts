// The templates of `headers[]`: the part of Go's text/template that the Traefik plugin's users write, compiled at start.
//   {{.Claims.a.b}}  {{.AccessToken}}  {{.IDToken}} (also .IdToken)  {{get .Claims "a.b"}} (also index)
//   {{default "x" .Claims.y}}  {{.Claims.y | default "x"}}  {{default "x" (get .Claims "y")}}
// What is missing is empty, never Go's `<no value>`; what is not understood is an error at start, with its column. Also understood
// is what a template needs on its way through other programs: `{{{{.Claims.email}}}}` (the plugin's own advice), the first name
// in any letter case (`.claims`, as traefik-oidc-auth has it), and a template as the text of another: {{`{{ .claims.x }}`}}.
import { ConfigInvalid } from '../errors.ts'
import { claimAt } from '../oidc/claims.ts'
import type { Claims, Tokens } from '../oidc/provider.ts'
import { scalarText } from './claims.ts'

export interface TemplateContext {
  readonly claims: Claims
  readonly tokens: Pick<Tokens, 'accessToken' | 'idToken'> | undefined
}

export interface Template {
  /** Claims that it reads, as dot paths. */
  readonly claimPaths: readonly string[]
  /** Those of them that no `default` stands in for. */
  readonly neededClaims: readonly string[]
  readonly needsTokens: boolean
  /**
   * `encode` is applied to each value (and to each element of a list, whose commas become `%2C`), not to the text around.
   * Empty as a whole when a token that it uses is not there: `Bearer ` and nothing is worse than no header.
   */
  render(context: TemplateContext, encode?: (value: string) => string): string
}

interface Value {
  (context: TemplateContext): unknown
  /** The claim without which there is nothing. */
  readonly claim?: string | undefined
}
type TokenName = 'accessToken' | 'idToken'
interface Lexeme {
  readonly kind: 'field' | 'string' | 'word' | 'symbol' | 'end'
  readonly text: string
  readonly at: number
}

/** More than anybody writes, and few enough for the stack. */
const maxNesting = 20

const lexeme = /\s*(?:(\.[\w:-]+(?:\.[\w:-]+)*)|("(?:[^"\\\n]|\\.)*"|`[^`]*`)|([A-Za-z]\w*)|([|()])|(\}\}))/y

/** `encodeText` is applied to the text around the values. Throws ConfigInvalid with one line: column and what is wrong. */
export function compileTemplate(written: string, encodeText: (text: string) => string = unchanged): Template {
  const source = unwrapped(written)
  const parts: (string | Value)[] = []
  const claimPaths = new Set<string>()
  const withDefault = new Set<string>()
  const tokenNames = new Set<TokenName>()
  let position = 0
  let nesting = 0

  for (;;) {
    const open = source.indexOf('{{', position)
    const text = source.slice(position, open < 0 ? undefined : open)
    if (text.includes('}}')) throw problem(position + text.indexOf('}}'), '`}}` without `{{`')
    if (text !== '') parts.push(encodeText(text))
    if (open < 0) break
    const isDoubled = source.startsWith('{{{{', open)
    position = open + (isDoubled ? 4 : 2)
    parts.push(pipeline('}}'))
    if (!isDoubled) continue
    if (!source.startsWith('}}', position)) throw problem(position, '`{{{{` ends with `}}}}`')
    position += 2
  }

  return {
    claimPaths: [...claimPaths],
    neededClaims: [...claimPaths].filter((path) => !withDefault.has(path)),
    needsTokens: tokenNames.size > 0,
    render(context, encode = unchanged) {
      for (const name of tokenNames) if (!context.tokens?.[name]) return ''
      return parts.map((part) => (typeof part === 'string' ? part : textOf(part(context), encode))).join('')
    },
  }

  function pipeline(closing: string): Value {
    let value = command(next(), undefined)
    for (;;) {
      const after = next()
      if (after.text === closing) return value
      if (after.text !== '|') throw problem(after.at, `expected \`|\` or \`${closing}\`${found(after)}`)
      value = command(next(), value)
    }
  }

  function command(head: Lexeme, piped: Value | undefined): Value {
    if (head.text === 'default') {
      const fallback = term(next())
      const value = piped ?? term(next())
      if (value.claim !== undefined) withDefault.add(value.claim)
      const read = (context: TemplateContext): unknown => {
        const given = value(context)
        return isEmpty(given) ? fallback(context) : given
      }
      return Object.assign(read, { claim: fallback.claim })
    }
    if (piped !== undefined) {
      const remedy = Object.hasOwn(remedies, head.text) ? `; ${remedies[head.text]}` : ''
      throw problem(head.at, `only \`default "…"\` may follow \`|\`${remedy}`)
    }
    return head.text === 'get' || head.text === 'index' ? get() : term(head)
  }

  function get(): Value {
    const claims = next()
    if (claims.text.toLowerCase() !== '.claims') throw problem(claims.at, `expected \`.Claims\`${found(claims)}`)
    const name = next()
    if (name.kind !== 'string') throw problem(name.at, `expected a claim's name in quotes${found(name)}`)
    return claim(unquoted(name))
  }

  function term(head: Lexeme): Value {
    if (head.kind === 'string') {
      const text = unquoted(head)
      return () => text
    }
    if (head.text === '(') return nested(head)
    if (head.kind === 'field') return field(head)
    if (head.kind === 'word') throw problem(head.at, `\`${head.text}\` is not supported; ${remedyFor(head.text)}`)
    throw problem(head.at, `expected a value${found(head)}`)
  }

  function nested({ at }: Lexeme): Value {
    if (++nesting > maxNesting) throw problem(at, `more than ${maxNesting} brackets within each other`)
    const value = pipeline(')')
    nesting--
    return value
  }

  function field({ text, at }: Lexeme): Value {
    const lowerCase = text.toLowerCase()
    if (lowerCase.startsWith('.claims.')) return claim(text.slice('.claims.'.length))
    if (lowerCase === '.claims') throw problem(at, '`.Claims` needs a claim: `.Claims.email`')
    if (lowerCase === '.accesstoken') return token('accessToken')
    if (lowerCase === '.idtoken') return token('idToken')
    if (lowerCase === '.refreshtoken') throw problem(at, 'a refresh token is never given to an application')
    throw problem(at, `\`${text}\` is not known; there are \`.Claims.…\`, \`.AccessToken\` and \`.IDToken\``)
  }

  function claim(path: string): Value {
    claimPaths.add(path)
    return Object.assign(({ claims }: TemplateContext) => claimAt(claims, path), { claim: path })
  }

  function token(name: TokenName): Value {
    tokenNames.add(name)
    return ({ tokens }) => tokens?.[name]
  }

  function next(): Lexeme {
    lexeme.lastIndex = position
    const match = lexeme.exec(source)
    const start = position + (/^\s*/.exec(source.slice(position))?.[0].length ?? 0)
    if (match === null) {
      throw problem(
        start,
        start >= source.length
          ? '`{{` is never closed'
          : `unexpected \`${source.charAt(start)}\`${source.charAt(start) === '-' ? ': braces have no - here' : ''}`,
      )
    }
    position = lexeme.lastIndex
    const [, fieldText, stringText, word, symbol] = match
    if (fieldText !== undefined) return { kind: 'field', text: fieldText, at: start }
    if (stringText !== undefined) return { kind: 'string', text: stringText, at: start }
    if (word !== undefined) return { kind: 'word', text: word, at: start }
    if (symbol !== undefined) return { kind: 'symbol', text: symbol, at: start }
    return { kind: 'end', text: '}}', at: start }
  }
}

const unchanged = (text: string): string => text

function unquoted({ text, at }: Lexeme): string {
  if (text.startsWith('`')) return text.slice(1, -1)
  try {
    return String(JSON.parse(text))
  } catch {
    throw problem(at, `${text} has an escape that is not understood`)
  }
}

const literalAction = /\{\{-?\s*(?:`([^`]*)`|("(?:[^"\\\n]|\\.)*"))\s*-?\}\}/g

/** `{{`{{ .claims.x }}`}}` is how a template survives another program's templates: its text is the template. */
function unwrapped(written: string): string {
  return written.replaceAll(literalAction, (action, raw: string | undefined, quoted: string | undefined) => {
    const text = raw ?? quoted?.slice(1, -1).replaceAll(/\\(.)/g, '$1') ?? ''
    return text.includes('{{') ? text : action
  })
}

const listRemedy = 'a list comes out joined with commas: {{.Claims.roles}}'
const gapRemedy = 'what is missing is empty, and {{default "x" .Claims.y}} puts something in its place'
const remedies: Readonly<Record<string, string | undefined>> = {
  range: listRemedy,
  join: listRemedy,
  if: gapRemedy,
  with: gapRemedy,
  else: gapRemedy,
  end: `neither are range, if and with: ${listRemedy}; ${gapRemedy}`,
  env: 'an environment variable is ${NAME}',
}

function remedyFor(word: string): string {
  const known = Object.hasOwn(remedies, word) ? remedies[word] : undefined
  return known ?? 'there are `get` and `default`'
}

function textOf(value: unknown, encode: (value: string) => string): string {
  if (Array.isArray(value)) {
    return value
      .map((element: unknown) => textOf(element, encode).replaceAll(',', '%2C'))
      .filter((text) => text !== '')
      .join(',')
  }
  return encode(typeof value === 'object' && value !== null ? JSON.stringify(value) : scalarText(value))
}

/** What Go's (sprig's) `default` takes for empty, but for `false` and 0: they are answers, not gaps. */
function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)
}

function found({ kind, text }: Lexeme): string {
  return kind === 'end' ? ' before `}}`' : `, found \`${text}\``
}

function problem(index: number, what: string): ConfigInvalid {
  return new ConfigInvalid([`column ${index + 1}: ${what}`])
}

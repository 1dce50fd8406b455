// HTML that cannot be broken out of: every interpolated text is escaped, a URL attribute takes http(s) and paths only, and a
// placeholder anywhere but in text or in a quoted attribute is a mistake that the first use reports.

/** Markup that is safe as it stands. Only `html` and `trusted` make it. */
export interface Markup {
  readonly markup: string
}

type Value = string | number | Markup | readonly Markup[] | undefined

const urlAttribute = /\s(?:href|action|src|formaction)="$/
const quotedAttribute = /\s[a-z-]+="[^"]*$/

export function html(literals: TemplateStringsArray, ...values: readonly Value[]): Markup {
  let markup = literals[0] ?? ''
  for (const [index, value] of values.entries()) {
    markup += render(markup, value) + (literals[index + 1] ?? '')
  }
  return { markup }
}

/** For constants of our own source (the style, pictures): never for anything that came from outside. */
export const trusted = (markup: string): Markup => ({ markup })

function render(before: string, value: Value): string {
  if (value === undefined) return ''
  const openTag = before.lastIndexOf('<') > before.lastIndexOf('>') ? before.slice(before.lastIndexOf('<')) : undefined
  if (openTag !== undefined && !quotedAttribute.test(openTag)) {
    throw new Error(`a placeholder must be text or a quoted attribute: ${openTag}`)
  }
  if (typeof value === 'string' || typeof value === 'number') {
    return escape(openTag !== undefined && urlAttribute.test(openTag) ? safeURL(String(value)) : String(value))
  }
  if (openTag !== undefined) throw new Error('markup inside a tag')
  return 'markup' in value ? value.markup : value.map(({ markup }) => markup).join('')
}

/** Text for element content and quoted attributes. Control characters, which could hide or reorder text, are dropped. */
export function escape(text: string): string {
  return (
    text
      .toWellFormed()
      // eslint-disable-next-line no-control-regex -- they are what is looked for; U+202A.. and U+2066.. reorder what is read
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '')
      .replace(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`)
  )
}

/** The URL if it is http(s) or a path on this host, else `#`: no `javascript:`, no `//other.example`, no `/\other.example`. */
function safeURL(url: string): string {
  // Browsers drop tabs and newlines from URLs and read a backslash as a slash.
  // eslint-disable-next-line no-control-regex -- see above
  if (/[\u0000-\u0020\u007f\\]/.test(url)) return '#'
  if (/^\/(?!\/)/.test(url)) return url
  return /^https?:\/\/[^/]/i.test(url) && URL.canParse(url) ? url : '#'
}

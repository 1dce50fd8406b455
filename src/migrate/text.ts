// Text of another program's file as text of ours: what it takes for a variable is `${NAME}` here, and what it takes for plain text
// must not become one.

const REFERENCE = new RegExp(
  [
    String.raw`\$\{([A-Za-z_]\w*)(?:(:?[-?+=])([^}]*))?\}`, // Compose, envsubst
    String.raw`\$\{file:([^}\s]+)\}`, // traefik-oidc-auth
    String.raw`\$\(([A-Za-z_]\w*)\)`, // Kubernetes
    String.raw`\{\{-?\s*env\s+["'\x60]([A-Za-z_]\w*)["'\x60]\s*-?\}\}`, // Traefik's files
    String.raw`\$\$\{`, // Compose, and ours: no reference
    // A shell, Compose. Between letters it is more often part of a password.
    String.raw`(?<=^|[/:.@=,])\$([A-Z_][A-Z0-9_]{2,})(?=$|[/:.@,])`,
    String.raw`\$\{`,
  ].join('|'),
  'g',
)

export interface OurText {
  readonly text: string
  /** The variables that it refers to. */
  readonly variables: readonly string[]
}

/** Never throws. `${NAME:?…}` and the like lose what is not ours; a default is kept. */
export function ourText(written: string): OurText {
  const variables: string[] = []
  const text = written.replaceAll(
    REFERENCE,
    (
      whole: string,
      braced: string | undefined,
      operator: string | undefined,
      rest: string | undefined,
      file: string | undefined,
      kubernetes: string | undefined,
      template: string | undefined,
      bare: string | undefined,
    ) => {
      if (whole === '$${' || whole === '${') return '$${'
      if (file !== undefined) return `file:${file}`
      const name = braced ?? kubernetes ?? template ?? bare ?? ''
      variables.push(name)
      const fallback = operator?.endsWith('-') === true && rest !== undefined && !/[${}]/.test(rest) ? `:-${rest}` : ''
      return `\${${name}${fallback}}`
    },
  )
  return { text, variables }
}

/** `${NAME}` and nothing else: the variable's name. */
export const wholeReference = (text: string): string | undefined => /^\$\{([A-Za-z_]\w*)\}$/.exec(text)?.[1]

/** Every variable that a text of ours refers to. */
export const referencesIn = (text: string): readonly string[] =>
  [...text.matchAll(/(?<!\$)\$\{([A-Za-z_]\w*)(?::-[^}]*)?\}/g)].map(([, name = '']) => name)

// `${VAR}` and `${VAR:-default}` in the file's strings. `$${` stands for a literal `${`.

export type Environment = Readonly<Record<string, string | undefined>>

const REFERENCE = /\$\$\{|\$\{([^}]*)(\})?/g
const INSIDE = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s

/**
 * The text with every reference replaced, once: what a variable holds is not read again, so a password with `${` in it
 * stays a password. `default` counts when the variable is unset or empty, as in a shell.
 */
export function interpolate(
  text: string,
  env: Environment,
  /** What to advise where a variable is not set. */
  instead = (name: string): string => `write \${${name}:-default}`,
): { text: string } | { problem: string } {
  let problem: string | undefined
  const replaced = text.replaceAll(
    REFERENCE,
    (whole: string, inside: string | undefined, closed: string | undefined) => {
      if (whole === '$${') return '${'
      const match = closed === undefined ? null : INSIDE.exec(inside ?? '')
      const name = match?.[1]
      if (name === undefined) {
        problem ??= 'has a ${ that names no variable; write ${NAME}, ${NAME:-default}, or $${ for a literal ${'
        return ''
      }
      const value = env[name]
      const fallback = match?.[2]
      if (fallback !== undefined) return value === undefined || value === '' ? fallback : value
      if (value === undefined) {
        problem ??= `refers to the environment variable ${name}, which is not set; set it, or ${instead(name)}`
        return ''
      }
      return value
    },
  )
  return problem === undefined ? { text: replaced } : { problem }
}

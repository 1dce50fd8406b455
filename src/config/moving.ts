// Names that the configurations of other programs have, and what to write here instead: one table for each program, and the words for a
// row. docs/moving.md is this for people; a test compares the two. The Traefik plugin's own names are ours, but for those in ignored.ts.
import { oauth2Proxy } from './moving-oauth2-proxy.ts'
import { traefikForwardAuth } from './moving-traefik-forward-auth.ts'
import { traefikOidcAuth } from './moving-traefik-oidc-auth.ts'

export interface Move {
  /** Path of the option that means it here, if there is one. */
  readonly option?: string
  /** What to know: another form, another meaning, or why it needs nothing. */
  readonly note?: string
  /** It keeps people out: ignoring it would let them in. */
  readonly narrows?: boolean
}

/** The words for a name of another program: what is right here. */
export function moveWords(program: string, { option, note }: Move): string {
  const here = option === undefined ? note : `here it is ${option}${note === undefined ? '' : ` (${note})`}`
  return `is a name of ${program}; ${here}; see docs/moving.md`
}

/** `--email-domain`, `email_domains`, `OAUTH2_PROXY_EMAIL_DOMAINS`: the same option. */
export function oauth2ProxyMove(written: string): Move | undefined {
  return moveOf(oauth2Proxy, oauth2ProxyName(written) ?? '')
}

/** The name in the table, or undefined: no option of oauth2-proxy. */
export function oauth2ProxyName(written: string): string | undefined {
  const name = written
    .replace(/^-+|^OAUTH2_PROXY_/, '')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replaceAll('-', '_')
  return [name, name.replace(/s$/, ''), `${name}s`].find((one) => Object.hasOwn(oauth2Proxy, one))
}

export function traefikOidcAuthMove(path: readonly (string | number)[]): Move | undefined {
  const names = path.filter((part) => typeof part === 'string').map((part) => part.toLowerCase())
  for (let length = names.length; length > 0; length -= 1) {
    const found = moveOf(traefikOidcAuth, names.slice(0, length).join('.'))
    if (found !== undefined) return found
  }
  return undefined
}

/** `--rule.admin.whitelist`, `PROVIDERS_OIDC_ISSUER_URL`, `cookie-domain`. */
export function traefikForwardAuthName(written: string): string {
  const name = written
    .replace(/^-+/, '')
    .replace(/^rules?\.[^.]+\./, 'rule.')
    .toLowerCase()
  return name.replaceAll('_', '-').replace(/^providers-(google|oidc|generic-oauth)-/, 'providers.$1.')
}

export const traefikForwardAuthMove = (written: string): Move | undefined =>
  moveOf(traefikForwardAuth, traefikForwardAuthName(written))

function moveOf(table: Readonly<Record<string, Move>>, name: string): Move | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}

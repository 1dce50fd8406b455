// Paths of our own routes and of the operator's rules: only spellings that every proxy and server reads alike.
import { Wrong } from './option.ts'
import type { Reader } from './option.ts'
import { text } from './values.ts'

/** Characters that proxies and servers are known to read differently, or that are no part of a path. */
const AMBIGUOUS = /[\\?#;%\s]|\/\/|\/\.{1,2}(?:\/|$)|[^\x21-\x7e]/

/** `/app`: a plain path, without a trailing slash. */
export const plainPath: Reader<string> = (value) => readPath(value, 'such as /app')

/**
 * A route of ours, such as `example`. What the router would read as a parameter or a wildcard would take in paths of the
 * application.
 */
export function ownRoute(example: string): Reader<string> {
  return (value) => {
    const path = readPath(value, `such as ${example} (without a host: that is the request’s own, or publicURL’s)`)
    if (path instanceof Wrong || !/[:*()]/.test(path)) return path
    return new Wrong(`must be one plain path, such as ${example}: no :, *, ( or )`)
  }
}

function readPath(value: unknown, how: string): string | Wrong {
  const written = text(value)
  if (written instanceof Wrong || !written.startsWith('/'))
    return new Wrong(`must be a path that starts with /, ${how}`)
  if (AMBIGUOUS.test(written)) return new Wrong('must be a plain path: no query, no %, ;, \\, empty or dot segments')
  return written.length > 1 ? written.replace(/\/$/, '') : written
}

/**
 * A prefix that ends at a segment boundary; `*` is one segment, `**` any number. May be written decoded (`/café`) or encoded;
 * access/ refuses what no unambiguous request could match.
 */
export const pathPattern: Reader<string> = (value) => {
  const written = text(value)
  if (written instanceof Wrong || !written.startsWith('/'))
    return new Wrong('must be a path that starts with /, such as /public')
  if (/[\\?#;]|\/\/|\/\.{1,2}(?:\/|$)/.test(written)) {
    return new Wrong('must be a path alone: no query, no ;, \\, empty or dot segments')
  }
  const isWhole = written.split('/').every((segment) => !segment.includes('*') || segment === '*' || segment === '**')
  if (!isWhole) return new Wrong('has a * within a segment; * stands for one whole segment, ** for any number of them')
  return written.length > 1 ? written.replace(/\/$/, '') : written
}

/** `json` or `.json`; `*` for all. Without its dot and in lower case. */
export const pathExtension: Reader<string> = (value) => {
  const written = text(value)
  const extension = written instanceof Wrong ? '' : written.toLowerCase().replace(/^\./, '')
  return /^(?:\*|[a-z0-9_-]+)$/.test(extension)
    ? extension
    : new Wrong('must be an extension, such as json (or * for all of them)')
}

/** Whether a `pathPattern` covers `path`. For the few paths checked at the start; requests are matched in access/. */
export function covers(pattern: string, path: string): boolean {
  const wanted = decoded(pattern)
    .split('/')
    .filter((segment) => segment !== '')
  const present = path.split('/').filter((segment) => segment !== '')
  const matches = (at: number, from: number): boolean => {
    const segment = wanted[at]
    if (segment === undefined) return true
    if (segment === '**') {
      for (let next = from; next <= present.length; next += 1) if (matches(at + 1, next)) return true
      return false
    }
    return from < present.length && (segment === '*' || segment === present[from]) && matches(at + 1, from + 1)
  }
  return matches(0, 0)
}

/** `/%6fauth2` is `/oauth2` to whoever reads it next. */
function decoded(pattern: string): string {
  try {
    return decodeURIComponent(pattern)
  } catch {
    return pattern
  }
}

/** Paths on the main port, beside `pathPrefix`, below which nothing but this service answers; the application's in reverse-proxy mode. */
export const SERVICE_PATHS = ['/auth', '/healthz', '/livez', '/readyz', '/ready', '/ping', '/metrics'] as const

/** Fixed routes below `pathPrefix` that a configured path must leave alone, and that no exclusion may cover. */
export const fixedPaths = (pathPrefix: string): string[] =>
  [
    'auth',
    'start',
    'handover',
    'sign_in',
    'sign_out',
    'signed_out',
    'userinfo',
    'jwks',
    'session',
    'sessions',
    'backchannel_logout',
    'frontchannel_logout',
    'security_events',
  ].map((name) => `${pathPrefix}/${name}`)

/** They lie below `pathPrefix`, unless the operator says otherwise. */
export const movablePaths = ({
  pathPrefix,
  callbackURL,
  logoutURL,
  backchannelLogoutURL,
  frontchannelLogoutURL,
}: {
  pathPrefix: string
  callbackURL?: string | undefined
  logoutURL?: string | undefined
  backchannelLogoutURL?: string | undefined
  frontchannelLogoutURL?: string | undefined
}) => ({
  callback: callbackURL ?? `${pathPrefix}/callback`,
  logout: logoutURL ?? `${pathPrefix}/logout`,
  backChannelLogout: backchannelLogoutURL ?? `${pathPrefix}/backchannel_logout`,
  frontChannelLogout: frontchannelLogoutURL ?? `${pathPrefix}/frontchannel_logout`,
})

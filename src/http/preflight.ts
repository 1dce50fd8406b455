// A preflight (Fetch standard, 4.8): the browser's own question before a script's request, of which no script says a word. It brings no
// cookie, so that an application behind a login can never answer it, unless a rule passes it on.
import type { IncomingHttpHeaders } from 'node:http'
import { plainHeaderName } from '../config/header-names.ts'
import { isToken } from '../config/values.ts'
import type { HttpResponse } from './http-response.ts'

/** Whether it is one, of a page whose origin is listed. Anybody can write one by hand: it is nobody's proof of anything. */
export type IsPreflight = (method: string, headers: IncomingHttpHeaders) => boolean

/**
 * A browser's has none of these, in no spelling that an application may read as one: a login, a body, or a word that makes it take
 * OPTIONS for another method.
 */
const never: ReadonlySet<string> = new Set([
  'cookie',
  'authorization',
  'content-length',
  'transfer-encoding',
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
])

export function createPreflights(allowedOrigins: readonly string[]): IsPreflight {
  const allowed = new Set(allowedOrigins)
  return (method, headers) => {
    const { origin, 'access-control-request-method': asked } = headers
    if (method !== 'OPTIONS' || origin === undefined || !allowed.has(origin)) return false
    if (typeof asked !== 'string' || !isToken(asked)) return false
    return Object.entries(headers).every(([name, value]) => isAbsent(value) || !never.has(plainHeaderName(name)))
  }
}

/** A proxy may have emptied it, or say that there is nothing. */
const isAbsent = (value: string | string[] | undefined): boolean => value === undefined || value === '' || value === '0'

/** For one of our own endpoints; who may ask is the other headers' to say (cors.ts). */
export const preflightAnswer = (allow: string): HttpResponse => ({
  status: 204,
  headers: {
    'cache-control': 'no-store',
    'access-control-allow-methods': allow,
    'access-control-allow-headers': 'Content-Type, X-Requested-With',
    'access-control-max-age': '600',
  },
  cookies: [],
  body: '',
})

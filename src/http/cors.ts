// Which pages of other origins may read our refusals. Without these headers a browser hides even the status of a 401, and a
// single-page application cannot tell "log in" from "no network". Only what stands in an application's place has them: an allowed
// answer is the application's own, and our pages are for nobody's scripts.
import type { IncomingHttpHeaders } from 'node:http'

/** The headers for an answer to a script. */
export type CrossOrigin = (asked: IncomingHttpHeaders) => Readonly<Record<string, string>>

/** What a script may want of them; all else that it may read it may read anyway. */
const exposed = 'Retry-After, WWW-Authenticate, X-Request-Id'

const nothing = {}

/**
 * `allowedOrigins`: as browsers write them, scheme and host in lower case, no default port. Compared as a whole and as they were
 * sent: what a browser would not write (`null`, two of them, another letter case) is nobody's.
 */
export function createCrossOrigin(allowedOrigins: readonly string[]): CrossOrigin {
  if (allowedOrigins.length === 0) return () => nothing
  const allowed = new Set(allowedOrigins)
  return ({ origin }) => {
    // The answer to one origin is not the one to another, nor to none.
    if (origin === undefined || !allowed.has(origin)) return { vary: 'Origin' }
    return {
      vary: 'Origin',
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': exposed,
    }
  }
}

import type { IncomingHttpHeaders } from 'node:http'

const sane = /^[\w.:-]{1,64}$/

/** The proxy's own id, if it cannot do harm in a log or a page; else a new one. */
export function requestIdOf(headers: IncomingHttpHeaders, newId: () => string): string {
  const given = headers['x-request-id']
  return typeof given === 'string' && sane.test(given) ? given : newId()
}

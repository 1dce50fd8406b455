import type { IncomingHttpHeaders } from 'node:http'
import type { Addresses } from './addresses.ts'
import { originOf } from './return-url.ts'
import type { EndpointRequest } from './endpoint-request.ts'

/**
 * Whether the person wants this, rather than a page that makes the browser ask for it: one elsewhere, or one of the site's own that
 * shows a stranger's picture. Browsers say where a request comes from, and what for; where they do not (plain http, a program), a
 * foreign Origin or Referer still gives it away, and a GET that says nothing at all is believed: a page elsewhere that withholds its
 * Referer can log such a browser out, and no more.
 */
export function isOwnWish(request: EndpointRequest, addresses: Pick<Addresses, 'origin' | 'ownOrigin'>): boolean {
  const { headers } = request
  const site = headers['sec-fetch-site']
  const isOwn = (url: string) => {
    const origin = originOf(url)
    return origin === addresses.origin(request) || origin === addresses.ownOrigin(request)
  }
  if (request.method === 'POST') {
    const { origin } = headers
    return origin === undefined ? site === 'same-origin' : isOwn(origin)
  }
  if (isAhead(headers)) return false
  if (site === undefined) return headers.referer === undefined || isOwn(headers.referer)
  const purpose = headers['sec-fetch-dest'] ?? 'document'
  if (site === 'same-origin') return ownPurposes.has(purpose)
  // Another host of the site may send the person here, where it is seen; it cannot do this behind their back.
  return (site === 'same-site' || site === 'none') && purpose === 'document'
}

/** Whoever may write into a page of the site may put a picture there; a page, a frame or a script is its own doing. */
const ownPurposes: ReadonlySet<string | string[]> = new Set(['document', 'iframe', 'frame', 'empty'])

/** Before the person wants it, in case they will: browsers and libraries of scripts fetch links ahead. */
const isAhead = (headers: IncomingHttpHeaders): boolean =>
  ['sec-purpose', 'x-sec-purpose', 'purpose', 'x-moz'].some((name) => /\bprefetch\b/i.test(String(headers[name] ?? '')))

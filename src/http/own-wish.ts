import type { Addresses } from './addresses.ts'
import { originOf } from './return-url.ts'
import type { Visit } from './visit.ts'

/**
 * Whether the person wants this, rather than a page elsewhere that makes the browser ask for it. Browsers say where a request
 * comes from; where they do not (plain http, a program), a foreign Origin or Referer still gives it away,
 * and a GET that says nothing at all is believed: a page elsewhere that withholds its Referer can log such a browser out, and no more.
 */
export function isOwnWish(visit: Visit, addresses: Pick<Addresses, 'origin' | 'ownOrigin'>): boolean {
  const site = visit.headers['sec-fetch-site']
  const isOwn = (url: string) => {
    const origin = originOf(url)
    return origin === addresses.origin(visit) || origin === addresses.ownOrigin(visit)
  }
  if (visit.method === 'POST') {
    const { origin } = visit.headers
    return origin === undefined ? site === 'same-origin' : isOwn(origin)
  }
  if (site !== undefined) return site === 'same-origin' || site === 'same-site' || site === 'none'
  const { referer } = visit.headers
  return referer === undefined || isOwn(referer)
}

// Where a person wants to be after the login, as whoever sent them here says it. Each way of saying it is held to the same rules.
import type { Logger } from '../telemetry/logger.ts'
import type { Clock } from '../time.ts'
import type { Addresses } from './addresses.ts'
import { createOnceAMinute } from './once-a-minute.ts'
import { percentEncodedBytes } from './return-url.ts'
import type { Visit } from './visit.ts'

export interface Destinations {
  /** Absolute and checked; the application's root where nothing is asked for, or nothing that is allowed. */
  of(visit: Visit, query: URLSearchParams): string
  /** Tells the operator that an address was too long to be kept whole. */
  tellCut(visit: Pick<Visit, 'clientAddress' | 'requestId'>, returnTo: string): void
}

export function createDestinations(deps: { addresses: Addresses; logger: Logger; clock: Clock }): Destinations {
  const { addresses, logger } = deps
  const isFirst = createOnceAMinute(deps.clock)

  function tell(visit: Pick<Visit, 'clientAddress' | 'requestId'>, reason: string, host: string | undefined): void {
    if (!isFirst(`${reason} ${visit.clientAddress}`)) return
    logger.info(
      { event: 'return_url_refused', reason, host, requestId: visit.requestId },
      'a login does not return to where it was asked to',
    )
  }

  return {
    of(visit, query) {
      const home = `${addresses.origin(visit)}/`
      const [asked, ...others] = askedFor(visit, query)
      if (asked === undefined) return home
      // Two destinations are nobody's wish.
      const judged = others.length > 0 ? ({ refused: 'repeated' } as const) : addresses.judgeReturn(visit, asked)
      if ('url' in judged) return judged.url
      // Our own pages are no destination, and no mistake either: proxies name the page that was asked for, whichever it is.
      if (judged.refused !== 'own_path') tell(visit, judged.refused, URL.parse(asked)?.host.slice(0, 100))
      return home
    },

    tellCut(visit, returnTo) {
      tell(visit, 'cut', new URL(returnTo).host)
    },
  }
}

/**
 * Our own `rd`; `target_link_uri` of a login that a third party initiates (OpenID Connect Core 1.0 section 4); the `state` that a
 * provider brings back from the logout before a change of account; what a proxy sets for oauth2-proxy.
 */
function askedFor(visit: Visit, query: URLSearchParams): string[] {
  for (const name of ['rd', 'target_link_uri', 'state']) {
    const values = query.getAll(name).filter((value) => value !== '')
    if (values.length > 0) return values
  }
  const header = visit.headers['x-auth-request-redirect']
  return typeof header === 'string' && header !== '' ? [percentEncodedBytes(header)] : []
}

// Where a person wants to be after a login or a logout, as whoever sent them here says it. Each way of saying it is held to the same rules.
import { createLogQuota } from '../telemetry/log-quota.ts'
import type { Logger } from '../telemetry/logger.ts'
import { clientNetwork } from '../cache/client-network.ts'
import type { Clock } from '../time.ts'
import type { Addresses } from './addresses.ts'
import { originOf, percentEncodedBytes } from './return-url.ts'
import type { EndpointRequest } from './endpoint-request.ts'

export interface Destinations {
  /** Absolute and checked; the application's root where nothing is asked for, or nothing that is allowed. */
  of(request: EndpointRequest, query: URLSearchParams): string
  /** Of what was asked for, the address that is allowed. What is refused is told to the operator. */
  allowed(request: EndpointRequest, asked: readonly string[]): string | undefined
  /** Tells the operator that an address was too long to be kept whole. */
  tellCut(request: Pick<EndpointRequest, 'clientAddress' | 'requestId'>, returnTo: string): void
}

/** For each client (IPv6: each /64). */
const linesPerMinute = 10

export function createDestinations(deps: { addresses: Addresses; logger: Logger; clock: Clock }): Destinations {
  const { addresses, logger } = deps
  const mayTell = createLogQuota(linesPerMinute, deps.clock)

  function tell(request: Pick<EndpointRequest, 'clientAddress' | 'requestId'>, reason: string, url: string): void {
    if (!mayTell(clientNetwork(request.clientAddress))) return
    const host = originOf(url)?.replace(/^.*\/\//, '')
    logger.info(
      { event: 'return_url_refused', reason, host, requestId: request.requestId },
      'a login or a logout does not end where it was asked to',
    )
  }

  function allowed(request: EndpointRequest, [asked = '', ...others]: readonly string[]): string | undefined {
    if (asked === '') return undefined
    // Two destinations are nobody's wish.
    const judged = others.length > 0 ? ({ refused: 'repeated' } as const) : addresses.judgeReturn(request, asked)
    if ('url' in judged) return judged.url
    // Our own pages are no destination, and no mistake either: proxies name the page that was asked for, whichever it is.
    if (judged.refused !== 'own_path') tell(request, judged.refused, asked)
    return undefined
  }

  return {
    allowed,
    of: (request, query) => allowed(request, askedFor(request, query)) ?? `${addresses.origin(request)}/`,

    tellCut(request, returnTo) {
      tell(request, 'cut', returnTo)
    },
  }
}

/**
 * Our own `rd`; `target_link_uri` of a login that a third party initiates (OpenID Connect Core 1.0 section 4); the `state` that a
 * provider brings back from the logout before a change of account; what a proxy sets for oauth2-proxy.
 */
function askedFor(request: EndpointRequest, query: URLSearchParams): string[] {
  for (const name of ['rd', 'target_link_uri', 'state']) {
    const values = query.getAll(name).filter((value) => value !== '')
    if (values.length > 0) return values
  }
  const header = request.headers['x-auth-request-redirect']
  return typeof header === 'string' && header !== '' ? [percentEncodedBytes(header)] : []
}

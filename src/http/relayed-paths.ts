// Our own paths when a decision endpoint is asked about them: a middleware that relays whole answers has them performed, any other
// is refused. Neither is ever allowed through to the application.
import type { IncomingHttpHeaders } from 'node:http'
import type { OriginalRequest } from '../access/access.ts'
import { contracts, type Contract } from '../config/contracts.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { TrustedPeers } from './client.ts'
import type { Endpoints } from './endpoints.ts'
import { refusedWith, type AuthRequest, type AuthDecision } from './auth-decision.ts'
import type { Refusals } from './refusals.ts'
import { percentEncodedBytes } from './return-url.ts'

/** Never rejects. */
export type RelayedPaths = (
  contract: Contract,
  request: AuthRequest,
  original: OriginalRequest,
) => Promise<AuthDecision>

export function createRelayedPaths(deps: {
  peers: TrustedPeers
  endpoints: Endpoints
  refusals: Refusals
  requestIdOf: (headers: IncomingHttpHeaders) => string
  metrics: Pick<Metrics, 'decisions'>
}): RelayedPaths {
  const { peers, endpoints, refusals, metrics } = deps

  return async (contract, { headers, peer }, original) => {
    const asked = { method: original.method, headers, requestId: deps.requestIdOf(headers) }
    const { performsOwnPaths } = contracts[contract]
    const decision = performsOwnPaths ? 'login' : 'deny'
    metrics.decisions.labels({ contract, decision, reason: 'own_path' }).value++
    if (!performsOwnPaths) return refusedWith(refusals.refuse(asked, 403, 'not_routed'))
    return refusedWith(
      await endpoints.answer({
        ...asked,
        scheme: original.scheme,
        host: original.host,
        path: original.path,
        query: percentEncodedBytes(original.rawQuery.slice(1)),
        clientAddress: peers.clientAddress(peer, headers),
        relayed: true,
      }),
    )
  }
}

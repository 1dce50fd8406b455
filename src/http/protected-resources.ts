// What a protected host says of itself to programs that know nothing of it (RFC 9728): who issues tokens for it, and for what name to
// ask. The same whoever asks, so that pages of every origin may read it.
import { proofAlgorithms } from '../bearer/proof.ts'
import type { OriginalRequest } from '../access/access.ts'
import { resourceMetadataPath, type Addresses, type HostAndScheme } from './addresses.ts'
import type { EndpointRequest } from './endpoint-request.ts'
import { json, type HttpResponse } from './http-response.ts'

export interface ProtectedResources {
  /** Where the resource that a request is for describes itself. */
  metadataURL(original: OriginalRequest): string
  answer(request: EndpointRequest): HttpResponse
}

export function createProtectedResources(deps: {
  readonly addresses: Pick<Addresses, 'origin'>
  /** What tokens of the provider must be for. */
  readonly audiences: readonly string[]
  /** Issuers, the provider first. */
  readonly authorizationServers: readonly string[]
  readonly scopes: readonly string[]
  /** Whether there is an application at this host, as far as it is for us to know. */
  readonly isServed: (host: string) => boolean
  readonly notFound: (request: EndpointRequest) => HttpResponse
}): ProtectedResources {
  const { addresses, authorizationServers, scopes } = deps
  const named = deps.audiences
    .map((audience) => URL.parse(audience))
    .filter((url) => url !== null && /^https?:$/.test(url.protocol))
    .map((url) => ({ origin: url?.origin ?? '', path: (url?.pathname ?? '').replace(/\/$/, '') }))
    .toSorted((one, other) => other.path.length - one.path.length)

  /** The path of the audience that the request lies in; empty for the whole host. */
  function pathOf(request: HostAndScheme, path: string): string {
    const origin = addresses.origin(request)
    const found = named.find((one) => one.origin === origin && (path === one.path || path.startsWith(`${one.path}/`)))
    return found?.path ?? ''
  }

  return {
    metadataURL: (original) =>
      `${addresses.origin(original)}${resourceMetadataPath}${pathOf(original, original.rawPath)}`,

    answer(request) {
      if (!deps.isServed(request.host)) return deps.notFound(request)
      // Section 3.1: the path of the resource follows the well-known part, and (3.3) is the resource's own again.
      const path = request.path.slice(resourceMetadataPath.length)
      const body = {
        resource: addresses.origin(request) + (path === '/' ? '' : path),
        authorization_servers: authorizationServers,
        bearer_methods_supported: ['header'],
        ...(scopes.length > 0 && { scopes_supported: scopes }),
        dpop_signing_alg_values_supported: proofAlgorithms,
      }
      const answer = json(200, body, { 'access-control-allow-origin': '*', 'x-content-type-options': 'nosniff' })
      if (request.method !== 'OPTIONS') return answer
      const headers = { ...answer.headers, 'access-control-allow-methods': 'GET', 'access-control-allow-headers': '*' }
      return { ...answer, status: 204, headers, body: '' }
    },
  }
}

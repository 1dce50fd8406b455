import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { schemeOf } from '../access/canonical.ts'
import { BadRequest } from '../errors.ts'
import type { Body } from './body.ts'
import type { TrustedPeers } from './client.ts'

/** A browser's request for one of our own paths, whether it came here itself or a proxy described it. */
export interface EndpointRequest {
  readonly method: string
  readonly scheme: 'http' | 'https'
  /** Lower case, `host[:port]`. */
  readonly host: string
  readonly path: string
  /** Without `?`; ASCII, as Node takes nothing else in a request line. */
  readonly query: string
  readonly headers: IncomingHttpHeaders
  readonly clientAddress: string
  readonly requestId: string
  /** Through a forward-auth middleware: its answer reaches the browser only if it is not 2xx. */
  readonly relayed: boolean
  /** Of the few endpoints that read one. */
  readonly body?: Body | undefined
}

/**
 * Reads a request that came here itself. A proxy that we trust describes the browser's request; from anyone else the request
 * is all there is. Throws BadRequest where the host is missing, repeated or malformed: rules, cookies and return URLs start from
 * it, and one that we made up would be a second source for it.
 */
export function createEndpointRequestReader(deps: {
  peers: TrustedPeers
  requestIdOf: (headers: IncomingHttpHeaders) => string
}): (raw: IncomingMessage) => EndpointRequest {
  const { peers, requestIdOf } = deps
  return (raw) => {
    const { headers } = raw
    const peer = raw.socket.remoteAddress
    const trusted = peers.includes(peer)
    return {
      method: raw.method ?? 'GET',
      scheme: (trusted ? schemeIn(headers['x-forwarded-proto']) : undefined) ?? 'http',
      host: hostOf((trusted ? headers['x-forwarded-host'] : undefined) ?? headers.host),
      path: pathOf(raw.url),
      query: queryOf(raw.url),
      headers,
      clientAddress: peers.clientAddress(peer, headers),
      requestId: requestIdOf(headers),
      relayed: false,
    }
  }
}

export function pathOf(url = '/'): string {
  const at = url.indexOf('?')
  return at < 0 ? url : url.slice(0, at)
}

/** Without `?`. */
export function queryOf(url: string | undefined): string {
  const at = url?.indexOf('?') ?? -1
  return at < 0 ? '' : (url ?? '').slice(at + 1)
}

function schemeIn(value: string | string[] | undefined): 'http' | 'https' | undefined {
  if (typeof value !== 'string') return undefined
  try {
    return schemeOf(value)
  } catch {
    return undefined
  }
}

/** A host that can stand in a URL of ours as it is. */
function hostOf(value: string | string[] | undefined): string {
  if (typeof value !== 'string') throw new BadRequest('the request names no host')
  const host = value.toLowerCase()
  // URL parsers take `a,b` for a name: two hosts, joined by a proxy that appends.
  const isPlain = /^(?:\[[0-9a-f:.]+\]|[\w.-]+)(?::\d{1,5})?$/.test(host)
  if (isPlain && URL.parse(`http://${host}`)?.host === host.replace(/:80$/, '')) return host
  throw new BadRequest('the host is repeated or malformed')
}

// How the original request is described, per way of describing it. Each reader reads its own headers and no others: what it does not
// read, a client cannot use to describe a request that it did not make (authentik GHSA-5wcc, oauth2-proxy CVE-2026-40575).
import type { IncomingHttpHeaders } from 'node:http'
import { originalRequest } from '../access/canonical.ts'
import type { OriginalRequest } from '../access/access.ts'
import { decisionPath, type ContractFacts } from '../config/contracts.ts'
import { BadRequest } from '../errors.ts'

export interface Subrequest {
  readonly method: string
  readonly headers: IncomingHttpHeaders
  /** Path and query of the subrequest itself. */
  readonly url: string
}

/** Throws BadRequest when a header is missing, repeated or malformed. */
type Reader = (subrequest: Subrequest) => OriginalRequest

export const envoyPrefix = decisionPath('envoy')

export const readers: Readonly<Record<ContractFacts['describedBy'], Reader>> = {
  'x-forwarded': ({ headers }) =>
    originalRequest({
      method: one(headers, 'x-forwarded-method'),
      scheme: one(headers, 'x-forwarded-proto'),
      host: one(headers, 'x-forwarded-host'),
      target: target(headers, 'x-forwarded-uri'),
    }),
  'x-original': ({ headers }) => fromURL(one(headers, 'x-original-url'), one(headers, 'x-original-method')),
  'request-line': ({ method, headers, url }) =>
    originalRequest({
      method,
      // Envoy sends it only where `allowed_headers` lists it; `forceHTTPS` decides for all the others.
      scheme: oneOr(headers, 'x-forwarded-proto', 'http'),
      host: one(headers, 'host'),
      target: url.slice(envoyPrefix.length) || '/',
    }),
  // Its nginx users send X-Original-URL or X-Forwarded-Uri, its Traefik and Caddy users X-Forwarded-*: whichever is there,
  // as long as it is one of them.
  dialect({ method, headers }) {
    const original = headers['x-original-url']
    if (original !== undefined) {
      if (headers['x-forwarded-uri'] !== undefined) throw new BadRequest('both X-Original-URL and X-Forwarded-Uri')
      return fromURL(one(headers, 'x-original-url'), oneOr(headers, 'x-original-method', method))
    }
    const isStated = headers['x-forwarded-uri'] !== undefined
    const request = originalRequest({
      method: oneOr(headers, 'x-forwarded-method', method),
      scheme: oneOr(headers, 'x-forwarded-proto', 'http'),
      host: oneOr(headers, 'x-forwarded-host', one(headers, 'host')),
      target: isStated ? target(headers, 'x-forwarded-uri') : '/',
    })
    // oauth2-proxy itself needs no path. Taken for `/`, every request would pass by the rules of all other paths.
    return isStated ? request : { ...request, ambiguity: 'path_not_stated' }
  },
}

const absoluteURL = /^([a-z]{2,5}):\/\/([^/?#]*)(.*)$/i

function fromURL(url: string, method: string): OriginalRequest {
  const parts = absoluteURL.exec(url)
  if (parts === null) throw new BadRequest('X-Original-URL is not an absolute URL')
  const [, scheme = '', host = '', rest = ''] = parts
  return originalRequest({ method, scheme: scheme.toLowerCase(), host, target: rest === '' ? '/' : rest })
}

/** Node joins a repeated header with a comma; none of these values has one. */
function one(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name]
  if (typeof value !== 'string' || value === '') throw new BadRequest(`${name} is missing`)
  // A comma in the URL itself is legitimate; Node's joint is a comma and a space, which no URL holds.
  if (name === 'x-original-url' ? value.includes(', ') : value.includes(',')) {
    throw new BadRequest(`${name} is repeated`)
  }
  return value
}

const oneOr = (headers: IncomingHttpHeaders, name: string, otherwise: string) =>
  headers[name] === undefined ? otherwise : one(headers, name)

function target(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name]
  if (typeof value !== 'string' || value === '') throw new BadRequest(`${name} is missing`)
  if (value.includes(', ')) throw new BadRequest(`${name} is repeated`)
  return value
}

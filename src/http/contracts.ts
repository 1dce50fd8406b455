// How each proxy describes the original request. Each contract reads its own headers and no others: what it does not read,
// a client cannot use to describe a request that it did not make (authentik GHSA-5wcc, oauth2-proxy CVE-2026-40575).
import type { IncomingHttpHeaders } from 'node:http'
import { originalRequest } from '../access/canonical.ts'
import type { OriginalRequest } from '../access/access.ts'
import type { Contract } from '../config/config.ts'
import { BadRequest } from '../errors.ts'

export interface Subrequest {
  readonly method: string
  readonly headers: IncomingHttpHeaders
  /** Path and query of the subrequest itself. */
  readonly url: string
}

export interface ContractReader {
  /** Throws BadRequest when a header is missing, repeated or malformed. */
  read(subrequest: Subrequest): OriginalRequest
  /** Not logged in: how a navigation is sent on. `start`: to our own start; `provider`: at once; `refuse`: 401 with a Location. */
  readonly loginBy: 'provider' | 'start' | 'refuse'
  /** The middleware relays whole answers, so that callback, logout and start work through it. */
  readonly performsOwnPaths: boolean
  /** The status that reaches the browser, or at least does no harm, when the subrequest itself is bad. */
  readonly badRequestStatus: 400 | 403
}

export const envoyPrefix = '/auth/envoy'

const forwarded: ContractReader = {
  read({ headers }) {
    return originalRequest({
      method: one(headers, 'x-forwarded-method'),
      scheme: one(headers, 'x-forwarded-proto'),
      host: one(headers, 'x-forwarded-host'),
      target: target(headers, 'x-forwarded-uri'),
    })
  },
  loginBy: 'provider',
  performsOwnPaths: true,
  badRequestStatus: 400,
}

const nginx: ContractReader = {
  read({ headers }) {
    return fromURL(one(headers, 'x-original-url'), one(headers, 'x-original-method'))
  },
  loginBy: 'refuse',
  performsOwnPaths: false,
  badRequestStatus: 403,
}

export const contracts: Readonly<Record<Contract, ContractReader>> = {
  traefik: forwarded,
  caddy: forwarded,
  haproxy: { ...forwarded, loginBy: 'start', performsOwnPaths: false },
  nginx,
  envoy: {
    read({ method, headers, url }) {
      return originalRequest({
        method,
        // Envoy sends it only where `allowed_headers` lists it; `forceHTTPS` decides for all the others.
        scheme: oneOr(headers, 'x-forwarded-proto', 'http'),
        host: one(headers, 'host'),
        target: url.slice(envoyPrefix.length) || '/',
      })
    },
    loginBy: 'start',
    performsOwnPaths: false,
    badRequestStatus: 403,
  },
  // Its nginx users send X-Original-URL or X-Forwarded-Uri, its Traefik and Caddy users X-Forwarded-*: whichever is there,
  // as long as it is one of them.
  'oauth2-proxy': {
    read({ method, headers }) {
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
    loginBy: 'refuse',
    performsOwnPaths: false,
    badRequestStatus: 403,
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

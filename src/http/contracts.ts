// How the original request is described, per way of describing it. Each reader reads its own headers and no others: what it does not
// read, a client cannot use to describe a request that it did not make (authentik GHSA-5wcc, oauth2-proxy CVE-2026-40575).
import type { IncomingHttpHeaders } from 'node:http'
import { originalRequest } from '../access/canonical.ts'
import type { OriginalRequest } from '../access/access.ts'
import {
  contractNames,
  contracts,
  decisionPath,
  oauth2ProxyDialects,
  type Contract,
  type ContractFacts,
  type Description,
  type OAuth2ProxyDialect,
} from '../config/contracts.ts'
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

const readerOf: Readonly<Record<Description, Reader>> = {
  'x-forwarded': ({ headers }) =>
    originalRequest({
      method: one(headers, 'x-forwarded-method'),
      scheme: one(headers, 'x-forwarded-proto'),
      host: one(headers, 'x-forwarded-host'),
      target: target(headers, 'x-forwarded-uri'),
    }),

  'x-original': ({ headers }) => fromURL(one(headers, 'x-original-url'), one(headers, 'x-original-method')),

  'request-line'({ method, headers, url }) {
    // At the bare `/auth` the path is not there.
    const isStated = url.startsWith(envoyPrefix)
    const request = originalRequest({
      method,
      // Envoy sends it only where `allowed_headers` lists it; `forceHTTPS` decides for all the others.
      scheme: oneOr(headers, 'x-forwarded-proto', 'http'),
      host: one(headers, 'host'),
      target: (isStated ? url.slice(envoyPrefix.length) : '') || '/',
    })
    return isStated ? request : { ...request, unstated: 'request' }
  },

  // nginx asks with GET, whatever it was asked with.
  'host-and-uri': ({ method, headers }) => ({
    ...originalRequest({
      method,
      scheme: 'http',
      host: one(headers, 'host'),
      target: target(headers, 'x-forwarded-uri'),
    }),
    unstated: 'method',
  }),

  // The host is for the addresses in our answer: no rule goes by it.
  nowhere: ({ method, headers }) => ({
    ...originalRequest({ method, scheme: 'http', host: one(headers, 'host'), target: '/' }),
    unstated: 'request',
  }),
}

/**
 * The reader of each contract. `dialect`: what the operator says of the subrequests at `/oauth2/auth`. `onUnnamed`: one has come,
 * and nobody has said.
 */
export function createReaders(
  dialect: OAuth2ProxyDialect,
  onUnnamed: () => void = () => {},
): Readonly<Record<Contract, Reader>> {
  const named = readerOf[oauth2ProxyDialects[dialect]]
  const unnamed: Reader = (subrequest) => {
    onUnnamed()
    return named(subrequest)
  }
  const readers = contractNames.map((name) => {
    const { describedBy }: ContractFacts = contracts[name]
    if (describedBy !== 'dialect') return [name, readerOf[describedBy]] as const
    return [name, dialect === 'none' ? unnamed : named] as const
  })
  // From entries: one for each contract.
  return Object.fromEntries(readers) as Record<Contract, Reader>
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

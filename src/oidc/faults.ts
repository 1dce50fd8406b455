// What went wrong on the way to the provider, in words an operator can act on: what was asked, what came, what would be right. The
// system's code stays in the words, for whoever looks it up. Nothing of a request is in them but its address, without its query.
import { kindsByConnectionCode } from '../connection-codes.ts'
import { notAnObject } from './json.ts'
import { oneLine } from './provider-text.ts'
import type { ProviderAnswer, ProviderRequest } from './transport.ts'

type Asked = Pick<ProviderRequest, 'operation' | 'url' | 'namedBy'>
interface Way {
  /** The proxy for this kind of address, without its credentials. */
  readonly proxy: string | undefined
}

/** `discovery: https://id.example.com/.well-known/openid-configuration`: where every message begins. */
export function asked({ operation, url }: Asked): string {
  const address = url.origin + url.pathname
  return `${operation}: ${address.length > 200 ? `${address.slice(0, 200)}…` : address}`
}

/** Who says that this is the address: what to correct where it is wrong. */
function source({ operation, namedBy }: Asked): string {
  if (namedBy !== undefined) return namedBy
  return operation === 'revocation'
    ? 'the discovery document of the provider, or revocationURL'
    : 'the discovery document of the provider'
}

type Words = (request: Asked) => { readonly came: string; readonly remedy: string }

const meanings = {
  dns: (request) => ({
    came: `the host name ${request.url.hostname} does not resolve`,
    remedy: `check ${source(request)}, and the DNS of this machine or container`,
  }),
  refused: (request) => ({
    came: 'the connection is refused',
    remedy: `is the provider running, and are host and port right (${source(request)})?`,
  }),
  unreachable: () => ({
    came: 'there is no way to this host',
    remedy: 'check network and firewall; if only a proxy leads out, set httpsProxy or httpProxy',
  }),
  timeout: () => ({
    came: 'no connection in time',
    remedy: 'check network and firewall; if only a proxy leads out, set httpsProxy or httpProxy',
  }),
  reset: ({ url }) => ({
    came: 'the connection was closed before the whole answer came',
    remedy:
      url.protocol === 'http:'
        ? 'does this port expect https://? Else something between cuts connections, or the provider restarts'
        : 'something between cuts connections, or the provider restarts',
  }),
  tls_name: ({ url }) => ({
    came: `the certificate is not for ${url.hostname}`,
    remedy: 'use the name that the certificate has, or have one issued for this name',
  }),
  tls_expired: () => ({
    came: 'the certificate has expired or is not valid yet',
    remedy: 'renew it, and check the clocks',
  }),
  tls_untrusted: () => ({
    came: 'the certificate is not signed by an authority that is trusted here',
    remedy: 'set caCertPath to the certificate of the authority that signed it',
  }),
  tls_client_certificate: () => ({
    came: 'a client certificate is asked for',
    remedy: 'set clientCertPath and clientKeyPath, or let the address of this service in without one',
  }),
  tls_client_refused: () => ({
    came: 'our client certificate is refused',
    remedy: 'does the provider trust the authority that signed clientCertPath, and is it still valid?',
  }),
  tls_not_offered: (request) => ({
    came: 'this port does not speak TLS',
    remedy: `is it an http:// address, or is another port meant (${source(request)})?`,
  }),
  not_http: (request) => ({
    came: 'this port does not speak HTTP',
    remedy: `is it an https:// address, or is another port meant (${source(request)})?`,
  }),
} satisfies Record<string, Words>

type Kind = keyof typeof meanings

const kindsByCode: Readonly<Record<string, Kind>> = {
  ...kindsByConnectionCode,
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EHOSTDOWN: 'unreachable',
  ENETDOWN: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  EACCES: 'unreachable',
  EPERM: 'unreachable',
  UND_ERR_CONNECT_TIMEOUT: 'timeout',
  UND_ERR_SOCKET: 'reset',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'tls_client_certificate',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'tls_client_refused',
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: 'tls_client_refused',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: 'tls_client_refused',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED: 'tls_client_refused',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: 'tls_client_refused',
  ERR_SSL_TLSV1_ALERT_ACCESS_DENIED: 'tls_client_refused',
}

const codeOf = (cause: unknown): string | undefined =>
  cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined

/** With TLS 1.3 a client hears only after its first bytes that its certificate is not taken: nobody has read those. */
export function isRefusedHandshake(cause: unknown): boolean {
  const kind = kindsByCode[codeOf(cause) ?? '']
  return kind === 'tls_client_certificate' || kind === 'tls_client_refused'
}

const tunnelRemedies: Readonly<Record<string, string>> = {
  403: 'it has to allow this host',
  407: 'put its user and password into httpsProxy',
}

/** No whole answer came: the message for it. */
export function connectionFault(request: Asked, cause: Error, { proxy }: Way): string {
  const code = codeOf(cause)
  const way = proxy === undefined ? '' : ` (by way of the proxy ${proxy}, unless noProxy names this host)`
  const begin = `${asked(request)}${way}: `
  const refusedTunnel = /Proxy response \((\d{3})\)/.exec(cause.message)?.[1]
  if (refusedTunnel !== undefined) {
    const remedy = tunnelRemedies[refusedTunnel] ?? 'its own log may say why'
    return `${begin}the proxy refuses the way there (status ${refusedTunnel}): ${remedy}`
  }
  const kind = code?.startsWith('HPE_') === true ? 'not_http' : kindsByCode[code ?? '']
  if (kind === undefined) return `${begin}${code === undefined || code.startsWith('UND_ERR_') ? cause.message : code}`
  const { came, remedy } = meanings[kind](request)
  return `${begin}${came} (${code}): ${remedy}`
}

/** The option is `providerTimeout`, except for a refresh, which is given longer. */
export function timeoutFault(request: Asked, timeoutMs: number, { proxy }: Way): string {
  const remedy =
    proxy === undefined
      ? 'is the provider slow, or a firewall on the way? If only a proxy leads out, set httpsProxy or httpProxy'
      : `is the provider slow, or the proxy ${proxy}?`
  return `${asked(request)}: no answer from the provider within ${timeoutMs} ms (providerTimeout): ${remedy}`
}

/** Discovery got an answer that is no document: what came, and what would be right. */
export function noDocument(request: Asked, answer: ProviderAnswer): string {
  const { status, contentType } = answer
  if (status === 200) {
    const came = contentType === 'text/html' ? 'a web page (text/html) came' : `the answer is ${notAnObject}`
    return `${asked(request)}: ${came}: ${rightAddress(request)}`
  }
  const remedy = statusRemedy(request, answer)
  return `${asked(request)}: status ${status}${remedy === undefined ? '' : `: ${remedy}`}`
}

function statusRemedy(request: Asked, { status, location }: ProviderAnswer): string | undefined {
  if (status >= 300 && status < 400) {
    const goal = URL.parse(location ?? '', request.url.href)
    const where = goal === null ? 'nowhere' : oneLine(goal.origin + goal.pathname, [])
    return `it leads to ${where}, and redirects are not followed: ${rightAddress(request)}, http or https as it is`
  }
  if (status >= 500) return 'the provider, or what stands in front of it, is in trouble'
  if (status === 400 && request.url.protocol === 'http:') return 'does this port expect https://?'
  if (status === 404) return `there is no discovery document: ${rightAddress(request)}`
  if (status === 401 || status === 403) return 'something in front of the provider does not let this service through'
  if (status === 407) return 'the proxy asks for a user and password: put them into httpProxy'
  return undefined
}

const rightAddress = ({ namedBy }: Asked): string =>
  namedBy === 'discoveryURL'
    ? 'discoveryURL must be the address of the document itself'
    : 'providerURL must be the issuer as the provider itself writes it, with its path (Keycloak: …/realms/NAME)'

// Names of headers: what makes two of them one, and which ones no option may set.

/**
 * `X_Auth.Request-User` -> `x-auth-request-user`: applications behind CGI, WSGI, PHP, lighttpd and others make one name of every such
 * spelling (oauth2-proxy CVE-2025-64484).
 */
export const plainHeaderName = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '-')

/** Headers that carry the connection, the answer itself or the original request: as an identity header they would break or hijack it. */
const reserved = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'trailers',
  'transfer-encoding',
  'upgrade',
  'content-length',
  'content-type',
  'content-encoding',
  'host',
  'cookie',
  'set-cookie',
  'location',
  'www-authenticate',
  'retry-after',
  'cache-control',
  'date',
  'vary',
  'x-request-id',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-uri',
  'x-forwarded-method',
  'x-forwarded-port',
  'x-forwarded-server',
  'x-forwarded-prefix',
  'x-real-ip',
  'forwarded',
  'x-original-url',
  'x-original-uri',
  'x-original-method',
  'x-rewrite-url',
  'x-auth-request-redirect',
  'x-foregate-jwt',
])

export const isReservedHeader = (name: string): boolean => reserved.has(plainHeaderName(name))

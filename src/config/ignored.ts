// Options of the Traefik plugin that do nothing here. They are known, so that its middleware block can be pasted in; each
// says why it is not needed, or what to write instead.

export const ignoredOptions = {
  stripAuthCookies:
    'the proxy in front decides which cookies the application gets; reverse-proxy mode always removes ours',
  securityHeaders:
    'an auth endpoint cannot set headers on the application’s answers; set them in the proxy, and cors.allowedOrigins for our own refusals. Our own pages are protected as they are',
  minimalHeaders:
    'every identity header is always set, so that none that a client sends gets through; let the proxy pass on those you need',
  allowPrivateIPAddresses: 'the provider may have any address; https and its certificate are what protects it',
  trustForwardedURI: 'each contract reads the headers of its proxy, and only from `trustedProxies`',
  maxRefreshTokenAgeSeconds:
    'the provider says when a refresh token has ended (invalid_grant); guessing it would log people out',
  allowedClaims: 'templates may use every claim of the ID token and UserInfo',
  allowUnauthenticatedPreflight: 'write a rule instead: `rules: [{ methods: [OPTIONS], policy: public }]`',
  perSourceLoginRateLimit: 'write `rateLimit.loginsPerMinute` instead',
  bearerIdentifierClaim: 'bearer tokens are known by their `sub`',
  stripAuthorizationHeader:
    'write `bearer.passAuthorization` (on here): reverse-proxy mode goes by it; elsewhere the proxy in front decides which headers the application gets',
  bearerEmitWWWAuthenticate: 'every 401 carries WWW-Authenticate (RFC 9110, 11.6.1)',
  bearerOverridesCookie: 'a token that is sent explicitly always counts',
  maxTokenAgeSeconds: 'a token ends with its `exp`',
  maxIdentifierLength: 'identifiers are bounded with the headers that carry them',
  bearerFailureThreshold: 'write `rateLimit.bearerFailuresPerMinute` instead',
  bearerFailureWindowSeconds: 'failures are counted per minute: `rateLimit.bearerFailuresPerMinute`',
  bearerFailurePenaltySeconds:
    'whoever fails too often waits until the rate allows the next try: `rateLimit.bearerFailuresPerMinute`',
} as const satisfies Readonly<Record<string, string>>

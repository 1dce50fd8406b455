// Names that the configurations of other programs have, and what to write here instead. docs/moving.md is this for people; a test
// compares the two. The Traefik plugin's own names are ours, but for those in ignored.ts.

export interface Move {
  /** Path of the option that means it here, if there is one. */
  readonly option?: string
  /** What to know: another form, another meaning, or why it needs nothing. */
  readonly note?: string
  /** It keeps people out: ignoring it would let them in. */
  readonly narrows?: boolean
}

/** By the name in its configuration file; flags have dashes, variables OAUTH2_PROXY_ in front; the plural's s is optional. */
export const oauth2Proxy = {
  provider: { note: 'any OpenID Connect provider works by its issuer: providerURL' },
  provider_display_name: { note: 'there is no page with a button to choose the provider' },
  oidc_issuer_url: { option: 'providerURL' },
  client_id: { option: 'clientID' },
  client_secret: { option: 'clientSecret' },
  client_secret_file: { option: 'clientSecret', note: 'as file:/path, or CLIENT_SECRET_FILE' },
  cookie_secret: {
    option: 'sessionEncryptionKey',
    note: 'at least 32 bytes; make a new one, sessions of oauth2-proxy cannot be read',
  },
  cookie_secret_file: { option: 'sessionEncryptionKey', note: 'as file:/path, or SESSION_ENCRYPTION_KEY_FILE' },
  scope: { option: 'scopes', note: 'added to openid, profile and email, unless overrideScopes is true' },
  prompt: { option: 'extraAuthParams', note: 'as { prompt: … }' },
  acr_values: { option: 'extraAuthParams', note: 'as { acr_values: … }' },
  code_challenge_method: { option: 'enablePKCE', note: 'S256 is on by default' },
  insecure_oidc_skip_nonce: { note: 'the nonce is always checked' },
  insecure_oidc_allow_unverified_email: {
    option: 'requireVerifiedEmail',
    note: 'true there is false here: requireVerifiedEmail is off by default; headers leave such an address out all the same',
  },
  insecure_oidc_skip_issuer_verification: { note: 'the issuer is always checked' },
  skip_oidc_discovery: { note: 'the provider is always discovered from its issuer' },
  login_url: { note: 'comes from discovery: providerURL' },
  redeem_url: { note: 'comes from discovery: providerURL' },
  profile_url: { note: 'comes from discovery: providerURL' },
  validate_url: { note: 'comes from discovery: providerURL' },
  oidc_jwks_url: { note: 'comes from discovery: providerURL' },
  oidc_email_claim: { option: 'userIdentifierClaim', note: 'the address itself is always the claim email' },
  user_id_claim: { option: 'userIdentifierClaim' },
  oidc_groups_claim: { option: 'groupClaimName' },
  oidc_audience_claim: { note: 'the audience is always the claim aud' },
  oidc_extra_audience: { option: 'audience' },
  ssl_insecure_skip_verify: { option: 'insecureSkipVerify' },
  provider_ca_file: { option: 'caCertPath', note: 'one file; it may hold several certificates' },
  redirect_url: { option: 'callbackURL', note: 'the path alone; scheme and host are publicURL' },
  relative_redirect_url: { option: 'callbackURL', note: 'the host is the request’s own unless publicURL is given' },
  backend_logout_url: {
    note: 'the provider’s end_session_endpoint is discovered; oidcEndSessionURL where it is missing',
  },
  email_domain: {
    option: 'allowedUserDomains',
    note: '`*` there is an empty list here: everybody who can log in',
    narrows: true,
  },
  authenticated_emails_file: { option: 'allowedUsers', note: 'as a list in this file', narrows: true },
  allowed_group: { option: 'allowedRolesAndGroups', narrows: true },
  allowed_role: { option: 'allowedRolesAndGroups', note: 'without `role:`; see roleClaimName', narrows: true },
  htpasswd_file: { note: 'there are no local passwords; log in at the provider' },
  skip_auth_route: {
    option: 'rules',
    note: 'as { methods: [GET], path: /x, policy: public }: a path prefix instead of a regular expression',
  },
  skip_auth_regex: {
    option: 'excludedURLs',
    note: 'path prefixes instead of regular expressions: `^/public` also means /publicsecret, /public does not',
  },
  skip_auth_preflight: { option: 'rules', note: 'as { methods: [OPTIONS], policy: public }' },
  api_route: { note: 'scripts get 401 instead of a redirect by what they send (Sec-Fetch-Mode, Accept)' },
  force_json_errors: { note: 'scripts get JSON by what they send (Accept)' },
  trusted_ip: { note: 'nobody gets in by an address; let the proxy in front decide that' },
  skip_jwt_bearer_tokens: { option: 'bearer.enabled', note: 'not available yet' },
  extra_jwt_issuers: { option: 'bearer.issuers', note: 'not available yet' },
  whitelist_domain: { option: 'allowedRedirectHosts', note: '`.example.com` is *.example.com' },
  reverse_proxy: { option: 'trustedProxies', note: 'a list of the proxies’ addresses instead of yes or no' },
  trusted_proxy_ip: { option: 'trustedProxies' },
  real_client_ip_header: { note: 'the address is X-Forwarded-For’s, as far as trustedProxies vouch for it' },
  http_address: { option: 'listen', note: 'without http://' },
  https_address: { note: 'TLS ends at the proxy in front' },
  metrics_address: { option: 'metrics.listen' },
  proxy_prefix: { note: 'our paths are below /oauth2; callbackURL and logoutURL can be moved' },
  ping_path: { note: '/ping and /healthz answer' },
  ready_path: { note: '/ready and /readyz answer' },
  upstream: {
    option: 'upstreams',
    note: 'as [{ url, host, path }]; static://202 needs nothing: the address of a forwardAuth is /auth',
  },
  pass_host_header: { note: 'see upstreams' },
  ssl_upstream_insecure_skip_verify: {
    option: 'upstreams',
    note: 'caFile of the upstream, not an unchecked certificate',
  },
  upstream_config: { option: 'upstreams', note: 'as [{ url, host, path }]' },
  inject_request_headers: { option: 'headers', note: 'as { name, template: "{{.Claims.groups}}" }' },
  inject_response_headers: { option: 'headers', note: 'as { name, template: "{{.Claims.groups}}" }' },
  providers: {
    option: 'providerURL',
    note: 'one provider: its oidcConfig.issuerURL; clientID and clientSecret stand at the top',
  },
  set_xauthrequest: { note: 'X-Auth-Request-User, -Email, -Groups and -Preferred-Username are always set' },
  pass_user_headers: { note: 'X-Forwarded-User is always set; others are headers[]' },
  pass_access_token: {
    option: 'headers',
    note: 'as { name: X-Auth-Request-Access-Token, template: "{{.AccessToken}}" }',
  },
  set_authorization_header: { option: 'headers', note: 'as { name: Authorization, template: "Bearer {{.IDToken}}" }' },
  pass_authorization_header: { option: 'headers', note: 'as { name: Authorization, template: "Bearer {{.IDToken}}" }' },
  pass_basic_auth: { note: 'not available: an application that trusts the proxy needs no password' },
  set_basic_auth: { note: 'not available: an application that trusts the proxy needs no password' },
  prefer_email_to_user: { option: 'userIdentifierClaim', note: 'email is the default' },
  cookie_name: { option: 'cookieName' },
  cookie_domain: { option: 'cookieDomain', note: 'one domain' },
  cookie_path: { option: 'cookiePath' },
  cookie_samesite: { option: 'cookieSameSite', note: 'lax by default' },
  cookie_secure: { option: 'forceHTTPS' },
  cookie_httponly: { note: 'scripts never see our cookies' },
  cookie_expire: {
    option: 'sessionMaxAge',
    note: 'absolute: a refresh does not push it out; sessionIdleTimeout is the other limit',
  },
  cookie_refresh: {
    option: 'refreshGracePeriodSeconds',
    note: 'counted back from the token’s end, not from the login',
  },
  cookie_csrf_per_request: { note: 'each login has its own cookie' },
  cookie_csrf_expire: { note: 'a login may take 15 minutes' },
  encode_state: { note: 'the state is opaque' },
  session_store_type: { option: 'redis.enabled', note: 'redis there is redis.enabled: true; there is no cookie store' },
  session_cookie_minimal: { note: 'the cookie holds a ticket only' },
  redis_connection_url: { option: 'redis.url' },
  redis_username: { option: 'redis.username' },
  redis_password: { option: 'redis.password' },
  redis_use_sentinel: { option: 'redis.sentinel.addresses', note: 'Sentinel is used where they are given' },
  redis_sentinel_master_name: { option: 'redis.sentinel.masterName' },
  redis_sentinel_connection_urls: { option: 'redis.sentinel.addresses', note: 'as host:port' },
  redis_sentinel_password: { option: 'redis.sentinel.password' },
  redis_use_cluster: { option: 'redis.cluster.addresses', note: 'a Cluster is used where they are given' },
  redis_cluster_connection_urls: { option: 'redis.cluster.addresses', note: 'as host:port' },
  redis_ca_path: { option: 'redis.caFile' },
  redis_insecure_skip_tls_verify: { option: 'redis.tlsSkipVerify' },
  skip_provider_button: { note: 'needs nothing: a navigation goes to the provider at once' },
  custom_sign_in_logo: { option: 'pages.logo' },
  custom_templates_dir: { note: 'pages.* changes name, picture and colour' },
  standard_logging: { option: 'logLevel' },
  auth_logging: { option: 'logLevel' },
  request_logging: { note: 'requests are counted (/metrics), not logged' },
  silence_ping_logging: { note: 'requests are not logged' },
} as const satisfies Readonly<Record<string, Move>>

/** By the path in its block, in lower case. */
export const traefikOidcAuth = {
  loglevel: { option: 'logLevel' },
  secret: { option: 'sessionEncryptionKey', note: 'at least 32 bytes of your own; the plugin’s default is public' },
  'provider.url': { option: 'providerURL' },
  'provider.urlenv': { option: 'providerURL', note: 'as ${VAR}' },
  'provider.clientid': { option: 'clientID' },
  'provider.clientidenv': { option: 'clientID', note: 'as ${VAR}' },
  'provider.clientsecret': { option: 'clientSecret' },
  'provider.clientsecretenv': { option: 'clientSecret', note: 'as ${VAR}' },
  'provider.clientjwtprivatekey': {
    option: 'clientAssertionPrivateKey',
    note: 'with clientAuthMethod: private_key_jwt',
  },
  'provider.clientjwtprivatekeyid': { option: 'clientAssertionKeyID' },
  'provider.usepkce': { option: 'enablePKCE', note: 'on by default' },
  'provider.insecureskipverify': { option: 'insecureSkipVerify' },
  'provider.cabundle': { option: 'caCertPEM', note: 'as PEM, not as base64:' },
  'provider.cabundlefile': { option: 'caCertPath' },
  'provider.validateissuer': { note: 'the issuer is always checked' },
  'provider.validissuer': { option: 'providerURL', note: 'the issuer is what discovery says and must be providerURL' },
  'provider.validateaudience': { note: 'the audience of the ID token is always checked' },
  'provider.validaudience': { option: 'audience', note: 'of the access token, with strictAudienceValidation' },
  'provider.tokenvalidation': { note: 'the ID token is checked once, at the login; the session follows the refreshes' },
  'provider.useclaimsfromuserinfo': { note: 'UserInfo is asked where the ID token lacks a claim that an option names' },
  'provider.tokenrenewalthreshold': {
    option: 'refreshGracePeriodSeconds',
    note: 'seconds before the end, not a part of the lifetime',
  },
  scopes: { option: 'scopes', note: 'added to openid, profile and email, unless overrideScopes is true' },
  callbackuri: { option: 'callbackURL', note: '/oidc/callback there, /oauth2/callback here; the path alone' },
  loginuri: { note: 'a login starts at /oauth2/start?rd=…' },
  postloginredirecturi: { note: 'a login returns to where it began; rd of /oauth2/start says another place' },
  validpostloginredirecturis: { option: 'allowedRedirectHosts', note: 'hosts, not URLs' },
  logouturi: { option: 'logoutURL', note: '/logout there, /oauth2/logout here' },
  postlogoutredirecturi: { option: 'postLogoutRedirectURI' },
  validpostlogoutredirecturis: { option: 'postLogoutRedirectURI', note: 'one place' },
  frontchannellogouturi: { option: 'frontchannelLogoutURL', note: 'not available yet' },
  cookienameprefix: { option: 'cookiePrefix' },
  'sessioncookie.path': { option: 'cookiePath' },
  'sessioncookie.domain': { option: 'cookieDomain' },
  'sessioncookie.secure': { option: 'forceHTTPS' },
  'sessioncookie.httponly': { note: 'scripts never see our cookies' },
  'sessioncookie.samesite': { option: 'cookieSameSite', note: 'lax by default' },
  'sessioncookie.maxage': { option: 'sessionMaxAge', note: '24h by default; 0 there ends with the browser' },
  'authorizationheader.name': { option: 'bearer.enabled', note: 'not available yet' },
  'authorizationcookie.name': { note: 'not available: tokens are not taken from cookies' },
  unauthenticatedbehavior: { note: 'navigations are sent to the provider, scripts get 401' },
  unauthorizedbehavior: { note: 'who is logged in and not allowed gets 403' },
  'authorization.assertclaims': {
    option: 'rules',
    note: 'as { policy: login, require: { claims: { name: [value] } } }, or allowedRolesAndGroups',
    narrows: true,
  },
  'authorization.checkoneveryrequest': { note: 'what is allowed is checked on every request' },
  headers: { option: 'headers', note: '{{ .claims.x }}, {{ .accessToken }} and {{ .idToken }} are understood' },
  bypassauthenticationrule: {
    option: 'rules',
    note: 'as { path: /x, policy: public }: PathPrefix(`/x`), Path, Method and Host have their fields',
  },
  errorpages: { note: 'pages.* changes name, picture and colour' },
  requestedresources: { option: 'resource', note: 'one resource' },
  authorizationparams: { option: 'extraAuthParams' },
} as const satisfies Readonly<Record<string, Move>>

/** The words for a name of another program: what is right here. */
export function moveWords(program: string, { option, note }: Move): string {
  const here = option === undefined ? note : `here it is ${option}${note === undefined ? '' : ` (${note})`}`
  return `is a name of ${program}; ${here}; see docs/moving.md`
}

/** `--email-domain`, `email_domains`, `OAUTH2_PROXY_EMAIL_DOMAINS`: the same option. */
export function oauth2ProxyMove(written: string): Move | undefined {
  const name = written
    .replace(/^-+|^OAUTH2_PROXY_/, '')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replaceAll('-', '_')
  return moveOf(oauth2Proxy, name) ?? moveOf(oauth2Proxy, name.replace(/s$/, '')) ?? moveOf(oauth2Proxy, `${name}s`)
}

export function traefikOidcAuthMove(path: readonly (string | number)[]): Move | undefined {
  const names = path.filter((part) => typeof part === 'string').map((part) => part.toLowerCase())
  for (let length = names.length; length > 0; length -= 1) {
    const found = moveOf(traefikOidcAuth, names.slice(0, length).join('.'))
    if (found !== undefined) return found
  }
  return undefined
}

function moveOf(table: Readonly<Record<string, Move>>, name: string): Move | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}

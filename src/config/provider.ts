// The provider and how this client authenticates to it.
import type { PathsConfig, ProviderConfig } from './config.ts'
import { belongsTo, checkCertificates, fileText, privateKey, secretText } from './checks.ts'
import type { Checks } from './checks.ts'
import { isLoopback } from './network.ts'
import { noIdentifier } from './no-secrets.ts'
import { exampleOf } from './presets.ts'
import { outgoingProxies } from './outgoing-proxies.ts'
import { isForManyTenants, isTenantID } from './tenants.ts'
import { registrationConfig } from './registration.ts'

/** Parameters that the login sets itself; an operator's value would break or weaken it. */
const MANAGED_PARAMETERS = new Set([
  'client_id',
  'client_secret',
  'redirect_uri',
  'response_type',
  'response_mode',
  'scope',
  'state',
  'nonce',
  'code_challenge',
  'code_challenge_method',
  'request',
  'request_uri',
  'dpop_jkt',
])

export function providerConfig(checks: Checks, paths: PathsConfig): ProviderConfig {
  const { settings, refuse, warn } = checks
  if (settings.providerURL === undefined) {
    refuse(
      ['providerURL'],
      `is missing; it is the provider’s issuer, such as ${exampleOf(settings.preset) ?? 'https://id.example.com'}`,
    )
  } else if (/[?#]/.test(settings.providerURL)) {
    refuse(['providerURL'], 'must not have a query (OpenID Connect Discovery, section 3)')
  } else if (/\/\.well-known(?:\/|$)/.test(settings.providerURL)) {
    refuse(
      ['providerURL'],
      'must be the issuer alone: leave out /.well-known/openid-configuration, which is added to it',
    )
  }
  const registers = settings.dynamicClientRegistration.enabled
  if (settings.clientID === undefined) {
    if (!registers) refuse(['clientID'], 'is missing; it is this client’s id at the provider')
  } else {
    const placeholder = noIdentifier(settings.clientID)
    if (placeholder !== undefined) refuse(['clientID'], placeholder)
  }
  for (const name of [
    'providerURL',
    'discoveryURL',
    'revocationURL',
    'oidcEndSessionURL',
    'introspectionURL',
    'graphURL',
  ] as const) {
    checkScheme(checks, [name], settings[name])
  }
  const { registrationEndpoint } = settings.dynamicClientRegistration
  checkScheme(checks, ['dynamicClientRegistration', 'registrationEndpoint'], registrationEndpoint)
  if (settings.insecureSkipVerify) {
    warn(
      ['insecureSkipVerify'],
      'the provider’s certificate is not checked: anybody on the way can log in as anybody; for tests only',
    )
  }
  if (!settings.enablePKCE)
    warn(
      ['enablePKCE'],
      'a stolen authorization code can be used without PKCE; leave it on unless the provider refuses it',
    )
  if (settings.allowMissingNonce) checkMissingNonce(checks)
  const proof = { clientAuthMethod: settings.clientAuthMethod, clientAssertion: clientAssertion(checks) }
  const scopes = scopesOf(checks)
  return {
    ...proof,
    scopes,
    registration: registrationConfig(checks, { ...proof, scopes }, paths),
    providerURL: settings.providerURL ?? '',
    discoveryURL: settings.discoveryURL,
    tenants: tenants(checks),
    clientID: registers ? '' : (settings.clientID ?? ''),
    clientSecret: registers ? undefined : clientSecret(checks),
    clientCertificate: clientCertificate(checks),
    audience: settings.audience,
    strictAudienceValidation: settings.strictAudienceValidation,
    enablePKCE: settings.enablePKCE,
    dpop: dpop(checks),
    pushedAuthorizationRequests: settings.pushedAuthorizationRequests,
    allowMissingNonce: settings.allowMissingNonce,
    claimsFrom: claimsFrom(checks),
    extraAuthParams: extraAuthParams(checks),
    caPEM: caPEM(checks),
    insecureSkipVerify: settings.insecureSkipVerify,
    allowInsecureProvider: settings.allowInsecureProvider,
    clockSkewMs: settings.clockSkew,
    providerTimeoutMs: settings.providerTimeout,
    proxies: outgoingProxies(checks),
    revocationURL: settings.revocationURL,
    endSessionURL: settings.oidcEndSessionURL,
    introspectionURL: settings.introspectionURL,
    graphURL: settings.graphURL,
  }
}

function checkScheme({ settings, refuse, warn }: Checks, path: string[], written: string | undefined): void {
  if (written === undefined) return
  const { protocol, hostname } = new URL(written)
  if (protocol === 'https:' || isLoopback(hostname)) return
  if (settings.allowInsecureProvider)
    warn(path, 'is plain http: codes, tokens and the client secret can be read and changed on the way')
  else
    refuse(
      [path, ['allowInsecureProvider']],
      'must be https (http only on loopback, or with allowInsecureProvider: true)',
    )
}

/** Anybody can make an organisation at Microsoft, and call its people what they like: which of them count is said, or none does. */
function tenants({ settings, refuse, warn }: Checks): readonly string[] | undefined {
  const { allowedTenants, providerURL = '' } = settings
  const isMicrosoft = /^https:\/\/login\.(?:microsoftonline\.|partner\.microsoftonline\.|chinacloudapi\.)/.test(
    providerURL,
  )
  if (allowedTenants === undefined) {
    if (isMicrosoft && isForManyTenants(providerURL))
      refuse(
        [['allowedTenants'], ['providerURL']],
        'is missing: providerURL is for people of every organisation; name those that count by their ids (GUIDs), or put one id into providerURL',
      )
    return undefined
  }
  if (!isForManyTenants(providerURL))
    refuse(
      [['allowedTenants'], ['providerURL']],
      'means nothing with a providerURL that is for one organisation; remove it, or write /organizations/ (or /common/) in place of its id there',
    )
  if (allowedTenants.includes('*'))
    warn(
      ['allowedTenants'],
      'lets people of every organisation in that the rules and lists let in: anybody can make one and call its people what they like; name those that you mean',
    )
  for (const [index, tenant] of allowedTenants.entries()) {
    if (tenant === '*' || isTenantID(tenant)) continue
    refuse(
      ['allowedTenants', index],
      'must be the id of an organisation (Overview > Directory (tenant) ID, a GUID); names can change hands',
    )
  }
  return allowedTenants.map((tenant) => tenant.toLowerCase())
}

function dpop({ settings, warn }: Checks): ProviderConfig['dpop'] {
  const isHandedOn = settings.headers.some(({ template, value }) => /\.AccessToken\b/.test(`${template} ${value}`))
  if (settings.dpop !== 'off' && isHandedOn) {
    warn(
      ['dpop'],
      'makes access tokens that only this service can use: applications that get one by headers[] ({{.AccessToken}}) cannot; set it to off',
    )
  }
  return settings.dpop
}

function checkMissingNonce({ settings, refuse, warn }: Checks): void {
  if (settings.enablePKCE) {
    warn(
      ['allowMissingNonce'],
      'an ID token without a nonce is accepted: only PKCE still binds it to this login; leave it off unless the provider sends none',
    )
  } else {
    refuse([['allowMissingNonce'], ['enablePKCE']], 'needs PKCE: without both, a stolen code logs a stranger in')
  }
}

function claimsFrom({ settings, refuse }: Checks): ProviderConfig['claimsFrom'] {
  const sources = settings.claimsFrom
  if (sources[0] !== 'idToken' || new Set(sources).size < sources.length) {
    refuse(
      ['claimsFrom'],
      'must begin with idToken, which says who it is; userinfo and accessToken may follow, each once',
    )
  }
  return sources
}

function clientSecret(checks: Checks): string | undefined {
  const { settings, refuse, warn, isGiven } = checks
  const usesSecret = ['client_secret_basic', 'client_secret_post'].includes(settings.clientAuthMethod)
  if (!isGiven(['clientSecret'])) {
    if (usesSecret) {
      refuse(
        [['clientSecret'], ['clientAuthMethod']],
        'is missing; give it, or set clientAuthMethod to private_key_jwt, tls_client_auth or none (public client)',
      )
    }
    return undefined
  }
  if (!usesSecret) warn(['clientSecret'], `is not used with clientAuthMethod: ${settings.clientAuthMethod}`)
  return secretText(checks, ['clientSecret'], settings.clientSecret)
}

function clientAssertion(checks: Checks): ProviderConfig['clientAssertion'] {
  const { settings, refuse, isGiven } = checks
  const inline = ['clientAssertionPrivateKey']
  const file = ['clientAssertionPrivateKeyPath']
  if (settings.clientAuthMethod !== 'private_key_jwt') return undefined
  if (isGiven(inline) === isGiven(file)) {
    const message = isGiven(inline)
      ? 'is given twice, also as clientAssertionPrivateKeyPath; keep one of the two'
      : 'is missing; private_key_jwt needs it, or clientAssertionPrivateKeyPath'
    refuse([inline, file, ['clientAuthMethod']], message)
    return undefined
  }
  const path = isGiven(inline) ? inline : file
  const pem = isGiven(inline)
    ? secretText(checks, inline, settings.clientAssertionPrivateKey, { lines: true })?.replaceAll(String.raw`\n`, '\n')
    : fileText(checks, file, settings.clientAssertionPrivateKeyPath)
  const key = pem === undefined ? undefined : privateKey(checks, path, pem)
  if (key === undefined) return undefined
  const algorithm = settings.clientAssertionAlg
  const needed = neededKey(algorithm)
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {}
  const isFitting = key.asymmetricKeyType === needed.type && (needed.curve === undefined || needed.curve === namedCurve)
  if (!isFitting) refuse([path, ['clientAssertionAlg']], `does not fit clientAssertionAlg, which needs ${needed.words}`)
  else if (needed.type === 'rsa' && modulusLength < 2_048)
    refuse(path, 'is an RSA key of fewer than 2048 bits; make a longer one')
  // Other PEM forms (PKCS #1, SEC 1) come out as the PKCS #8 that the OIDC room reads.
  const privateKeyPEM = key.export({ type: 'pkcs8', format: 'pem' }).toString()
  return { privateKeyPEM, keyID: settings.clientAssertionKeyID, algorithm }
}

const clientCert = ['clientCertPath']
const clientKey = ['clientKeyPath']

/** RFC 8705. A provider may ask for one whatever else proves who we are. */
function clientCertificate(checks: Checks): ProviderConfig['clientCertificate'] {
  const { settings, refuse, isGiven, readFile } = checks
  const { clientAuthMethod: method, clientCertPath, clientKeyPath, providerURL } = settings
  const isNeeded = method === 'tls_client_auth' || method === 'self_signed_tls_client_auth'
  if (isGiven(clientCert) !== isGiven(clientKey)) {
    const [missing, present] = isGiven(clientCert) ? [clientKey, clientCert] : [clientCert, clientKey]
    refuse([missing, present], 'is missing; a client certificate needs both clientCertPath and clientKeyPath')
    return undefined
  }
  if (isNeeded && !isGiven(clientCert)) {
    refuse([clientCert, ['clientAuthMethod']], `is missing; ${method} needs it, and clientKeyPath`)
    return undefined
  }
  if (isNeeded && providerURL !== undefined && new URL(providerURL).protocol === 'http:')
    refuse([['clientAuthMethod'], ['providerURL']], `needs https: a certificate can be shown over TLS only`)
  const cert = fileText(checks, clientCert, clientCertPath)
  const key = fileText(checks, clientKey, clientKeyPath)
  if (cert === undefined || key === undefined || clientCertPath === undefined || clientKeyPath === undefined)
    return undefined
  checkCertificates(checks, clientCert, cert)
  const opened = privateKey(checks, clientKey, key)
  if (opened !== undefined && !belongsTo(cert, opened))
    refuse(
      [clientKey, clientCert],
      'is not the key of the certificate in clientCertPath; give the two that belong together',
    )
  return { first: { cert, key }, read: () => ({ cert: readFile(clientCertPath), key: readFile(clientKeyPath) }) }
}

function neededKey(algorithm: string): { type: string; curve?: string; words: string } {
  if (algorithm === 'EdDSA') return { type: 'ed25519', words: 'an Ed25519 key' }
  if (!algorithm.startsWith('ES')) return { type: 'rsa', words: 'an RSA key' }
  if (algorithm === 'ES256') return { type: 'ec', curve: 'prime256v1', words: 'a P-256 key' }
  if (algorithm === 'ES384') return { type: 'ec', curve: 'secp384r1', words: 'a P-384 key' }
  return { type: 'ec', curve: 'secp521r1', words: 'a P-521 key' }
}

const DEFAULT_SCOPES = ['openid', 'profile', 'email']

function scopesOf({ settings, refuse }: Checks): string[] {
  // `scope: openid profile` is how OAuth itself writes a list.
  const given = settings.scopes.flatMap((scope) => scope.split(/\s+/))
  const all = [...new Set(settings.overrideScopes ? given : [...DEFAULT_SCOPES, ...given])]
  if (!all.every((scope) => /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope))) {
    refuse(['scopes'], 'has a scope with characters that RFC 6749 (section 3.3) does not allow')
  }
  if (!all.includes('openid'))
    refuse([['scopes'], ['overrideScopes']], 'lacks openid, without which there is no ID token; add it')
  return all
}

function extraAuthParams({ settings, refuse, warn }: Checks): Record<string, string> {
  for (const name of Object.keys(settings.extraAuthParams)) {
    if (MANAGED_PARAMETERS.has(name.toLowerCase()))
      refuse(['extraAuthParams', name], 'is set by the login itself; remove it')
  }
  if (settings.resource === undefined) return settings.extraAuthParams
  warn(['resource'], 'is sent with the authorization request only (RFC 8707), like `extraAuthParams: { resource: … }`')
  return { resource: settings.resource, ...settings.extraAuthParams }
}

function caPEM(checks: Checks): string | undefined {
  const { caCertPath, caCertPEM } = checks.settings
  const fromFile = fileText(checks, ['caCertPath'], caCertPath)
  if (fromFile !== undefined) checkCertificates(checks, ['caCertPath'], fromFile)
  if (caCertPEM !== undefined) checkCertificates(checks, ['caCertPEM'], caCertPEM)
  const all = [fromFile, caCertPEM].filter((pem) => pem !== undefined)
  return all.length === 0 ? undefined : all.join('\n')
}

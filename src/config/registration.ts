// Dynamic client registration (RFC 7591): what we ask for, made of the other options.
import { createPublicKey } from 'node:crypto'
import { secretText } from './checks.ts'
import type { Checks } from './checks.ts'
import type { PathsConfig, ProviderConfig, RegistrationConfig } from './config.ts'

const group = 'dynamicClientRegistration'
const metadataPath = [group, 'clientMetadata']
/** Where the plugin keeps what a registration brought. */
const storageOptions = ['persistCredentials', 'credentialsFile', 'storageBackend', 'redisKeyPrefix'] as const
/** An option of its own says it, and is believed elsewhere. */
const saidElsewhere = {
  token_endpoint_auth_method: 'clientAuthMethod',
  scope: 'scopes',
  response_types: undefined,
} as const

/** Undefined where it is off. */
export function registrationConfig(
  checks: Checks,
  provider: Pick<ProviderConfig, 'clientAuthMethod' | 'clientAssertion' | 'scopes'>,
  paths: Pick<PathsConfig, 'prefix' | 'callback' | 'postLogoutRedirectURI'>,
): RegistrationConfig | undefined {
  const { settings, refuse, warn, isGiven, isFromEnvironment } = checks
  const { enabled, initialAccessToken, registrationEndpoint, clientMetadata = {} } = settings[group]
  if (!enabled) return undefined
  for (const name of ['clientID', 'clientSecret']) {
    if (!isGiven([name])) continue
    // Platforms leave variables set.
    if (isFromEnvironment([name])) warn([name], 'is not used: the registration brings it')
    else
      refuse([[name], [group, 'enabled']], 'is what the registration brings; remove it, or turn the registration off')
  }
  for (const name of storageOptions) {
    if (isGiven([group, name]))
      warn(
        [group, name],
        'does nothing here: the client is kept where replicas share it (redis), sealed; without Redis, until this process ends',
      )
  }
  if (!settings.redis.enabled)
    warn([group, 'enabled'], 'without Redis each start registers another client, which the provider keeps')
  for (const [name, option] of Object.entries(saidElsewhere)) {
    if (!Object.hasOwn(clientMetadata, name)) continue
    refuse(
      [...metadataPath, name],
      option === undefined ? 'is set by the login itself; remove it' : `is what ${option} says; remove it here`,
    )
  }
  const origins = originsOf(checks)
  const redirectURIs = Object.hasOwn(clientMetadata, 'redirect_uris')
    ? clientMetadata['redirect_uris']
    : origins.map((origin) => origin + paths.callback)
  if (!isAddressList(redirectURIs)) {
    refuse(
      [metadataPath, ['publicURL']],
      'leaves open which redirect URIs to register; set publicURL, or name them as redirect_uris',
    )
  }
  return {
    endpoint: registrationEndpoint,
    initialAccessToken: secretText(checks, [group, 'initialAccessToken'], initialAccessToken),
    authMethod: provider.clientAuthMethod,
    metadata: {
      client_name: settings.pages.name,
      application_type: 'web',
      post_logout_redirect_uris: origins.flatMap((origin) => [
        URL.parse(paths.postLogoutRedirectURI, origin)?.href ?? origin,
        `${origin}${paths.prefix}/start`,
      ]),
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      scope: provider.scopes.join(' '),
      token_endpoint_auth_method: provider.clientAuthMethod,
      ...(provider.clientAssertion !== undefined && keysOf(provider.clientAssertion)),
      ...clientMetadata,
      redirect_uris: redirectURIs,
    },
  }
}

/** `publicURL`, else each host that is named in full. */
function originsOf({ settings }: Checks): readonly string[] {
  if (settings.publicURL !== undefined) return [settings.publicURL]
  const named = [...settings.rules, ...settings.upstreams].flatMap(({ host }) => host ?? [])
  const scheme = settings.forceHTTPS ? 'https' : 'http'
  return [...new Set(named)].filter((host) => !host.includes('*')).map((host) => `${scheme}://${host}`)
}

const isAddressList = (value: unknown): boolean =>
  Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string' && URL.canParse(item))

/** The public half of what signs our assertions. */
function keysOf({ privateKeyPEM, keyID, algorithm }: NonNullable<ProviderConfig['clientAssertion']>) {
  const jwk = createPublicKey(privateKeyPEM).export({ format: 'jwk' })
  const key = { ...jwk, use: 'sig', alg: algorithm, ...(keyID !== undefined && { kid: keyID }) }
  return { jwks: { keys: [key] }, token_endpoint_auth_signing_alg: algorithm }
}

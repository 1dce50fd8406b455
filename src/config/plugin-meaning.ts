// A block of the Traefik plugin means what it says here, but for a few words that have another meaning or another default. Where
// such a word is at stake, a warning names both meanings.
import type { Checks } from './checks.ts'
import { ignoredOptions } from './ignored.ts'

/** The plugin's own names, but for those that do nothing here. */
const PLUGIN_NAMES = new Set(
  (
    'providerURL clientID clientSecret callbackURL logoutURL postLogoutRedirectURI revocationURL oidcEndSessionURL introspectionURL ' +
    'clientAuthMethod clientAssertionPrivateKey clientAssertionPrivateKeyPath clientAssertionKeyID clientAssertionAlg ' +
    'extraAuthParams resource caCertPath caCertPEM insecureSkipVerify scopes overrideScopes audience strictAudienceValidation ' +
    'allowOpaqueTokens requireTokenIntrospection disableReplayDetection enablePKCE refreshGracePeriodSeconds ' +
    'sessionEncryptionKey sessionMaxAge cookieDomain cookiePrefix cookiePath forceHTTPS allowedUserDomains allowedUsers ' +
    'allowedRolesAndGroups roleClaimName groupClaimName userIdentifierClaim excludedURLs headers logLevel ' +
    'enableBackchannelLogout backchannelLogoutURL enableFrontchannelLogout frontchannelLogoutURL enableBearerAuth redis ' +
    'dynamicClientRegistration'
  ).split(' '),
)

/** Words that only the plugin's users write, or none but its own with the one that it requires and we do not. */
export function looksLikePlugin({ isGiven, settings }: Checks): boolean {
  const given = Object.keys(settings).filter((name) => isGiven([name]))
  const speaksPlugin = isGiven(['callbackURL']) && given.every((name) => PLUGIN_NAMES.has(name))
  return (
    (speaksPlugin && settings.headers.every(({ template }) => template === undefined)) ||
    Object.keys(ignoredOptions).some((name) => isGiven([name])) ||
    settings.headers.some(({ value }) => value !== undefined) ||
    settings.cookiePrefix.startsWith('_oidc_')
  )
}

export function warnOfOtherMeanings(
  { settings, isGiven, warn }: Checks,
  { isShort }: { readonly isShort: boolean },
): void {
  const { scopes, overrideScopes, excludedURLs, headers, minimalHeaders } = settings
  if (!overrideScopes && !scopes.some((scope) => scope.split(/\s+/).includes('offline_access'))) {
    warn(
      ['scopes'],
      'offline_access is asked for only when it stands here; the plugin adds it by itself. Add it where the provider gives refresh tokens only for it (Google: extraAuthParams: { access_type: offline, prompt: consent })',
    )
  }
  if (isGiven(['callbackURL']) && !isGiven(['logoutURL'])) {
    warn(
      ['logoutURL'],
      'is /oauth2/logout unless it is given; the plugin’s is callbackURL + /logout. Write the one that links lead to',
    )
  }
  if (!isGiven(['clientAuthMethod'])) {
    warn(
      ['clientAuthMethod'],
      'is client_secret_basic unless it is given; the plugin’s is client_secret_post. Write that where the provider allows this client nothing else',
    )
  }
  if (isShort) {
    warn(
      ['rateLimit'],
      'counts logins per minute and address; the plugin’s counts requests per second. rateLimit: { loginsPerMinute: … } says that it is meant so',
    )
  }
  if (excludedURLs.length > 0) {
    warn(
      ['excludedURLs'],
      'a path holds for itself and what is below it; the plugin’s holds for whatever begins with it (/public also for /publicsecret), and /favicon needs no entry there',
    )
  }
  const names = new Set(headers.map(({ name }) => name.toLowerCase()))
  const missing = ['X-User-Groups', 'X-User-Roles', 'X-Auth-Request-Token'].filter(
    (name) => !names.has(name.toLowerCase()),
  )
  if (missing.length > 0 && minimalHeaders !== true) {
    warn(
      ['headers'],
      `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} set only when named here; the plugin always sets them. Groups are X-Auth-Request-Groups; the others are { name: X-User-Roles, template: "{{.Claims.roles}}" } and { name: X-Auth-Request-Token, template: "{{.IDToken}}" }`,
    )
  }
}

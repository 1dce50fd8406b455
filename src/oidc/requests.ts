// The two URLs that we send a browser to: to log in, and to log out at the provider.
import { Configuration, None, allowInsecureRequests, buildAuthorizationUrl, buildEndSessionUrl } from 'openid-client'
import { calculatePKCECodeChallenge } from 'openid-client'
import type { ProviderConfig } from '../config/config.ts'
import type { Metadata } from './metadata.ts'
import type { AuthorizationRequest } from './provider.ts'

export async function authorizationURL(
  metadata: Metadata,
  config: ProviderConfig,
  { redirectURI, state, nonce, codeVerifier, prompt }: AuthorizationRequest,
): Promise<URL> {
  const google = asGoogleWantsIt(config)
  const parameters = new URLSearchParams({
    ...(config.audience === undefined ? {} : { audience: config.audience }),
    ...google.parameters,
    ...config.extraAuthParams,
    ...(prompt === undefined ? {} : { prompt }),
    scope: google.scopes.join(' '),
    redirect_uri: redirectURI,
    state,
    nonce,
  })
  if (config.enablePKCE) {
    parameters.set('code_challenge', await calculatePKCECodeChallenge(codeVerifier))
    parameters.set('code_challenge_method', 'S256')
  }
  return buildAuthorizationUrl(configuration(config, metadata), parameters)
}

// Google refuses the scope that everybody else asks for, and gives a refresh token only with a consent.
function asGoogleWantsIt({ providerURL, scopes }: ProviderConfig): {
  scopes: readonly string[]
  parameters: Record<string, string>
} {
  const isGoogle = providerURL === 'https://accounts.google.com'
  if (!isGoogle || !scopes.includes('offline_access')) return { scopes, parameters: {} }
  return {
    scopes: scopes.filter((scope) => scope !== 'offline_access'),
    parameters: { access_type: 'offline', prompt: 'consent' },
  }
}

/** OpenID Connect RP-Initiated Logout 1.0 section 2. */
export function endSessionURL(
  endpoint: string,
  config: ProviderConfig,
  request: { idToken: string | undefined; postLogoutRedirectURI: string; state: string },
): URL {
  const parameters = new URLSearchParams({
    ...(request.idToken === undefined ? {} : { id_token_hint: request.idToken }),
    post_logout_redirect_uri: request.postLogoutRedirectURI,
    state: request.state,
  })
  return buildEndSessionUrl(configuration(config, { end_session_endpoint: endpoint }), parameters)
}

function configuration({ clientID, providerURL }: ProviderConfig, endpoints: object): Configuration {
  const configuration = new Configuration({ ...endpoints, issuer: providerURL }, clientID, undefined, None())
  // Whether an endpoint may be plain http was decided when the metadata was read.
  allowInsecureRequests(configuration)
  return configuration
}

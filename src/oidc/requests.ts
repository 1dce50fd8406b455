// The two URLs that we send a browser to: to log in, by itself or by what was pushed before (RFC 9126), and to log out at the provider.
import { Configuration, None, allowInsecureRequests, buildAuthorizationUrl, buildEndSessionUrl } from 'openid-client'
import { calculatePKCECodeChallenge } from 'openid-client'
import type { ProviderConfig } from '../config/config.ts'
import { thumbprintOf } from './dpop.ts'
import type { Metadata } from './metadata.ts'
import type { AuthorizationRequest, EndSessionRequest } from './provider.ts'
import { quirksOf } from './quirks.ts'

/** What a login asks for (OpenID Connect Core 3.1.2.1), without who asks. */
export async function authorizationParameters(
  config: ProviderConfig,
  { redirectURI, state, nonce, codeVerifier, proofKey, prompt, loginHint, stepUp }: AuthorizationRequest,
): Promise<Record<string, string>> {
  const asked = askedOffline(config)
  return {
    ...(config.audience === undefined ? {} : { audience: config.audience }),
    ...asked.parameters,
    ...config.extraAuthParams,
    ...(prompt === undefined ? {} : { prompt }),
    ...(loginHint === undefined ? {} : { login_hint: loginHint }),
    ...(stepUp?.acr === undefined ? {} : { acr_values: stepUp.acr.join(' ') }),
    ...(stepUp?.maxAgeMs === undefined ? {} : { max_age: String(Math.floor(stepUp.maxAgeMs / 1_000)) }),
    scope: asked.scopes.join(' '),
    redirect_uri: redirectURI,
    state,
    nonce,
    response_type: 'code',
    ...(proofKey !== undefined && { dpop_jkt: await thumbprintOf(proofKey) }),
    ...(config.enablePKCE && {
      code_challenge: await calculatePKCECodeChallenge(codeVerifier),
      code_challenge_method: 'S256',
    }),
  }
}

/** `parameters`: what a login asks for, or the reference to it. */
export const authorizationURL = (metadata: Metadata, clientID: string, parameters: Record<string, string>): URL =>
  buildAuthorizationUrl(configuration(clientID, metadata.issuer, metadata), new URLSearchParams(parameters))

function askedOffline({ providerURL, scopes }: ProviderConfig): {
  scopes: readonly string[]
  parameters: Record<string, string>
} {
  if (!quirksOf(providerURL).offlineByParameter || !scopes.includes('offline_access')) return { scopes, parameters: {} }
  return {
    scopes: scopes.filter((scope) => scope !== 'offline_access'),
    parameters: { access_type: 'offline', prompt: 'consent' },
  }
}

/** Bytes: what every server and proxy takes. An ID token with many groups alone can be longer than nginx lets a request line be. */
const maxEndSessionURLLength = 2_048

/**
 * OpenID Connect RP-Initiated Logout 1.0 section 2. `client_id` says who asks where the ID token, which would make the URL too
 * long, is left out: the provider then asks the person before it ends their session. Undefined where it is too long even so.
 */
export function endSessionURL(
  endpoint: string,
  issuer: string,
  clientID: string,
  { idToken, postLogoutRedirectURI, state }: EndSessionRequest,
): URL | undefined {
  if (quirksOf(issuer).logoutByURI) return byURI(endpoint, { client_id: clientID, logout_uri: postLogoutRedirectURI })
  const plain = { client_id: clientID, post_logout_redirect_uri: postLogoutRedirectURI, state }
  const client = configuration(clientID, issuer, { end_session_endpoint: endpoint })
  return [...(idToken === undefined ? [] : [{ id_token_hint: idToken, ...plain }]), plain]
    .map((parameters) => buildEndSessionUrl(client, new URLSearchParams(parameters)))
    .find(({ href }) => href.length <= maxEndSessionURLLength)
}

function byURI(endpoint: string, parameters: Readonly<Record<string, string>>): URL | undefined {
  const url = new URL(endpoint)
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return url.href.length <= maxEndSessionURLLength ? url : undefined
}

function configuration(clientID: string, issuer: string, endpoints: object): Configuration {
  const configuration = new Configuration({ ...endpoints, issuer }, clientID, undefined, None())
  // Whether an endpoint may be plain http was decided when the metadata was read.
  allowInsecureRequests(configuration)
  return configuration
}

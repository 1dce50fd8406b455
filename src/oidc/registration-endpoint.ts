// The calls of dynamic client registration (RFC 7591) and of its management (RFC 7592), and what their answers mean.
import type { RegistrationConfig } from '../config/config.ts'
import { ProviderUnavailable } from '../errors.ts'
import { asked as begin } from './faults.ts'
import type { JSONObject } from './json.ts'
import { mayBeCalled } from './metadata.ts'
import { oauthErrorIn, reasonIn } from './oauth-error.ts'
import type { Credentials, RegisteredClient } from './registered-client.ts'
import type { ProviderRequest, Transport } from './transport.ts'
import { jsonObject } from './transport.ts'

/** What an answer says of the client; the rest is the caller's. */
export type Registered = Omit<RegisteredClient, 'version' | 'asked' | 'previous'>

export type RegistrationResult =
  | { readonly kind: 'registered'; readonly client: Registered }
  /** It will not, as asked. `why`: for the log, with what to do. */
  | { readonly kind: 'refused'; readonly error: string; readonly why: string }
  /** The client of this address is not there any more, or cannot be managed. */
  | { readonly kind: 'gone' }

export interface RegistrationEndpoint {
  /** Throws ProviderUnavailable. */
  register(url: string): Promise<RegistrationResult>
  /** Tells it anew what we ask for; its secret may come back with another end. Throws ProviderUnavailable. */
  update(client: RegisteredClient, management: NonNullable<RegisteredClient['management']>): Promise<RegistrationResult>
}

const maxBytes = 64 * 1024
const maxSecretLength = 4_096
const isText = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= maxSecretLength && /^[\x20-\x7e]+$/.test(value)

const remedies: Readonly<Record<string, string>> = {
  invalid_redirect_uri:
    'it does not take one of the redirect URIs: check publicURL, or give dynamicClientRegistration.clientMetadata.redirect_uris',
  invalid_client_metadata:
    'it does not take what is asked for: check clientAuthMethod, scopes and dynamicClientRegistration.clientMetadata',
  invalid_software_statement: 'check dynamicClientRegistration.clientMetadata.software_statement',
  unapproved_software_statement: 'check dynamicClientRegistration.clientMetadata.software_statement',
}
const tokenRemedy =
  'it wants an initial access token, or another one: check dynamicClientRegistration.initialAccessToken'

export function createRegistrationEndpoint(deps: {
  readonly config: RegistrationConfig
  readonly issuer: string
  readonly allowInsecure: boolean
  readonly transport: Transport
  readonly now: () => number
}): RegistrationEndpoint {
  const { config, issuer, allowInsecure, transport, now } = deps

  function requestFor(method: 'POST' | 'PUT', url: string, body: object, token: string | undefined): ProviderRequest {
    return {
      operation: 'registration',
      url: new URL(url),
      headers: { accept: 'application/json', ...(token !== undefined && { authorization: `Bearer ${token}` }) },
      json: { method, text: JSON.stringify(body) },
      maxBytes,
    }
  }

  async function call(request: ProviderRequest, before: RegisteredClient | undefined): Promise<RegistrationResult> {
    const answer = await transport.send(request)
    const { status } = answer
    const words = () => `${begin(request)}: status ${status}${reasonIn(answer, secretsOf(before))}`
    if (status >= 500 || status === 429 || status === 408) throw new ProviderUnavailable(words())
    const body = jsonObject(answer)
    if (status === 200 || status === 201) {
      const read = body === undefined ? 'the answer is not a JSON object' : readAnswer(body, before)
      if (typeof read !== 'string') return { kind: 'registered', client: read }
      return { kind: 'refused', error: 'unusable', why: `${begin(request)}: ${read}` }
    }
    if (before !== undefined && [401, 403, 404, 405].includes(status)) return { kind: 'gone' }
    const error = oauthErrorIn(answer, body, secretsOf(before))?.error ?? `status_${status}`
    const remedy =
      remedies[error] ?? (status === 401 || status === 403 ? tokenRemedy : 'register the client by hand: clientID')
    return { kind: 'refused', error, why: `${words()}: ${remedy}` }
  }

  const secretsOf = (before: RegisteredClient | undefined): string[] =>
    [config.initialAccessToken, before?.management?.token, before?.clientSecret].filter((text) => text !== undefined)

  /** The client, or what is wrong with the answer. */
  function readAnswer(body: JSONObject, before: RegisteredClient | undefined): Registered | string {
    const { client_id: clientID, client_secret: given, token_endpoint_auth_method: said } = body
    if (!isText(clientID)) return 'no usable client_id'
    if (before !== undefined && clientID !== before.clientID) return 'it is about another client'
    const authMethod = methodOf(said, config.authMethod)
    if (authMethod === undefined)
      return `it registers another way to authenticate than clientAuthMethod: ${config.authMethod}`
    const clientSecret = isText(given) ? given : before?.clientSecret
    if (needsSecret(authMethod) && clientSecret === undefined) return 'no usable client_secret'
    const secretEndsAt = endOf(body['client_secret_expires_at'], clientSecret, before)
    const isAsBefore = clientSecret === before?.clientSecret && secretEndsAt === before?.secretEndsAt
    const issuedAt = isAsBefore && before !== undefined ? before.issuedAt : now()
    if (secretEndsAt !== undefined && secretEndsAt <= now()) return 'its client_secret has ended before it came'
    return {
      clientID,
      clientSecret,
      authMethod,
      issuedAt,
      secretEndsAt,
      management: managementIn(body) ?? before?.management,
    }
  }

  /** RFC 7592 section 3: both, or neither. */
  function managementIn(body: JSONObject): RegisteredClient['management'] {
    const { registration_client_uri: url, registration_access_token: token } = body
    return isText(url) && isText(token) && mayBeCalled(url, issuer, allowInsecure) ? { url, token } : undefined
  }

  return {
    register: (url) => call(requestFor('POST', url, config.metadata, config.initialAccessToken), undefined),
    update(client, { url, token }) {
      const { clientID: client_id, clientSecret } = client
      // RFC 7592 section 2.2: all of it, and of what the server gave only these two.
      const secret = clientSecret === undefined ? {} : { client_secret: clientSecret }
      return call(requestFor('PUT', url, { ...config.metadata, client_id, ...secret }, token), client)
    },
  }
}

const needsSecret = (method: Credentials['authMethod']): boolean =>
  method === 'client_secret_basic' || method === 'client_secret_post'

/** The server's word counts (RFC 7591 section 3.2.1) where it is only about where the secret stands; never for less than was asked. */
function methodOf(said: unknown, asked: Credentials['authMethod']): Credentials['authMethod'] | undefined {
  if (said === undefined || said === asked) return asked
  if (!needsSecret(asked)) return undefined
  return said === 'client_secret_basic' || said === 'client_secret_post' ? said : undefined
}

/** Seconds since the epoch; 0, or nothing where it has to be said: no end. */
function endOf(said: unknown, secret: string | undefined, before: RegisteredClient | undefined): number | undefined {
  if (secret === undefined) return undefined
  if (typeof said === 'number' && said > 0) return said * 1_000
  return said === undefined && secret === before?.clientSecret ? before.secretEndsAt : undefined
}

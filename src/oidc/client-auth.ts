// How this client proves to the provider who it is: the methods of `clientAuthMethod` (OpenID Connect Core section 9, RFC 8705).
import { importPKCS8 } from 'jose'
import type { ServerMetadata } from 'openid-client'
import { PrivateKeyJwt } from 'openid-client'
import type { ProviderConfig } from '../config/config.ts'
import { ProviderUnavailable } from '../errors.ts'
import type { Metadata } from './metadata.ts'
import { oneLine } from './provider-text.ts'

export type ClientAuth = (server: ServerMetadata, form: URLSearchParams, headers: Headers) => Promise<void>

type ClientConfig = Pick<ProviderConfig, 'clientID' | 'clientSecret' | 'clientAuthMethod' | 'clientAssertion'>

/** The key of `private_key_jwt` is read at its first use: what is wrong with it surfaces as ProviderUnavailable. */
export function createClientAuth(config: ClientConfig): ClientAuth {
  const { clientID, clientSecret = '' } = config
  const identified: ClientAuth = async (_server, form) => form.set('client_id', clientID)
  const methods: Record<ProviderConfig['clientAuthMethod'], ClientAuth> = {
    // Not openid-client's: that percent-encodes `-` and `_` as well, which is allowed but breaks providers that do not
    // decode, and most client ids are UUIDs. This is the form encoding that RFC 6749 section 2.3.1 asks for.
    client_secret_basic: async (_server, _form, headers) => {
      const credentials = `${formEncoded(clientID)}:${formEncoded(clientSecret)}`
      headers.set('authorization', `Basic ${Buffer.from(credentials).toString('base64')}`)
    },
    client_secret_post: async (_server, form) => {
      form.set('client_id', clientID)
      form.set('client_secret', clientSecret)
    },
    none: identified,
    // RFC 8705 section 2: the certificate of the connection is the proof.
    tls_client_auth: identified,
    self_signed_tls_client_auth: identified,
    private_key_jwt: privateKeyJWT(config),
  }
  return methods[config.clientAuthMethod]
}

function privateKeyJWT({ clientID, clientAssertion }: ClientConfig): ClientAuth {
  async function load(): Promise<ReturnType<typeof PrivateKeyJwt>> {
    if (clientAssertion === undefined) throw new ProviderUnavailable('private_key_jwt without a private key')
    const { privateKeyPEM, algorithm, keyID } = clientAssertion
    const key = await importPKCS8(privateKeyPEM, algorithm).catch(() => {
      // Without the cause: it may quote the key.
      throw new ProviderUnavailable(`the private key of the client cannot be used for ${algorithm}`)
    })
    return PrivateKeyJwt(keyID === undefined ? key : { key, kid: keyID })
  }
  let signing: ReturnType<typeof load> | undefined
  return async (server, form, headers) => {
    signing ??= load()
    const sign = await signing
    // openid-client declares void, but hands out the promise of oauth4webapi: the assertion is in the form after it.
    const signed: unknown = sign(server, { client_id: clientID }, form, headers)
    await signed
  }
}

/**
 * What to tell the operator where the provider offers other methods than the configured one. `none` proves nothing that could be
 * offered: Keycloak and Entra ID take public clients and do not list it.
 */
export function authMethodConcern(
  { authMethods }: Pick<Metadata, 'authMethods'>,
  configured: ProviderConfig['clientAuthMethod'],
): string | undefined {
  if (authMethods === undefined || configured === 'none' || authMethods.includes(configured)) return undefined
  const offered = oneLine(authMethods.join(', '), []) || 'nothing'
  return `clientAuthMethod is ${configured}, the provider offers ${offered}: logins and refreshes may be refused; set clientAuthMethod to one that both know`
}

const formEncoded = (value: string): string => new URLSearchParams({ '': value }).toString().slice(1)

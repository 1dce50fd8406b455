// How this client proves to the provider who it is: the four methods of `clientAuthMethod` (OpenID Connect Core section 9).
import { importPKCS8 } from 'jose'
import type { ServerMetadata } from 'openid-client'
import { None, PrivateKeyJwt } from 'openid-client'
import type { ProviderConfig } from '../config/config.ts'
import { ProviderUnavailable } from '../errors.ts'

export type ClientAuth = (server: ServerMetadata, form: URLSearchParams, headers: Headers) => Promise<void>

type ClientConfig = Pick<ProviderConfig, 'clientID' | 'clientSecret' | 'clientAuthMethod' | 'clientAssertion'>

/** The key of `private_key_jwt` is read at its first use: what is wrong with it surfaces as ProviderUnavailable. */
export function createClientAuth(config: ClientConfig): ClientAuth {
  const { clientID, clientSecret = '', clientAuthMethod, clientAssertion } = config
  switch (clientAuthMethod) {
    case 'client_secret_basic':
      // Not openid-client's: that percent-encodes `-` and `_` as well, which is allowed but breaks providers that do not
      // decode, and most client ids are UUIDs. This is the form encoding that RFC 6749 section 2.3.1 asks for.
      return async (_server, _form, headers) => {
        const credentials = `${formEncoded(clientID)}:${formEncoded(clientSecret)}`
        headers.set('authorization', `Basic ${Buffer.from(credentials).toString('base64')}`)
      }
    case 'client_secret_post':
      return async (_server, form) => {
        form.set('client_id', clientID)
        form.set('client_secret', clientSecret)
      }
    case 'none': {
      const apply = None()
      return async (server, form, headers) => apply(server, { client_id: clientID }, form, headers)
    }
    case 'private_key_jwt': {
      let signing: Promise<ReturnType<typeof PrivateKeyJwt>> | undefined
      const load = async (): Promise<ReturnType<typeof PrivateKeyJwt>> => {
        if (clientAssertion === undefined) throw new ProviderUnavailable('private_key_jwt without a private key')
        const { privateKeyPEM, algorithm, keyID } = clientAssertion
        const key = await importPKCS8(privateKeyPEM, algorithm).catch(() => {
          // Without the cause: it may quote the key.
          throw new ProviderUnavailable(`the client's private key cannot be used for ${algorithm}`)
        })
        return PrivateKeyJwt(keyID === undefined ? key : { key, kid: keyID })
      }
      return async (server, form, headers) => {
        signing ??= load()
        await (
          await signing
        )(server, { client_id: clientID }, form, headers)
      }
    }
  }
}

const formEncoded = (value: string): string => new URLSearchParams({ '': value }).toString().slice(1)

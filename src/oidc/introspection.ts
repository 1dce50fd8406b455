// Token introspection (RFC 7662): what the provider says of a token that somebody else brought. Asked as a form with this client's
// own authentication; what the claims in the answer mean is for bearer/ to say.
import { ClientRejected, ProviderUnavailable } from '../errors.ts'
import type { Client } from './client.ts'
import { asked } from './faults.ts'
import { notAnObject, type JSONObject } from './json.ts'
import type { ProviderHealth } from './provider-health.ts'
import { errorWord, inWords } from './provider-text.ts'
import { jsonObject, type Transport } from './transport.ts'

/** The whole answer, `active` in it. Throws ProviderUnavailable: nothing can be said of the token then, least of all that it is bad. */
export type Introspect = (url: string, token: string) => Promise<JSONObject>

const maxBytes = 64 * 1024

export function createIntrospection(deps: {
  readonly issuer: string
  readonly client: () => Client
  readonly transport: Transport
  readonly health: ProviderHealth
}): Introspect {
  const { issuer, client, transport, health } = deps

  return async (url, token) => {
    const form = new URLSearchParams({ token, token_type_hint: 'access_token' })
    const headers = new Headers({ accept: 'application/json' })
    await client().authenticate({ issuer }, form, headers)
    const request = {
      operation: 'introspection',
      url: new URL(url),
      headers: Object.fromEntries(headers),
      form,
      maxBytes,
    } as const
    const call = { operation: 'introspection', url } as const
    const answer = await transport.send(request).catch((error: unknown) => {
      if (error instanceof ProviderUnavailable) health.unanswered(call, error.message)
      throw error
    })
    const begin = `${asked(request)}: status ${answer.status}`
    const body = jsonObject(answer)
    if (answer.status === 200) {
      if (body === undefined || typeof body['active'] !== 'boolean') {
        const why = `${begin}, and ${body === undefined ? `it is ${notAnObject}` : 'active is neither true nor false'}`
        health.failed(call, why)
        throw new ProviderUnavailable(why)
      }
      health.answered(call)
      return body
    }
    // RFC 7662 section 2.3: 401 is about us, and not about the token. The token is in no message.
    const { error, error_description: description } = body ?? {}
    const words = error === undefined ? '' : ` (${inWords(errorWord(error), description, [token])})`
    const why = `${begin}${words}`
    if (answer.status === 401 || answer.status === 403) {
      health.clientRejected(call, errorWord(error ?? 'unauthorized'), why)
      throw new ClientRejected(why)
    }
    // Anybody may bring a token: that some server chokes on it says nothing about the provider.
    if (answer.status === 429 || (answer.status >= 502 && answer.status <= 504)) health.failed(call, why)
    throw new ProviderUnavailable(why)
  }
}

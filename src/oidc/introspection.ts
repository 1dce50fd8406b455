// Token introspection (RFC 7662): what the provider says of a token that somebody else brought. Asked as this client; what the claims
// in the answer mean is for bearer/ to say.
import { ClientRejected, ProviderUnavailable } from '../errors.ts'
import { unavailable, type ClientPost, type Sender } from './client-post.ts'
import { asked } from './faults.ts'
import { notAnObject, type JSONObject } from './json.ts'
import type { ProviderHealth } from './provider-health.ts'
import { jsonObject } from './transport.ts'

/**
 * The whole answer, `active` in it. Throws ClientRejected, or another ProviderUnavailable: nothing can be said of the token then, least
 * of all that it is bad.
 */
export type Introspect = (url: string, token: string, sender: Sender) => Promise<JSONObject>

export function createIntrospection({ post, health }: { post: ClientPost; health: ProviderHealth }): Introspect {
  return async (url, token, sender) => {
    const call = { operation: 'introspection', url } as const
    const parameters = { token, token_type_hint: 'access_token' }
    const answer = await post.send(call, parameters, sender)
    if (answer.status === 200) {
      const body = jsonObject(answer)
      if (body !== undefined && typeof body['active'] === 'boolean') {
        health.answered(call)
        return body
      }
      const why = body === undefined ? `it is ${notAnObject}` : 'active is neither true nor false'
      const error = new ProviderUnavailable(`${asked({ operation: 'introspection', url: new URL(url) })}: ${why}`)
      health.failed(call, error.message)
      throw error
    }
    const error = unavailable(call, answer, parameters)
    // Section 2.3: that is about us, and not about the token.
    if (answer.status === 401 || answer.status === 403) {
      health.clientRejected(call, 'unauthorized', error.message)
      throw new ClientRejected(error.message)
    }
    throw error
  }
}

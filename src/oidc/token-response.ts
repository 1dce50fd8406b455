// What a login makes of a good answer of the token endpoint.
import { createHash } from 'node:crypto'
import { LoginRejected } from '../errors.ts'
import type { JSONObject } from './json.ts'
import type { TokenResponse, TokenResult } from './token-endpoint.ts'

/** Throws LoginRejected for anything but tokens. */
export function tokensOrRefusal(result: TokenResult): TokenResponse {
  if (result.kind === 'tokens') return result.answer
  if (result.kind === 'unusable') throw new LoginRejected('token_response_invalid', `token endpoint: ${result.why}`)
  const { error, message, isClients } = result
  if (error === 'invalid_grant') throw new LoginRejected('code_rejected', `the provider refuses the code: ${message}`)
  const isClientRefused = isClients || error === 'unauthorized_client'
  throw new LoginRejected(
    isClientRefused ? 'client_rejected' : 'provider_error',
    `the token endpoint answered ${message}`,
  )
}

/** Undefined when there is none. Throws LoginRejected. */
export function idTokenOf({ idToken }: TokenResponse): string | undefined {
  if (idToken === undefined || typeof idToken === 'string') return idToken
  throw new LoginRejected('id_token_malformed', 'id_token is not a string')
}

/**
 * What makes an ID token single use: its `jti`, else the whole of it. Hashed in both cases: a `jti` may be of any length and
 * hold any character, and becomes part of a key's name.
 */
export function singleUseKey(idToken: string, { jti, iss }: JSONObject): string {
  const single = typeof jti === 'string' && jti !== '' ? `${String(iss)} ${jti}` : idToken
  return createHash('sha256').update(single).digest('base64url')
}

// Access tokens are the applications' business and mostly opaque. Where one is a JWT, it says for whom it is, and with some
// providers (Keycloak's default mappers) it is the only place that has the roles.
import { decodeJwt } from 'jose'
import { LoginRejected } from '../errors.ts'
import type { JSONObject } from './json.ts'
import type { Keys } from './keys.ts'
import type { Metadata } from './metadata.ts'
import { verifySignature } from './signature.ts'

/** Opaque tokens say nothing about whom they are for, so nothing is held against them. */
export function accessTokenIsFor(accessToken: string, audience: string): boolean {
  try {
    const { aud } = decodeJwt(accessToken)
    return Array.isArray(aud) ? aud.includes(audience) : aud === audience
  } catch {
    return true
  }
}

export type AccessTokenClaims =
  { readonly kind: 'claims'; readonly claims: JSONObject } | { readonly kind: 'unusable'; readonly why: string }

/**
 * The claims of an access token that the configured provider signed, and that is about `subject` or (Keycloak's light ones)
 * about nobody by name: it came with the ID token, in one answer. Another kind of token is no fault: nothing is taken from it.
 * Throws ProviderUnavailable when there are no keys.
 */
export async function readAccessToken(
  accessToken: string,
  expected: { subject: string; metadata: Metadata; keys: Keys; now: number; clockSkewMs: number },
): Promise<AccessTokenClaims> {
  const { subject, metadata, now, clockSkewMs } = expected
  const issuer = issuerOf(accessToken)
  if (issuer === undefined) return unusable('it is not a JWT')
  // Before keys are fetched for it: Entra ID's tokens for Microsoft's own APIs are of another issuer and cannot be verified.
  if (issuer !== metadata.issuer) return unusable('it is of another issuer')
  let claims
  try {
    claims = (await verifySignature(accessToken, metadata, expected.keys, 'provider')).claims
  } catch (error) {
    if (!(error instanceof LoginRejected)) throw error
    return unusable(error.message)
  }
  const { sub, exp } = claims
  if (sub !== undefined && sub !== subject) return unusable('it is about somebody else')
  if (exp !== undefined && !(typeof exp === 'number' && now < exp * 1_000 + clockSkewMs))
    return unusable('it has expired')
  return { kind: 'claims', claims }
}

function issuerOf(token: string): unknown {
  try {
    return decodeJwt(token).iss ?? 'nobody'
  } catch {
    return undefined
  }
}

const unusable = (why: string): AccessTokenClaims => ({ kind: 'unusable', why })

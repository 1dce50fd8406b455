// Is this JWT signed by the provider? What its claims mean is for others (id-token.ts, user-info.ts).
import { compactVerify, decodeProtectedHeader, errors } from 'jose'
import { LoginRejected } from '../errors.ts'
import { isObject, isTooDeep, tooDeep, type JSONObject } from './json.ts'
import type { Keys, KeySet, TokenSource } from './keys.ts'
import type { Metadata } from './metadata.ts'
import { errorWord } from './provider-text.ts'

/** A JWT taken apart, of which nothing has been verified: for a look at its own claims, which may hold others of any depth. */
export interface Unverified {
  readonly algorithm: string
  /** `typ` of the header. */
  readonly type: string | undefined
  readonly claims: JSONObject
}

/** Longer tokens are refused before anything is computed. */
export const maxTokenLength = 64 * 1024

/** Keys at hand, those that another login fetched meanwhile, and those that this one fetched. */
const maxRounds = 3

/** The shape and the algorithm. Throws LoginRejected. */
export function decodeUnverified(token: string, algorithms: readonly string[]): Unverified {
  if (token.length > maxTokenLength) throw new LoginRejected('claims_too_large', 'the token is longer than 64 KB')
  const parts = token.split('.')
  const header = readHeader(token)
  if (parts.length !== 3 || header === undefined) throw malformed('it is not a signed JWT')
  const { alg, crit, kid, b64 } = header
  if (typeof alg !== 'string' || !algorithms.includes(alg)) {
    throw new LoginRejected(
      'id_token_algorithm',
      `the token is signed with ${errorWord(alg)}, the provider announced ${algorithms.join(', ')}`,
    )
  }
  // RFC 7515 section 4.1.11: extensions that we do not understand must not be passed over, and we understand none.
  if (crit !== undefined || b64 !== undefined) throw malformed('its header asks for an extension')
  if (kid !== undefined && typeof kid !== 'string') throw malformed('its kid is not a string')
  const claims = readJSON(Buffer.from(parts[1] ?? '', 'base64url'))
  if (claims === undefined) throw malformed('its payload is not a JSON object')
  return { algorithm: alg, type: typeof header.typ === 'string' ? header.typ : undefined, claims }
}

/**
 * The claims of a token that the provider signed. `jwk`, `jku` and `x5u` of the header are never looked at: whoever forges
 * a token would name a key of their own. Throws LoginRejected, or ProviderUnavailable when no keys can be had.
 */
export async function verifySignature(
  token: string,
  metadata: Pick<Metadata, 'algorithms' | 'jwks_uri'>,
  keys: Keys,
  from: TokenSource,
): Promise<Unverified> {
  const unverified = decodeUnverified(token, metadata.algorithms)
  let seen: KeySet | undefined = await keys.current(metadata.jwks_uri, from)
  for (let round = 0; seen !== undefined && round < maxRounds; round++) {
    if (await isSigned(token, unverified.algorithm, seen.for(unverified.claims['iss']))) {
      if (isTooDeep(unverified.claims))
        throw new LoginRejected('claims_too_large', `the token cannot be used: ${tooDeep}`)
      return unverified
    }
    // The provider may have new keys: under a new kid, or (seen in the wild) under the old one.
    seen = await keys.newerThan(seen, from)
  }
  throw new LoginRejected('id_token_signature', 'no key of the provider made the signature of the token')
}

async function isSigned(token: string, algorithm: string, find: ReturnType<KeySet['for']>): Promise<boolean> {
  const options = { algorithms: [algorithm] }
  try {
    await compactVerify(token, find, options)
    return true
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) return false
    // Without a kid several keys may fit (Core 10.1 allows that only to a provider with one key, but it happens).
    for await (const key of error) {
      if (
        await compactVerify(token, key, options).then(
          () => true,
          () => false,
        )
      )
        return true
    }
    return false
  }
}

export function readHeader(token: string): ReturnType<typeof decodeProtectedHeader> | undefined {
  try {
    return decodeProtectedHeader(token)
  } catch {
    return undefined
  }
}

function readJSON(bytes: Buffer): JSONObject | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

const malformed = (why: string): LoginRejected =>
  new LoginRejected('id_token_malformed', `the token cannot be used: ${why}`)

// A JWT that is signed with the key in its own header: a proof of possession (RFC 9449 section 4.2). Whoever has made it has the
// key; who may use that key, and for what, is not said here.
import { calculateJwkThumbprint, compactVerify, EmbeddedJWK } from 'jose'
import { LoginRejected } from '../errors.ts'
import { isObject } from './json.ts'
import { decodeUnverified, readHeader, type Unverified } from './signature.ts'

export interface OwnKeyProof extends Unverified {
  /** SHA-256 thumbprint of the key (RFC 7638). */
  readonly thumbprint: string
}

// Private parts, and symmetric keys: RFC 7518 sections 6.2.2, 6.3.2 and 6.4.
const privateParts = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

/** Throws LoginRejected: what is not such a JWT, has no public key in its header, or a signature by another one. */
export async function verifyOwnKey(token: string, algorithms: readonly string[]): Promise<OwnKeyProof> {
  const unverified = decodeUnverified(token, algorithms)
  const jwk: unknown = readHeader(token)?.jwk
  if (!isObject(jwk) || privateParts.some((part) => Object.hasOwn(jwk, part))) throw unusableKey()
  const key = publicPart(jwk)
  if (key === undefined) throw unusableKey()
  const thumbprint = await calculateJwkThumbprint(key).catch(() => {
    throw unusableKey()
  })
  await compactVerify(token, EmbeddedJWK, { algorithms: [unverified.algorithm] }).catch(() => {
    throw new LoginRejected('id_token_signature', 'the key in its header did not make the signature')
  })
  return { ...unverified, thumbprint }
}

/** What the thumbprint is made of; an EC or RSA key, or one of RFC 8037. */
function publicPart(jwk: Readonly<Record<string, unknown>>) {
  const { kty, crv, x, y, n, e } = jwk
  const isText = (...parts: unknown[]) => parts.every((part) => typeof part === 'string' && part !== '')
  if (kty === 'EC' && isText(crv, x, y)) return { kty, crv: String(crv), x: String(x), y: String(y) }
  if (kty === 'OKP' && isText(crv, x)) return { kty, crv: String(crv), x: String(x) }
  if (kty === 'RSA' && isText(n, e)) return { kty, n: String(n), e: String(e) }
  return undefined
}

const unusableKey = (): LoginRejected => new LoginRejected('id_token_malformed', 'its header holds no public key')

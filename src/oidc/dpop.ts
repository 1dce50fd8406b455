// Proof of possession (RFC 9449): tokens that are worth something only to whoever holds a key. Each session has a key of its own,
// kept beside its tokens, so that any replica can go on with it. ES256, which everybody who offers DPoP knows.
import { createECDH, createHash } from 'node:crypto'
import { calculateJwkThumbprint, importJWK, SignJWT, type JWK } from 'jose'
import type { Clock } from '../time.ts'
import type { ProviderAnswer, ProviderRequest, Transport } from './transport.ts'
import { jsonObject } from './transport.ts'

/** With what a request proves itself. */
export interface Possession {
  /** See `newProofKey`. */
  readonly key: string
  /** The token that the request presents, where it presents one. */
  readonly accessToken?: string
}

export interface DPoP {
  /**
   * Sends what `make` makes, with a proof. A server that wants a nonce of its own in it (section 8) has refused and done nothing: it is
   * made and sent again, since a client's assertion, too, is good for one use. Throws what the transport throws.
   */
  send(make: () => Promise<ProviderRequest>, possession: Possession): Promise<ProviderAnswer>
}

/** Servers that want another nonce in each request may have given the newest one to somebody else meanwhile. */
const maxAttempts = 3
/** Origins whose nonces are remembered: the provider's, and that of its UserInfo. */
const maxNonces = 8
const maxNonceLength = 512

const curve = 'prime256v1'
const coordinateBytes = 32

/** A private key of P-256: its 32 bytes, base64url. */
export function newProofKey(randomBytes: (size: number) => Buffer): string {
  const pair = createECDH(curve)
  for (;;) {
    const scalar = randomBytes(coordinateBytes)
    try {
      pair.setPrivateKey(scalar)
      return scalar.toString('base64url')
    } catch {
      // Zero, or not below the order of the curve: one in 2^32.
    }
  }
}

/** `dpop_jkt` (section 10): binds an authorization code to the key. */
export const thumbprintOf = (key: string): Promise<string> => calculateJwkThumbprint(publicKeyOf(key), 'sha256')

export function createDPoP(deps: {
  readonly transport: Transport
  readonly clock: Clock
  readonly randomBytes: (size: number) => Buffer
}): DPoP {
  const { transport, clock, randomBytes } = deps
  const nonces = new Map<string, string>()

  function remember({ origin }: URL, nonce: string): void {
    if (!nonces.has(origin) && nonces.size >= maxNonces) nonces.clear()
    nonces.set(origin, nonce)
  }

  async function proof(request: ProviderRequest, { key, accessToken }: Possession, nonce?: string): Promise<string> {
    const { url, form } = request
    const jwk = publicKeyOf(key)
    const claims = {
      jti: randomBytes(16).toString('base64url'),
      htm: form === undefined ? 'GET' : 'POST',
      htu: url.origin + url.pathname,
      iat: Math.floor(clock() / 1_000),
      ...(nonce !== undefined && { nonce }),
      ...(accessToken !== undefined && { ath: createHash('sha256').update(accessToken).digest('base64url') }),
    }
    const signing = await importJWK({ ...jwk, d: key }, 'ES256')
    return new SignJWT(claims).setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk }).sign(signing)
  }

  return {
    async send(make, possession) {
      for (let attempt = 1; ; attempt++) {
        const request = await make()
        const { url, headers } = request
        const dpop = await proof(request, possession, nonces.get(url.origin))
        const answer = await transport.send({ ...request, headers: { ...headers, dpop } })
        const { dpopNonce } = answer
        if (dpopNonce !== undefined && dpopNonce.length <= maxNonceLength) remember(url, dpopNonce)
        if (attempt === maxAttempts || dpopNonce === undefined || !wantsNonce(answer)) return answer
      }
    },
  }
}

/** Section 8 has it for the token endpoint, section 9 for what is asked with a token. */
function wantsNonce(answer: ProviderAnswer): boolean {
  if (answer.status === 401 && answer.challenge?.includes('use_dpop_nonce') === true) return true
  return (answer.status === 400 || answer.status === 401) && jsonObject(answer)?.['error'] === 'use_dpop_nonce'
}

function publicKeyOf(key: string): JWK {
  const pair = createECDH(curve)
  pair.setPrivateKey(Buffer.from(key, 'base64url'))
  // 4, then both coordinates.
  const point = pair.getPublicKey()
  const [x, y] = [point.subarray(1, 1 + coordinateBytes), point.subarray(1 + coordinateBytes)]
  return { kty: 'EC', crv: 'P-256', x: x.toString('base64url'), y: y.toString('base64url') }
}

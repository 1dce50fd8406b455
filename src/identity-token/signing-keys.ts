// The keys that sign identity tokens: ES256 (P-256), a new one each day, the same on every replica. They are derived from
// `sessionEncryptionKey` and the date, rather than kept anywhere: nothing can be lost or read, no outage takes signing away, and
// tomorrow's key can be published today. Who has the encryption key can make sessions; these keys give them nothing more.
import { createECDH, createHash, createPrivateKey, hkdfSync, type KeyObject } from 'node:crypto'
import { hours, type Clock } from '../time.ts'

export interface SigningKey {
  readonly privateKey: KeyObject
  readonly publicJWK: PublicJWK
}

/** RFC 7517, RFC 7518 section 6.2. */
export interface PublicJWK {
  readonly kty: 'EC'
  readonly crv: 'P-256'
  readonly x: string
  readonly y: string
  readonly alg: 'ES256'
  readonly use: 'sig'
  /** Its thumbprint (RFC 7638). */
  readonly kid: string
}

export interface SigningKeys {
  current(): SigningKey
  /**
   * Of yesterday, today and tomorrow, by each encryption key: whoever has fetched them within a day knows the key of every token that
   * is valid, also of replicas whose clocks are off, or which have another encryption key as their first in the midst of a rotation.
   */
  published(): readonly PublicJWK[]
}

const dayMs = hours(24)
/** The order of P-256's base point (FIPS 186-5, SP 800-186). */
const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** `masters`: as of a Sealer, the first signs. `scope`: replicas of another deployment sign with keys of their own. */
export function createSigningKeys({
  masters,
  scope,
  clock,
}: {
  masters: readonly Buffer[]
  scope: string
  clock: Clock
}): SigningKeys {
  const [first] = masters
  if (first === undefined) throw new RangeError('a signer needs a key')
  let days = new Map<number, readonly SigningKey[]>()

  const today = () => Math.floor(clock() / dayMs)

  function keysOf(day: number): readonly SigningKey[] {
    const known = days.get(day)
    if (known !== undefined) return known
    const keys = masters.map((master) => derivedKey(master, scope, day))
    days = new Map([...days].filter(([other]) => Math.abs(other - day) <= 2))
    days.set(day, keys)
    return keys
  }

  return {
    current() {
      const [key] = keysOf(today())
      if (key === undefined) throw new RangeError('a signer needs a key')
      return key
    },
    published: () => [0, -1, 1].flatMap((offset) => keysOf(today() + offset).map(({ publicJWK }) => publicJWK)),
  }
}

/** FIPS 186-5 appendix A.2.1: a number far longer than the order, taken modulo, has no bias worth the name. */
function derivedKey(master: Buffer, scope: string, day: number): SigningKey {
  const bits = Buffer.from(hkdfSync('sha256', master, `foregate identity token ${scope}`, `ES256 ${day}`, 48))
  const scalar = (BigInt(`0x${bits.toString('hex')}`) % (order - 1n)) + 1n
  const d = Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex')
  const curve = createECDH('prime256v1')
  curve.setPrivateKey(d)
  const point = curve.getPublicKey()
  const x = point.subarray(1, 33).toString('base64url')
  const y = point.subarray(33).toString('base64url')
  const kid = createHash('sha256')
    .update(JSON.stringify({ crv: 'P-256', kty: 'EC', x, y }))
    .digest('base64url')
  return {
    privateKey: createPrivateKey({ key: { kty: 'EC', crv: 'P-256', x, y, d: d.toString('base64url') }, format: 'jwk' }),
    publicJWK: { kty: 'EC', crv: 'P-256', x, y, alg: 'ES256', use: 'sig', kid },
  }
}

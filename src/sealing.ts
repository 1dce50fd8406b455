// Authenticated encryption of everything that leaves this process's memory: values in the shared store, flow and pass
// cookies. AES-256-GCM (NIST SP 800-38D); keys by HKDF-SHA256 (RFC 5869), one per purpose and, for sessions, per secret.
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'

const formatVersion = 1
const keyIdBytes = 4
const ivBytes = 12
const tagBytes = 16
const headerBytes = 1 + keyIdBytes + ivBytes + tagBytes

export interface Sealer {
  /**
   * `context`: what this value is and where it lives (key name, format version). It is authenticated, so that a value moved
   * elsewhere does not open. `secret`: further key material that the store never sees, or undefined.
   */
  seal(plain: Buffer, context: string, secret?: string): Buffer
  /** What was sealed under this context and secret by any of the keys; undefined for anything else. Never throws. */
  open(sealed: Buffer, context: string, secret?: string): Buffer | undefined
}

interface Ring {
  readonly id: Buffer
  /** HKDF's pseudo-random key: the extract step, done once. */
  readonly prk: KeyObject
  /** The purpose's own key, for values without a secret. */
  readonly key: KeyObject
}

/** `keys`: the first seals, all open (rotation). `purpose`: values sealed for one purpose never open for another. */
export function createSealer(keys: readonly Buffer[], purpose: string, randomBytes: (size: number) => Buffer): Sealer {
  const rings = keys.map((master): Ring => {
    const salt = Buffer.from(`foregate ${purpose}`)
    const prk = createSecretKey(createHmac('sha256', salt).update(master).digest())
    return {
      id: Buffer.from(hkdfSync('sha256', master, salt, 'key id', keyIdBytes)),
      prk,
      key: expand(prk, ''),
    }
  })
  const [first] = rings
  if (first === undefined) throw new RangeError('a sealer needs a key')
  // A session's parts are sealed one after the other with the same secret: its key is derived once for them.
  let latest: { readonly ring: Ring; readonly secret: string; readonly key: KeyObject } | undefined
  function keyFor(ring: Ring, secret: string | undefined): KeyObject {
    if (secret === undefined) return ring.key
    if (latest?.secret !== secret || latest.ring !== ring) {
      latest = { ring, secret, key: expand(ring.prk, `with ${secret}`) }
    }
    return latest.key
  }

  return {
    seal(plain, context, secret) {
      const iv = randomBytes(ivBytes)
      const cipher = createCipheriv('aes-256-gcm', keyFor(first, secret), iv)
      cipher.setAAD(Buffer.from(`${formatVersion} ${context}`))
      const head = Buffer.from([formatVersion])
      const body = cipher.update(plain)
      cipher.final()
      return Buffer.concat([head, first.id, iv, cipher.getAuthTag(), body])
    },

    open(sealed, context, secret) {
      if (sealed.length < headerBytes || sealed[0] !== formatVersion) return undefined
      const ring = rings.find((candidate) => candidate.id.compare(sealed, 1, 1 + keyIdBytes) === 0)
      if (ring === undefined) return undefined
      const ivEnd = 1 + keyIdBytes + ivBytes
      const decipher = createDecipheriv('aes-256-gcm', keyFor(ring, secret), sealed.subarray(1 + keyIdBytes, ivEnd), {
        authTagLength: tagBytes,
      })
      decipher.setAAD(Buffer.from(`${formatVersion} ${context}`))
      decipher.setAuthTag(sealed.subarray(ivEnd, headerBytes))
      const plain = decipher.update(sealed.subarray(headerBytes))
      try {
        decipher.final()
      } catch {
        // A foreign key, a moved or a damaged value: all the same to the caller, who treats it as absent.
        return undefined
      }
      return plain
    },
  }
}

/** A keyed hash (HMAC-SHA256) for names that must not tell what they are made from; replicas with the same first key agree. */
export function createKeyedHash(keys: readonly Buffer[], purpose: string): (text: string) => Buffer {
  const [master] = keys
  if (master === undefined) throw new RangeError('a keyed hash needs a key')
  const key = createSecretKey(Buffer.from(hkdfSync('sha256', master, Buffer.from(`foregate ${purpose}`), 'hash', 32)))
  return (text) => createHmac('sha256', key).update(text).digest()
}

/** HKDF-Expand (RFC 5869 section 2.3) for one block of 32 bytes: HMAC(PRK, info || 0x01). */
function expand(prk: KeyObject, info: string): KeyObject {
  return createSecretKey(createHmac('sha256', prk).update(info).update('\x01').digest())
}

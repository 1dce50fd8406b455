// One withdrawal as a line of the spool: JSON with a MAC of its own, since a file can be torn anywhere, and whoever may write into
// the directory must not be able to end a session.
import { createHmac, createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto'
import { everyGeneration } from '../store/withdrawal-log.ts'
import type { Spooled } from './spool.ts'

export interface SpoolLines {
  /** Without the line break. */
  encode(spooled: Spooled): string
  /** Undefined for what is damaged or none of ours. Never throws. */
  decode(line: string): Spooled | undefined
}

/** No line of ours is longer. */
export const maxLineLength = 512

const macBytes = 16
const shape = /^\{"id":"([\w-]{1,128})","floor":(\d{1,10}),"expiresAt":(\d{1,16}),"mac":"([\w-]{22})"\}$/

/** `keys`: the first signs, all are accepted (rotation). `scope`: lines of another deployment are nobody's. */
export function createSpoolLines(keys: readonly Buffer[], scope: string): SpoolLines {
  const derived = keys.map((key) =>
    createSecretKey(createHmac('sha256', key).update(`foregate spool ${scope}`).digest()),
  )
  const [first] = derived
  if (first === undefined) throw new RangeError('a spool needs a key')
  const mac = (key: KeyObject, text: string) => createHmac('sha256', key).update(text).digest().subarray(0, macBytes)

  return {
    encode({ id, floor, expiresAt }) {
      const end = Math.floor(expiresAt)
      const signature = mac(first, `${id} ${floor} ${end}`).toString('base64url')
      return JSON.stringify({ id, floor, expiresAt: end, mac: signature })
    },
    decode(line) {
      const [, id, floor, end, signature] = shape.exec(line) ?? []
      if (id === undefined || floor === undefined || end === undefined || signature === undefined) return undefined
      const given = Buffer.from(signature, 'base64url')
      if (!derived.some((key) => timingSafeEqual(mac(key, `${id} ${floor} ${end}`), given))) return undefined
      const spooled = { id, floor: Number(floor), expiresAt: Number(end) }
      return spooled.floor >= 1 && spooled.floor <= everyGeneration ? spooled : undefined
    },
  }
}

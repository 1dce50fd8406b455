// What replicas tell each other at once: `origin sentAt what id number mac`, one line, nothing secret. The fast way; correctness
// never rests on it. Signed, for the channel may be open to others, and bound to the deployment: whoever could make up notes
// could end anybody's session, and fill every replica's memory with marks.
import { createHmac, createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto'

export interface Invalidation {
  /** The replica that wrote. */
  readonly origin: string
  /** ms since the epoch, by the writer's clock. */
  readonly sentAt: number
  /** A state of generation `number` was written; what is below floor `number` was withdrawn; or `id`, a replica, is there. */
  readonly what: 'changed' | 'withdrawn' | 'here'
  readonly id: string
  readonly number: number
}

export interface Invalidations {
  encode(note: Invalidation): string
  /** Undefined for anything that no replica of ours wrote: whoever cannot read a note loses freshness, not safety. */
  decode(text: string): Invalidation | undefined
}

const shape = /^(([\w-]{1,64}) (\d{1,16}) (changed|withdrawn|here) ([\w-]{1,128}) (\d{1,10})) ([\w-]{22})$/
const macBytes = 16

/** `keys`: the first signs, all are accepted (rotation). `scope`: notes of another deployment are nobody's. */
export function createInvalidations(keys: readonly Buffer[], scope: string): Invalidations {
  const derived = keys.map((key) =>
    createSecretKey(createHmac('sha256', key).update(`foregate note ${scope}`).digest()),
  )
  const [first] = derived
  if (first === undefined) throw new RangeError('notes need a key')
  const mac = (key: KeyObject, text: string) => createHmac('sha256', key).update(text).digest().subarray(0, macBytes)

  return {
    encode({ origin, sentAt, what, id, number }) {
      const text = `${origin} ${Math.floor(sentAt)} ${what} ${id} ${number}`
      return `${text} ${mac(first, text).toString('base64url')}`
    },
    decode(line) {
      const [, text, origin, sentAt, what, id, number, signature] = shape.exec(line) ?? []
      if (text === undefined || origin === undefined || id === undefined || signature === undefined) return undefined
      const given = Buffer.from(signature, 'base64url')
      if (!derived.some((key) => timingSafeEqual(mac(key, text), given))) return undefined
      return {
        origin,
        sentAt: Number(sentAt),
        what: what === 'withdrawn' || what === 'here' ? what : 'changed',
        id,
        number: Number(number),
      }
    },
  }
}

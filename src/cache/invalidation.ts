// What replicas tell each other: `origin sentAt what id mac`, one line, nothing secret. Signed, for the channel may be open to
// others: whoever could make up notes could end anybody's session, and fill every replica's memory with marks.
import { createHmac, createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto'
import type { Change } from './shared-tier.ts'

export interface Note extends Change {
  /** The replica that wrote. */
  readonly origin: string
  /** ms since the epoch, by the writer's clock. */
  readonly sentAt: number
}

export interface Notes {
  encode(note: Note): string
  /** Undefined for anything that no replica of ours wrote: whoever cannot read a note loses freshness, not safety. */
  decode(text: string): Note | undefined
}

const shape = /^(([\w-]{1,64}) (\d{1,16}) (written|revoked) ([\w-]{1,128})) ([\w-]{22})$/
const macBytes = 16

/** `keys`: the first signs, all are accepted (rotation). */
export function createNotes(keys: readonly Buffer[]): Notes {
  const derived = keys.map((key) => createSecretKey(createHmac('sha256', key).update('foregate note').digest()))
  const [first] = derived
  if (first === undefined) throw new RangeError('notes need a key')
  const mac = (key: KeyObject, text: string) => createHmac('sha256', key).update(text).digest().subarray(0, macBytes)

  return {
    encode({ origin, sentAt, what, id }) {
      const text = `${origin} ${sentAt} ${what} ${id}`
      return `${text} ${mac(first, text).toString('base64url')}`
    },
    decode(line) {
      const [, text, origin, sentAt, what, id, signature] = shape.exec(line) ?? []
      if (text === undefined || origin === undefined || id === undefined || signature === undefined) return undefined
      const given = Buffer.from(signature, 'base64url')
      if (!derived.some((key) => timingSafeEqual(mac(key, text), given))) return undefined
      return { origin, sentAt: Number(sentAt), what: what === 'revoked' ? 'revoked' : 'written', id }
    },
  }
}

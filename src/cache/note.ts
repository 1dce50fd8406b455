// What replicas tell each other: `origin sentAt what id`, one line, nothing secret.
import type { Change } from './shared-tier.ts'

export interface Note extends Change {
  /** The replica that wrote. */
  readonly origin: string
  /** ms since the epoch, by the writer's clock. */
  readonly sentAt: number
}

const shape = /^([\w-]{1,64}) (\d{1,16}) (written|revoked) ([\w-]{1,128})$/

export const encodeNote = ({ origin, sentAt, what, id }: Note): string => `${origin} ${sentAt} ${what} ${id}`

/** Undefined for anything else, such as the notes of a newer version: whoever cannot read a note loses freshness, not safety. */
export function decodeNote(text: string): Note | undefined {
  const [, origin, sentAt, what, id] = shape.exec(text) ?? []
  if (origin === undefined || id === undefined) return undefined
  return { origin, sentAt: Number(sentAt), what: what === 'revoked' ? 'revoked' : 'written', id }
}

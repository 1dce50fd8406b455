// What one replica tells another, as it travels: JSON, and beside it a MAC over its very bytes, so that nothing is parsed that
// none of ours has written. Whoever could make up messages could end anybody's session, and make a replica believe that it knows
// every logout. An answer is bound to its question, or an old one could be passed off as today's.
import { createHmac, createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto'
import type { Lasting } from '../cache/floors.ts'
import type { PeerMessage, PeerReply } from '../cache/peers.ts'
import { everyGeneration } from '../store/withdrawal-log.ts'

/** A message with what tells it from all others of its sender's life. */
export interface Stamped {
  readonly message: PeerMessage
  /** Grows with each message of one life. */
  readonly seq: number
  /** ms since the epoch, by the sender's clock. */
  readonly sentAt: number
}

export interface Signed {
  readonly body: Buffer
  /** base64url */
  readonly mac: string
}

/** `not_ours`: nobody who has one of our keys wrote it. `malformed`: one of ours did, in words that we do not know. */
export type Unreadable = 'not_ours' | 'malformed'

/** No method throws. */
export interface Messages {
  ask(stamped: Stamped): Signed
  readAsk(signed: Signed): Stamped | Unreadable
  /** `question`: the MAC of what is answered. */
  answer(reply: PeerReply, question: string): Signed
  readAnswer(signed: Signed, question: string): PeerReply | Unreadable
}

/** 1,000 withdrawals of the longest ids are 161 KB. */
export const maxMessageBytes = 256 * 1024
export const macShape = /^[\w-]{43}$/

const maxEntries = 1_000
const idShape = /^[\w-]{1,128}$/
const originShape = /^[\w-]{1,64}$/

/** `keys`: the first signs, all are accepted (rotation). `scope`: messages of another deployment are nobody's. */
export function createMessages(keys: readonly Buffer[], scope: string): Messages {
  const derived = keys.map((key) =>
    createSecretKey(createHmac('sha256', key).update(`foregate peer ${scope}`).digest()),
  )
  const [first] = derived
  if (first === undefined) throw new RangeError('messages need a key')

  // Neither beginning is the other's: a question sent back is no answer.
  const forAsk = (key: KeyObject, body: Buffer) => createHmac('sha256', key).update('ask ').update(body).digest()
  const forAnswer = (key: KeyObject, body: Buffer, question: string) =>
    createHmac('sha256', key).update(`answer ${question} `).update(body).digest()

  function isSigned(mac: string, expected: (key: KeyObject) => Buffer): boolean {
    if (!macShape.test(mac)) return false
    const given = Buffer.from(mac, 'base64url')
    return derived.some((key) => timingSafeEqual(expected(key), given))
  }

  return {
    ask({ message, seq, sentAt }) {
      const body = encode({ ...message, entries: triples(message.entries), seq, sentAt: Math.floor(sentAt) })
      return { body, mac: forAsk(first, body).toString('base64url') }
    },
    readAsk({ body, mac }) {
      if (!isSigned(mac, (key) => forAsk(key, body))) return 'not_ours'
      return stampedFrom(parse(body)) ?? 'malformed'
    },
    answer(reply, question) {
      const body = encode({ ...reply, entries: triples(reply.entries) })
      return { body, mac: forAnswer(first, body, question).toString('base64url') }
    },
    readAnswer({ body, mac }, question) {
      if (!isSigned(mac, (key) => forAnswer(key, body, question))) return 'not_ours'
      return replyFrom(parse(body)) ?? 'malformed'
    },
  }
}

const encode = (value: object): Buffer => Buffer.from(JSON.stringify(value))

function parse(body: Buffer): Readonly<Record<string, unknown>> {
  try {
    return fields(JSON.parse(body.toString('utf8')))
  } catch {
    return {}
  }
}

/** Fields that we do not know are a newer version's, and left alone. */
function fields(value: unknown): Readonly<Record<string, unknown>> {
  // Any object has names and values that nobody knows.
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0
const isOrigin = (value: unknown): value is string => typeof value === 'string' && originShape.test(value)
const isId = (value: unknown): value is string => typeof value === 'string' && idShape.test(value)
const isFloor = (value: unknown): value is number => isCount(value) && value >= 1 && value <= everyGeneration

/** `[id, floor, end]`. What no session of ours can be called is left out: the receiver would refuse the whole. */
const triples = (entries: readonly Lasting[]) =>
  entries
    .filter(({ id, floor, expiresAt }) => isId(id) && isFloor(floor) && expiresAt > 0)
    .map(({ id, floor, expiresAt }) => [id, floor, Math.ceil(expiresAt)])

function entriesFrom(value: unknown): Lasting[] | undefined {
  if (!Array.isArray(value) || value.length > maxEntries) return undefined
  const entries: Lasting[] = []
  for (const triple of value as unknown[]) {
    if (!Array.isArray(triple)) return undefined
    const [id, floor, expiresAt] = triple as unknown[]
    if (!isId(id) || !isFloor(floor) || !isCount(expiresAt)) return undefined
    entries.push({ id, floor, expiresAt })
  }
  return entries
}

function stampedFrom(value: Readonly<Record<string, unknown>>): Stamped | undefined {
  const { origin, seq, sentAt, leaving } = value
  const entries = entriesFrom(value['entries'])
  if (entries === undefined || !isOrigin(origin) || !isCount(seq) || !isCount(sentAt)) return undefined
  if (typeof leaving !== 'boolean') return undefined
  const { origin: life, seq: heard } = fields(value['after'])
  if (value['after'] !== undefined && !(isOrigin(life) && isCount(heard))) return undefined
  const after = isOrigin(life) && isCount(heard) ? { origin: life, seq: heard } : undefined
  return { message: { origin, entries, after, leaving }, seq, sentAt }
}

function replyFrom(value: Readonly<Record<string, unknown>>): PeerReply | undefined {
  const { origin, seq, more, horizonAgeMs } = value
  const entries = entriesFrom(value['entries'])
  if (entries === undefined || !isOrigin(origin) || !isCount(seq) || typeof more !== 'boolean') return undefined
  if (horizonAgeMs === undefined) return { origin, entries, seq, more, horizonAgeMs }
  if (typeof horizonAgeMs !== 'number' || !Number.isFinite(horizonAgeMs) || horizonAgeMs < 0) return undefined
  return { origin, entries, seq, more, horizonAgeMs }
}

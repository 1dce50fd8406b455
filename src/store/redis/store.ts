// The port `Store` in Redis commands: one round trip each, single-key, or several keys of one slot. Every failure leaves here
// as StoreUnavailable or StoreValueRejected, with a RedisFailure as cause.
import { StoreUnavailable, StoreValueRejected } from '../../errors.ts'
import type { Clock, Timer } from '../../time.ts'
import { withTimeout } from '../with-timeout.ts'
import type { DataClient } from './connection.ts'
import { fault, RedisFailure, redisFault } from './faults.ts'
import type { RedisFault } from './faults.ts'
import { notEmpty, wholeTtl } from '../rules.ts'
import type { Key, Store } from '../store.ts'

export interface RedisStoreParts {
  readonly client: DataClient
  readonly keyPrefix: string
  /** In a Cluster the id alone chooses the slot, so that `session:{abc}` and `revoked:{abc}` can change in one step. */
  readonly hashTags: boolean
  readonly readTimeoutMs: number
  readonly writeTimeoutMs: number
  readonly clock: Clock
  readonly timer: Timer
  /** Why nothing can be sent now; undefined while connected. */
  readonly down: () => RedisFault | undefined
}

export interface RedisStore extends Store {
  /** Calls that wait for their answer. */
  inFlight(): number
}

export const noteChannel = (keyPrefix: string): string => `${keyPrefix}invalidate`

const timedOut = () => unavailable(fault('timeout'), undefined)

export function redisStore(parts: RedisStoreParts): RedisStore {
  const { client, keyPrefix, hashTags, readTimeoutMs, writeTimeoutMs, clock, timer, down } = parts
  const channel = noteChannel(keyPrefix)
  let inFlight = 0

  const nameOf = (key: Key): string =>
    hashTags ? `${keyPrefix}${key.kind}:{${key.id}}` : `${keyPrefix}${key.kind}:${key.id}`

  async function run<Reply>(limitMs: number, command: () => Promise<Reply>): Promise<Reply> {
    const reason = down()
    // Without asking the driver: it would build the command only to refuse it.
    if (reason !== undefined) throw unavailable(reason, undefined)
    inFlight++
    try {
      return await withTimeout(command(), limitMs, timer, timedOut)
    } catch (error) {
      throw translated(error)
    } finally {
      inFlight--
    }
  }

  function translated(error: unknown): unknown {
    if (error instanceof StoreUnavailable || error instanceof TypeError) return error
    const found = redisFault(error)
    if (found.kind === 'wrong_type')
      return new StoreValueRejected(found.words, { cause: new RedisFailure(found, error) })
    // "Connection is closed" says nothing of why; the link knows.
    return unavailable(found.kind === 'reset' ? (down() ?? found) : found, error)
  }

  const read = <Reply>(command: () => Promise<Reply>) => run(readTimeoutMs, command)
  const write = <Reply>(command: () => Promise<Reply>) => run(writeTimeoutMs, command)

  return {
    inFlight: () => inFlight,
    get: async (key, head) => {
      const name = nameOf(key)
      const value = await read(() =>
        head === undefined ? client.getBuffer(name) : client.getrangeBuffer(name, 0, head - 1),
      )
      return value === null || value.length === 0 ? undefined : value
    },
    set: async (key, value, ttlMs, note) => {
      notEmpty(value)
      const ttl = wholeTtl(ttlMs)
      await write(() =>
        note === undefined
          ? client.set(nameOf(key), value, 'PX', ttl)
          : client.fgSet(nameOf(key), value, ttl, channel, note),
      )
    },
    add: async (key, value, ttlMs) => {
      notEmpty(value)
      const ttl = wholeTtl(ttlMs)
      return (await write(() => client.set(nameOf(key), value, 'PX', ttl, 'NX'))) === 'OK'
    },
    replace: async (key, value, ttlMs, expectedHead, note = '') => {
      notEmpty(value)
      notEmpty(expectedHead)
      const ttl = wholeTtl(ttlMs)
      return (await write(() => client.fgReplace(nameOf(key), value, ttl, channel, note, expectedHead))) === 1
    },
    seed: async (key, value, ttlMs, mark, note = '') => {
      notEmpty(value)
      const ttl = wholeTtl(ttlMs)
      const answer = await write(() => client.fgSeed(nameOf(key), nameOf(mark), value, ttl, channel, note))
      return answer === 0 ? 'written' : answer === 1 ? 'exists' : 'marked'
    },
    revoke: async (key, mark, markValue, ttlMs, note = '') => {
      notEmpty(markValue)
      const ttl = wholeTtl(ttlMs)
      return (await write(() => client.fgRevoke(nameOf(key), nameOf(mark), markValue, ttl, channel, note))) === 1
    },
    touch: async (key, ttlMs) => (await write(() => client.pexpire(nameOf(key), wholeTtl(ttlMs)))) === 1,
    delete: async (key, note) => {
      await write(() => (note === undefined ? client.del(nameOf(key)) : client.fgDelete(nameOf(key), channel, note)))
    },
    deleteIf: async (key, expected) => (await write(() => client.fgDeleteIf(nameOf(key), expected))) === 1,
    touchIf: async (key, expected, ttlMs) =>
      (await write(() => client.fgTouchIf(nameOf(key), expected, wholeTtl(ttlMs)))) === 1,
    indexAdd: async (key, member, expiresAt) => {
      const now = clock()
      if (expiresAt <= now) return
      await write(() => client.fgIndexAdd(nameOf(key), member, Math.ceil(expiresAt), Math.floor(now)))
    },
    indexMembers: async (key, now) => read(() => client.zrangebyscore(nameOf(key), `(${Math.floor(now)}`, '+inf')),
    announce: async (note) => {
      await write(() => client.publish(channel, note))
    },
  }
}

export function unavailable(found: RedisFault, error: unknown): StoreUnavailable {
  return new StoreUnavailable(found.words, { cause: new RedisFailure(found, error) })
}

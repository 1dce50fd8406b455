// The port `Store` in Redis commands: one round trip each, single-key, or several keys of one slot. Every failure leaves here
// as StoreUnavailable or StoreValueRejected, with a RedisFailure as cause.
import { StoreUnavailable, StoreValueRejected } from '../../errors.ts'
import type { DataClient } from './connection.ts'
import { fault, RedisFailure, redisFault } from './faults.ts'
import type { RedisFault } from './faults.ts'
import { markText } from '../mark.ts'
import { notEmpty, wholeTtl } from '../rules.ts'
import type { Key, Store } from '../store.ts'
import { withTimeout, type Waiting } from '../with-timeout.ts'

/** How commands are sent: timed, counted, and their failures in our words. */
export interface RedisCalls {
  /** Throws StoreUnavailable or StoreValueRejected, with a RedisFailure as cause. */
  read<Reply>(command: () => Promise<Reply>): Promise<Reply>
  /** As `read`, within `writeTimeout`. */
  write<Reply>(command: () => Promise<Reply>): Promise<Reply>
  /** Calls that wait for their answer. */
  inFlight(): number
}

export interface RedisCallsParts {
  readonly readTimeoutMs: number
  readonly writeTimeoutMs: number
  readonly waiting: Waiting
  /** Why nothing can be sent now; undefined while connected. */
  readonly down: () => RedisFault | undefined
}

export function redisCalls({ readTimeoutMs, writeTimeoutMs, waiting, down }: RedisCallsParts): RedisCalls {
  let inFlight = 0

  async function run<Reply>(limitMs: number, command: () => Promise<Reply>): Promise<Reply> {
    const reason = down()
    // Without asking the driver: it would build the command only to refuse it.
    if (reason !== undefined) throw unavailable(reason, undefined)
    inFlight++
    try {
      return await withTimeout(command(), limitMs, waiting, timedOut)
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
      return new StoreValueRejected(found.message, { cause: new RedisFailure(found, error) })
    // "Connection is closed" says nothing of why; the link knows.
    return unavailable(found.kind === 'reset' ? (down() ?? found) : found, error)
  }

  return {
    read: (command) => run(readTimeoutMs, command),
    write: (command) => run(writeTimeoutMs, command),
    inFlight: () => inFlight,
  }
}

export interface RedisStoreParts {
  readonly client: DataClient
  readonly calls: RedisCalls
  readonly keyPrefix: string
  /** In a Cluster the id alone chooses the slot, so that `session:{abc}` and `revoked:{abc}` can change in one step. */
  readonly hashTags: boolean
}

export const noteChannel = (keyPrefix: string): string => `${keyPrefix}invalidate`

export function redisStore({ client, calls, keyPrefix, hashTags }: RedisStoreParts): Store {
  const { read, write } = calls
  const channel = noteChannel(keyPrefix)

  const nameOf = (key: Key): string =>
    hashTags ? `${keyPrefix}${key.kind}:{${key.id}}` : `${keyPrefix}${key.kind}:${key.id}`

  return {
    get: async (key, head) => {
      const name = nameOf(key)
      const value = await read(() =>
        head === undefined ? client.getBuffer(name) : client.getrangeBuffer(name, 0, head - 1),
      )
      return value === null || value.length === 0 ? undefined : value
    },
    set: async (key, value, ttlMs) => {
      notEmpty(value)
      const ttl = wholeTtl(ttlMs)
      await write(() => client.set(nameOf(key), value, 'PX', ttl))
    },
    add: async (key, value, ttlMs, urgency) => {
      notEmpty(value)
      const ttl = wholeTtl(ttlMs)
      if (urgency !== undefined) return (await write(() => client.fgAddWhenFull(nameOf(key), value, ttl))) === 1
      return (await write(() => client.set(nameOf(key), value, 'PX', ttl, 'NX'))) === 'OK'
    },
    compareAndSet: async (key, value, ttlMs, expectedHead, note = '') => {
      notEmpty(value)
      notEmpty(expectedHead)
      const ttl = wholeTtl(ttlMs)
      return (await write(() => client.fgCompareAndSet(nameOf(key), value, ttl, channel, note, expectedHead))) === 1
    },
    setUnlessMarked: async (key, value, ttlMs, { mark, generation }, note = '') => {
      notEmpty(value)
      const ttl = wholeTtl(ttlMs)
      const answer = await write(() =>
        client.fgSetUnlessMarked(nameOf(key), nameOf(mark), value, ttl, channel, note, generation),
      )
      return answer === 0 ? 'written' : answer === 1 ? 'exists' : 'marked'
    },
    withdraw: async (key, mark, floor, ttlMs, note = '') => {
      const ttl = wholeTtl(ttlMs)
      return (
        (await write(() => client.fgWithdraw(nameOf(key), nameOf(mark), markText(floor), ttl, channel, note))) === 1
      )
    },
    touch: async (key, ttlMs) => (await write(() => client.pexpire(nameOf(key), wholeTtl(ttlMs)))) === 1,
    delete: async (key) => {
      await write(() => client.del(nameOf(key)))
    },
    compareAndDelete: async (key, expected) =>
      (await write(() => client.fgCompareAndDelete(nameOf(key), expected))) === 1,
    compareAndTouch: async (key, expected, ttlMs) =>
      (await write(() => client.fgCompareAndTouch(nameOf(key), expected, wholeTtl(ttlMs)))) === 1,
    ttl: async (key) => {
      const left = await read(() => client.pttl(nameOf(key)))
      return left > 0 ? left : undefined
    },
    overwriteHead: async (key, head) => (await write(() => client.fgOverwriteHead(nameOf(key), notEmpty(head)))) === 1,
    addMember: async (key, member, expiresAt, now) => {
      await write(() => client.fgAddMember(nameOf(key), member, Math.ceil(expiresAt), Math.floor(now)))
    },
    removeMember: async (key, member) => {
      await write(() => client.zrem(nameOf(key), member))
    },
    members: async (key, now, limit, skip = 0) =>
      read(() => client.zrangebyscore(nameOf(key), `(${Math.floor(now)}`, '+inf', 'LIMIT', skip, limit)),
    take: async (key, { intervalMs, windowMs }) =>
      Number(await write(() => client.fgTake(nameOf(key), intervalMs, windowMs))),
  }
}

const timedOut = (byOurselves: boolean) => unavailable(fault(byOurselves ? 'own_delay' : 'timeout'), undefined)

export function unavailable(found: RedisFault, error: unknown): StoreUnavailable {
  return new StoreUnavailable(found.message, { cause: new RedisFailure(found, error) })
}

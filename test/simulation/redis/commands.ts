// The commands and scripts that the service sends, as the real server carries them out (src/store/redis/scripts.ts). The
// contract test holds both to the same cases.
import { createHash } from 'node:crypto'
import type { RedisScripts } from '../../../src/store/redis/scripts.ts'
import { everyGeneration } from '../../../src/store/withdrawal-log.ts'
import { take } from '../../../src/store/rate.ts'
import type { Transaction } from './keyspace.ts'

type Argument = string | number | Buffer
type Command = (t: Transaction, given: readonly Argument[]) => unknown

type Name =
  | 'getBuffer'
  | 'getrangeBuffer'
  | 'set'
  | 'pexpire'
  | 'pttl'
  | 'del'
  | 'hdel'
  | 'zrem'
  | 'zrangebyscore'
  | keyof RedisScripts

const text = (argument: Argument | undefined): string => String(argument)
const number = (argument: Argument | undefined): number => Number(text(argument))
const bytes = (argument: Argument | undefined): Buffer =>
  Buffer.isBuffer(argument) ? argument : Buffer.from(text(argument))

function tell(t: Transaction, channel: Argument | undefined, note: Argument | undefined): void {
  if (text(note) !== '') t.publish(text(channel), text(note))
}

const floorOf = (mark: Buffer | undefined): number =>
  mark === undefined ? 0 : Number(/^f(\d+)$/.exec(mark.toString())?.[1] ?? everyGeneration)

const flat = (members: readonly { readonly member: string; readonly score: number }[]): string[] =>
  members.flatMap(({ member, score }) => [member, score.toFixed(0)])

interface Log {
  readonly log: string
  readonly head: string
  readonly members: string
}

/** What every script of the log begins with. */
function openLog(t: Transaction, given: readonly Argument[]): Log & { n: number; chain: string; size: number } {
  const [log, head, members] = [text(given[0]), text(given[1]), text(given[2])]
  const kinds = [
    [log, 'zset'],
    [head, 'string'],
    [members, 'hash'],
  ] as const
  for (const [name, kind] of kinds) {
    const found = t.type(name)
    if (found !== kind && found !== 'none') t.del(name)
  }
  t.hdel(members, '')
  const [, n, chain, count] = /^(\d+) ([0-9a-fA-F]+) (\d+)$/.exec(t.get(head)?.toString() ?? '') ?? []
  const entries = t.members(log)
  const size = entries.length
  if (n !== undefined && chain !== undefined && Number(count) === size) {
    return { log, head, members, n: Number(n), chain, size }
  }
  return { log, head, members, n: entries.at(-1)?.score ?? 0, chain: text(given[3]), size }
}

function writeHead(t: Transaction, { log, head }: Log, n: number, chain: string, size: number, ttlMs: number): void {
  t.set(head, Buffer.from(`${n.toFixed(0)} ${chain} ${size}`), ttlMs)
  t.expire(log, ttlMs)
}

export const commands: Readonly<Record<Name, Command>> = {
  getBuffer: (t, [name]) => t.get(text(name)) ?? null,
  getrangeBuffer: (t, [name, from, to]) =>
    (t.get(text(name)) ?? Buffer.alloc(0)).subarray(number(from), number(to) + 1),
  set: (t, [name, value, , ttl, nx]) => (t.set(text(name), bytes(value), number(ttl), nx === 'NX') ? 'OK' : null),
  pexpire: (t, [name, ttl]) => t.expire(text(name), number(ttl)),
  pttl: (t, [name]) => t.ttl(text(name)),
  del: (t, [name]) => t.del(text(name)),
  hdel: (t, [name, field]) => t.hdel(text(name), text(field)),
  zrangebyscore(t, [name, from, , ...options]) {
    const withScores = options[0] === 'WITHSCORES'
    const [skip, limit] = options.slice(-2).map(number) as [number, number]
    const found = t
      .members(text(name))
      .filter(({ score }) => score > Number(text(from).slice(1)))
      .slice(skip, skip + limit)
    return withScores ? flat(found) : found.map(({ member }) => member)
  },
  zrem: (t, [name, member]) => t.zrem(text(name), (_, known) => known === text(member)),

  fgAddWhenFull(t, [name, value, ttl]) {
    if (t.entry(text(name)) !== undefined) return 0
    t.del(text(name))
    t.set(text(name), bytes(value), number(ttl))
    return 1
  },
  fgCompareAndSet(t, [name, value, ttl, channel, note, expected]) {
    const head = bytes(expected)
    if (!(t.get(text(name)) ?? Buffer.alloc(0)).subarray(0, head.length).equals(head)) return 0
    t.expire(text(name), number(ttl))
    t.set(text(name), bytes(value), number(ttl))
    tell(t, channel, note)
    return 1
  },
  fgSetUnlessMarked(t, [name, mark, value, ttl, channel, note, generation]) {
    if (floorOf(t.get(text(mark))) > number(generation)) return 2
    if (!t.set(text(name), bytes(value), number(ttl), true)) return 1
    tell(t, channel, note)
    return 0
  },
  fgWithdraw(t, [name, mark, given, ttl, channel, note]) {
    const markName = text(mark)
    const before = t.type(markName) === 'string' ? t.get(markName) : undefined
    const ttlMs = Math.max(number(ttl), t.ttl(markName))
    t.del(markName)
    const value = floorOf(before) > floorOf(bytes(given)) && before !== undefined ? before : bytes(given)
    const existed = floorOf(value) >= everyGeneration ? t.del(text(name)) : t.entry(text(name)) === undefined ? 0 : 1
    t.set(markName, value, ttlMs)
    tell(t, channel, note)
    return existed
  },
  fgCompareAndDelete(t, [name, expected]) {
    return t.get(text(name))?.equals(bytes(expected)) === true ? t.del(text(name)) : 0
  },
  fgCompareAndTouch(t, [name, expected, ttl]) {
    return t.get(text(name))?.equals(bytes(expected)) === true ? t.expire(text(name), number(ttl)) : 0
  },

  fgOverwriteHead(t, [name, head]) {
    const before = t.get(text(name))
    if (before === undefined) return 0
    const ttl = t.ttl(text(name))
    t.set(text(name), Buffer.concat([bytes(head), before.subarray(bytes(head).length)]), ttl)
    return 1
  },
  fgAddMember(t, [given, member, expiresAt, now]) {
    const name = text(given)
    if (t.type(name) !== 'zset') t.del(name)
    t.zrem(name, (score) => score <= number(now))
    t.zadd(name, number(expiresAt), text(member))
    const last = t.members(name).at(-1)?.score ?? 0
    t.expire(name, Math.max(1, last - number(now)))
    return 1
  },

  fgTake(t, [given, intervalMs, windowMs]) {
    const [name, now] = [text(given), Math.floor(t.time)]
    if (t.type(name) !== 'string' && t.type(name) !== 'none') t.del(name)
    const rate = { intervalMs: number(intervalMs), windowMs: number(windowMs) }
    const { waitMs, dueAt } = take(Number(t.get(name)?.toString()) || 0, now, rate)
    if (waitMs === 0) t.set(name, Buffer.from(dueAt.toFixed(3)), Math.max(1, Math.ceil(dueAt - now)))
    return waitMs
  },

  fgBeat(t, given) {
    const log = openLog(t, given)
    const [, , , , ttl, replica, record, channel, token, after, most, remembered, notes, hello] = given
    writeHead(t, log, log.n, log.chain, log.size, number(ttl))
    const members = t.fields(log.members)
    for (const [name, known] of members) {
      const beat = Number(/^(\d+) /.exec(known)?.[1] ?? '0')
      if (t.time - beat > number(remembered)) t.hdel(log.members, name)
    }
    const isNewMember = !t.fields(log.members).has(text(replica))
    t.hset(log.members, text(replica), `${t.time.toFixed(0)} ${text(record)}`)
    t.expire(log.members, number(ttl))
    if (isNewMember && text(hello) !== '') t.publish(text(notes), text(hello))
    t.publish(text(channel), text(token))
    let entries: string[] | null = null
    if (text(after) !== '') {
      const found = t.members(log.log).filter(({ score }) => score > number(after))
      entries = found.length > number(most) ? null : flat(found)
    }
    return [log.n.toFixed(0), log.chain, t.time.toFixed(0), [...members].flat(), entries]
  },
  fgAppend(t, given) {
    const log = openLog(t, given)
    const [, , , , ttl, maxAge, ...entries] = given
    let { n, chain, size } = log
    const oldest = t.time - number(maxAge)
    size -= t.zrem(log.log, (score) => score <= oldest)
    for (const entry of entries) {
      const member = text(entry)
      if (t.members(log.log).some((known) => known.member === member)) continue
      n = Math.max(n + 1, t.time)
      chain = createHash('sha1').update(`${chain} ${member}`).digest('hex')
      t.zadd(log.log, n, member)
      size++
    }
    writeHead(t, log, n, chain, size, number(ttl))
    return 1
  },
}

export type CommandName = Name

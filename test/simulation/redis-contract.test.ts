// The simulated Redis does what the real one does: the same commands on both, answer for answer.
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import type { Redis } from 'ioredis'
import { openDataClient, type DataClient } from '../../src/store/redis/connection.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'
import { redisConfig, redisMissing, startRedis, type RedisServer } from '../fixtures/redis.ts'
import { commands, type CommandName } from './redis/commands.ts'
import { ReplyError, Transaction, type Keyspace, type Value } from './redis/keyspace.ts'

type Argument = string | number | Buffer
type Step = readonly [CommandName, ...Argument[]]

const [log, head, members] = ['{x}log', '{x}head', '{x}members']
const chain = 'ab'.repeat(20)
const other = 'cd'.repeat(20)
const ttl = 60_000
const maxAge = 3_600_000
const append = (...entries: string[]): Step => ['fgAppend', log, head, members, chain, ttl, maxAge, ...entries]
const beat = (replica: string, record: string, after: Argument, most = 500): Step => [
  // prettier-ignore
  'fgBeat',
  log,
  head,
  members,
  other,
  ttl,
  replica,
  record,
  'tokens',
  '1',
  after,
  most,
  60_000,
  'notes',
  'hello',
]

/** A step, or what somebody else left at a key. */
type Case = readonly (Step | { readonly key: string; readonly lies: 'list' | 'text' | 'nothing' })[]

const cases: Readonly<Record<string, Case>> = {
  'values are read, whole and their beginning': [
    ['getBuffer', 'a'],
    ['getrangeBuffer', 'a', 0, 3],
    ['set', 'a', Buffer.from('value'), 'PX', ttl],
    ['getBuffer', 'a'],
    ['getrangeBuffer', 'a', 0, 2],
    ['getrangeBuffer', 'a', 0, 99],
    ['set', 'a', 'second', 'PX', ttl, 'NX'],
    ['set', 'b', 'first', 'PX', ttl, 'NX'],
    ['pexpire', 'a', ttl],
    ['pexpire', 'none', ttl],
    ['del', 'a'],
    ['del', 'a'],
  ],
  'compare and set': [
    ['fgCompareAndSet', 'a', 'new', ttl, 'notes', '', 'old'],
    ['set', 'a', 'old one', 'PX', ttl],
    ['fgCompareAndSet', 'a', 'new', ttl, 'notes', 'note', 'old'],
    ['getBuffer', 'a'],
    ['fgCompareAndSet', 'a', 'newer', ttl, 'notes', '', 'old'],
    ['fgAddWhenFull', 'lease', 'mine', ttl],
    ['fgAddWhenFull', 'lease', 'yours', ttl],
    ['getBuffer', 'lease'],
    ['fgCompareAndTouch', 'a', 'new', ttl],
    ['fgCompareAndTouch', 'a', 'old', ttl],
    ['fgCompareAndDelete', 'a', 'old'],
    ['fgCompareAndDelete', 'a', 'new'],
    ['getBuffer', 'a'],
  ],
  'what is below a mark is not written': [
    ['fgSetUnlessMarked', 'a', 'm', 'value', ttl, 'notes', 'note', 1],
    ['fgSetUnlessMarked', 'a', 'm', 'value', ttl, 'notes', '', 1],
    ['fgWithdraw', 'a', 'm', 'f3', ttl, 'notes', 'note'],
    ['getBuffer', 'a'],
    ['getBuffer', 'm'],
    ['fgSetUnlessMarked', 'a', 'm', 'value', ttl, 'notes', '', 2],
    ['fgSetUnlessMarked', 'a', 'm', 'value', ttl, 'notes', '', 3],
    ['fgWithdraw', 'a', 'm', 'f2', ttl, 'notes', ''],
    ['getBuffer', 'm'],
    ['fgWithdraw', 'a', 'm', '1', ttl, 'notes', ''],
    ['getBuffer', 'a'],
    ['fgWithdraw', 'a', 'm', 'f9', ttl, 'notes', ''],
    ['getBuffer', 'm'],
  ],
  'a mark that is damaged, or no text at all': [
    { key: 'm', lies: 'text' },
    ['fgSetUnlessMarked', 'a', 'm', 'value', ttl, 'notes', '', 7],
    { key: 'm', lies: 'list' },
    ['fgSetUnlessMarked', 'a', 'm', 'value', ttl, 'notes', '', 7],
    ['fgWithdraw', 'a', 'm', 'f2', ttl, 'notes', ''],
    ['getBuffer', 'm'],
  ],
  'a key of a wrong type': [
    { key: 'a', lies: 'list' },
    ['getBuffer', 'a'],
    ['getrangeBuffer', 'a', 0, 3],
    ['fgCompareAndSet', 'a', 'new', ttl, 'notes', '', 'old'],
    ['fgCompareAndDelete', 'a', 'old'],
    ['fgSetUnlessMarked', 'a', 'm', 'value', ttl, 'notes', '', 1],
    ['fgWithdraw', 'a', 'm', '1', ttl, 'notes', ''],
    ['getBuffer', 'a'],
  ],
  'a set of members that leave, and a value whose head changes': [
    ['fgAddMember', 'set', 'late', 9_000, 1_000],
    ['fgAddMember', 'set', 'soon', 5_000, 1_000],
    ['zrangebyscore', 'set', '(1000', '+inf', 'LIMIT', 0, 10],
    ['zrangebyscore', 'set', '(5000', '+inf', 'LIMIT', 0, 10],
    ['zrangebyscore', 'set', '(1000', '+inf', 'LIMIT', 1, 1],
    ['fgAddMember', 'set', 'last', 9_500, 5_000],
    ['zrangebyscore', 'set', '(0', '+inf', 'LIMIT', 0, 10],
    ['zrem', 'set', 'late'],
    ['zrem', 'set', 'nobody'],
    ['zrangebyscore', 'set', '(0', '+inf', 'LIMIT', 0, 10],
    { key: 'set', lies: 'text' },
    ['zrangebyscore', 'set', '(0', '+inf', 'LIMIT', 0, 10],
    ['fgAddMember', 'set', 'again', 9_000, 1_000],
    ['zrangebyscore', 'set', '(0', '+inf', 'LIMIT', 0, 10],
    ['fgOverwriteHead', 'a', 'head'],
    ['set', 'a', 'tail and more', 'PX', ttl],
    ['fgOverwriteHead', 'a', 'head'],
    ['getBuffer', 'a'],
    ['pttl', 'nothing'],
    { key: 'a', lies: 'list' },
    ['fgOverwriteHead', 'a', 'head'],
  ],
  'so much within so long, whatever lies there': [
    ['fgTake', 'rate', 20_000, 60_000],
    ['fgTake', 'rate', 20_000, 60_000],
    ['getBuffer', 'rate'],
    { key: 'rate', lies: 'list' },
    ['fgTake', 'rate', 20_000, 60_000],
    ['getBuffer', 'rate'],
    { key: 'rate', lies: 'text' },
    ['fgTake', 'rate', 20_000, 60_000],
  ],
  'the log grows, in order, each once': [
    beat('r1', '1 - - 0', ''),
    append('a:1', 'b:2'),
    append('b:2', 'c:3'),
    ['zrangebyscore', log, '(0', '+inf', 'WITHSCORES', 'LIMIT', 0, 2],
    beat('r1', '2 5 ab 1', 0),
    beat('r2', '1 - - 0', 0, 2),
    beat('r2', '2 - - 0', 0, 3),
    append(),
    ['hdel', members, 'r1'],
    ['hdel', members, 'r1'],
    beat('r2', '3 - - 0', ''),
  ],
  'a log without its head, and a head without its log': [
    append('a:1', 'b:2'),
    { key: head, lies: 'nothing' },
    beat('r1', '1 - - 0', 0),
    append('c:3'),
    { key: log, lies: 'nothing' },
    beat('r1', '2 - - 0', 0),
    append('a:1'),
    beat('r1', '3 - - 0', 0),
  ],
  'something else where the log should be': [
    append('a:1'),
    { key: log, lies: 'list' },
    { key: head, lies: 'text' },
    { key: members, lies: 'list' },
    beat('r1', '1 - - 0', 0),
    { key: head, lies: 'list' },
    append('b:1'),
    beat('r1', '2 - - 0', 0),
  ],
}

/** Where there is no room. */
const whileFull: Case = [
  ['getBuffer', 'a'],
  ['set', 'a', 'value', 'PX', ttl],
  ['set', 'a', 'value', 'PX', ttl, 'NX'],
  ['fgSetUnlessMarked', 'a', 'm', 'value', ttl, 'notes', '', 1],
  ['fgCompareAndSet', 'there', 'value', ttl, 'notes', '', 'old'],
  ['fgWithdraw', 'there', 'm', 'f3', ttl, 'notes', ''],
  ['fgWithdraw', 'there', 'm', '1', ttl, 'notes', ''],
  ['fgTake', 'rate', 20_000, 60_000],
  append('a:1'),
  beat('r1', '1 - - 0', 0),
  ['pexpire', 'm', ttl],
  ['fgCompareAndDelete', 'm', '1'],
  ['hdel', members, 'r1'],
]

/** On a replica. */
const whileReadOnly: Case = [
  ['getBuffer', 'there'],
  ['set', 'a', 'value', 'PX', ttl],
  ['fgSetUnlessMarked', 'a', 'm', 'value', ttl, 'notes', '', 1],
  ['fgCompareAndSet', 'there', 'value', ttl, 'notes', '', 'old'],
  ['fgCompareAndSet', 'there', 'value', ttl, 'notes', '', 'other'],
  ['fgWithdraw', 'there', 'm', '1', ttl, 'notes', ''],
  ['fgCompareAndDelete', 'there', 'old'],
  ['fgCompareAndDelete', 'there', 'other'],
  append('a:1'),
  beat('r1', '1 - - 0', 0),
  ['pexpire', 'there', ttl],
  ['del', 'there'],
  ['hdel', members, 'r1'],
  ['zrangebyscore', log, '(0', '+inf', 'WITHSCORES', 'LIMIT', 0, 2],
]

describe('the simulated Redis answers as the real one', { skip: redisMissing }, () => {
  let server: RedisServer
  let client: DataClient & Redis
  let keys: Keyspace

  before(async () => {
    server = await startRedis()
    const logger = recordedLog()
    // A single server: the client is the plain one.
    client = openDataClient({
      config: redisConfig({ address: server.address }),
      random: () => 0,
      logger,
    }) as typeof client
    // Otherwise a refusal of a replica would cut the connection in the middle of a case.
    client.options.reconnectOnError = null
    await client.connect()
  })

  after(async () => {
    client.disconnect()
    await server.close()
  })

  beforeEach(async () => {
    await server.cli('REPLICAOF', 'NO', 'ONE')
    await server.cli('CONFIG', 'SET', 'maxmemory', '0')
    await server.cli('FLUSHALL')
    keys = new Map()
  })

  async function tamper(at: string, lies: 'list' | 'text' | 'nothing'): Promise<void> {
    await server.cli('DEL', at)
    if (lies === 'list') await server.cli('RPUSH', at, 'x')
    if (lies === 'text') await server.cli('SET', at, 'damaged')
    const t = new Transaction(keys, { isReadOnly: false, isFull: false, time: Date.now() })
    t.del(at)
    if (lies === 'list') t.place(at, { type: 'list' })
    if (lies === 'text') t.set(at, Buffer.from('damaged'), ttl)
  }

  async function isTheSame(steps: Case, state: { isReadOnly?: boolean; isFull?: boolean } = {}): Promise<void> {
    for (const step of steps) {
      if ('key' in step) {
        await tamper(step.key, step.lies)
        continue
      }
      const [name, ...given] = step
      // Every command of the table is a method of the driver, or one of our scripts.
      const real = client[name].bind(client) as (...given: Argument[]) => Promise<unknown>
      const answer = await real(...given).catch(wordOf)
      const time = Number((await client.time())[0]) * 1_000
      const t = new Transaction(keys, { isReadOnly: false, isFull: false, ...state, time })
      assert.deepEqual(plain(simulated(t, name, given)), plain(answer), `${name} ${given.join(' ')}`)
    }
  }

  for (const [name, steps] of Object.entries(cases)) it(name, () => isTheSame(steps))

  it('what a full server takes, and what it refuses', async () => {
    await isTheSame([['set', 'there', 'old', 'PX', ttl]])
    await server.cli('CONFIG', 'SET', 'maxmemory', '1')
    await isTheSame(whileFull, { isFull: true })
  })

  it('what a replica refuses', async () => {
    await isTheSame([['set', 'there', 'old', 'PX', ttl], append('b:1')])
    // Nobody listens there: it is a replica that waits for its primary, and keeps what it has.
    await server.cli('REPLICAOF', '127.0.0.1', '1')
    await isTheSame(whileReadOnly, { isReadOnly: true })
  })

  it('leaves the same behind', async () => {
    for (const steps of Object.values(cases)) await isTheSame(steps)
    for (const [name, { value }] of keys) {
      assert.equal(await client.type(name), value.type, name)
      assert.deepEqual(plain(await contentOf(client, name, value)), plain(contentIn(value)), name)
    }
    assert.deepEqual((await client.keys('*')).sort(), [...keys.keys()].sort())
  })
})

function simulated(t: Transaction, name: CommandName, given: Argument[]): unknown {
  try {
    return commands[name](t, given)
  } catch (error) {
    if (error instanceof ReplyError) return wordOf(error)
    throw error
  }
}

const wordOf = (error: unknown) =>
  `error ${/WRONGTYPE|READONLY|OOM/.exec(error instanceof Error ? error.message : '')?.[0] ?? String(error)}`

/** Times differ between the two, by the time that a command takes. */
function plain(answer: unknown): unknown {
  if (Array.isArray(answer)) return answer.map(plain)
  if (Buffer.isBuffer(answer)) return plain(answer.toString())
  if (typeof answer === 'string')
    return answer.replace(/\b1[6-9]\d{11}\b/g, 'time').replace(/time [0-9a-f]{40}\b/g, 'time chain')
  return answer
}

async function contentOf(client: Redis, name: string, { type }: Value): Promise<unknown> {
  if (type === 'string') return client.getBuffer(name)
  if (type === 'zset') return client.zrange(name, '0', '-1')
  return type === 'hash' ? Object.entries(await client.hgetall(name)).sort(byName) : undefined
}

const byName = ([a]: [string, string], [b]: [string, string]) => (a < b ? -1 : 1)

function contentIn(value: Value): unknown {
  if (value.type === 'string') return value.bytes
  if (value.type === 'zset') return value.members.map(({ member }) => member)
  return value.type === 'hash' ? [...value.fields].sort(byName) : undefined
}

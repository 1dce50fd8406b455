// The record of withdrawals in Redis: three keys of one slot, and the scripts that change them together.
import type { StoreUnavailable } from '../../errors.ts'
import type { LogEntry, Member, Position, WithdrawalLog } from '../withdrawal-log.ts'
import type { DataClient } from './connection.ts'
import { fault } from './faults.ts'
import { unavailable, type RedisCalls } from './store.ts'

export interface RedisLogParts {
  readonly client: DataClient
  readonly calls: RedisCalls
  readonly keyPrefix: string
  /** Whose withdrawals: deployments of another provider or client keep their own. */
  readonly scope: string
  /** Tokens of beats arrive here. */
  readonly tokenChannel: string
  readonly noteChannel: string
  /** No session lives longer: what is older is of no use to anybody. */
  readonly withdrawalLifeMs: number
  readonly randomBytes: (size: number) => Buffer
}

const day = 86_400_000
const memberRememberedMs = 60_000
/** More than this is read page by page. */
const maxEntriesPerBeat = 500

export function redisLog(parts: RedisLogParts): WithdrawalLog {
  const { client, calls, keyPrefix, scope, withdrawalLifeMs, randomBytes } = parts
  // The braces choose the slot in a Cluster and mean nothing elsewhere.
  const [log, head, members] = ['revoked-log', 'revoked-head', 'members'].map(
    (kind) => `${keyPrefix}${kind}:{${scope}}`,
  ) as [string, string, string]
  const ttlMs = withdrawalLifeMs + day
  const newChain = () => randomBytes(20).toString('hex')

  return {
    async beat({ replica, token, position, clean, hello }) {
      const record = `${token} ${position?.n ?? '-'} ${position?.chain ?? '-'} ${clean ? 1 : 0}`
      const answer = await calls.write(() =>
        client.fgBeat(
          log,
          head,
          members,
          newChain(),
          ttlMs,
          replica,
          record,
          parts.tokenChannel,
          token,
          position?.n ?? '',
          maxEntriesPerBeat,
          memberRememberedMs,
          parts.noteChannel,
          hello,
        ),
      )
      if (!Array.isArray(answer)) throw misread()
      const [n, chain, serverTime, before, entries] = answer as unknown[]
      return {
        head: { n: Number(n), chain: String(chain) },
        serverTime: Number(serverTime),
        members: pairs(before).flatMap(([name, value]) => memberOf(name, value) ?? []),
        entries: Array.isArray(entries) ? entriesOf(entries) : undefined,
      }
    },
    async page(n, limit) {
      for (let after = n; ;) {
        const flat = await calls.read(() =>
          client.zrangebyscore(log, `(${after}`, '+inf', 'WITHSCORES', 'LIMIT', 0, limit),
        )
        const entries = entriesOf(flat)
        // A page of nothing but damaged members must not look like the end.
        if (entries.length > 0 || flat.length < 2 * limit) return entries
        after = Number(flat.at(-1))
      }
    },
    async append(withdrawals) {
      const entries = withdrawals.map(({ id, floor }) => `${id}:${floor}`)
      await calls.write(() => client.fgAppend(log, head, members, newChain(), ttlMs, withdrawalLifeMs, ...entries))
    },
    async leave(replica) {
      await calls.write(() => client.hdel(members, replica))
    },
  }
}

const misread = (): StoreUnavailable => unavailable(fault('script'), undefined)

function pairs(flat: unknown): [string, string][] {
  const list = Array.isArray(flat) ? flat.map(String) : []
  return list.flatMap((name, at) => (at % 2 === 0 ? [[name, list[at + 1] ?? '']] : []))
}

function entriesOf(flat: unknown): LogEntry[] {
  // What nobody of ours wrote is not there: one bad member must not stop the rest.
  return pairs(flat).flatMap(([member, n]) => {
    const [, id, floor] = /^([\w-]{1,128}):(\d{1,10})$/.exec(member) ?? []
    return id === undefined ? [] : [{ id, floor: Number(floor), n: Number(n) }]
  })
}

function memberOf(replica: string, record: string): Member | undefined {
  const [, at, token, n, chain, clean] = /^(\d+) (\d+) (\d+|-) ([0-9a-f]+|-) ([01])$/.exec(record) ?? []
  if (at === undefined || chain === undefined) return undefined
  const position: Position | undefined = n === '-' ? undefined : { n: Number(n), chain }
  return { replica, at: Number(at), token: Number(token), position, clean: clean === '1' }
}

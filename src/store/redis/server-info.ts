// What the server says of itself: who it is (a new run id means a restart, perhaps with nothing in it) and whether it may
// evict what must not be lost. An ACL may forbid the questions: then it is said what could not be checked, and all goes on.
import type { Cluster, Redis } from './connection.ts'
import { redisFault } from './faults.ts'

export interface ServerInfo {
  /** Of all primaries, sorted: compare as a whole. Empty when INFO is forbidden. */
  readonly runIds: readonly string[]
  readonly maxmemoryPolicy?: string
  /** Bytes; 0 is no limit. */
  readonly maxmemory?: number
  readonly version?: string
  /** The server's clock, ms since the epoch (Redis 6.2 and later say it). */
  readonly timeMs?: number
  /** `master` or `slave`, in the server's words. */
  readonly role?: string
  /** `standalone`, `cluster` or `sentinel`, in the server's words. */
  readonly mode?: string
  readonly uncheckable: readonly ('INFO' | 'CONFIG')[]
}

/** Throws what the driver throws when nobody answers; a forbidden command is not a failure. */
export async function readServerInfo(client: Redis | Cluster): Promise<ServerInfo> {
  const primaries: Redis[] = 'nodes' in client ? client.nodes('master') : [client]
  const uncheckable = new Set<'INFO' | 'CONFIG'>()
  const fields: ReadonlyMap<string, string>[] = []
  for (const primary of primaries) {
    const info = await allowed(() => primary.info())
    if (info === undefined) uncheckable.add('INFO')
    const found = fieldsOf(info ?? '')
    if (!found.has('maxmemory_policy')) {
      const config = await allowed(() => primary.config('GET', 'maxmemory*'))
      if (config === undefined) uncheckable.add('CONFIG')
      // RESP2: a flat list of names and values.
      const list = Array.isArray(config) ? config.map(String) : []
      for (let at = 0; at + 1 < list.length; at += 2) {
        found.set((list[at] ?? '').replace('maxmemory-policy', 'maxmemory_policy'), list[at + 1] ?? '')
      }
    }
    fields.push(found)
  }
  const some = (name: string) => fields.map((found) => found.get(name)).find((value) => value !== undefined)
  const maxmemory = some('maxmemory')
  const serverTime = some('server_time_usec')
  return {
    runIds: fields.flatMap((found) => found.get('run_id') ?? []).sort(),
    ...named('maxmemoryPolicy', some('maxmemory_policy')),
    ...(maxmemory === undefined ? {} : { maxmemory: Number(maxmemory) }),
    ...named('version', some('redis_version')),
    ...(serverTime === undefined ? {} : { timeMs: Number(serverTime) / 1_000 }),
    ...named('role', some('role')),
    ...named('mode', some('redis_mode')),
    uncheckable: [...uncheckable],
  }
}

async function allowed<Reply>(ask: () => Promise<Reply>): Promise<Reply | undefined> {
  try {
    return await ask()
  } catch (error) {
    const { kind } = redisFault(error)
    // Managed services rename or remove CONFIG: "unknown command".
    if (kind === 'no_permission' || kind === 'script') return undefined
    throw error
  }
}

function fieldsOf(info: string): Map<string, string> {
  return new Map(
    info
      .split('\r\n')
      .filter((line) => line.includes(':'))
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  )
}

const named = <Name extends string>(name: Name, value: string | undefined): Partial<Record<Name, string>> =>
  // A computed name widens to string; it is the one that was given.
  value === undefined ? {} : ({ [name]: value } as Partial<Record<Name, string>>)

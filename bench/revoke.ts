// What it costs Redis to end the sessions of one user among many: the server's own count of the time that its commands took.
import { aGrant } from './seed.ts'
import { openSessions } from './sessions.ts'
import { startRedis, type RedisServer } from '../test/fixtures/redis.ts'

export interface RevokeCost {
  readonly sessions: number
  readonly ended: number
  /** From the question to the answer. */
  readonly tookMs: number
  /** Of Redis' time, beats included. */
  readonly redisMs: number
  /** Calls per command. */
  readonly calls: Readonly<Record<string, number>>
}

const ofOne = 10
const inFlight = 64

/** Ends `ofOne` sessions of one user among `count`. */
export async function benchRevoke(count: number): Promise<{ revoke: RevokeCost; list: RevokeCost; all: RevokeCost }> {
  const redis = await startRedis()
  const { sessions, stop } = await openSessions('hybrid', redis.address.port)
  try {
    let next = 0
    const worker = async () => {
      while (next < count) {
        const at = next++
        await sessions.begin(aGrant(at % (count / ofOne) === 0 ? 0 : at))
      }
    }
    await Promise.all(Array.from({ length: inFlight }, worker))
    const measured = async (task: () => Promise<number>): Promise<RevokeCost> => {
      await redis.cli('CONFIG', 'RESETSTAT')
      const startedAt = performance.now()
      const ended = await task()
      const tookMs = performance.now() - startedAt
      return { sessions: count, ended, tookMs, ...(await commandCosts(redis)) }
    }
    const user = 'person-0@example.com'
    return {
      list: await measured(async () => (await sessions.list('all', { limit: 500 })).entries.length),
      revoke: await measured(async () => (await sessions.endSelected({ by: 'user', user })).ended),
      all: await measured(async () => (await sessions.endSelected({ by: 'everybody', until: Date.now() })).ended),
    }
  } finally {
    await stop()
    await redis.close()
  }
}

async function commandCosts(redis: RedisServer): Promise<Pick<RevokeCost, 'redisMs' | 'calls'>> {
  const info = await redis.cli('INFO', 'commandstats')
  const calls: Record<string, number> = {}
  let micros = 0
  for (const [, name = '', count, usec] of info.matchAll(/^cmdstat_([\w|]+):calls=(\d+),usec=(\d+)/gm)) {
    calls[name] = Number(count)
    // What a script calls is counted twice, by itself and as the script's: so this is too much rather than too little.
    micros += Number(usec)
  }
  return { redisMs: micros / 1_000, calls }
}

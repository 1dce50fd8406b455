// A link to a Redis of the test's own, with everything it said written down.
import { openRedis } from '../../../src/store/redis/link.ts'
import type { RedisLink } from '../../../src/store/redis/link.ts'
import type { RedisFault } from '../../../src/store/redis/faults.ts'
import type { RedisConfig } from '../../../src/config/config.ts'
import type { BeatReply, Position } from '../../../src/store/withdrawal-log.ts'
import { everyGeneration } from '../../../src/store/withdrawal-log.ts'
import { createPlatform } from '../../../src/runtime.ts'
import { hours } from '../../../src/time.ts'
import { eventually } from '../../fixtures/redis.ts'
import { recordedLog, type Line } from '../../fixtures/recorded-log.ts'
import type { StoreUnderTest } from '../store-contract.ts'

export interface LinkUnderTest {
  readonly link: RedisLink
  readonly origin: string
  readonly notes: string[]
  /** Tokens of beats that came back. */
  readonly tokens: number[]
  /** What the link reported, in order: 'up', 'live', 'dead', or the kind of a fault. */
  readonly story: string[]
  readonly log: readonly Line[]
  /** Resolves once `what` was reported, from now on or (`since` 0) ever. */
  happened(what: string, since?: number): Promise<void>
  /** One beat of this replica, with the next token. */
  beat(position?: Position, clean?: boolean): Promise<BeatReply>
  /** A note goes all the way. */
  announce(note: string): Promise<void>
  /** Beats until a token came back: the data connection and the subscription work, and lead to the same server. */
  hears(): Promise<void>
}

let links = 0

/** `withdrawalLifeMs`, `scope`: of the log of withdrawals. */
export function linkTo(
  config: RedisConfig,
  { withdrawalLifeMs = hours(24), scope = 'test' }: { withdrawalLifeMs?: number; scope?: string } = {},
): LinkUnderTest {
  const notes: string[] = []
  const tokens: number[] = []
  const story: string[] = []
  const logger = recordedLog()
  const origin = `test-${process.pid}-${++links}`
  const link = openRedis({
    config,
    origin,
    scope,
    withdrawalLifeMs,
    runtime: { ...createPlatform(), logger },
  })
  link.onUp(() => story.push('up'))
  link.onDown((reason: RedisFault) => story.push(reason.kind))
  link.subscribe({
    onNote: (note) => notes.push(note),
    onToken: (token) => tokens.push(token),
    onLive: () => story.push('live'),
    onDead: () => story.push('dead'),
  })
  let token = 0
  const beat: LinkUnderTest['beat'] = (position, clean = true) =>
    link.log.beat({ replica: origin, token: ++token, position, clean, hello: '' })
  return {
    link,
    origin,
    notes,
    tokens,
    story,
    log: logger.lines,
    happened: (what, since = 0) => eventually(() => story.slice(since).includes(what)),
    beat,
    async announce(note) {
      const id = `of-${note.replaceAll(/\W/g, '-')}`
      await link.store.withdraw({ kind: 'session', id }, { kind: 'revoked', id }, everyGeneration, 1_000, note)
    },
    hears() {
      const before = tokens.length
      return eventually(async () => {
        await beat().catch(expectUnavailable)
        return tokens.length > before
      })
    },
  }
}

/** Whatever Redis does: a call that fails says so in our words. */
export function expectUnavailable(error: unknown): false {
  if (Object(error).code === 'STORE_UNAVAILABLE') return false
  throw error
}

/** Connected, and hearing. */
export async function liveLinkTo(...given: Parameters<typeof linkTo>): Promise<LinkUnderTest> {
  const it = linkTo(...given)
  await Promise.all([it.happened('up'), it.happened('live')])
  return it
}

export async function storeUnderTest(config: RedisConfig, close: () => Promise<void>): Promise<StoreUnderTest> {
  const { link, notes } = await liveLinkTo(config)
  return {
    store: link.store,
    notes,
    // The server's clock is the one thing that nobody can turn.
    pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    async close() {
      link.close()
      await close()
    },
  }
}

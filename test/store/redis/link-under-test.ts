// A link to a Redis of the test's own, with everything it said written down.
import { openRedis } from '../../../src/store/redis/link.ts'
import type { RedisLink } from '../../../src/store/redis/link.ts'
import type { RedisFault } from '../../../src/store/redis/faults.ts'
import type { RedisConfig } from '../../../src/config/config.ts'
import type { LogFields, Logger } from '../../../src/telemetry/logger.ts'
import { systemTimer } from '../../../src/time.ts'
import { eventually } from '../../fixtures/redis.ts'
import type { StoreUnderTest } from '../store-contract.ts'

export interface LinkUnderTest {
  readonly link: RedisLink
  readonly notes: string[]
  /** What the link reported, in order: 'up', 'live', 'dead', or the kind of a fault. */
  readonly story: string[]
  readonly log: { level: string; event: string; reason: string | undefined; message: string }[]
  /** Resolves once `what` was reported, from now on or (`since` 0) ever. */
  happened(what: string, since?: number): Promise<void>
}

let origins = 0

export function linkTo(config: RedisConfig): LinkUnderTest {
  const notes: string[] = []
  const story: string[] = []
  const { logger, log } = writtenDown()
  const parts = { clock: Date.now, timer: systemTimer, random: Math.random, logger }
  const link = openRedis({ config, origin: `test-${process.pid}-${++origins}`, ...parts })
  link.onUp(() => story.push('up'))
  link.onDown((reason: RedisFault) => story.push(reason.kind))
  link.subscribe((note) => notes.push(note), { onLive: () => story.push('live'), onDead: () => story.push('dead') })
  return {
    link,
    notes,
    story,
    log,
    happened: (what, since = 0) => eventually(() => story.slice(since).includes(what)),
  }
}

/** Connected, and hearing. */
export async function liveLinkTo(config: RedisConfig): Promise<LinkUnderTest> {
  const it = linkTo(config)
  await Promise.all([it.happened('up'), it.happened('live')])
  return it
}

export async function storeUnderTest(config: RedisConfig, close: () => Promise<void>): Promise<StoreUnderTest> {
  const { link, notes } = await liveLinkTo(config)
  return {
    store: link.store,
    notes,
    now: Date.now,
    // The server's clock is the one thing that nobody can turn.
    pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    async close() {
      link.close()
      await close()
    },
  }
}

export function writtenDown(): { logger: Logger; log: LinkUnderTest['log'] } {
  const log: LinkUnderTest['log'] = []
  const at = (level: string) => (fields: LogFields, message: string) =>
    void log.push({ level, event: fields.event, reason: fields.reason, message })
  return { log, logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } }
}

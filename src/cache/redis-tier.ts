// The shared tier over Redis: when near copies may be trusted, what an outage is, and the order of recovery. It opens the
// link, guards it, and watches three things: the connection, the circuit, and the way of the notes (by heartbeat).
import type { Config } from '../config/config.ts'
import { StoreUnavailable } from '../errors.ts'
import { guarded } from './guarded.ts'
import { startHealthChecks } from './health.ts'
import { createJournal } from './journal.ts'
import { instrumented } from '../store/instrumented.ts'
import { createNotes } from './invalidation.ts'
import { createRequestBudget } from './request-budget.ts'
import { openRedis } from '../store/redis/link.ts'
import type { ServerInfo } from '../store/redis/server-info.ts'
import type { Change, NearTrust, RestartHandler } from './shared-tier.ts'
import type { Runtime } from '../runtime.ts'
import type { Tier } from './tier.ts'

/** No near copy answers longer than this after the last proof that notes arrive (SPEC 6). */
const proofLastsMs = 2_000
const heartbeatEveryMs = 500
const heartbeatTimeoutMs = 1_500
/** After a recovery: as long as another replica may need to notice it, too, and to write what only it knows. */
const settleMs = 4_000
const recoveryRetryMs = 250
/** A single write that timed out while Redis is well is tried again after this. */
const journalRetryMs = 1_000
const maxSkewMs = 5_000

export function createRedisTier(config: Config, runtime: Runtime): Tier {
  const { clock, stopwatch, timer, random, randomBytes, logger, metrics } = runtime
  const { redis, outage } = config
  const mode = redis.mode === 'redis' ? 'redis' : 'hybrid'
  const origin = randomBytes(9).toString('base64url')
  const trust: NearTrust = { until: 0, awaySince: clock(), recovering: false, settlingUntil: 0 }
  const journal = createJournal({
    maxEntries: outage.journalSize,
    dropped: metrics.journalDropped.with({}),
    clock,
    onAdd: () => replaySoon(),
  })
  const notes = createNotes(config.session.encryptionKeys)
  const budget = createRequestBudget()
  const changeHandlers: ((change: Change) => void)[] = []
  const flushHandlers: (() => void)[] = []
  const restartHandlers: RestartHandler[] = []
  const lag = metrics.invalidationLag.with({})

  const link = openRedis({ config: redis, origin, clock, timer, random, logger })
  const rawStore = instrumented(link.store, { durations: metrics.redisCommandDuration, stopwatch })
  const guard = guarded(rawStore, {
    limits: redis.circuitBreaker,
    deadlineMs: outage.storeDeadlineMs,
    clock,
    timer,
    logger,
    transitions: metrics.circuitTransitions,
    budget,
    onChange: (state, before) => {
      if (state === 'open' && before === 'closed') health.circuitOpened()
      reconsider()
    },
  })
  const health = startHealthChecks({
    link,
    rawStore,
    guard,
    intervalMs: redis.healthCheckIntervalMs,
    deadlineMs: outage.storeDeadlineMs,
    origin,
    clock,
    timer,
    stopwatch,
    logger,
  })

  let knownRunIds: readonly string[] | undefined
  let linkLive = false
  let missedNotes = false
  let everWell = false
  let recovering = false
  let stopped = false
  let stopHeartbeat = () => {}

  // --- what is heard from other replicas ------------------------------------------------------------------------------

  link.subscribe(
    (text) => {
      const note = notes.decode(text)
      // Our own echo: what we wrote we knew.
      if (note === undefined || note.origin === origin) return
      lag.observe(Math.max(0, clock() - note.sentAt) / 1_000)
      for (const handler of changeHandlers) handler(note)
    },
    {
      onLive() {
        linkLive = true
        // Redis answered all the while, so others could write unheard: what is near may be of before.
        if (missedNotes && trust.awaySince === undefined) flush('link_was_down')
        void beat()
      },
      onDead() {
        linkLive = false
        missedNotes = true
        trust.until = 0
        stopHeartbeat()
      },
    },
  )

  /** Proves, twice a second, that a note published now arrives here: near copies are trusted for as long as that is true. */
  async function beat(): Promise<void> {
    stopHeartbeat()
    if (stopped || !linkLive) return
    const startedAt = clock()
    const started = stopwatch()
    try {
      await link.probeLink(heartbeatTimeoutMs)
      lag.observe((stopwatch() - started) / 1_000)
      if (missedNotes && trust.awaySince === undefined) flush('notes_missed')
      // Counted from the sending: that is the moment for which it is a proof.
      if (mode === 'hybrid' && trust.awaySince === undefined) trust.until = startedAt + proofLastsMs
    } catch {
      // No proof; the last one runs out by itself. And what others announced meanwhile may have been lost although the
      // connection lives: after a failover it can lead to a server that does not follow the new primary yet.
      missedNotes = true
    }
    if (linkLive && !stopped) stopHeartbeat = timer(() => void beat(), heartbeatEveryMs)
  }

  function flush(reason: string): void {
    missedNotes = false
    logger.info({ event: 'near_copies_dropped', reason }, 'near copies were dropped and will be read again')
    for (const handler of flushHandlers) handler()
  }

  // --- away and back ----------------------------------------------------------------------------------------------------

  link.onUp(() => reconsider())
  link.onDown(() => reconsider())

  function reconsider(): void {
    const well = link.status() === 'up' && guard.circuit() === 'closed'
    if (well) {
      if (trust.awaySince !== undefined) void recover()
    } else if (trust.awaySince === undefined && !stopped) {
      trust.awaySince = clock()
      trust.until = 0
      // Until the recovery is complete, here and elsewhere, a miss is not yet a miss.
      trust.settlingUntil = Number.POSITIVE_INFINITY
    }
  }

  async function recover(): Promise<void> {
    if (recovering || stopped) return
    recovering = true
    trust.recovering = true
    const startedAt = stopwatch()
    try {
      const info = await link.serverInfo()
      const restarted = knownRunIds !== undefined && info.runIds.length > 0 && !sameIds(knownRunIds, info.runIds)
      const entries = journal.size
      await journal.replay('revocations')
      if (restarted) for (const handler of restartHandlers) await handler.restoreMarks()
      await journal.replay('all')
      if (restarted) for (const handler of restartHandlers) await handler.reseed()
      // After a restart, too: another replica may have replayed a logout between our re-seeding and our link's return, unheard.
      // What was near is in the store now, so that dropping it costs a read each and nobody their session.
      if (everWell && missedNotes) flush(restarted ? 'store_restarted' : 'partition_ended')
      // The link may still be down: what others revoke until it is up goes unheard, and what was kept until then has to go.
      missedNotes = !linkLive
      if (knownRunIds === undefined) warnAbout(info)
      knownRunIds = info.runIds
      trust.settlingUntil = everWell ? clock() + settleMs : 0
      trust.awaySince = undefined
      everWell = true
      void beat()
      logger.info(
        { event: 'store_recovered', restarted, journalEntries: entries, tookMs: Math.round(stopwatch() - startedAt) },
        restarted ? 'Redis is back after a restart: what it lost was written again' : 'Redis is in use',
      )
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) {
        logger.error(
          { event: 'recovery_failed', reason: 'internal', err: error },
          'recovery failed, will be tried again',
        )
      }
      // Lost again half-way, or too slow: tried again for as long as Redis seems well.
      timer(() => reconsider(), recoveryRetryMs)
    } finally {
      recovering = false
      trust.recovering = false
    }
  }

  let replayPlanned = false
  /** A write can be missed without an outage: one slow answer. Nothing would ever call that a recovery. */
  function replaySoon(): void {
    if (replayPlanned || stopped) return
    replayPlanned = true
    timer(() => {
      replayPlanned = false
      if (trust.awaySince !== undefined || journal.size === 0) return
      journal.replay('all').catch(() => replaySoon())
    }, journalRetryMs)
  }

  function warnAbout(info: ServerInfo): void {
    const { maxmemoryPolicy: policy } = info
    const skewMs = info.timeMs === undefined ? 0 : clock() - info.timeMs
    if (Math.abs(skewMs) > maxSkewMs) {
      logger.warn(
        { event: 'clock_skew', reason: 'differs_from_redis', skewSeconds: Math.round(skewMs / 1_000) },
        `this machine's clock differs from Redis' by ${Math.round(skewMs / 1_000)} s: sessions and tokens would end at ` +
          'different times on different replicas. Synchronise the clocks (NTP).',
      )
    }
    if (policy !== undefined && policy !== 'noeviction') {
      logger.warn(
        { event: 'eviction_policy', reason: policy },
        `maxmemory-policy is ${policy}: Redis may evict revocation and replay marks when memory is short, and a logged-out ` +
          'session or a used token could pass again. Set maxmemory-policy noeviction and give it room (docs/redis.md).',
      )
    }
    if (info.uncheckable.length > 0) {
      logger.info(
        { event: 'redis_not_checked', reason: 'no_permission', commands: info.uncheckable },
        `the ACL forbids ${info.uncheckable.join(' and ')}: a restart of Redis and its eviction policy cannot be told`,
      )
    }
  }

  return {
    mode,
    store: guard,
    trust,
    journal,
    withinBudget: budget.run,
    note: (change) => notes.encode({ ...change, origin, sentAt: clock() }),
    onChange: (handler) => void changeHandlers.push(handler),
    onFlush: (handler) => void flushHandlers.push(handler),
    onRestart: (handler) => void restartHandlers.push(handler),

    start: () =>
      new Promise((resolve) => {
        const callOff = timer(resolve, outage.storeDeadlineMs)
        void link.firstContact.then(() => {
          callOff()
          resolve()
        })
      }),

    async stop() {
      if (journal.size > 0) {
        await journal.replay('all').catch(() => undefined)
        if (journal.size > 0) {
          logger.warn(
            { event: 'journal_lost', reason: 'stopped', entries: journal.size },
            'stopped before Redis was back',
          )
        }
      }
      stopped = true
      stopHeartbeat()
      health.stop()
      link.close()
    },

    pool: () => ({ ...link.poolStats(), max: redis.poolSize }),

    health() {
      const connected = trust.awaySince === undefined
      const latencyMs = health.latencyMs()
      const fault = connected ? guard.fault() : (link.fault() ?? health.fault() ?? guard.fault())
      return {
        mode,
        redis: {
          connected,
          latency: connected && latencyMs !== undefined ? `${Math.max(1, Math.round(latencyMs))}ms` : null,
          ...(fault !== undefined && { error: fault.words, reason: fault.kind }),
        },
        circuit_breaker: { state: guard.circuit(), failures: guard.failures() },
      }
    },
  }
}

const sameIds = (a: readonly string[], b: readonly string[]) =>
  a.length === b.length && a.every((id, at) => id === b[at])

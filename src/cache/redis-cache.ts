// The shared cache over Redis: the parts of this room put together. The link tells of the connection, the circuit of calls, the
// heartbeat of everything else; what follows from it is a step of `Availability`, and the order of recovery.
import type { Config } from '../config/config.ts'
import { StoreUnavailable } from '../errors.ts'
import type { Runtime } from '../runtime.ts'
import { instrumented } from '../store/instrumented.ts'
import type { RedisLink } from '../store/redis/link.ts'
import { fault, isOwnDelay } from '../store/redis/faults.ts'
import { minutes } from '../time.ts'
import { afterEvent, neverReached, type Availability, type AvailabilityEvent } from './availability.ts'
import type { Cache } from './cache.ts'
import { createFloors } from './floors.ts'
import { guarded } from './guarded.ts'
import { guardedSpool } from './guarded-spool.ts'
import { createHeartbeat } from './heartbeat.ts'
import { createInvalidations } from './invalidation.ts'
import { createJournal } from './journal.ts'
import { createPeers, type PeerTransport } from './peers.ts'
import { createRefusals } from './refusals.ts'
import { createRequestBudget } from './request-budget.ts'
import { createServerNotices } from './server-notices.ts'
import { noNearCopies, type NearTrust } from './shared-cache.ts'
import type { Spool } from './spool.ts'
import { createWithdrawals } from './withdrawals.ts'

export interface RedisCacheParts {
  readonly config: Pick<Config, 'redis' | 'outage' | 'session'>
  readonly runtime: Runtime
  /** This life of this process. */
  readonly origin: string
  /** Names the deployment: provider, client and key prefix. */
  readonly scope: string
  readonly link: RedisLink
  readonly peerTransport: PeerTransport | undefined
  readonly spool: Spool | undefined
}

/** Sessions end by each replica's own clock: a withdrawal is kept for so much longer than any of them. */
export const clockMarginMs = minutes(5)
const recoveryRetryMs = 250
/** A single write that timed out while Redis is well is tried again after this. */
const journalRetryMs = 1_000
/** What is left to wait for Redis in a request that has waited for it long enough. */
const impatientMs = 50
const compareEveryMs = 1_000
const compareAtOnce = 3
export function createRedisCache(parts: RedisCacheParts): Cache {
  const { config, runtime, origin, link } = parts
  const { clock, stopwatch, timer, logger, metrics } = runtime
  const { redis, outage, session } = config
  const mode = redis.mode === 'redis' ? 'redis' : 'hybrid'
  const bornAt = clock()
  const trust: NearTrust = { until: 0 }
  const notes = createInvalidations(session.encryptionKeys, parts.scope)
  const budget = createRequestBudget()
  const refusals = createRefusals(logger, metrics.storeRefusals)
  const ownDelays = metrics.ownDelays.with({})
  const historyChanges = metrics.historyChanges.with({})
  const lag = metrics.invalidationLag.with({})
  const withdrawalLifeMs = session.maxAgeMs + clockMarginMs
  const floors = createFloors({ clock, stopwatch, lifeMs: withdrawalLifeMs })
  const spool = parts.spool && guardedSpool(parts.spool, runtime)
  let copies = noNearCopies
  let availability: Availability = neverReached
  let lastLossAt = 0
  /** What may be lost is to be offered again, and was not yet, or not all of it was taken. */
  let offersLeft = false
  let isSubscribed = false
  let stopped = false

  const rawStore = instrumented(link.store, { durations: metrics.redisCommandDuration, stopwatch })
  const guard = guarded(rawStore, {
    limits: redis.circuitBreaker,
    deadlineMs: outage.storeDeadlineMs,
    runtime,
    refusals,
    ownDelays,
    transitions: metrics.circuitTransitions,
    budget,
    onChange: () => budget.outside(reconsider),
  })
  const journal = createJournal({
    maxEntries: outage.journalSize,
    dropped: metrics.journalDropped.with({}),
    clock,
    onAdd: () => budget.outside(replaySoon),
  })
  const peers =
    parts.peerTransport &&
    createPeers({
      transport: parts.peerTransport,
      replica: origin,
      floors,
      isAway: () => availability.at !== 'well',
      horizonAgeMs,
      learnt: (horizon) => heartbeat.learnt(horizon),
      onLeft: (replica) => heartbeat.memberLeft(replica),
      runtime,
    })
  const withdrawals = createWithdrawals({
    floors,
    log: link.log,
    rawStore,
    peers,
    spool,
    lifeMs: withdrawalLifeMs,
    deadlineMs: () => (budget.isExhausted() ? impatientMs : outage.storeDeadlineMs),
    spoolDeadlineMs: outage.storeDeadlineMs,
    note: ({ id, floor }) => notes.encode({ origin, sentAt: clock(), what: 'withdrawn', id, number: floor }),
    onRefusal: (error) => refusals.failed('withdraw', error),
    runtime,
  })
  const heartbeat = createHeartbeat({
    log: link.log,
    floors,
    replica: origin,
    awaitMembersMs: outage.maxStaleMs,
    withdrawalLifeMs,
    runtime,
    awaySince: () => (availability.at === 'well' ? undefined : availability.since),
    isConnected: () => link.status() === 'up',
    writeBack: withdrawals.writeBack,
    reseed(isProven) {
      // What may be lost is a part of it then, with its caution.
      offersLeft = false
      return copies.reseed(isProven)
    },
    dropUnproven: (since) => copies.dropUnproven(since),
    unconfirmAll: () => copies.unconfirmAll(),
    onDeaf() {
      // While there is no subscription nothing can arrive.
      if (!isSubscribed) return
      logger.warn({ event: 'notes_missed', reason: 'deaf' }, 'Redis takes notes, and none arrives: subscribing anew')
      heartbeat.notesMissed()
      link.resubscribe()
    },
    onHistoryChange: () => void historyChanges.value++,
    onOthersHeard: () => replayNow(),
    onTrust: (until) => (trust.until = mode === 'hybrid' ? until : 0),
    onBeat(outcome) {
      switch (outcome.kind) {
        case 'answered':
          refusals.succeeded('beat')
          // What is too slow for a request is too slow for a beat, or the two would quarrel.
          if (outcome.tookMs <= outage.storeDeadlineMs) provedAlive()
          return
        case 'silent':
          if (redis.healthCheckIntervalMs !== undefined) guard.provedSilent()
          return
        case 'unconnected':
          if (redis.healthCheckIntervalMs !== undefined) guard.failed(link.fault() ?? fault('reset'))
          return
        case 'failed':
          if (isOwnDelay(outcome.error)) ownDelays.value++
          else refusals.failed('beat', outcome.error)
      }
    },
  })

  function provedAlive(): void {
    if (guard.circuit() === 'closed') return
    guard.provedAlive()
    // The one probe: without traffic nobody else would make it. When somebody has, this one is turned away.
    if (guard.circuit() === 'half-open') void guard.get({ kind: 'lease', id: `probe-${origin}` }).catch(() => undefined)
  }

  function horizonAgeMs(): number | undefined {
    return heartbeat.horizon === undefined ? undefined : Math.max(0, stopwatch() - heartbeat.horizon)
  }

  // --- what is heard from other replicas ------------------------------------------------------------------------------

  link.subscribe({
    onNote(text) {
      const note = notes.decode(text)
      // Our own echo: what we wrote we knew.
      if (note === undefined || note.origin === origin) return
      lag.observe(Math.max(0, clock() - note.sentAt) / 1_000)
      if (note.what === 'withdrawn') floors.raise({ id: note.id, floor: note.number }, false)
      else copies.changed(note.id, note.number)
    },
    onToken: (token) => heartbeat.token(token),
    onLive() {
      isSubscribed = true
      heartbeat.subscribed()
    },
    onDead() {
      isSubscribed = false
      heartbeat.notesMissed()
    },
  })

  // --- away and back ----------------------------------------------------------------------------------------------------

  link.onUp(() => {
    provedAlive()
    reconsider()
  })
  link.onDown((reason) => {
    heartbeat.connectionLost()
    guard.failed(reason)
    reconsider()
  })

  function step(event: AvailabilityEvent): Availability {
    return (availability = afterEvent(availability, event, stopwatch()))
  }

  function isReachable(): boolean {
    return link.status() === 'up' && guard.circuit() === 'closed'
  }

  function reconsider(): void {
    if (stopped) return
    const before = availability
    const after = step({ what: isReachable() ? 'reached' : 'lost' })
    if (before.at === 'well' && after.at === 'away') {
      lastLossAt = after.since
      offersLeft = true
      trust.until = 0
    }
    if (before.at === 'away' && after.at === 'recovering') void recover()
  }

  /** In this order: learn and tell what is withdrawn; write what was missed; offer again what may be lost; copies go back with the beat. */
  async function recover(): Promise<void> {
    const startedAt = stopwatch()
    const { everWell } = availability.at === 'well' ? { everWell: true } : availability
    const entries = journal.size
    try {
      if (!(await heartbeat.pull())) throw new StoreUnavailable('the log of withdrawals was not read')
      // The others are heard first: they may know that what the journal holds was withdrawn.
      if (!heartbeat.awaitsOthers) await replay()
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) {
        logger.error(
          { event: 'recovery_failed', reason: 'internal', err: error },
          'recovery failed, will be tried again',
        )
      }
      step({ what: 'broken-off' })
      // Lost again half-way, or too slow: tried again for as long as Redis seems well.
      timer(reconsider, recoveryRetryMs)
      return
    }
    if (availability.at !== 'recovering') return
    copies.unconfirmAll()
    step({ what: 'recovered' })
    if (!everWell) void notices.look()
    if (journal.size > 0 || offersLeft) replaySoon()
    void heartbeat.pull()
    logger.info(
      { event: 'store_recovered', journalEntries: entries, tookMs: Math.round(stopwatch() - startedAt) },
      'Redis is in use',
    )
  }

  /** True: something is left. */
  async function replay(): Promise<boolean> {
    if (heartbeat.awaitsOthers) return true
    await journal.replay()
    // With another history that is the business of re-seeding, with its caution.
    if (heartbeat.isReseeding) offersLeft = false
    if (offersLeft) offersLeft = !(await copies.offerAgain(lastLossAt))
    return journal.size > 0 || offersLeft
  }

  let replayPlanned = false
  /** A write can be missed without an outage: one slow answer, a full server. Nothing would ever call that a recovery. */
  function replaySoon(): void {
    if (replayPlanned || stopped) return
    replayPlanned = true
    timer(() => {
      replayPlanned = false
      replayNow()
    }, journalRetryMs)
  }

  function replayNow(): void {
    if (availability.at !== 'well') return
    void replay()
      .catch(() => true)
      .then((isLeft) => isLeft && replaySoon())
  }

  const notices = createServerNotices({ link, clock, logger })

  function compareLater(): void {
    if (stopped || mode !== 'hybrid') return
    timer(() => {
      if (stopped) return
      const due = stopwatch() < trust.until ? copies.compareSome(compareAtOnce) : Promise.resolve()
      void due.catch(() => undefined).finally(compareLater)
    }, compareEveryMs)
  }

  const horizonText = () => {
    const age = horizonAgeMs()
    return age === undefined ? null : `${Math.round(age / 1_000)}s`
  }

  return {
    mode,
    store: guard,
    trust,
    floors,
    outage: {
      bornAt,
      isAway: () => availability.at !== 'well' || heartbeat.isReseeding,
      isUnreachable: () => availability.at !== 'well' && !isReachable(),
      missProvesNothing: () =>
        availability.at !== 'well' || stopwatch() < availability.missCountsFrom || heartbeat.isReseeding,
      horizonAgeMs,
    },
    journal,
    withinBudget: budget.run,
    inBackground: budget.outside,
    changed: (id, generation) => notes.encode({ origin, sentAt: clock(), what: 'changed', id, number: generation }),
    withdraw: withdrawals.withdraw,
    setNearCopies: (holder) => void (copies = holder),

    async start() {
      for (const left of (await spool?.load()) ?? []) floors.raise(left, false, left.expiresAt)
      heartbeat.start()
      compareLater()
      // Without the second road the first one still goes on.
      await peers?.start().catch((error: unknown) => {
        logger.error({ event: 'peers_failed', reason: 'cannot_listen', err: error }, 'peers cannot be heard')
      })
      await new Promise<void>((resolve) => {
        const callOff = timer(resolve, outage.storeDeadlineMs)
        void link.firstContact.then(() => {
          callOff()
          resolve()
        })
      })
    },

    async stop() {
      // What is not seen to be in Redis now is handed over: it may have been lost there, unnoticed yet.
      const isInStep = link.status() === 'up' && (await heartbeat.pull())
      if (isInStep && !heartbeat.awaitsOthers) await journal.replay().catch(() => undefined)
      const isHandedOver = await withdrawals.handOver(isInStep)
      if (isInStep && floors.unloggedCount === 0) await link.log.leave(origin).catch(() => undefined)
      if (!isHandedOver || journal.size > 0) {
        logger.warn(
          {
            event: 'journal_lost',
            reason: 'stopped',
            entries: journal.size,
            withdrawals: isHandedOver ? 0 : floors.unloggedCount,
          },
          'stopped before Redis was back: what was written here since is lost',
        )
      }
      stopped = true
      heartbeat.stop()
      await peers?.stop()
      await spool?.close()
      link.close()
    },

    pool: () => ({ ...link.poolStats(), max: redis.poolSize }),

    coherence: () => ({
      horizonAgeMs: horizonAgeMs(),
      logged: floors.size - floors.unloggedCount,
      unlogged: floors.unloggedCount,
      peers: peers?.counts() ?? { up: 0, down: 0 },
      isReseeding: heartbeat.isReseeding,
    }),

    health() {
      const connected = availability.at === 'well'
      const { latencyMs } = heartbeat
      const found = connected
        ? guard.fault()
        : (link.fault() ?? guard.fault() ?? refusals.fault() ?? fault('connecting'))
      return {
        mode,
        redis: {
          connected,
          latency: connected && latencyMs !== undefined ? `${Math.max(1, Math.round(latencyMs))}ms` : null,
          ...(found !== undefined && { error: found.words, reason: found.kind }),
        },
        circuit_breaker: { state: guard.circuit(), failures: guard.failures() },
        revocations: {
          horizon: horizonText(),
          unlogged: floors.unloggedCount,
          peers: peers?.counts().up ?? 0,
          reseeding: heartbeat.isReseeding,
        },
      }
    },
  }
}

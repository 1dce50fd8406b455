// The shared cache over Redis: the parts of this room put together. The link tells of the connection, the circuit of calls, the
// heartbeat of everything else; what follows from it is decided in recovery.ts and liveness.ts.
import type { Config } from '../config/config.ts'
import type { Runtime } from '../runtime.ts'
import { instrumented } from '../store/instrumented.ts'
import type { RedisLink } from '../store/redis/link.ts'
import { fault } from '../store/redis/faults.ts'
import type { Cache, Coherence } from './cache.ts'
import { createCopyComparison } from './copy-comparison.ts'
import { createFloors } from './floors.ts'
import { guarded } from './guarded.ts'
import { guardedSpool } from './guarded-spool.ts'
import { redisHealth } from './health.ts'
import { createHeartbeat } from './heartbeat.ts'
import { createInvalidations } from './invalidation.ts'
import { createJournal } from './journal.ts'
import { createLiveness } from './liveness.ts'
import { createPeers, type PeerTransport } from './peers.ts'
import { createRecovery } from './recovery.ts'
import { createRefusals } from './refusals.ts'
import { createRequestBudget } from './request-budget.ts'
import { createRoomProbe } from './room-probe.ts'
import { createServerNotices } from './server-notices.ts'
import { clockMarginMs, noNearCopies, type NearTrust } from './shared-cache.ts'
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
  const ownDelays = metrics.ownDelays.labels({})
  const historyChanges = metrics.historyChanges.labels({})
  const lag = metrics.invalidationLag.labels({})
  const withdrawalLifeMs = session.maxAgeMs + clockMarginMs
  const floors = createFloors({ clock, stopwatch, lifeMs: withdrawalLifeMs })
  const spool = parts.spool && guardedSpool(parts.spool, runtime)
  let copies = noNearCopies
  let isSubscribed = false

  const rawStore = instrumented(link.store, { durations: metrics.redisCommandDuration, stopwatch })
  const guard = guarded(rawStore, {
    limits: redis.circuitBreaker,
    deadlineMs: outage.storeDeadlineMs,
    runtime,
    refusals,
    ownDelays,
    transitions: metrics.circuitTransitions,
    budget,
    onChange: () => budget.outside(recovery.reconsider),
  })
  const journal = createJournal({
    maxEntries: outage.journalSize,
    dropped: metrics.journalDropped.labels({}),
    clock,
    onAdd: () => budget.outside(recovery.replaySoon),
  })
  const peers =
    parts.peerTransport &&
    createPeers({
      transport: parts.peerTransport,
      replica: origin,
      floors,
      isAway: () => !recovery.isWell(),
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
    deadlineMs: () => budget.waitMs(outage.storeDeadlineMs),
    spoolDeadlineMs: outage.storeDeadlineMs,
    note: ({ id, floor }) => notes.encode({ origin, sentAt: clock(), what: 'withdrawn', id, number: floor }),
    onRefusal: (error) => refusals.failed('withdraw', error),
    runtime,
  })
  const heartbeat = createHeartbeat({
    log: link.log,
    floors,
    replica: origin,
    hello: () => notes.encode({ origin, sentAt: clock(), what: 'here', id: origin, number: 0 }),
    awaitMembersMs: outage.maxStaleMs,
    withdrawalLifeMs,
    runtime,
    unavailableSince: () => recovery.unavailableSince(),
    isConnected: () => link.status() === 'up',
    writeBack: withdrawals.writeBack,
    reseed(isProven) {
      recovery.leaveOffersToReseeding()
      return copies.reseed(isProven)
    },
    dropUnproven(since) {
      // Nobody vouches for those of the last seconds either.
      recovery.leaveOffersToReseeding()
      copies.dropUnproven(since)
    },
    unconfirmAll: () => copies.unconfirmAll(),
    onDeaf() {
      // While there is no subscription nothing can arrive.
      if (!isSubscribed) return
      logger.warn({ event: 'notes_missed', reason: 'deaf' }, 'Redis takes notes, and none arrives: subscribing anew')
      heartbeat.notesMissed()
      link.resubscribe()
    },
    onHistoryChange: () => void historyChanges.value++,
    onOthersHeard: () => recovery.replayNow(),
    onTrust: (until) => (trust.until = mode === 'hybrid' ? until : 0),
    onBeat: (outcome) => liveness.onBeat(outcome),
  })

  const notices = createServerNotices({ link, clock, logger })
  const recovery = createRecovery({
    heartbeat,
    journal,
    isReachable,
    offerAgain: (lostAt) => copies.offerAgain(lostAt),
    unconfirmAll: () => copies.unconfirmAll(),
    onLost: () => void (trust.until = 0),
    onFirstUse: () => void notices.look(),
    runtime,
  })
  const liveness = createLiveness({
    guard,
    refusals,
    ownDelays,
    linkFault: () => link.fault(),
    deadlineMs: outage.storeDeadlineMs,
    noticesSilence: redis.healthCheckIntervalMs !== undefined,
    replica: origin,
  })
  const comparison = createCopyComparison({
    mayAnswer: () => stopwatch() < trust.until,
    compareSome: (count) => copies.compareSome(count),
    timer,
  })

  const roomProbe = createRoomProbe({
    isInUse: () => recovery.isWell(),
    write: () => rawStore.set({ kind: 'lease', id: 'room' }, Buffer.from('1'), 1_000),
    refusals,
    timer,
  })

  function isReachable(): boolean {
    return link.status() === 'up' && guard.circuit() === 'closed'
  }

  function horizonAgeMs(): number | undefined {
    return heartbeat.horizon === undefined ? undefined : Math.max(0, stopwatch() - heartbeat.horizon)
  }

  const coherence = (): Coherence => ({
    horizonAgeMs: horizonAgeMs(),
    logged: floors.size - floors.unloggedCount,
    unlogged: floors.unloggedCount,
    peers: peers?.counts() ?? { up: 0, down: 0 },
    isReseeding: heartbeat.isReseeding,
  })

  // --- what the link tells ---------------------------------------------------------------------------------------------

  link.subscribe({
    onNote(text) {
      const note = notes.decode(text)
      // Our own echo: what we wrote we knew.
      if (note === undefined || note.origin === origin) return
      lag.observe(Math.max(0, clock() - note.sentAt) / 1_000)
      if (note.what === 'here') heartbeat.memberCame(note.origin)
      else if (note.what === 'withdrawn') floors.raise({ id: note.id, floor: note.number }, false)
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

  link.onUp(() => {
    liveness.provedAlive()
    recovery.reconsider()
  })
  link.onDown((reason) => {
    heartbeat.connectionLost()
    guard.failed(reason)
    recovery.reconsider()
  })

  return {
    mode,
    store: guard,
    trust,
    floors,
    outage: {
      bornAt,
      isAway: () => !recovery.isWell() || heartbeat.isReseeding,
      isUnreachable: () => !recovery.isWell() && !isReachable(),
      missProvesNothing: () => recovery.isUnsettled() || heartbeat.isReseeding,
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
      // Told, and not waited for: in an outage nothing of ours may keep a replica from starting.
      void spool?.probe()
      heartbeat.start()
      if (mode === 'hybrid') comparison.start()
      roomProbe.start()
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
      recovery.stop()
      comparison.stop()
      roomProbe.stop()
      heartbeat.stop()
      await peers?.stop()
      await spool?.close()
      link.close()
    },

    pool: () => ({ ...link.poolStats(), max: redis.poolSize }),

    coherence,

    health: () =>
      redisHealth({
        mode,
        isConnected: recovery.isWell(),
        latencyMs: heartbeat.latencyMs,
        fault: recovery.isWell()
          ? guard.fault()
          : (link.fault() ?? guard.fault() ?? refusals.fault() ?? fault('connecting')),
        circuit: guard.circuit(),
        failures: guard.failures(),
        coherence: coherence(),
      }),
  }
}

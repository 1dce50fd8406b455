// One life of one replica: the real cache and sessions, put together as src/app.ts does, on this run's time, chance and roads.
import { createRedisCache } from '../../src/cache/redis-cache.ts'
import type { SharedCache } from '../../src/cache/shared-cache.ts'
import type { Config } from '../../src/config/config.ts'
import type { Runtime } from '../../src/runtime.ts'
import { createSessions } from '../../src/session/sessions.ts'
import type { LogFields, Logger } from '../../src/telemetry/logger.ts'
import type { Counts, Metrics } from '../../src/telemetry/metrics.ts'
import { createChance } from './chance.ts'
import { newLoop, type Loop } from './events.ts'
import type { Judge, OrderlyStop } from './judge.ts'
import { scope, simulatedLink } from './redis/link.ts'
import { epoch } from './redis/servers.ts'
import { isSweepOf, openSealer, openTaggers } from './sealer.ts'
import { simulatedSpool } from './spool.ts'
import type { Replica, World } from './world.ts'

const maxAgeMs = 24 * 3_600_000
const storeDeadlineMs = 250
const key = Buffer.alloc(32, 7)

export interface Processes {
  start(replica: Replica): void
  /** `kill`: at once. `stop`: what is under way ends, then the cache stops; at the latest after 3 s. */
  end(replica: Replica, cause: 'stop' | 'kill', thenStartAfterMs: number): void
  stall(replica: Replica, ms: number): void
}

/** The monotonic clock of a process that was born at `bornAt` (ms of the run). */
export const stopwatchOf = (bornAt: number, now: number): number => now - bornAt + 50

export function createProcesses(world: World, judge: Judge, seed: number): Processes {
  const { events, story, settings, network } = world
  let started = 0

  function start(replica: Replica): void {
    started++
    const loop = newLoop(`r${replica.index}.${started}`)
    replica.loop = loop
    replica.met.clear()
    replica.bornAt = events.now
    replica.droppedAt = events.now
    story.say(`r${replica.index} starts`)
    const runtime = runtimeOf(replica, loop, seed * 1_000 + started)
    const origin = runtime.randomBytes(9).toString('base64url')
    const { maxStaleMs, passMaxAgeMs } = settings
    const link = simulatedLink({
      events,
      loop,
      network,
      roads: replica.roads,
      replica: replica.index,
      origin,
      maxAgeMs,
      runtime,
      onLost() {
        replica.droppedAt = events.now
      },
      onAnswer() {
        replica.heardAt = events.now
      },
      onNoteLost() {
        replica.noteLostAt = events.now
      },
      onToken() {
        replica.tokenAt = events.now
      },
    })
    const cache = createRedisCache({
      config: configOf(settings.mode, maxStaleMs, passMaxAgeMs),
      runtime,
      origin,
      scope,
      link,
      peerTransport: world.peerRoads?.transport(replica, loop),
      spool: settings.hasSpool
        ? simulatedSpool({ events, chance: network.chance, loop, file: replica.file })
        : undefined,
    })
    const overheard: SharedCache = {
      ...cache,
      store: {
        ...cache.store,
        async setUnlessMarked(key, value, ttlMs, unless, note) {
          const result = await cache.store.setUnlessMarked(key, value, ttlMs, unless, note)
          if (result === 'marked') replica.met.set(key.id, unless.generation + 1)
          return result
        },
      },
      async withdraw(withdrawal) {
        const visitor = world.visitors.find((known) => known.id === withdrawal.id || isSweepOf(withdrawal.id, known))
        if (visitor !== undefined) visitor.isSuperseding = true
        const isKept = await cache.withdraw(withdrawal)
        judge.withdrawn(replica, withdrawal.id, withdrawal.floor, isKept)
        return isKept
      },
    }
    const provider = world.provider.at(loop, runtime.clock)
    const sessions = createSessions({
      cache: overheard,
      sealer: openSealer('session'),
      passSealer: openSealer('pass'),
      aboutSealer: openSealer('about'),
      taggers: openTaggers,
      userOf: ({ subject }) => subject,
      providers: { of: () => provider, has: () => true },
      claimsToKeep: (claims) => claims,
      nearLimits: { maxItems: 500, maxBytes: 10 << 20 },
      lifetimes: {
        maxAgeMs,
        idleTimeoutMs: undefined,
        refreshGraceMs: settings.refreshGraceMs,
        maxStaleMs,
        passMaxAgeMs,
        // Longer than the lease of an owner that is gone.
        providerTimeoutMs: 5_000,
      },
      runtime,
    })
    replica.link = link
    replica.cache = cache
    replica.sessions = sessions
    judge.contacts()
    cache.start().catch((error: unknown) => judge.violation('start-failed', `r${replica.index}: ${String(error)}`))
  }

  function runtimeOf(replica: Replica, loop: Loop, stream: number): Runtime {
    const chance = createChance(seed, stream)
    const bornAt = events.now
    return {
      clock: () => epoch + events.now + replica.skewMs,
      // Each process counts from its own start.
      stopwatch: () => stopwatchOf(bornAt, events.now),
      timer: (task, delayMs) => events.on(loop, 'timer', events.now + Math.max(1, Math.trunc(delayMs)), task),
      nextTurn: (task) => void events.on(loop, 'turn', events.now, task),
      random: chance.next,
      randomBytes: chance.bytes,
      logger: loggerOf(replica),
      metrics: metricsOf(replica),
    }
  }

  function loggerOf(replica: Replica): Logger {
    if (!story.isTold) {
      return {
        debug: () => undefined,
        info: () => undefined,
        warn: () => undefined,
        error: (fields) => unexpected(replica, fields),
      }
    }
    const line = (level: string) => (fields: LogFields) => {
      const { event, err, detail: _detail, ...rest } = fields
      const more = Object.keys(rest).length === 0 ? '' : ` ${JSON.stringify(rest)}`
      story.say(`r${replica.index} ${level} ${event}${more}${err instanceof Error ? ` (${err.message})` : ''}`)
    }
    return {
      debug: () => undefined,
      info: line('info'),
      warn: line('warn'),
      error(fields) {
        line('error')(fields)
        unexpected(replica, fields)
      },
    }
  }

  /** Errors are for what nobody has thought of. */
  function unexpected(replica: Replica, { event, reason, err }: LogFields): void {
    if (reason === 'internal') judge.violation('internal-error', `r${replica.index} ${event}: ${stackOf(err)}`)
  }

  function metricsOf(replica: Replica): Metrics {
    const none = { value: 0 }
    const counts: Counts<string> = { labels: () => none }
    const durations = { labels: () => ({ observe: () => undefined }) }
    return {
      decisions: counts,
      authDuration: durations,
      logins: counts,
      handovers: counts,
      cacheRequests: counts,
      redisCommandDuration: durations,
      circuitTransitions: counts,
      invalidationLag: durations,
      journalDropped: counts,
      storeRefusals: counts,
      ownDelays: counts,
      historyChanges: counts,
      standIns: {
        labels({ ground, result }) {
          judge.stoodIn(replica, ground, result)
          return none
        },
      },
      coherenceChecked: counts,
      replaysRejected: counts,
      rateLimited: counts,
      sessions: counts,
      signals: counts,
      tokenRefreshes: counts,
      streamsClosed: counts,
      adminRequests: counts,
      providerRequests: durations,
      gauge: () => undefined,
      render: () => Promise.resolve(''),
      contentType: '',
    }
  }

  function over(replica: Replica, cause: 'stop' | 'kill', stop?: OrderlyStop): void {
    const { loop } = replica
    if (loop === undefined) return
    world.endings.push(events.now)
    story.say(`r${replica.index} ${cause === 'stop' ? 'has stopped' : 'is killed'}`)
    const after = judge.ending(replica, cause, stop)
    loop.hasEnded = true
    replica.loop = undefined
    replica.link = undefined
    replica.cache = undefined
    replica.sessions = undefined
    replica.answer = undefined
    replica.known = []
    replica.isStopping = false
    replica.inFlight = 0
    replica.reachSince = undefined
    judge.contacts()
    after()
  }

  return {
    start,
    end(replica, cause, thenStartAfterMs) {
      const { loop } = replica
      if (loop === undefined || replica.isStopping) return
      const restart = () => {
        if (replica.loop === undefined) start(replica)
      }
      if (cause === 'kill') {
        over(replica, 'kill')
        events.at(events.now + thenStartAfterMs, restart)
        return
      }
      replica.isStopping = true
      story.say(`r${replica.index} is asked to stop`)
      const startedAt = events.now
      const finish = (isComplete: boolean) => {
        if (replica.loop === loop) over(replica, 'stop', { askedAt: startedAt, isComplete })
      }
      const drain = () => {
        if (replica.loop !== loop) return
        if (replica.inFlight > 0 && events.now - startedAt < 2_000) events.on(loop, 'timer', events.now + 20, drain)
        else {
          void replica.cache?.stop().then(
            () => finish(true),
            () => finish(false),
          )
        }
      }
      events.on(loop, 'socket', events.now, drain)
      // An orderly stop does not take for ever.
      events.at(events.now + 5_000, () => finish(false))
      events.at(events.now + thenStartAfterMs + 5_100, restart)
    },
    stall(replica, ms) {
      const { loop } = replica
      if (loop === undefined || loop.isPaused) return
      story.say(`r${replica.index} stalls for ${ms}`)
      loop.isPaused = true
      judge.contacts()
      events.at(events.now + ms, () => {
        if (loop.hasEnded || !loop.isPaused) return
        story.say(`r${replica.index} goes on`)
        // What was lost before could not be found again meanwhile.
        if (replica.link?.status() !== 'up') replica.droppedAt = events.now
        events.resume(loop)
        judge.contacts()
      })
    },
  }
}

const stackOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error))

function configOf(
  mode: 'redis' | 'hybrid',
  maxStaleMs: number,
  passMaxAgeMs: number | undefined,
): Pick<Config, 'redis' | 'outage' | 'session'> {
  const config: {
    redis: Partial<Config['redis']>
    outage: Partial<Config['outage']>
    session: Partial<Config['session']>
  } = {
    redis: {
      mode,
      circuitBreaker: { threshold: 5, openMs: 3_000 },
      healthCheckIntervalMs: 5_000,
      poolSize: 1,
    },
    outage: { maxStaleMs, pass: passMaxAgeMs !== undefined, storeDeadlineMs, journalSize: 10_000 },
    session: { maxAgeMs, encryptionKeys: [key] },
  }
  // What the cache reads; the rest belongs to other rooms.
  return config as Pick<Config, 'redis' | 'outage' | 'session'>
}

// Asks Redis from time to time whether it is there, so that a replica that lives on near hits knows of an outage, and one
// without traffic knows of its end. The circuit decides what follows.
import { StoreUnavailable } from '../errors.ts'
import type { Clock, Timer } from '../time.ts'
import type { Logger } from '../telemetry/logger.ts'
import { withTimeout } from '../store/with-timeout.ts'
import type { GuardedStore } from './guarded.ts'
import { fault, RedisFailure, redisFault } from '../store/redis/faults.ts'
import type { RedisFault } from '../store/redis/faults.ts'
import type { Key, Store } from '../store/store.ts'

export interface HealthParts {
  /** `RedisLink`, or what stands for it. */
  readonly link: {
    ping(): Promise<void>
    onUp(handler: () => void): void
    onDown(handler: (reason: RedisFault) => void): void
  }
  /** Not guarded: a check must get through while the circuit is open. */
  readonly rawStore: Store
  readonly guard: GuardedStore
  /** Undefined: no periodic checks (`enableHealthCheck: false`), only what the link reports. */
  readonly intervalMs: number | undefined
  /** `outage.storeDeadline`: what is too slow for a request is too slow for a check, or the two would quarrel. */
  readonly deadlineMs: number
  /** As `RedisLinkParts.origin`: names the key that a check writes while the circuit is not closed. */
  readonly origin: string
  readonly clock: Clock
  readonly timer: Timer
  /** Milliseconds with fractions: `performance.now`. */
  readonly stopwatch: () => number
  readonly logger: Logger
}

export interface Health {
  /** Of the last check that was answered; undefined before the first and while the last one failed. */
  latencyMs(): number | undefined
  /** When Redis last answered a check (ms since the epoch). */
  checkedAt(): number | undefined
  /** Why the last check or connection failed; undefined while well. */
  fault(): RedisFault | undefined
  /** Checks now; never rejects. */
  check(): Promise<void>
  /** Calls have opened the circuit: from now on checks are eager, whatever was planned while it was closed. */
  circuitOpened(): void
  stop(): void
}

const late = () =>
  new StoreUnavailable('no answer to a health check', { cause: new RedisFailure(fault('timeout'), undefined) })

// While the circuit is not closed: soon after the failure, then less often; a Redis that is back is in use within seconds.
const eagerMs = 1_000
const patientMs = 2_000

export function startHealthChecks(parts: HealthParts): Health {
  const { link, rawStore, guard, intervalMs, deadlineMs, origin, clock, timer, stopwatch, logger } = parts
  const probeKey: Key = { kind: 'lease', id: `health-${origin}` }
  let latencyMs: number | undefined
  let checkedAt: number | undefined
  let lastFault: RedisFault | undefined
  let pauseMs = eagerMs
  let running: Promise<void> | undefined
  let stopped = false
  let callOff: (() => void) | undefined

  const inTime = <Value>(work: Promise<Value>) => withTimeout(work, deadlineMs, timer, late)
  const write = (store: Store) => store.set(probeKey, Buffer.from('1'), eagerMs)

  async function ask(): Promise<void> {
    try {
      const startedAt = stopwatch()
      await inTime(link.ping())
      const answeredMs = stopwatch() - startedAt
      // A Redis that only reads, or is full, answers PING too: the circuit may close only for one that takes writes.
      if (guard.circuit() !== 'closed') await inTime(write(rawStore))
      latencyMs = answeredMs
      checkedAt = clock()
      become(undefined)
      guard.provedAlive()
      // The one probe: without traffic nobody else would make it. When somebody has, this one is turned away.
      if (guard.circuit() === 'half-open') await write(guard).catch(() => {})
    } catch (error) {
      latencyMs = undefined
      const found = redisFault(error)
      become(found)
      guard.failed(found)
    }
  }

  function become(found: RedisFault | undefined): void {
    const before = lastFault
    lastFault = found
    if (before?.kind === found?.kind) return
    if (found === undefined) logger.info({ event: 'redis_healthy' }, 'Redis answers health checks')
    else logger.warn({ event: 'redis_unhealthy', reason: found.kind, detail: found.words }, 'Redis health check failed')
  }

  function check(): Promise<void> {
    running ??= ask().finally(() => {
      running = undefined
      schedule()
    })
    return running
  }

  function schedule(): void {
    callOff?.()
    if (stopped || intervalMs === undefined) return
    const closed = guard.circuit() === 'closed'
    const waitMs = closed ? intervalMs : Math.min(pauseMs, intervalMs)
    pauseMs = closed ? eagerMs : Math.min(patientMs, pauseMs * 2)
    callOff = timer(() => void check(), waitMs)
  }

  link.onUp(() => {
    pauseMs = eagerMs
    if (!stopped) void check()
  })
  link.onDown((reason) => {
    latencyMs = undefined
    lastFault = reason
    guard.failed(reason)
  })
  schedule()

  return {
    latencyMs: () => latencyMs,
    checkedAt: () => checkedAt,
    fault: () => lastFault,
    check,
    circuitOpened() {
      // A check under way plans the next one itself.
      if (running === undefined) schedule()
    },
    stop() {
      stopped = true
      callOff?.()
    },
  }
}

// The store behind its circuit breaker and deadline: no caller waits longer than the deadline, and while the circuit is open
// nobody waits at all. Says that the store is away, never what that means: the rooms that use it decide.
import { StoreUnavailable } from '../errors.ts'
import type { Runtime } from '../runtime.ts'
import type { Logger } from '../telemetry/logger.ts'
import { fromZero, type Count, type Counts } from '../telemetry/metrics.ts'
import { intercept, type StoreMethod } from '../store/intercept.ts'
import { admit, afterCall, afterFailure, closedCircuit, provedAlive, provedSilent } from './circuit.ts'
import type { Circuit, CircuitLimits } from './circuit.ts'
import { withTimeout } from '../store/with-timeout.ts'
import type { RequestBudget } from './request-budget.ts'
import { fault, isOwnDelay, isRefusal, RedisFailure, redisFault } from '../store/redis/faults.ts'
import type { RedisFault } from '../store/redis/faults.ts'
import type { Store } from '../store/store.ts'
import type { Refusals } from './refusals.ts'

export type CircuitState = Circuit['at']

export interface GuardedStore extends Store {
  circuit(): CircuitState
  /** Consecutive infrastructure failures; while open, those that opened it. */
  failures(): number
  /** Why the circuit is not closed, or why writes are refused while it is; undefined while all is well. */
  fault(): RedisFault | undefined
  /** A failure outside any call: a lost connection, an attempt to connect. Only infrastructure faults count. */
  failed(fault: RedisFault): void
  /** Redis has answered outside any call (beat, ready event): an open circuit lets its one probe through now. */
  provedAlive(): void
  /** Redis is silent, as a beat found before any request had to: the circuit opens at once. */
  provedSilent(): void
}

export interface GuardedParts {
  /** Undefined: no breaker (`enableCircuitBreaker: false`), the deadline still holds. */
  readonly limits: CircuitLimits | undefined
  /** `outage.storeDeadline`. */
  readonly deadlineMs: number
  readonly runtime: Pick<Runtime, 'clock' | 'timer' | 'stopwatch' | 'nextTurn' | 'logger'>
  readonly refusals: Refusals
  /** Calls that this process had no time to look after. */
  readonly ownDelays: Count
  /** `metrics.circuitTransitions`. */
  readonly transitions: Counts<'to'>
  /** Absent: every call waits for itself. */
  readonly budget?: RequestBudget
  readonly onChange?: (state: CircuitState, before: CircuitState) => void
}

export function guarded(store: Store, parts: GuardedParts): GuardedStore {
  const { limits, deadlineMs, runtime, refusals, ownDelays, transitions, budget, onChange } = parts
  const { clock, logger } = runtime
  fromZero(
    transitions,
    (['closed', 'open', 'half-open'] as const).map((to) => ({ to })),
  )
  let circuit = closedCircuit
  let lastFault: RedisFault | undefined

  function become(next: Circuit): void {
    const before = circuit
    circuit = next
    if (before.at === next.at) return
    transitions.labels({ to: next.at }).value++
    announceChange(logger, next, lastFault)
    onChange?.(next.at, before.at)
  }

  const late = (byOurselves: boolean) => {
    if (byOurselves) ownDelays.value++
    else budget?.exhaust()
    return new StoreUnavailable(`no answer of the store was seen within ${deadlineMs} ms`, {
      cause: new RedisFailure(fault(byOurselves ? 'own_delay' : 'timeout'), undefined),
    })
  }

  /** A read that we were too late for is asked again, once; a write may have been done. */
  async function attempt<Value>(method: StoreMethod, work: () => Promise<Value>): Promise<Value> {
    try {
      return await withTimeout(work(), deadlineMs, runtime, late)
    } catch (error) {
      if (method !== 'get' || !isOwnDelay(error)) throw error
      // With a whole deadline, so that the second look says whether Redis is slow: if it is, what stands in may count, and nobody is
      // refused for our own delay.
      return withTimeout(work(), deadlineMs, runtime, late)
    }
  }

  async function guard<Value>(method: StoreMethod, work: () => Promise<Value>): Promise<Value> {
    if (budget?.isExhausted() === true) {
      throw new StoreUnavailable('this request has waited for the store long enough', { cause: away() })
    }
    if (limits === undefined) return told(method, () => attempt(method, work))
    const admission = admit(circuit, clock())
    become(admission.circuit)
    if (admission.admitted === undefined) throw new StoreUnavailable('circuit breaker is open', { cause: away() })
    const settled = (ok: boolean | undefined) => {
      // Admitted is not undefined: checked above.
      become(afterCall(circuit, { epoch: admission.admitted ?? 0, ok, endedAt: clock() }, limits))
    }
    try {
      const value = await told(method, () => attempt(method, work))
      settled(true)
      return value
    } catch (error) {
      settled(judge(method, error))
      throw error
    }
  }

  async function told<Value>(method: StoreMethod, work: () => Promise<Value>): Promise<Value> {
    try {
      const value = await work()
      refusals.succeeded(method)
      return value
    } catch (error) {
      refusals.failed(method, error)
      throw error
    }
  }

  const away = () => new RedisFailure(lastFault ?? fault('other'), undefined)

  /** Was it a sign of life? Undefined: neither, it never reached the store. */
  function judge(method: StoreMethod, error: unknown): boolean | undefined {
    const found = redisFault(error)
    // An answer, but none that proves that calls get through; a refused read, on the other hand, is as bad as none.
    if (method !== 'get' && isRefusal(error)) return undefined
    if (found.infrastructure) {
      lastFault = found
      return false
    }
    return found.kind === 'wrong_type' || found.kind === 'script' ? true : undefined
  }

  return {
    ...intercept(store, guard),
    circuit: () => circuit.at,
    failures: () => circuit.failures,
    fault: () => (circuit.at === 'closed' ? refusals.fault() : lastFault),
    failed(found) {
      if (limits === undefined || !found.infrastructure) return
      lastFault = found
      become(afterFailure(circuit, clock(), limits))
    },
    provedAlive() {
      become(provedAlive(circuit))
    },
    provedSilent() {
      if (limits === undefined) return
      lastFault = fault('timeout')
      become(provedSilent(circuit, clock(), limits))
    },
  }
}

function announceChange(logger: Logger, circuit: Circuit, found: RedisFault | undefined): void {
  switch (circuit.at) {
    case 'open':
      logger.warn(
        { event: 'circuit_open', reason: found?.kind ?? 'other', failures: circuit.failures, detail: found?.message },
        'circuit breaker is open, falling back to memory',
      )
      return
    case 'half-open':
      logger.info({ event: 'circuit_half_open' }, 'circuit breaker is half-open, one probe decides')
      return
    case 'closed':
      logger.info({ event: 'circuit_closed' }, 'circuit breaker is closed, the shared store is in use again')
  }
}

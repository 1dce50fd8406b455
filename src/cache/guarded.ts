// The store behind its circuit breaker and deadline: no caller waits longer than the deadline, and while the circuit is open
// nobody waits at all. Says that the store is away, never what that means: the rooms that use it decide.
import { StoreUnavailable } from '../errors.ts'
import type { Clock, Timer } from '../time.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Counts } from '../telemetry/metrics.ts'
import { intercept, type StoreMethod } from '../store/intercept.ts'
import { admit, afterCall, afterFailure, closedCircuit, provedAlive } from './circuit.ts'
import type { Circuit, CircuitLimits } from './circuit.ts'
import { withTimeout } from '../store/with-timeout.ts'
import type { RequestBudget } from './request-budget.ts'
import { fault, RedisFailure, redisFault } from '../store/redis/faults.ts'
import type { RedisFault } from '../store/redis/faults.ts'
import type { Store } from '../store/store.ts'
import { createWriteRefusal } from './write-refusal.ts'

export type CircuitState = Circuit['at']

export interface GuardedStore extends Store {
  circuit(): CircuitState
  /** Consecutive infrastructure failures; while open, those since it was last well. */
  failures(): number
  /** Why the circuit is not closed, or why writes are refused while it is; undefined while all is well. */
  fault(): RedisFault | undefined
  /** A failure outside any call: a failed health check, a lost connection. Only infrastructure faults count. */
  failed(fault: RedisFault): void
  /** Redis has answered outside any call (health check, ready event): an open circuit lets its one probe through now. */
  provedAlive(): void
}

export interface GuardedParts {
  /** Undefined: no breaker (`enableCircuitBreaker: false`), the deadline still holds. */
  readonly limits: CircuitLimits | undefined
  /** `outage.storeDeadline`. */
  readonly deadlineMs: number
  readonly clock: Clock
  readonly timer: Timer
  readonly logger: Logger
  /** `metrics.circuitTransitions`. */
  readonly transitions: Counts<'to'>
  /** Absent: every call waits for itself. */
  readonly budget?: RequestBudget
  readonly onChange?: (state: CircuitState, before: CircuitState) => void
}

export function guarded(store: Store, parts: GuardedParts): GuardedStore {
  const { limits, deadlineMs, clock, timer, logger, transitions, budget, onChange } = parts
  let circuit = closedCircuit
  const writeRefusal = createWriteRefusal(logger)
  let lastFault: RedisFault | undefined

  function become(next: Circuit): void {
    const before = circuit
    circuit = next
    if (before.at === next.at) return
    transitions.with({ to: next.at }).value++
    announceChange(logger, next, lastFault)
    onChange?.(next.at, before.at)
  }

  const late = () => {
    budget?.exhaust()
    return new StoreUnavailable(`the store did not answer within ${deadlineMs} ms`, {
      cause: new RedisFailure(fault('timeout'), undefined),
    })
  }

  async function guard<Value>(method: StoreMethod, work: () => Promise<Value>): Promise<Value> {
    if (budget?.isExhausted() === true) {
      throw new StoreUnavailable('this request has waited for the store long enough', { cause: away() })
    }
    if (limits === undefined) return withTimeout(work(), deadlineMs, timer, late)
    const admission = admit(circuit, clock())
    become(admission.circuit)
    if (admission.admitted === undefined) throw new StoreUnavailable('circuit breaker is open', { cause: away() })
    const settled = (ok: boolean | undefined) => {
      // Admitted is not undefined: checked above.
      become(afterCall(circuit, { epoch: admission.admitted ?? 0, ok, endedAt: clock() }, limits))
    }
    try {
      const value = await withTimeout(work(), deadlineMs, timer, late)
      settled(true)
      writeRefusal.succeeded(method)
      return value
    } catch (error) {
      settled(judge(error))
      writeRefusal.failed(method, error)
      throw error
    }
  }

  const away = () => new RedisFailure(lastFault ?? fault('other'), undefined)

  /** Was it a sign of life? Undefined: neither, it never reached the store. */
  function judge(error: unknown): boolean | undefined {
    const found = redisFault(error)
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
    fault: () => (circuit.at === 'closed' ? writeRefusal.fault() : lastFault),
    failed(found) {
      if (limits === undefined || !found.infrastructure) return
      lastFault = found
      become(afterFailure(circuit, clock(), limits))
    },
    provedAlive() {
      become(provedAlive(circuit))
    },
  }
}

function announceChange(logger: Logger, circuit: Circuit, found: RedisFault | undefined): void {
  switch (circuit.at) {
    case 'open':
      logger.warn(
        { event: 'circuit_open', reason: found?.kind ?? 'other', failures: circuit.failures, detail: found?.words },
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

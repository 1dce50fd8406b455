// The circuit breaker's states, and every step between them, as data. Nothing here knows Redis, time or logging: guarded.ts
// feeds it. `epoch` grows with every change of state, so that an answer to a call from before the last change is recognised
// as late and says nothing about now.

export type Circuit =
  | { readonly at: 'closed'; readonly epoch: number; readonly failures: number }
  | { readonly at: 'open'; readonly epoch: number; readonly failures: number; readonly until: number }
  | { readonly at: 'half-open'; readonly epoch: number; readonly failures: number; readonly probing: boolean }

export interface CircuitLimits {
  /** Consecutive infrastructure failures that open the circuit. */
  readonly threshold: number
  /** How long it stays open unless something proves earlier that the store is back. */
  readonly openMs: number
}

/** A call that has settled. `ok` undefined: it never got as far as the store, and says nothing about it. */
export interface Call {
  /** The circuit's epoch when the call was let through. */
  readonly epoch: number
  readonly ok: boolean | undefined
  /** Milliseconds since the epoch. */
  readonly endedAt: number
}

export const closedCircuit: Circuit = { at: 'closed', epoch: 0, failures: 0 }

/** May a call pass now? `admitted` is to be handed back in its `Call`; undefined: it must not wait for the store. */
export function admit(circuit: Circuit, now: number): { circuit: Circuit; admitted: number | undefined } {
  if (circuit.at === 'closed') return { circuit, admitted: circuit.epoch }
  if (circuit.at === 'open') {
    return now < circuit.until ? { circuit, admitted: undefined } : admit(provedAlive(circuit), now)
  }
  if (circuit.probing) return { circuit, admitted: undefined }
  return { circuit: { ...circuit, probing: true }, admitted: circuit.epoch }
}

export function afterCall(circuit: Circuit, call: Call, limits: CircuitLimits): Circuit {
  if (call.epoch !== circuit.epoch) return circuit
  if (call.ok === undefined) return circuit.at === 'half-open' ? { ...circuit, probing: false } : circuit
  if (!call.ok) return afterFailure(circuit, call.endedAt, limits)
  if (circuit.at === 'half-open') return { at: 'closed', epoch: circuit.epoch + 1, failures: 0 }
  return circuit.failures === 0 ? circuit : { ...circuit, failures: 0 }
}

/** A failure that no call reported: a failed health check, a lost connection, an attempt to connect that failed. */
export function afterFailure(circuit: Circuit, now: number, limits: CircuitLimits): Circuit {
  // Those that opened it are what the log has told: the number stays that of /healthz for as long as it is open.
  if (circuit.at === 'open') return circuit
  const failures = circuit.failures + 1
  if (circuit.at === 'closed' && failures < limits.threshold) return { ...circuit, failures }
  return { at: 'open', epoch: circuit.epoch + 1, failures, until: now + limits.openMs }
}

/** The store has answered somebody: an open circuit need not wait any longer, failures before were not consecutive. */
export function provedAlive(circuit: Circuit): Circuit {
  if (circuit.at === 'open') {
    return { at: 'half-open', epoch: circuit.epoch + 1, failures: circuit.failures, probing: false }
  }
  return circuit.at === 'closed' && circuit.failures > 0 ? { ...circuit, failures: 0 } : circuit
}

/** The store was found silent, whoever noticed: nobody is to wait for it any more. */
export function provedSilent(circuit: Circuit, now: number, limits: CircuitLimits): Circuit {
  if (circuit.at === 'open') return circuit
  return { at: 'open', epoch: circuit.epoch + 1, failures: circuit.failures + 1, until: now + limits.openMs }
}

// Times every command that really goes to the store. Belongs inside the circuit, so that calls it turns away do not count.
import type { Durations } from '../telemetry/metrics.ts'
import { intercept } from './intercept.ts'
import type { StoreMethod } from './intercept.ts'
import type { Store } from './store.ts'

export interface InstrumentedParts {
  /** `metrics.redisCommandDuration`. */
  readonly durations: Durations<'command'>
  /** Milliseconds with fractions from any fixed point, `performance.now`: the wall clock may be set back meanwhile. */
  readonly stopwatch: () => number
}

/** Failed commands are timed too: a timeout is the slowest answer of all. */
export function instrumented(store: Store, { durations, stopwatch }: InstrumentedParts): Store {
  const byMethod = new Map<StoreMethod, ReturnType<typeof durations.labels>>()
  function durationOf(method: StoreMethod) {
    let duration = byMethod.get(method)
    if (duration === undefined) byMethod.set(method, (duration = durations.labels({ command: commandNames[method] })))
    return duration
  }
  return intercept(store, async (method, work) => {
    const startedAt = stopwatch()
    try {
      return await work()
    } finally {
      durationOf(method).observe((stopwatch() - startedAt) / 1_000)
    }
  })
}

// In the words of a dashboard, not in camel case.
const commandNames: Record<StoreMethod, string> = {
  get: 'get',
  set: 'set',
  add: 'add',
  compareAndSet: 'compare_and_set',
  setUnlessMarked: 'set_unless_marked',
  withdraw: 'withdraw',
  touch: 'touch',
  delete: 'delete',
  compareAndDelete: 'compare_and_delete',
  compareAndTouch: 'compare_and_touch',
  ttl: 'ttl',
  overwriteHead: 'overwrite_head',
  addMember: 'add_member',
  removeMember: 'remove_member',
  members: 'members',
  take: 'take',
}

// What is kept on record of operators: one line for each act, reading included, and a number. The line names who was meant, because
// that is the question asked of it later; never the credential.
import type { Logger } from '../telemetry/logger.ts'
import { fromZero, type Metrics } from '../telemetry/metrics.ts'
import { actions, outcomes, type AdminAct } from './answer.ts'
import { doorReasons, type DoorReason } from './door.ts'

export interface Audit {
  /** `client`: the address that it came from. */
  act(act: AdminAct, by: { readonly actor: string; readonly client: string; readonly requestId: string }): void
  /** Somebody did not get that far. */
  refused(reason: DoorReason): void
}

export function createAudit(metrics: Pick<Metrics, 'adminRequests'>, logger: Logger): Audit {
  const count = metrics.adminRequests
  fromZero(count, [
    ...actions.flatMap((action) => outcomes.map((outcome) => ({ action, outcome }))),
    ...doorReasons.map((reason) => ({ action: 'none', outcome: reason })),
  ])
  return {
    act(act, { actor, client, requestId }) {
      const { action, outcome } = act
      count.labels({ action, outcome }).value++
      logger.info({ event: 'audit', actor, ...act, client, requestId }, `an operator: ${action}, ${outcome}`)
    },
    refused: (reason) => void count.labels({ action: 'none', outcome: reason }).value++,
  }
}

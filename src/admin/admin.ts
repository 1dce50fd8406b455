// What operators do with sessions, on a port of its own: list them, look at one, end them, by what sessions have in common. This room
// owns both ends of that: the listener (who may ask, and how), what each question means, what is kept on record of it, and the
// command line that asks. What a session is, and how one ends everywhere, is the room session/'s.
import type { AdminConfig } from '../config/config.ts'
import type { Runtime } from '../runtime.ts'
import type { Sessions } from '../session/sessions.ts'
import { createAdminAPI } from './api.ts'
import { createAudit } from './audit.ts'
import { createCredentials } from './credentials.ts'
import { createDoor, type FailureLimit } from './door.ts'
import { createAdminListener, type AdminListener } from './listener.ts'

export function createAdmin(deps: {
  config: AdminConfig
  sessions: Pick<Sessions, 'list' | 'listed' | 'endListed' | 'endSelected'>
  /** The provider's: whose subjects and sessions are meant where nobody says otherwise. */
  issuer: string
  /** How far the provider's clock may be off. */
  clockSkewMs: number
  /** Who shows no credential, or a wrong one. */
  failureLimit: FailureLimit
  /** See SharedCache. */
  withinBudget: <T>(task: () => T) => T
  requestId: () => string
  runtime: Pick<Runtime, 'clock' | 'timer' | 'logger' | 'metrics'>
}): AdminListener {
  const { config, failureLimit, runtime } = deps
  const { clock, timer, logger, metrics } = runtime
  return createAdminListener({
    listen: config.listen,
    tls: config.tls,
    door: createDoor({ hosts: config.hosts, credentials: createCredentials(config), failureLimit, clock, logger }),
    api: createAdminAPI({ ...deps, clock }),
    audit: createAudit(metrics, logger),
    requestId: deps.requestId,
    clock,
    timer,
    logger,
  })
}

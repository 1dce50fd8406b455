// How the provider does what it is asked to: token endpoint, UserInfo and revocation as one state, told when it changes and not per
// call. Discovery and keys tell of themselves. Nothing depends on it but what operators see: each call is tried all the same.
import type { Logger } from '../telemetry/logger.ts'
import { createLogQuota } from '../telemetry/log-quota.ts'
import type { Clock } from '../time.ts'
import type { Operation } from './transport.ts'

export type Call = {
  readonly operation: Exclude<Operation, 'discovery' | 'jwks' | 'registration'>
  readonly url: string
}

export interface ProviderHealth {
  isFailing(): boolean
  /** No whole answer came. */
  unanswered(call: Call, detail: string): void
  /** It answered, and that it cannot. */
  failed(call: Call, detail: string): void
  /** It did what it is there for, if only to refuse a token or a code. Of a code, which anybody may bring, it only shows that it is reached. */
  answered(call: Call): void
  /** It gave tokens: so it accepts the client, too. */
  granted(call: Call): void
  /** It does not accept our client. `error`: its word for it. */
  clientRejected(call: Call, error: string, detail: string): void
}

type Trouble = { readonly origin: string; readonly isUnanswered: boolean }
type Told = 'unavailable' | 'client_rejected'

/** A provider of which one node in two is down would otherwise be two lines per call. */
const changesPerMinute = 1

export function createProviderHealth(deps: {
  readonly authMethod: string
  readonly logger: Logger
  readonly clock: Clock
}): ProviderHealth {
  const { authMethod, logger, clock } = deps
  const mayTell = createLogQuota(changesPerMinute, clock)
  /** The last word of each endpoint, where it was a bad one, and that of the client. */
  const troubles = new Map<string, Trouble>()
  const told = new Set<Told>()
  let since = 0
  let refreshesFailed = 0
  let callsFailed = 0

  const endpointOf = ({ operation }: Call) => (operation === 'refresh' ? 'token' : operation)

  function note(call: Call, about: string, isUnanswered: boolean): void {
    if (troubles.size === 0) {
      since = clock()
      refreshesFailed = 0
      callsFailed = 0
    }
    troubles.set(about, { origin: new URL(call.url).origin, isUnanswered })
    callsFailed++
    if (call.operation === 'refresh') refreshesFailed++
  }

  /** True when it is news. What the quota kept back is told by the next failure. */
  function isToTell(state: Told): boolean {
    if (told.has(state) || !mayTell(state)) return false
    told.add(state)
    return true
  }

  function tellUnavailable(call: Call, detail: string): void {
    if (!isToTell('unavailable')) return
    logger.warn(
      { event: 'provider_unavailable', reason: `${endpointOf(call)}_failing`, detail },
      'the provider does not do what it is asked to: sessions go on, and it is tried again',
    )
  }

  function over(abouts: readonly string[], { url }: Call): void {
    // Revocation is best effort and rarely asked: one logout shall not let the provider look bad for hours.
    for (const about of [...abouts, 'revocation']) troubles.delete(about)
    const { origin } = new URL(url)
    for (const [other, trouble] of troubles)
      if (trouble.isUnanswered && trouble.origin === origin) troubles.delete(other)
    if (troubles.size > 0 || told.size === 0) return
    told.clear()
    logger.info(
      { event: 'provider_ready', refreshesFailed, callsFailed, failedForMs: clock() - since },
      `the provider does what it is asked to again; ${refreshesFailed} refreshes failed meanwhile`,
    )
  }

  return {
    isFailing: () => troubles.size > 0,
    unanswered(call, detail) {
      note(call, endpointOf(call), true)
      tellUnavailable(call, detail)
    },
    failed(call, detail) {
      note(call, endpointOf(call), false)
      tellUnavailable(call, detail)
    },
    answered: (call) => over(call.operation === 'token' ? [] : [endpointOf(call)], call),
    granted: (call) => over([endpointOf(call), 'client'], call),
    clientRejected(call, error, detail) {
      note(call, 'client', false)
      over([endpointOf(call)], call)
      if (!isToTell('client_rejected')) return
      logger.error(
        { event: 'provider_client_rejected', reason: error, detail, authMethod },
        'the provider does not accept this client: check clientID, clientSecret and clientAuthMethod',
      )
    },
  }
}

// What a provider says unasked: that one of its sessions has ended, that somebody's account has changed. This room owns whose
// sessions such a signal means, when it counts as received, and what is counted and logged of it. It leaves the checks of tokens to
// oidc/, the end of sessions to session/ (the ports of selection.ts), and words on the wire to http/.
// One file for each way: backchannel-logout.ts, frontchannel-logout.ts, security-events.ts.
import { AppError, ProviderUnavailable, SignalRejected, StoreUnavailable, type SignalReason } from '../errors.ts'
import { withWarningQuota } from '../telemetry/log-quota.ts'
import type { Logger } from '../telemetry/logger.ts'
import { fromZero, type Metrics } from '../telemetry/metrics.ts'
import { warnOnce } from '../telemetry/once.ts'
import type { Clock } from '../time.ts'

const signalKinds = ['logout_token', 'frontchannel_logout', 'security_event'] as const
export type SignalKind = (typeof signalKinds)[number]

/** What a signal has brought about. */
export interface Effect {
  /** Sessions that it ended, or had refreshed. */
  readonly sessions: number
  /** It survives this process. */
  readonly isKept: boolean
}

export type SignalOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'refused'; readonly reason: SignalReason; readonly message: string }
  /** Nothing is lost if it is sent again, and something may be if it is not. */
  | { readonly kind: 'later'; readonly reason: 'provider_unavailable' | 'store_unavailable' | 'logout_incomplete' }

/** Does the work of a signal, counts and logs what becomes of it. Throws what is no expected failure. */
export type Receive = (kind: SignalKind, requestId: string, work: () => Promise<Effect>) => Promise<SignalOutcome>

/** What a stranger can bring about: told once, and counted. All else was signed by the provider, who ought to hear of it. */
const anybodys: ReadonlySet<SignalReason> = new Set([
  'token_missing',
  'token_repeated',
  'token_too_large',
  'sender',
  'malformed',
  'algorithm',
  'issuer',
  'signature',
])

const warningsPerMinute = 5

export function createReceive(deps: { metrics: Pick<Metrics, 'signals'>; logger: Logger; clock: Clock }): Receive {
  const logger = withWarningQuota(deps.logger, warningsPerMinute, deps.clock)
  const told = new Map<string, () => void>()
  const count = (kind: SignalKind, outcome: SignalOutcome['kind'], reason: string) =>
    void deps.metrics.signals.labels({ kind, outcome, reason }).value++
  fromZero(
    deps.metrics.signals,
    signalKinds.flatMap((kind) => [
      { kind, outcome: 'done', reason: '' },
      { kind, outcome: 'later', reason: 'logout_incomplete' },
    ]),
  )

  function refused(kind: SignalKind, requestId: string, { reason, message }: SignalRejected): void {
    const fields = { reason, kind, detail: message }
    if (kind !== 'frontchannel_logout' && !anybodys.has(reason)) {
      logger.warn({ event: 'signal_refused', requestId, ...fields }, 'what the provider says of itself is refused')
      return
    }
    const key = `${kind} ${reason}`
    const tell = told.get(key) ?? warnOnce(deps.logger, { event: 'signal_not_believed', ...fields }, strangers)
    told.set(key, tell)
    tell()
  }

  async function attempt(kind: SignalKind, requestId: string, work: () => Promise<Effect>): Promise<SignalOutcome> {
    try {
      const { sessions, isKept } = await work()
      if (!isKept) {
        logger.warn(
          { event: 'logout_incomplete', requestId, reason: kind },
          'a logout is known here only: neither Redis nor a peer nor the spool took it; the provider is asked to repeat it',
        )
        return { kind: 'later', reason: 'logout_incomplete' }
      }
      // A frame can be of any page.
      const level = kind === 'frontchannel_logout' && sessions === 0 ? 'debug' : 'info'
      logger[level]({ event: 'signal_received', requestId, kind, sessions }, 'the provider spoke of its sessions')
      return { kind: 'done' }
    } catch (error) {
      if (error instanceof SignalRejected) {
        refused(kind, requestId, error)
        return { kind: 'refused', reason: error.reason, message: error.message }
      }
      if (!(error instanceof AppError)) throw error
      // Who watches Redis and the provider tells of their being away.
      if (error instanceof StoreUnavailable) return { kind: 'later', reason: 'store_unavailable' }
      if (error instanceof ProviderUnavailable) return { kind: 'later', reason: 'provider_unavailable' }
      throw error
    }
  }

  return async (kind, requestId, work) => {
    const outcome = await attempt(kind, requestId, work)
    count(kind, outcome.kind, outcome.kind === 'done' ? '' : outcome.reason)
    return outcome
  }
}

const strangers =
  'something came to an address for the provider that is not of the provider, or cannot be known to be; told once, then only ' +
  'counted in foregate_signals_total: if the provider sent it, its settings or ours are wrong'

// How the applications fare: by what their requests came to, and by our own question where one is configured. One line when one
// stops answering and one when it is back: not one for every request in between.
import type { UpstreamConfig } from '../config/config.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'

/** By a request of somebody's, or by our own question, whose no counts until it says yes. */
export type Witness = 'request' | 'check'

export interface UpstreamState {
  /** `*`: any. */
  readonly host: string
  readonly path: string
  /** Scheme, host and port. */
  readonly url: string
  /** `unknown`: nobody has asked yet. */
  readonly state: 'unknown' | 'up' | 'down'
  readonly reason?: string
}

export interface UpstreamStates {
  failed(upstream: UpstreamConfig, error: Error, by?: Witness): void
  answered(upstream: UpstreamConfig, by?: Witness): void
  isDown(upstream: UpstreamConfig): boolean
  all(): readonly UpstreamState[]
}

type State = { readonly at: 'up' } | { readonly at: 'down'; readonly reason: string; readonly by: Witness }

export function createUpstreamStates(
  upstreams: readonly UpstreamConfig[],
  { logger, metrics }: { logger: Logger; metrics: Pick<Metrics, 'gauge'> },
): UpstreamStates {
  const states = new Map<UpstreamConfig, State>()
  const originOf = ({ url }: UpstreamConfig) => new URL(url).origin
  if (upstreams.length > 0) {
    metrics.gauge('upstream_up', '1 while the application answers, 0 while it does not.', ['host', 'path'], () =>
      upstreams.flatMap((upstream) => {
        const state = states.get(upstream)
        const labels = { host: upstream.host ?? '*', path: upstream.path }
        return state === undefined ? [] : [{ labels, value: state.at === 'up' ? 1 : 0 }]
      }),
    )
  }

  return {
    failed(upstream, error, by = 'request') {
      const known = states.get(upstream)
      const { reason, detail } = whatFailed(error)
      states.set(upstream, { at: 'down', reason, by: known?.at === 'down' && known.by === 'check' ? 'check' : by })
      if (known?.at === 'down') return
      logger.warn(
        { event: 'upstream_failed', upstream: originOf(upstream), reason, detail },
        'upstream does not answer',
      )
    },
    answered(upstream, by = 'request') {
      const known = states.get(upstream)
      if (known?.at === 'up' || (known?.by === 'check' && by === 'request')) return
      states.set(upstream, { at: 'up' })
      if (known === undefined) return
      logger.info({ event: 'upstream_answers', upstream: originOf(upstream) }, 'upstream answers again')
    },
    isDown: (upstream) => states.get(upstream)?.at === 'down',
    all: () =>
      upstreams.map((upstream) => {
        const state = states.get(upstream)
        return {
          host: upstream.host ?? '*',
          path: upstream.path,
          url: originOf(upstream),
          state: state?.at ?? 'unknown',
          ...(state?.at === 'down' && { reason: state.reason }),
        }
      }),
  }
}

/** The library's own error says 500 for everything; what the system or TLS said is its cause. No stack: it is nobody's bug. */
function whatFailed(error: Error): { reason: string; detail: string } {
  const cause = error.cause instanceof Error ? error.cause : error
  const reason = 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.name
  return { reason, detail: cause.message }
}

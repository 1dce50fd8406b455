// The door for tokens: a request that brings one is judged by it alone, and no cookie beside it counts. What is sent explicitly is
// what is meant. A token that was verified a moment ago is one lookup, without a promise.
import type { Bearer, Presented } from '../bearer/bearer.ts'
import { isOurs } from '../bearer/credentials.ts'
import type { RateLimit } from '../cache/rate-limits.ts'
import { TokenRejected } from '../errors.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Addresses } from './addresses.ts'
import type { Admissions } from './admissions.ts'
import { labels, type AuthDecision, type DecisionContext } from './auth-decision.ts'
import type { TrustedPeers } from './client.ts'
import type { Denials } from './denials.ts'
import type { TokenRefusals } from './token-refusals.ts'

/** Undefined where the header is the application's business, and the request is judged as if it were not there. Never throws. */
export type BearerAuth = (
  context: DecisionContext,
  authorization: string,
) => AuthDecision | Promise<AuthDecision> | undefined

export interface BearerAuthDeps {
  readonly bearer: Bearer
  readonly admissions: Pick<Admissions, 'allowOrDenyToken'>
  readonly refusals: Pick<TokenRefusals, 'rejected' | 'tooMany'>
  readonly denials: Pick<Denials, 'failed'>
  readonly addresses: Pick<Addresses, 'origin'>
  readonly peers: TrustedPeers
  /** Tokens that did not count, per client network. */
  readonly failures: RateLimit
  readonly withinBudget: <T>(task: () => T) => T
  readonly metrics: Pick<Metrics, 'decisions'>
}

export function createBearerAuth(deps: BearerAuthDeps): BearerAuth {
  const { bearer, addresses, peers, failures, metrics } = deps
  const { allowOrDenyToken } = deps.admissions
  const allowed = new Map(
    labels.map((contract) => [contract, metrics.decisions.labels({ contract, decision: 'allow', reason: 'bearer' })]),
  )

  function presented({ original, request }: DecisionContext, authorization: string): Presented {
    const { dpop } = request.headers
    const isStated = original.unstated === undefined
    return {
      authorization,
      proof: typeof dpop === 'string' ? dpop : undefined,
      request: isStated ? { method: original.method, url: addresses.origin(original) + original.rawPath } : undefined,
      goesOn: false,
    }
  }

  async function settle(
    context: DecisionContext,
    authorization: string,
    verifying: ReturnType<Bearer['verify']>,
  ): Promise<AuthDecision> {
    try {
      const identity = await verifying
      if (identity === undefined) throw new TypeError('no token')
      return allowOrDenyToken(context, identity, tokenIn(authorization), allowed.get(context.label))
    } catch (error) {
      return refused(context, error)
    }
  }

  function refused(context: DecisionContext, error: unknown): AuthDecision {
    const { request, label } = context
    if (!(error instanceof TokenRejected)) return deps.denials.failed(label, request, error, 400)
    void failures.take(peers.clientAddress(request.peer, request.headers))
    return deps.refusals.rejected(context, error)
  }

  return (context, authorization) => {
    try {
      const identity = bearer.near(authorization)
      if (identity !== undefined) {
        return allowOrDenyToken(context, identity, tokenIn(authorization), allowed.get(context.label))
      }
      if (!isOurs(authorization)) return undefined
      // Whoever has failed is in the same network as whoever has a good one: of that only the proof may still be wrong.
      const { peer, headers } = context.request
      const waitMs = bearer.isKnown(authorization) ? 0 : failures.waitMs(peers.clientAddress(peer, headers))
      if (waitMs > 0) return deps.refusals.tooMany(context, waitMs)
      const verifying = deps.withinBudget(() => bearer.verify(presented(context, authorization)))
      return verifying && settle(context, authorization, verifying)
    } catch (error) {
      return refused(context, error)
    }
  }
}

/** Behind the scheme: what was verified has exactly one of each. */
const tokenIn = (authorization: string): string => authorization.slice(authorization.lastIndexOf(' ') + 1)

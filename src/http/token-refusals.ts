// How a program is told that its token does not count, or does not suffice: JSON whatever it says of itself, with the challenge that
// names the next step. Never a redirect to a login: whoever sends a token has no browser, or means the token.
import type { IncomingHttpHeaders } from 'node:http'
import type { DenialReason, Identity } from '../access/access.ts'
import { contracts } from '../config/contracts.ts'
import type { TokenRejected } from '../errors.ts'
import { createLogQuota } from '../telemetry/log-quota.ts'
import type { StepUp } from '../oidc/provider.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Clock } from '../time.ts'
import { refusedWith, type AuthDecision, type DecisionContext } from './auth-decision.ts'
import { oauthErrorOf, type Challenges } from './challenges.ts'
import type { Refusals } from './refusals.ts'

export interface TokenRefusals {
  rejected(context: DecisionContext, rejection: TokenRejected): AuthDecision
  /** So many of this client's did not count that no more are looked at for `waitMs`. */
  tooMany(context: DecisionContext, waitMs: number): AuthDecision
  denied(context: DecisionContext, refusal: DenialReason | StepUp, identity: Identity): AuthDecision
}

export function createTokenRefusals(deps: {
  readonly challenges: Challenges
  readonly refusals: Refusals
  readonly requestIdOf: (headers: IncomingHttpHeaders) => string
  readonly metrics: Pick<Metrics, 'decisions'>
  readonly logger: Logger
  readonly clock: Clock
}): TokenRefusals {
  const { challenges, refusals, requestIdOf, metrics, logger } = deps
  const mayTell = createLogQuota(1, deps.clock)

  function refuse(
    context: DecisionContext,
    status: number,
    body: { readonly error: string; readonly reason: string },
    challenge: string | undefined,
  ): AuthDecision {
    const { label, request, original } = context
    metrics.decisions.labels({ contract: label, decision: 'deny', reason: body.reason }).value++
    const asked = {
      method: original.method,
      headers: request.headers,
      requestId: requestIdOf(request.headers),
    }
    const headers = challenge === undefined ? {} : { 'www-authenticate': challenge }
    return refusedWith(refusals.toProgram(asked, status, { ...body, request_id: asked.requestId }, headers))
  }

  return {
    rejected(context, { reason, message }) {
      const { request, label } = context
      // Anybody can cause this one, as often as they like.
      logger.debug({ event: 'token_rejected', reason, detail: message, requestId: requestIdOf(request.headers) }, 'no')
      const isMalformed = reason === 'authorization_malformed'
      // What a proxy makes of a 400 to its question is its contract's to say.
      const status = isMalformed ? (label === 'proxy' ? 400 : contracts[label].badRequestStatus) : 401
      return refuse(context, status, { error: oauthErrorOf(reason), reason }, challenges.rejected(context, reason))
    },

    tooMany({ label, request, original }, waitMs) {
      metrics.decisions.labels({ contract: label, decision: 'deny', reason: 'rate_limited' }).value++
      const asked = { method: original.method, headers: request.headers, requestId: requestIdOf(request.headers) }
      return refusedWith(refusals.tooMany(asked, waitMs))
    },

    denied(context, refusal, { subject, issuer }) {
      const isStepUp = typeof refusal === 'object'
      const reason = isStepUp ? 'insufficient_user_authentication' : refusal
      // Rules that name no `acr` in common: whoever were told what to ask for would come back, and be told again.
      if (isStepUp && refusal.acr?.length !== 0)
        return refuse(context, 401, { error: reason, reason }, challenges.stepUp(context, refusal))
      const level = mayTell(`${issuer} ${subject} ${reason}`) ? 'info' : 'debug'
      logger[level](
        {
          event: 'access_denied',
          reason,
          requestId: requestIdOf(context.request.headers),
          path: context.original.rawPath,
        },
        'access denied to a token that was verified',
      )
      if (reason !== 'scope_not_granted') return refuse(context, 403, { error: 'forbidden', reason }, undefined)
      return refuse(context, 403, { error: 'insufficient_scope', reason }, challenges.insufficientScope(context))
    },
  }
}

// WWW-Authenticate, by which a program finds out what is wanted of it (RFC 6750 section 3, RFC 9449 section 7.1) and where to get it
// (RFC 9728 section 5.1). Every value in it is ours or the operator's, or an origin that was read as one: nothing needs escaping.
import { proofAlgorithms } from '../bearer/proof.ts'
import type { TokenReason } from '../errors.ts'
import type { DecisionContext } from './auth-decision.ts'
import type { StepUp } from '../oidc/provider.ts'
import { stepUpChallenge } from './step-up.ts'
import type { ProtectedResources } from './protected-resources.ts'

export interface Challenges {
  /** Nobody has said who they are. */
  login(context: DecisionContext): string
  rejected(context: DecisionContext, reason: TokenReason): string
  /** A good token that lacks a scope. */
  insufficientScope(context: DecisionContext): string
  /** One whose person has to authenticate once more (RFC 9470). */
  stepUp(context: DecisionContext, wanted: StepUp): string
}

export type OAuthError = 'invalid_request' | 'invalid_token' | 'invalid_dpop_proof' | 'insufficient_scope'

export const oauthErrorOf = (reason: TokenReason): OAuthError =>
  reason === 'authorization_malformed'
    ? 'invalid_request'
    : reason.startsWith('dpop_')
      ? 'invalid_dpop_proof'
      : 'invalid_token'

const realm = 'realm="foregate"'

/** `resources`: undefined where no token is of use. */
export function createChallenges(resources: ProtectedResources | undefined): Challenges {
  const metadata = ({ original }: DecisionContext) =>
    resources === undefined ? [] : [`resource_metadata="${resources.metadataURL(original)}"`]
  const scopes = ({ policy, rules }: DecisionContext) => {
    const needed = policy.kind === 'login' ? rules.scopesOf(policy.requirements) : []
    return needed.length === 0 ? [] : [`scope="${needed.join(' ')}"`]
  }
  const bearer = (...parameters: string[]) => `Bearer ${[realm, ...parameters].join(', ')}`

  return {
    login: (context) => (resources === undefined ? bearer() : bearer(...scopes(context), ...metadata(context))),
    rejected(context, reason) {
      const error = oauthErrorOf(reason)
      if (error === 'invalid_dpop_proof') {
        return `DPoP ${[realm, `error="${error}"`, `algs="${proofAlgorithms.join(' ')}"`, ...metadata(context)].join(', ')}`
      }
      return bearer(`error="${error}"`, `error_description="${reason}"`, ...scopes(context), ...metadata(context))
    },
    stepUp: (context, wanted) => [stepUpChallenge(wanted), ...metadata(context)].join(', '),
    insufficientScope: (context) => bearer('error="insufficient_scope"', ...scopes(context), ...metadata(context)),
  }
}

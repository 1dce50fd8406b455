// How a rule wants a person to have proved who they are: by which `acr`, and how recently. Pure, and without a clock: a good verdict
// states its own end.
import type { StepUp } from '../oidc/provider.ts'
import type { Identity, Verdict } from './access.ts'

/**
 * Met by a person of whom the provider has said so, and by nobody else: an absent `acr` is none of the list, an absent `auth_time`
 * is not recent. Undefined where the rule asks for neither.
 */
export function authenticationCheck({ acr, maxAgeMs }: StepUp): ((identity: Identity) => Verdict) | undefined {
  if (acr === undefined && maxAgeMs === undefined) return undefined
  const stepUp: StepUp = { acr, maxAgeMs }
  const accepted = acr && new Set(acr)
  const unmet: Verdict = { ok: false, reason: 'insufficient_user_authentication', stepUp }
  return ({ acr: presented, authenticatedAt }) => {
    if (accepted !== undefined && (presented === undefined || !accepted.has(presented))) return unmet
    if (maxAgeMs === undefined) return { ok: true, stepUp }
    return authenticatedAt === undefined ? unmet : { ok: true, stepUp, until: authenticatedAt + maxAgeMs }
  }
}

/** What meets both. An empty list of `acr`: nothing does. */
export function bothOf(one: StepUp, other: StepUp): StepUp {
  const ages = [one.maxAgeMs, other.maxAgeMs].filter((age) => age !== undefined)
  const acr = other.acr === undefined ? one.acr : (one.acr ?? other.acr).filter((value) => other.acr?.includes(value))
  return { acr, maxAgeMs: ages.length === 0 ? undefined : Math.min(...ages) }
}

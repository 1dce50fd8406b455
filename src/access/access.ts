// May this request pass? Request + identity + rules -> decision. This room is pure: it knows no proxy, no cookie, no store
// and no clock. What a forwarded header means is http/'s business; who somebody is, session/'s.
import type { Claims, StepUp } from '../oidc/provider.ts'

/** The original request, in one canonical form, whichever proxy described it. */
export interface OriginalRequest {
  /** Upper case. */
  readonly method: string
  readonly scheme: 'http' | 'https'
  /** Lower case, with its port if it came with one; never a trailing dot. */
  readonly host: string
  /** Path as sent, not decoded: what the person asked for and is sent back to. */
  readonly rawPath: string
  /** With its `?`, or empty. */
  readonly rawQuery: string
  /** The path rules are matched on: percent-decoded once where unambiguous, no dot segments, no empty segments. */
  readonly path: string
  /** Set when two readers of this URL could disagree on what it names: such a path is never public. */
  readonly ambiguity: string | undefined
  /**
   * What nobody said whom we may believe: the method (it is the subrequest's own then), or all of it. No rule makes public what
   * was not stated, and every rule that could be meant restricts.
   */
  readonly unstated?: 'method' | 'request'
}

/** Who is asking, as far as decisions and headers are concerned. */
export interface Identity {
  readonly subject: string
  readonly issuer: string
  /** See Session. */
  readonly provider?: string
  readonly claims: Claims
  /** How they proved who they are, and when (ms since the epoch): OpenID Connect Core 2, `acr` and `auth_time`. Absent: nobody said. */
  readonly acr?: string
  readonly authenticatedAt?: number
  /** What a token was granted. A person who has logged in has no scopes. */
  readonly scopes?: readonly string[]
}

export type Policy =
  /** Anybody. */
  | {
      readonly kind: 'public'
      readonly reason: 'public_rule' | 'excluded_url'
      /** Whom it names: who meets these. Absent: the global one. */
      readonly requirements?: readonly number[]
    }
  /**
   * Anybody with a session that meets all of these (indices into the compiled list; 0: the global one, part of all others).
   * `passesPreflight`: and a browser's question before a script's request.
   */
  | { readonly kind: 'login'; readonly requirements: readonly number[]; readonly passesPreflight?: boolean }
  /** Nobody. */
  | { readonly kind: 'deny'; readonly reason: PolicyDenial }

export type PolicyDenial = 'denied_by_rule' | 'ambiguous_path' | 'request_not_stated'

export type Verdict =
  /** `stepUp`: what was asked of their authentication. From `until` (ms since the epoch) on it is too long ago. */
  | { readonly ok: true; readonly stepUp?: StepUp; readonly until?: number }
  /** `stepUp`: another authentication of the same person would do. */
  | { readonly ok: false; readonly reason: DenialReason; readonly stepUp?: StepUp }

export type DenialReason =
  | 'user_not_allowed'
  | 'group_not_allowed'
  | 'role_not_allowed'
  | 'claim_not_allowed'
  | 'scope_not_granted'
  | 'email_not_verified'
  | 'insufficient_user_authentication'
  /** Their session is of a provider that is not for this host or this rule. */
  | 'provider_not_allowed'

/** The compiled rules. Cost of `policyFor` grows with the depth of the path, not with the number of rules. */
export interface AccessRules {
  /** Some rule asks where the client is. Where none does, nobody needs to find out. */
  readonly usesNetworks: boolean
  /** `client`: its address, or undefined where nobody whom we believe has said it. */
  policyFor(request: OriginalRequest, client?: string): Policy
  /** Pure and cacheable per session: the verdict changes only with the identity, and a good one may have an end, which it states. */
  meets(requirement: number, identity: Identity): Verdict
  /** The scopes that a token needs in order to meet them. */
  scopesOf(requirements: readonly number[]): readonly string[]
  /** Where several providers are configured: whether somebody who logged in at this one could meet them. */
  admitsProvider(requirements: readonly number[], provider: string | undefined): boolean
}

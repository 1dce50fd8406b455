// A session was found, or none is needed: does it meet what is required here, and what is the application told? On a near session
// everything is ready-made: one look into a map, no promise, no allocation.
import type { DenialReason, Identity, Policy, Verdict } from '../access/access.ts'
import { bothOf } from '../access/authentication.ts'
import type { HeaderRecord, IdentityHeaders } from '../access/identity-headers.ts'
import type { TokenIdentity } from '../bearer/verified-tokens.ts'
import type { StepUp } from '../oidc/provider.ts'
import type { Session } from '../session/session.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Count, Metrics } from '../telemetry/metrics.ts'
import type { Clock } from '../time.ts'
import type { Denials } from './denials.ts'
import { allowing, type Allowed, type DecisionContext, type AuthDecision } from './auth-decision.ts'
import type { PassRenewal } from './pass-renewal.ts'

export interface Admissions {
  /** `allowed`: what to count. Never rejects; throws what the rules throw. */
  allowOrDeny(
    context: DecisionContext,
    session: Session,
    ticket: string,
    allowed: Count | undefined,
  ): AuthDecision | Promise<AuthDecision>
  /**
   * Until when it meets what is required here (ms since the epoch), on a public page: to be named. Infinity: as long as it is as it is.
   * -Infinity: it does not. Throws what the rules throw.
   */
  meetsUntil(context: Pick<DecisionContext, 'policy' | 'rules' | 'constraint'>, identity: Identity): number
  /** The same for a token that was verified. */
  allowOrDenyToken(
    context: DecisionContext,
    identity: TokenIdentity,
    accessToken: string,
    allowed: Count | undefined,
  ): AuthDecision
  /** A public page, or a preflight that is passed on, and nobody whom to name. */
  publicly(context: DecisionContext): AuthDecision
}

export interface AdmissionsDeps {
  readonly identityHeaders: IdentityHeaders
  readonly sessions: Pick<Sessions, 'tokens'>
  readonly denials: Pick<Denials, 'denied' | 'failed' | 'stepUp'>
  /** How a token is told that it may not, or what authentication it would need. Absent: there are none. */
  readonly tokenDenied?: (context: DecisionContext, reason: DenialReason | StepUp, identity: Identity) => AuthDecision
  /** The application does not get to see a token that was let in. */
  readonly hidesAuthorization?: boolean
  /** Absent: the proxy does not pass our cookies on with a 200. */
  readonly passRenewal: PassRenewal | undefined
  readonly metrics: Pick<Metrics, 'decisions'>
  readonly clock: Clock
}

type Admission = AuthDecision & { readonly allow: Allowed }

/** What a session's or a token's requests have in common, each made once and kept as long as that object lives. */
interface Remembered {
  readonly verdicts: (Verdict | undefined)[]
  admission: Admission | undefined
  admissionForOAuth2Proxy: Admission | undefined
}

const globally = [0] as const

const endOf = (met: Verdict | undefined): number => (met?.ok === true ? met.until : undefined) ?? Infinity

const requirementsOf = (policy: Policy): readonly number[] =>
  (policy.kind === 'deny' ? undefined : policy.requirements) ?? globally

export function createAdmissions(deps: AdmissionsDeps): Admissions {
  const { identityHeaders, passRenewal, metrics, clock } = deps
  const { denied, failed, stepUp } = deps.denials
  const rememberedOf = new WeakMap<Identity, Remembered>()
  const nobody = allowing(identityHeaders.headersFor(undefined))

  /** A public page is for everybody; it names a person only who would get in without its being public. */
  function allowOrDeny(
    context: DecisionContext,
    session: Session,
    ticket: string,
    allowed: Count | undefined,
  ): AuthDecision | Promise<AuthDecision> {
    const remembered = remember(session)
    const refusal = refusalFor(context, session, remembered)
    if (refusal !== undefined) {
      if (context.policy.kind === 'public') return publicly(context)
      return typeof refusal === 'string' ? denied(context, refusal, session) : stepUp(context, refusal, session)
    }
    if (context.label === 'oauth2-proxy') {
      const headers = () => identityHeaders.headersForOAuth2Proxy(session)
      return allow(context, session, (remembered.admissionForOAuth2Proxy ??= allowing(headers(), session)), allowed)
    }
    const { admission } = remembered
    if (admission !== undefined) return allow(context, session, admission, allowed)
    if (identityHeaders.needsTokens) return allowWithTokens(context, session, ticket, allowed)
    return allow(
      context,
      session,
      (remembered.admission = allowing(identityHeaders.headersFor(session), session)),
      allowed,
    )
  }

  function allowOrDenyToken(
    context: DecisionContext,
    identity: TokenIdentity,
    accessToken: string,
    allowed: Count | undefined,
  ): AuthDecision {
    const remembered = remember(identity)
    const refusal = refusalFor(context, identity, remembered)
    if (refusal !== undefined) {
      if (deps.tokenDenied === undefined) throw new TypeError('a token, where there are none')
      return deps.tokenDenied(context, refusal, identity)
    }
    if (allowed !== undefined) allowed.value++
    if (context.label === 'oauth2-proxy') {
      return (remembered.admissionForOAuth2Proxy ??= tokenAdmission(
        identityHeaders.headersForOAuth2Proxy(identity),
        identity,
      ))
    }
    const tokens = { accessToken, idToken: undefined }
    return (remembered.admission ??= tokenAdmission(identityHeaders.headersFor(identity, tokens), identity))
  }

  /** An empty value is a header that the application does not get. */
  const tokenAdmission = (headers: HeaderRecord, token: TokenIdentity): Admission => ({
    ...allowing(deps.hidesAuthorization === true ? { authorization: '', ...headers } : headers),
    token,
  })

  function remember(session: Identity): Remembered {
    let remembered = rememberedOf.get(session)
    if (remembered === undefined) {
      remembered = { verdicts: [], admission: undefined, admissionForOAuth2Proxy: undefined }
      rememberedOf.set(session, remembered)
    }
    return remembered
  }

  function refusalFor(
    { policy, rules, constraint }: Pick<DecisionContext, 'policy' | 'rules' | 'constraint'>,
    identity: Identity,
    { verdicts }: Remembered,
  ): DenialReason | StepUp | undefined {
    let wanted: StepUp | undefined
    let isMet = true
    for (const requirement of requirementsOf(policy)) {
      const verdict = (verdicts[requirement] ??= rules.meets(requirement, identity))
      if (verdict.stepUp === undefined) {
        if (!verdict.ok) return verdict.reason
        continue
      }
      // One authentication has to meet all of them: else each would undo what the other had asked for.
      wanted = wanted === undefined ? verdict.stepUp : bothOf(wanted, verdict.stepUp)
      isMet &&= verdict.ok && (verdict.until === undefined || clock() < verdict.until)
    }
    // Who may not come here anyway is not asked to authenticate once more.
    if (constraint !== undefined && !constraint(identity)) return 'group_not_allowed'
    return isMet ? undefined : wanted
  }

  async function allowWithTokens(
    context: DecisionContext,
    session: Session,
    ticket: string,
    allowed: Count | undefined,
  ): Promise<AuthDecision> {
    try {
      const tokens = await deps.sessions.tokens(ticket)
      const admission = allowing(identityHeaders.headersFor(session, tokens), session)
      // Without its tokens a header would stay empty for as long as the session is near.
      if (tokens !== undefined) remember(session).admission = admission
      return allow(context, session, admission, allowed)
    } catch (error) {
      return context.policy.kind === 'public' ? publicly(context) : failed(context.label, context.request, error, 400)
    }
  }

  function allow(
    context: DecisionContext,
    session: Session,
    admission: Admission,
    allowed: Count | undefined,
  ): AuthDecision {
    if (allowed !== undefined) allowed.value++
    return passRenewal === undefined
      ? admission
      : { ...admission, cookies: passRenewal(context.request.headers, session, context.original.host) }
  }

  function publicly(context: DecisionContext): AuthDecision {
    const reason = context.policy.kind === 'public' ? context.policy.reason : 'preflight'
    metrics.decisions.labels({ contract: context.label, decision: 'allow', reason }).value++
    return nobody
  }

  return {
    allowOrDeny,
    allowOrDenyToken,
    meetsUntil(context, identity) {
      const remembered = remember(identity)
      if (refusalFor(context, identity, remembered) !== undefined) return -Infinity
      return Math.min(...requirementsOf(context.policy).map((number) => endOf(remembered.verdicts[number])))
    },
    publicly,
  }
}

// The decision was no, or "not like this": sent to log in, refused, or told to come again. Counted with its reason, and worded
// for whoever asked, a person or a program.
import type { IncomingHttpHeaders } from 'node:http'
import type { DenialReason, OriginalRequest, PolicyDenial } from '../access/access.ts'
import { contracts, type Contract, type ContractFacts } from '../config/contracts.ts'
import { BadRequest, StoreUnavailable } from '../errors.ts'
import type { StepUp } from '../oidc/provider.ts'
import type { Pages } from '../pages/pages.ts'
import type { Session } from '../session/session.ts'
import { createLogQuota } from '../telemetry/log-quota.ts'
import type { Logger } from '../telemetry/logger.ts'
import { fromZero, type Metrics } from '../telemetry/metrics.ts'
import type { Clock } from '../time.ts'
import type { Addresses, StartOptions } from './addresses.ts'
import type { Challenges } from './challenges.ts'
import { page, redirect, type HttpResponse } from './http-response.ts'
import type { TrustedPeers } from './client.ts'
import type { Endpoints } from './endpoints.ts'
import type { LoginWish } from './login-endpoints.ts'
import { isNavigation } from './negotiation.ts'
import type { PassRenewal } from './pass-renewal.ts'
import type { ProviderChoice } from './provider-choice.ts'
import type { UserProfile } from './profile-endpoints.ts'
import { percentEncodedBytes } from './return-url.ts'
import {
  labels,
  refusedWith,
  type AuthRequest,
  type DecisionContext,
  type Label,
  type AuthDecision,
} from './auth-decision.ts'
import { statusAndReason, type Refusals } from './refusals.ts'
import { stepUpChallenge, stepUpParameters } from './step-up.ts'
import type { UntrustedPeerNotices } from './untrusted-peers.ts'

export interface DenialsDeps {
  readonly passRenewal: PassRenewal
  readonly challenges: Pick<Challenges, 'login'>
  readonly peers: TrustedPeers
  readonly untrusted: UntrustedPeerNotices
  readonly addresses: Addresses
  readonly endpoints: Endpoints
  readonly choice: ProviderChoice
  readonly refusals: Refusals
  readonly pages: Pages
  readonly describe: (session: Session) => UserProfile
  readonly requestIdOf: (headers: IncomingHttpHeaders) => string
  readonly metrics: Pick<Metrics, 'decisions'>
  readonly logger: Logger
  readonly clock: Clock
}

export interface Denials {
  notLoggedIn(context: DecisionContext, reason?: string): AuthDecision | Promise<AuthDecision>
  /** Theirs, but not to be believed while the store is away: a person goes to the provider and back, a program comes later. */
  unproven(context: DecisionContext, reason: string): AuthDecision | Promise<AuthDecision>
  /** Theirs, and they may come here, but have to authenticate once more first. */
  stepUp(context: DecisionContext, stepUp: StepUp, session: Session): AuthDecision | Promise<AuthDecision>
  denied(context: DecisionContext, reason: DenialReason | PolicyDenial, session: Session | undefined): AuthDecision
  untrustedPeer(contract: Contract, request: AuthRequest): AuthDecision
  failed(label: Label, request: AuthRequest, error: unknown, badRequestStatus: 400 | 403): AuthDecision
}

/** Those that an alert is for; others are a mistake in our code. */
const errorReasons = ['internal', 'store_unavailable', 'provider_unavailable']

export function createDenials(deps: DenialsDeps): Denials {
  const { peers, addresses, endpoints, choice, refusals, metrics, logger } = deps
  // A page of theirs may ask every second; the metric counts them all.
  const mayTell = createLogQuota(1, deps.clock)

  fromZero(
    metrics.decisions,
    labels.flatMap((contract) => errorReasons.map((reason) => ({ contract, decision: 'error', reason }))),
  )

  function count(label: Label, decision: 'login' | 'deny' | 'error', reason: string): void {
    metrics.decisions.labels({ contract: label, decision, reason }).value++
  }

  const asked = (context: Pick<DecisionContext, 'request'>, method: string) => ({
    method,
    headers: context.request.headers,
    requestId: deps.requestIdOf(context.request.headers),
  })

  function notLoggedIn(context: DecisionContext, reason = 'no_session'): AuthDecision | Promise<AuthDecision> {
    return toLogin(context, reason)
  }

  function stepUp(context: DecisionContext, wanted: StepUp, session: Session): AuthDecision | Promise<AuthDecision> {
    // Rules that name no `acr` in common: whoever were sent for one would come back, and be sent again.
    return wanted.acr?.length === 0
      ? denied(context, 'insufficient_user_authentication', session)
      : toLogin(context, 'step_up', { stepUp: wanted, provider: choice.nameOf(session.provider) })
  }

  function toLogin(
    context: DecisionContext,
    reason: string,
    sent: { readonly stepUp?: StepUp; readonly provider?: string | undefined } = {},
  ): AuthDecision | Promise<AuthDecision> {
    const { original, request, label } = context
    const found = choice.among(choice.meeting(context.policy), sent.provider)
    if (found.kind === 'none') return denied(context, 'provider_not_allowed', undefined)
    const navigation = isNavigation(original.method, request.headers)
    if (original.ambiguity === 'host_dot' && navigation) return toPlainHost(context)
    count(label, 'login', reason)
    const returnTo = askedURL(original)
    const wanted = sent.stepUp
    const provider = found.kind === 'one' ? choice.nameOf(found.chosen.entry.id) : undefined
    const startURL = (goal: string) => loginURL(original, goal, { kind: found.kind, provider, stepUp: wanted })
    const contract: ContractFacts | undefined = label === 'proxy' ? undefined : contracts[label]
    if (contract?.loginBy === 'refuse') {
      const start = startURL(returnTo)
      return refusedWith(toldToLogIn(context, wanted, start, { location: start, 'x-auth-request-redirect': returnTo }))
    }
    if (!navigation) return refusedWith(toldToLogIn(context, wanted, startURL(pageOf(context) ?? returnTo)))
    // The flow's cookie has to be set where the callback will be: not on plain http, nor on another host.
    if (contract?.loginBy === 'start' || found.kind === 'several' || !addresses.sharesCookies(original)) {
      return refusedWith(redirect(statusOf(original.method), startURL(returnTo)))
    }
    return sendToProvider(context, returnTo, { stepUp: wanted, provider })
  }

  /** Where a login begins: at once, or with the question at which provider. */
  const loginURL = (
    original: OriginalRequest,
    goal: string,
    { kind, ...options }: StartOptions & { readonly kind: 'one' | 'several' },
  ): string => (kind === 'one' ? addresses.startURL : addresses.signInURL)(original, goal, options)

  /** `app.example.com.` is another host to cookies and to the provider: a login that begins there cannot be finished. */
  function toPlainHost(context: DecisionContext): AuthDecision {
    const { original, label } = context
    count(label, 'login', 'host_dot')
    const location = askedURL(original)
    return refusedWith(
      label !== 'proxy' && contracts[label].loginBy === 'refuse'
        ? toldToLogIn(context, undefined, location, { location, 'x-auth-request-redirect': location })
        : redirect(statusOf(original.method), location),
    )
  }

  const statusOf = (method: string) => (method === 'GET' || method === 'HEAD' ? 302 : 303)

  const askedURL = (original: OriginalRequest) =>
    addresses.origin(original) + percentEncodedBytes(original.rawPath + original.rawQuery)

  function unproven(context: DecisionContext, reason: string): AuthDecision | Promise<AuthDecision> {
    if (isNavigation(context.original.method, context.request.headers)) return notLoggedIn(context, reason)
    return failed(context.label, context.request, new StoreUnavailable(`the pass cannot count now: ${reason}`), 400)
  }

  async function sendToProvider(
    context: DecisionContext,
    returnTo: string,
    wish: Pick<LoginWish, 'stepUp' | 'provider'>,
  ): Promise<AuthDecision> {
    const { original, request } = context
    const endpointRequest = {
      ...asked(context, original.method),
      scheme: original.scheme,
      host: original.host,
      clientAddress: peers.clientAddress(request.peer, request.headers),
      relayed: true,
    }
    try {
      return refusedWith(
        await endpoints.sendToLogin(endpointRequest, {
          ...wish,
          returnTo: addresses.returnURL(original, returnTo) ?? `${addresses.origin(original)}/`,
        }),
      )
    } catch (error) {
      return failed(context.label, request, error, 400)
    }
  }

  /** A program's request is part of a page: that is where the person wants to be after the login. */
  function pageOf({ original, request }: DecisionContext): string | undefined {
    const { referer } = request.headers
    return referer === undefined ? undefined : addresses.returnURL(original, percentEncodedBytes(referer))
  }

  function toldToLogIn(
    context: DecisionContext,
    wanted: StepUp | undefined,
    loginURL: string,
    headers: Readonly<Record<string, string>> = {},
  ): HttpResponse {
    const body =
      wanted === undefined
        ? { error: 'login_required', login_url: loginURL }
        : { error: 'insufficient_user_authentication', ...stepUpParameters(wanted), login_url: loginURL }
    const challenge = wanted === undefined ? deps.challenges.login(context) : stepUpChallenge(wanted)
    const all = { 'www-authenticate': challenge, ...headers }
    return refusals.toProgram(asked(context, context.original.method), 401, body, all)
  }

  function denied(
    context: DecisionContext,
    reason: DenialReason | PolicyDenial,
    session: Session | undefined,
  ): AuthDecision {
    const { original, label, request } = context
    if (original.ambiguity === 'host_dot' && isNavigation(original.method, request.headers)) return toPlainHost(context)
    count(label, 'deny', reason)
    const who = asked(context, original.method)
    const fields = { event: 'access_denied', reason, requestId: who.requestId, path: original.rawPath }
    if (session === undefined) {
      // Anybody can cause this one, as often as they like.
      logger.debug(fields, 'access denied to all')
      return refusedWith(refusals.refuse(who, 403, reason))
    }
    logger[mayTell(`${session.subject} ${reason}`) ? 'info' : 'debug'](
      fields,
      'access denied to a person who is logged in',
    )
    if (!isNavigation(original.method, request.headers)) {
      return refusedWith(refusals.toProgram(who, 403, { error: 'forbidden', reason, request_id: who.requestId }))
    }
    const html = deps.pages.forbidden({
      user: deps.describe(session).user,
      switchAccountURL: switchURL(context, reason),
      logoutURL: `${addresses.ownOrigin(original)}${addresses.logoutPath}`,
      requestId: who.requestId,
      reason,
    })
    const answer = page(403, html, deps.pages.headers, { 'x-request-id': who.requestId })
    return refusedWith({ ...answer, cookies: deps.passRenewal(request.headers, session, original.host) })
  }

  /** Another account; of another provider, where that is what is needed here. */
  function switchURL({ original, policy }: DecisionContext, reason: string): string {
    const found = choice.among(choice.meeting(policy))
    if (found.kind === 'none') return addresses.startURL(original, askedURL(original))
    const provider = found.kind === 'one' ? choice.nameOf(found.chosen.entry.id) : undefined
    const prompt = reason === 'provider_not_allowed' ? {} : ({ prompt: 'select_account' } as const)
    return loginURL(original, askedURL(original), { kind: found.kind, provider, ...prompt })
  }

  function untrustedPeer(contract: Contract, request: AuthRequest): AuthDecision {
    count(contract, 'deny', 'untrusted_peer')
    deps.untrusted.notice(request.peer)
    return refusedWith(refusals.refuse(asked({ request }, request.method), 403, 'untrusted_peer'))
  }

  /** Whatever was thrown, the answer is no; and where the fault is ours, it says "later" rather than "log in". */
  function failed(label: Label, request: AuthRequest, error: unknown, badRequestStatus: 400 | 403): AuthDecision {
    const [status, reason] = statusAndReason(error)
    count(label, error instanceof BadRequest ? 'deny' : 'error', reason)
    const who = asked({ request }, request.method)
    if (status === 500) {
      logger.error({ event: 'auth_failed', reason, requestId: who.requestId, err: error }, 'a decision failed: denied')
    }
    return refusedWith(refusals.refuse(who, error instanceof BadRequest ? badRequestStatus : status, reason))
  }

  return { notLoggedIn, unproven, stepUp, denied, untrustedPeer, failed }
}

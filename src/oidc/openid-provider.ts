// The `Provider` port over a real OpenID provider: puts the parts of this room in order. Which answer means what is decided
// in the parts (callback.ts, token-endpoint.ts, signature.ts, id-token.ts, user-info.ts); here it is decided what follows:
// a login is refused, a session ends, or a failure of the provider's is passed over.
import type { ClaimsSource, ProviderConfig } from '../config/config.ts'
import type { RefreshReason } from '../errors.ts'
import { ClientRejected, LoginRejected, ProviderUnavailable, RefreshRejected } from '../errors.ts'
import { withWarningQuota } from '../telemetry/log-quota.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Clock, Timer } from '../time.ts'
import { minutes } from '../time.ts'
import { accessTokenIsFor, readAccessToken } from './access-token.ts'
import { codeOf, readCallback } from './callback.ts'
import { claimAt, mergeUserInfo, isSaid, withoutProtocol } from './claims.ts'
import { authMethodConcern } from './client-auth.ts'
import { createFixedClient, type Client, type Clients } from './client.ts'
import { createClientCertificate } from './client-certificate.ts'
import { createClientPost } from './client-post.ts'
import { createClientRegistration, type ClientRegistrationDeps } from './client-registration.ts'
import { createIntrospection } from './introspection.ts'
import type { Documents } from '../cache/documents.ts'
import { createDPoP, newProofKey } from './dpop.ts'
import { isTooDeep, tooDeep, type JSONObject } from './json.ts'
import { fetchGroups, isOverage } from './groups-overage.ts'
import type { IDTokenFacts } from './id-token.ts'
import { checkIDToken } from './id-token.ts'
import { createKeys } from './keys.ts'
import { checkLogoutToken } from './logout-token.ts'
import type { Metadata } from './metadata.ts'
import { asymmetric, createMetadata } from './metadata.ts'
import type { Authentication, Callback, Expected, Grant, Provider, RefreshGrant, Tokens } from './provider.ts'
import { createProviderHealth } from './provider-health.ts'
import { createPushedRequests, pushedRequestsConcern } from './pushed-requests.ts'
import { quirksOf } from './quirks.ts'
import { createRegistrationEndpoint } from './registration-endpoint.ts'
import { authorizationParameters, authorizationURL, endSessionURL } from './requests.ts'
import { verifySignal } from './signal-token.ts'
import type { Unverified } from './signature.ts'
import { decodeUnverified, verifySignature } from './signature.ts'
import { createIssuers } from './tenants.ts'
import { idTokenOf, singleUseKey, tokensOrRefusal } from './token-response.ts'
import type { TokenResponse, TokenResult } from './token-endpoint.ts'
import { createTokenEndpoint } from './token-endpoint.ts'
import { createTransport } from './transport.ts'
import { fetchUserInfo } from './user-info.ts'

export interface ProviderOptions {
  readonly config: ProviderConfig
  /** Dot paths. UserInfo is asked only where the ID token lacks one of them. */
  readonly claimsWanted: readonly string[]
  readonly requireVerifiedEmail: boolean
  /** Whether the global lists let somebody with these claims in. */
  readonly admits: (claims: JSONObject) => boolean
  readonly clock: Clock
  /** Runs the background work and ends what takes longer than `providerTimeout`. */
  readonly timer: Timer
  /** 0 <= x < 1: spreads the retries. */
  readonly random: () => number
  readonly randomBytes: (size: number) => Buffer
  readonly logger: Logger
  readonly metrics: Pick<Metrics, 'providerRequests'>
  readonly cache: { readonly metadata: Documents; readonly jwks: Documents }
  /** Where a client that is registered by us is kept, and who may do it (`config.registration`). */
  readonly registration?: Pick<ClientRegistrationDeps, 'store' | 'leases' | 'scope'>
  /** Hears of each call that nobody waits for. */
  readonly noteCall: (call: Promise<unknown>) => unknown
}

// For an answer that says neither how long the access token lives nor holds an ID token: ask again soon.
const unknownLifetimeMs = minutes(5)
const warningsPerMinute = 5

export interface OpenIDProvider extends Provider {
  /** Resolves once its metadata is known. Throws ProviderUnavailable, with what is wrong. */
  known(): Promise<void>
  /** What its metadata, as far as it is known, says against our configuration: one line each. */
  concerns(): readonly string[]
  /**
   * Whether the provider signed a JWT that a stranger brought, whatever it is for. Its keys are looked after apart from those of the
   * logins: who floods us with unknown ones shall not hold up a login after a change of keys. Throws LoginRejected or
   * ProviderUnavailable.
   */
  verifyForeign(token: string): Promise<Unverified>
  /** Whom ID tokens are made out to; nobody while no client is registered. */
  clientIDs(): readonly string[]
  /** RFC 7662. Throws ProviderUnavailable. */
  introspect(token: string): Promise<JSONObject>
}

/** An option of ours that its metadata speaks against. */
interface Concern {
  readonly event: string
  readonly reason: string
  readonly message: string
}

export function createProvider(options: ProviderOptions): OpenIDProvider {
  const { config, requireVerifiedEmail, admits, clock, timer, random, metrics, cache } = options
  // Of a provider in trouble each login and each refresh would have something to say.
  const logger = withWarningQuota(options.logger, warningsPerMinute, clock)
  const { providerURL: issuer } = config
  const issuers = createIssuers(issuer, config.tenants)
  const wanted = requireVerifiedEmail ? [...options.claimsWanted, 'email_verified'] : options.claimsWanted
  const clientCertificate =
    config.clientCertificate && createClientCertificate(config.clientCertificate, { clock, logger })
  const transport = createTransport({
    clientCertificate,
    caPEM: config.caPEM,
    insecureSkipVerify: config.insecureSkipVerify,
    proxies: config.proxies,
    timeoutMs: config.providerTimeoutMs,
    clock,
    timer,
    durations: metrics.providerRequests,
  })
  const concernsAbout = (metadata: Metadata): readonly Concern[] => {
    const all = [
      {
        event: 'provider_auth_method',
        reason: 'not_offered',
        message: authMethodConcern(metadata, config.clientAuthMethod),
      },
      {
        event: 'provider_pushed_requests',
        reason: 'not_agreed',
        message: pushedRequestsConcern(config.pushedAuthorizationRequests, metadata),
      },
    ]
    if (config.dpop === 'require' && !metadata.offersDPoP)
      all.push({ event: 'provider_dpop', reason: 'not_offered', message: dpopNotOffered })
    return all.flatMap(({ message, ...rest }) => (message === undefined ? [] : { message, ...rest }))
  }
  const toldConcerns = new Map<string, string>()
  const metadataSource = createMetadata({
    issuer,
    announced: issuers.announced,
    discoveryURL: config.discoveryURL,
    allowInsecure: config.allowInsecureProvider,
    usesAliases: clientCertificate !== undefined,
    transport,
    cache: cache.metadata,
    clock,
    timer,
    random,
    logger,
    onKnown(metadata) {
      const concerns = concernsAbout(metadata)
      for (const { message, ...fields } of concerns) {
        // Once, not with the document of every hour.
        if (toldConcerns.get(fields.event) !== message) logger.warn(fields, message)
      }
      toldConcerns.clear()
      for (const { event, message } of concerns) toldConcerns.set(event, message)
    },
  })
  const keys = createKeys({ transport, cache: cache.jwks, clock, logger })
  const foreignKeys = createKeys({ transport, cache: cache.jwks, clock, logger })
  const health = createProviderHealth({ authMethod: config.clientAuthMethod, logger, clock })
  const dpop = createDPoP({ transport, clock, randomBytes: options.randomBytes })
  const post = createClientPost({ issuer, transport, dpop, health })
  const tokenEndpoint = createTokenEndpoint({ post, health, bindingRequired: config.dpop === 'require' })
  const pushedRequests = createPushedRequests({ mode: config.pushedAuthorizationRequests, post, health, logger })
  const introspection = createIntrospection({ post, health })

  const clients = clientsOf()

  function clientsOf(): Clients {
    const { registration } = config
    // Who only looks whether the provider can be reached registers nothing.
    if (registration === undefined || options.registration === undefined) return createFixedClient(config)
    const endpoint = createRegistrationEndpoint({
      config: registration,
      issuer,
      allowInsecure: config.allowInsecureProvider,
      transport,
      now: clock,
    })
    return createClientRegistration({
      ...options.registration,
      config: registration,
      auth: config,
      endpoint,
      metadata: () => metadataSource.require(),
      clock,
      timer,
      random,
      logger,
    })
  }

  /**
   * As the client that `who` says; once more where another one is here by now: whoever does not accept a client has spent nothing.
   */
  async function granted(
    operation: 'token' | 'refresh',
    metadata: Metadata,
    parameters: Record<string, string>,
    who: () => Client,
    proofKey: string | undefined,
  ): Promise<TokenResult> {
    const client = who()
    const result = await tokenEndpoint.grant(operation, metadata, parameters, { client, proofKey })
    const isReplaced = result.kind === 'refused' && result.isClients && (await clients.rejected(client))
    return isReplaced ? tokenEndpoint.grant(operation, metadata, parameters, { client: who(), proofKey }) : result
  }

  type LoginFacts = Pick<Callback, 'stepUp' | 'startedAt'> & { readonly nonce: string | undefined }
  const checked = (
    token: Unverified,
    { accessToken, issuedTo }: TokenResponse,
    { nonce, stepUp, startedAt }: LoginFacts,
  ): IDTokenFacts =>
    checkIDToken(token, {
      issuer: issuers.of(token.claims),
      clientID: issuedTo,
      nonce,
      stepUp,
      startedAt,
      mayLackNonce: config.allowMissingNonce && config.enablePKCE,
      accessToken,
      clockSkewMs: config.clockSkewMs,
      now: clock(),
    })

  const lacks = (claims: JSONObject): boolean => wanted.some((path) => !isSaid(claimAt(claims, path)))

  /** What a source says of `subject`, or undefined. Throws LoginRejected or ProviderUnavailable. */
  type Source = (
    subject: string,
    answer: TokenResponse,
    metadata: Metadata,
    known: JSONObject,
  ) => Promise<JSONObject | undefined>
  const sources: Record<ClaimsSource | 'graph', Source> = {
    idToken: async () => undefined,
    async userinfo(subject, { accessToken, boundTo, issuedTo, scope }, metadata) {
      const url = metadata.userinfo_endpoint
      // RFC 6749 section 5.1: no `scope` means "as asked for", and we always ask for openid.
      const mayAsk = scope === undefined || scope.split(' ').includes('openid')
      if (url === undefined || !mayAsk) return undefined
      const request = { url, metadata, clientID: issuedTo, accessToken, boundTo, subject }
      return fetchUserInfo(request, { transport, dpop, keys, health })
    },
    graph: async (_, { accessToken }, __, known) =>
      config.graphURL !== undefined && isOverage(known)
        ? fetchGroups({ graphURL: config.graphURL, accessToken }, transport)
        : undefined,
    async accessToken(subject, { accessToken }, metadata) {
      const read = await readAccessToken(accessToken, {
        subject,
        metadata,
        keys,
        now: clock(),
        clockSkewMs: config.clockSkewMs,
      })
      if (read.kind === 'claims') return read.claims
      logger.warn(
        { event: 'access_token_unusable', detail: read.why },
        'claimsFrom names the access token, but it holds no claims that may be used',
      )
      return undefined
    },
  }

  interface Completed {
    readonly claims: JSONObject
    /** A source that could not be asked, where something is still lacking: it might have said it. */
    readonly missed: ProviderUnavailable | undefined
  }

  /** The ID token's claims, and from the other sources what they lack. Throws LoginRejected for an answer that must not be used. */
  async function completedClaims(
    idToken: JSONObject,
    subject: string,
    answer: TokenResponse,
    metadata: Metadata,
  ): Promise<Completed> {
    let claims = idToken
    let missed: ProviderUnavailable | undefined
    for (const source of [...config.claimsFrom, 'graph'] as const) {
      if (!lacks(claims)) return { claims, missed: undefined }
      try {
        const more = await sources[source](subject, answer, metadata, claims)
        if (more !== undefined) claims = mergeUserInfo(claims, more)
      } catch (error) {
        if (!(error instanceof ProviderUnavailable)) throw error
        missed ??= error
      }
    }
    return { claims, missed: lacks(claims) ? missed : undefined }
  }

  function passedOver({ message: detail }: Error): void {
    logger.warn(
      { event: 'userinfo_unavailable', detail },
      'userinfo cannot be had: going on without the claims that the ID token lacks',
    )
  }

  /** The claims of somebody of whom a source could not be asked. Throws `missed` where they would be refused everywhere. */
  function halfKnown(claims: JSONObject, missed: ProviderUnavailable): JSONObject {
    // It might have said that the address is not verified. That counts until it says otherwise.
    const cautious = isSaid(claims['email_verified']) ? claims : { ...claims, email_verified: false }
    // A provider in trouble is not a person who may not pass: trying again is of more use than a session that no page lets in.
    if (!admits(cautious)) throw missed
    passedOver(missed)
    return cautious
  }

  async function exchangeCode(callback: Callback): Promise<Grant> {
    const parameters = readCallback(callback)
    const metadata = await metadataSource.require()
    const code = codeOf(parameters, metadata, issuers.includes)
    // Before the code is spent: without keys its answer could not be verified.
    await keys.current(metadata.jwks_uri, 'provider')
    const answer = tokensOrRefusal(
      await granted(
        'token',
        metadata,
        {
          grant_type: 'authorization_code',
          code,
          redirect_uri: callback.redirectURI,
          ...(config.enablePKCE ? { code_verifier: callback.codeVerifier } : {}),
        },
        clients.current,
        callback.proofKey,
      ),
    )
    try {
      return await verified(answer, callback, metadata)
    } catch (error) {
      const { accessToken, refreshToken } = answer
      abandon({ accessToken, refreshToken, idToken: undefined })
      throw error
    }
  }

  function abandon(tokens: Tokens): void {
    if (!quirksOf(issuer).revocationEndsConsent) options.noteCall(revoke(tokens))
  }

  /** What a login makes of its tokens. Throws LoginRejected, and ProviderUnavailable where it would be refused for want of an answer. */
  async function verified(answer: TokenResponse, callback: Callback, metadata: Metadata): Promise<Grant> {
    const idToken = idTokenOf(answer)
    if (idToken === undefined) throw new LoginRejected('id_token_missing', 'the token endpoint gave no ID token')
    const token = await verifySignature(idToken, metadata, keys, 'provider')
    const facts = checked(token, answer, callback)
    if (config.strictAudienceValidation && !accessTokenIsFor(answer.accessToken, config.audience ?? answer.issuedTo)) {
      throw new LoginRejected('access_token_audience', 'the access token is not for the configured audience')
    }
    const known = await completedClaims(token.claims, facts.subject, answer, metadata)
    const claims = known.missed === undefined ? known.claims : halfKnown(known.claims, known.missed)
    const verified = claims['email_verified']
    if (requireVerifiedEmail && verified !== true && verified !== 'true') {
      throw new LoginRejected('email_not_verified', 'the provider does not say that the e-mail address is verified')
    }
    return {
      tokens: {
        accessToken: answer.accessToken,
        idToken,
        refreshToken: answer.refreshToken,
        ...(answer.boundTo !== undefined && { proofKey: answer.boundTo }),
      },
      expiresAt: answer.expiresInMs === undefined ? facts.expiresAt : clock() + answer.expiresInMs,
      claims: withoutProtocol(claims),
      authentication: facts.authentication,
      isHalfKnown: known.missed !== undefined,
      idTokenKey: singleUseKey(idToken, token.claims),
      idTokenExpiresAt: facts.expiresAt,
      idTokenIssuedAt: facts.issuedAt,
    }
  }

  async function refresh(tokens: Tokens, expected: Expected): Promise<RefreshGrant> {
    if (tokens.refreshToken === undefined) throw new ProviderUnavailable('refresh: there is no refresh token')
    const metadata = await metadataSource.require()
    const parameters = { grant_type: 'refresh_token', refresh_token: tokens.refreshToken }
    const { proofKey } = tokens
    const who = () => clients.ofIDToken(tokens.idToken)
    const result = await granted('refresh', metadata, parameters, who, proofKey)
    if (result.kind === 'unusable') throw new ProviderUnavailable(`refresh: ${result.why}`)
    if (result.kind === 'refused') {
      // Somebody changed a secret: no reason to send everybody away, and to a login that would fail as well.
      // The client of before is another matter: nobody will accept it again.
      if (result.isClients && who() === clients.current()) throw new ClientRejected(`refresh: ${result.message}`)
      const reason = result.error === 'invalid_grant' ? 'invalid_grant' : 'refresh_refused'
      throw new RefreshRejected(reason, `the provider no longer accepts the refresh token: ${result.message}`)
    }
    const { answer } = result
    const identity = await refreshedIdentity(answer, tokens.idToken, expected, metadata)
    return {
      tokens: {
        accessToken: answer.accessToken,
        idToken: identity.idToken ?? tokens.idToken,
        refreshToken: answer.refreshToken ?? tokens.refreshToken,
        // The refresh token of a public client is bound to it, whatever the access token is.
        ...(proofKey !== undefined && { proofKey }),
      },
      expiresAt:
        answer.expiresInMs === undefined
          ? (identity.expiresAt ?? clock() + unknownLifetimeMs)
          : clock() + answer.expiresInMs,
      claims: identity.claims,
      ...(identity.authentication && { authentication: identity.authentication }),
    }
  }

  interface Identity {
    readonly idToken: string | undefined
    readonly expiresAt: number | undefined
    readonly claims: JSONObject | undefined
    readonly authentication: Authentication | undefined
  }

  /** Throws RefreshRejected only: the refresh token may have been rotated by now, and losing the new one ends the session. */
  async function refreshedIdentity(
    answer: TokenResponse,
    before: string | undefined,
    expected: Expected,
    metadata: Metadata,
  ): Promise<Identity> {
    const asBefore = { idToken: undefined, expiresAt: undefined, claims: undefined, authentication: undefined }
    try {
      // Some send it empty where they have none: no news.
      const idToken = answer.idToken === '' ? undefined : idTokenOf(answer)
      if (idToken === undefined) return { ...asBefore, claims: await madeWhole(answer, before, expected, metadata) }
      // Core 12.2. First, and without its signature if need be: a token about somebody else must never be passed over.
      const { claims } = decodeUnverified(idToken, metadata.algorithms)
      if (claims['iss'] !== expected.issuer) throw ended('issuer_changed', 'the new ID token is of another issuer')
      if (claims['sub'] !== expected.subject) throw ended('subject_changed', 'the new ID token is about somebody else')
      if (isTooDeep(claims)) throw new ProviderUnavailable(tooDeep)
      const token = await verifySignature(idToken, metadata, keys, 'provider')
      const facts = checked(token, answer, { nonce: undefined })
      const { expiresAt, authentication } = facts
      const whole = await wholeOrNothing(token.claims, facts.subject, answer, metadata)
      return { idToken, expiresAt, authentication, claims: whole }
    } catch (error) {
      if (error instanceof LoginRejected) throw ended('id_token_invalid', error.message, error)
      if (!(error instanceof ProviderUnavailable)) throw error
      const message = 'the new ID token cannot be verified: the old identity stays'
      logger.warn({ event: 'refresh_identity_unverified', detail: error.message }, message)
      return asBefore
    }
  }

  /** Undefined, with a warning, where a source cannot be asked. Throws RefreshRejected for one that speaks of somebody else. */
  async function wholeOrNothing(
    idToken: JSONObject,
    subject: string,
    answer: TokenResponse,
    metadata: Metadata,
  ): Promise<JSONObject | undefined> {
    const known = await completedClaims(idToken, subject, answer, metadata).catch((error: unknown) => {
      if (!(error instanceof LoginRejected)) throw error
      if (error.reason === 'userinfo_subject') throw ended('subject_changed', 'userinfo is about somebody else', error)
      return { claims: idToken, missed: error }
    })
    if (known.missed === undefined) return withoutProtocol(known.claims)
    // Half an identity would lock somebody out of what their groups allow: the old one stays.
    passedOver(known.missed)
    return undefined
  }

  /**
   * What a login could not ask UserInfo for is asked now, though the provider sends no new ID token: without it, `email_verified:
   * false` would stay until the session ends. The old ID token was verified when it came.
   */
  async function madeWhole(
    answer: TokenResponse,
    before: string | undefined,
    { subject, isHalfKnown }: Expected,
    metadata: Metadata,
  ): Promise<JSONObject | undefined> {
    if (isHalfKnown !== true || before === undefined) return undefined
    const { claims } = decodeUnverified(before, metadata.algorithms)
    return claims['sub'] === subject ? wholeOrNothing(claims, subject, answer, metadata) : undefined
  }

  async function revoke({ refreshToken, accessToken, idToken }: Tokens): Promise<void> {
    const url = config.revocationURL ?? metadataSource.current()?.revocation_endpoint
    if (url === undefined || clients.status() !== 'ready') return
    const client = clients.ofIDToken(idToken)
    const wanted = [
      { token: refreshToken, token_type_hint: 'refresh_token' },
      { token: accessToken, token_type_hint: 'access_token' },
    ]
    await Promise.all(
      wanted.map(async ({ token, token_type_hint }) => {
        if (token === undefined) return
        await tokenEndpoint.revoke(url, { token, token_type_hint }, { client }).catch((error: unknown) => {
          const detail = error instanceof Error ? error.message : 'unknown'
          logger.warn({ event: 'revocation_failed', token: token_type_hint, detail }, 'a token could not be revoked')
        })
      }),
    )
  }

  return {
    status() {
      const found = new Set([metadataSource.status(), clients.status()])
      if (found.has('starting')) return 'starting'
      return found.has('failing') || health.isFailing() ? 'failing' : 'ready'
    },
    known: async () => void (await metadataSource.require()),
    concerns() {
      const metadata = metadataSource.current()
      const found = metadata === undefined ? [] : concernsAbout(metadata).map(({ message }) => message)
      const certificates = clientCertificate?.concern()
      return certificates === undefined ? found : [...found, certificates]
    },
    start() {
      if (config.insecureSkipVerify) {
        logger.warn(
          { event: 'provider_tls_unverified' },
          'insecureSkipVerify: anybody on the way to the provider can pose as it',
        )
      }
      if (config.allowMissingNonce) {
        logger.warn(
          { event: 'provider_nonce_optional' },
          'allowMissingNonce: only PKCE binds an ID token to the login it was made for',
        )
      }
      metadataSource.start()
      clients.start()
    },
    // Cuts what is still under way: the last thing to do when stopping.
    stop() {
      metadataSource.stop()
      clients.stop()
      transport.close()
    },
    async newProofKey() {
      if (config.dpop === 'off') return undefined
      const { offersDPoP } = await metadataSource.require()
      return offersDPoP || config.dpop === 'require' ? newProofKey(options.randomBytes) : undefined
    },
    async authorizationURL(request) {
      const metadata = await metadataSource.require()
      const parameters = await authorizationParameters(config, request)
      const client = clients.current()
      const reference = await pushedRequests
        .push(metadata, { ...parameters, client_id: client.id }, client)
        .catch((error: unknown) => {
          // The next login finds another one, where there is one.
          if (error instanceof LoginRejected && error.reason === 'client_rejected') void clients.rejected(client)
          throw error
        })
      return authorizationURL(metadata, client.id, reference === undefined ? parameters : { request_uri: reference })
    },
    offersPrompt: (prompt) => metadataSource.current()?.prompts?.includes(prompt) ?? true,
    exchangeCode,
    refresh,
    revoke,
    abandon,
    async verifyForeign(token) {
      const { jwks_uri } = await metadataSource.require()
      return verifySignature(token, { algorithms: asymmetric, jwks_uri }, foreignKeys, 'anybody')
    },
    clientIDs: () => (clients.status() === 'starting' ? [] : clients.ids()),
    async introspect(token) {
      const url = config.introspectionURL ?? (await metadataSource.require()).introspection_endpoint
      if (url !== undefined) {
        const client = clients.current()
        return introspection(url, token, { client }).catch(async (error: unknown) => {
          // Another one may have been registered meanwhile: nothing was spent.
          if (!(error instanceof ClientRejected) || !(await clients.rejected(client))) throw error
          return introspection(url, token, { client: clients.current() })
        })
      }
      const why = 'the provider names no introspection endpoint: set introspectionURL'
      logger.warn({ event: 'introspection_impossible', reason: 'no_endpoint' }, why)
      throw new ProviderUnavailable(`introspection: ${why}`)
    },
    endSessionURL(request) {
      const endpoint = config.endSessionURL ?? metadataSource.current()?.end_session_endpoint
      if (endpoint === undefined || clients.status() !== 'ready') return undefined
      return endSessionURL(endpoint, issuer, clients.ofIDToken(request.idToken).id, request)
    },
    async readLogoutToken(token) {
      const { algorithms, jwks_uri } = await metadataSource.require()
      const verified = await verifySignal(
        token,
        { isIssuer: issuers.includes, algorithms, keysURI: async () => jwks_uri },
        keys,
      )
      const { clockSkewMs } = config
      return checkLogoutToken(verified, { audiences: clients.ids(), clockSkewMs, now: clock() })
    },
    isIssuer: issuers.includes,
    pageOrigins() {
      const metadata = metadataSource.current()
      const pages = [
        issuer,
        metadata?.authorization_endpoint,
        config.endSessionURL ?? metadata?.end_session_endpoint,
      ].flatMap((page) => (page === undefined ? [] : [new URL(page).origin]))
      return [...new Set(pages)]
    },
  }
}

const dpopNotOffered =
  'dpop is require, and the provider does not say that it knows DPoP with ES256: logins will be refused if it does not; set it to auto'

const ended = (reason: RefreshReason, message: string, cause?: Error): RefreshRejected =>
  new RefreshRejected(reason, message, cause === undefined ? {} : { cause })

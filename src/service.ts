// What decides and remembers, without HTTP: access, the shared cache, the provider, sessions, logins. Reads like a parts list.
import { claimText, keepClaims } from './access/claims.ts'
import { compileIdentityHeaders, type IdentityHeaders } from './access/identity-headers.ts'
import { compileLackingClaims } from './access/lacking-claims.ts'
import { compileRules, type CompiledRules } from './access/rules.ts'
import { createBearerService, type BearerService } from './bearer/create-bearer.ts'
import type { Cache } from './cache/cache.ts'
import { createCache } from './cache/create-cache.ts'
import { createDocuments } from './cache/documents.ts'
import { createLeases } from './cache/lease.ts'
import { registerCacheGauges } from './cache/gauges.ts'
import { createRateLimits, type RateLimits } from './cache/rate-limits.ts'
import { createReplayDetection } from './cache/replay-detection.ts'
import { createSpoolFile } from './cache/spool-file.ts'
import type { Config } from './config/config.ts'
import { deploymentScope } from './deployment.ts'
import { passRoom } from './http/cookie-budget.ts'
import { createIdentityTokens, type IdentityTokens } from './identity-token/identity-token.ts'
import { createSigningKeys } from './identity-token/signing-keys.ts'
import { createClaimNotices } from './login/claim-notices.ts'
import { createFlows } from './login/flow.ts'
import { createHandovers, type Handovers } from './login/handover.ts'
import { createLogins, type Logins } from './login/login.ts'
import { createCallsUnderWay, withCallsAwaited, type CallsUnderWay } from './oidc/calls-under-way.ts'
import { createClientStore } from './oidc/client-store.ts'
import { createProvider, type OpenIDProvider } from './oidc/openid-provider.ts'
import { createProviders, renamed, withClaimNames, type Providers } from './oidc/providers.ts'
import { createTransmitter } from './oidc/transmitter.ts'
import { createTransport } from './oidc/transport.ts'
import type { Claims } from './oidc/provider.ts'
import { createHttpTransport, createWhereabouts } from './peers/http-transport.ts'
import type { Runtime } from './runtime.ts'
import { createKeyedHash, createSealer } from './sealing.ts'
import type { Session } from './session/session.ts'
import { createSessions, type Sessions } from './session/sessions.ts'
import { createTaggers } from './session/sweeps.ts'
import { createSignals, type SelectedSessions, type Signals } from './signals/create-signals.ts'
import { createMemoryStore } from './store/memory-store.ts'
import { warnOnce } from './telemetry/once.ts'
import { withFields } from './telemetry/with-fields.ts'

export interface Service {
  readonly scope: string
  readonly rules: CompiledRules
  readonly identityHeaders: IdentityHeaders
  /** Undefined: applications get none. */
  readonly identityTokens: IdentityTokens | undefined
  readonly cache: Cache
  readonly providers: Providers<OpenIDProvider>
  /** What is under way at them. */
  readonly calls: Pick<CallsUnderWay, 'settled'>
  readonly sessions: Sessions
  readonly logins: Logins
  readonly handovers: Handovers
  readonly rateLimits: RateLimits
  readonly signals: Signals
  /** Undefined: nobody gets in with a token. */
  readonly bearer: BearerService | undefined
  /** Browsers carry a pass, for an outage of what replicas share. */
  readonly usesPasses: boolean
}

/** Nothing is reached before its parts are started. `selected`: of a test that asks who is meant. Throws ConfigInvalid. */
export function createService(config: Config, runtime: Runtime, selected?: SelectedSessions): Service {
  const { clock, timer, random, randomBytes, logger, metrics } = runtime
  const { access, outage, session: lifetimes } = config
  const scope = deploymentScope(config)
  const sealerFor = (purpose: string) => createSealer(lifetimes.encryptionKeys, purpose, randomBytes)

  // Access
  const rules = compileRules({ access, upstreams: config.upstreams, providers: config.providers })
  const identityHeaders = compileIdentityHeaders({
    access,
    upstreams: config.upstreams,
    onTruncated: warnOnce(
      logger,
      { event: 'groups_cut', reason: 'header_too_long' },
      'a groups header was cut at 4 KB, at a whole group',
    ),
  })

  const identityTokens =
    config.identityToken &&
    createIdentityTokens({
      issuer: config.identityToken.issuer,
      access,
      keys: createSigningKeys({ masters: lifetimes.encryptionKeys, scope, clock }),
      clock,
    })

  // Cache
  const origin = randomBytes(9).toString('base64url')
  const keys = lifetimes.encryptionKeys
  const { peers: peersConfig } = config
  const cache = createCache({
    config,
    scope,
    origin,
    peerTransport:
      peersConfig &&
      createHttpTransport({
        listen: peersConfig.listen,
        keys,
        scope,
        whereabouts: createWhereabouts(peersConfig, runtime),
        runtime,
      }),
    spool:
      outage.spoolDir === undefined
        ? undefined
        : createSpoolFile({ directory: outage.spoolDir, keys, scope, origin, maxAgeMs: lifetimes.maxAgeMs, runtime }),
    runtime,
  })
  const documents = (kind: 'metadata' | 'jwks') =>
    createDocuments({ kind, cache, sealer: sealerFor(kind), metrics, clock })
  const used = createReplayDetection({
    cache,
    local: createMemoryStore({ clock, maxBytes: 16 * 1024 * 1024 }),
    whenAway: outage.replay,
    metrics,
    logger,
    clock,
  })
  const rateLimits = createRateLimits({
    cache,
    hash: createKeyedHash(keys, `rate ${scope}`),
    limits: config.rateLimits,
    metrics,
    logger,
    clock,
  })

  // Provider, sessions, logins, tokens of machines
  const providerDocuments = { metadata: documents('metadata'), jwks: documents('jwks') }
  const calls = createCallsUnderWay()
  const providers = createProviders(config.providers, (entry) => {
    const { claimNames, client } = entry
    const ofProvider = entry.id === undefined ? scope : `${scope} ${entry.id}`
    const provider = createProvider({
      config: client,
      claimsWanted: identityHeaders.claimPaths.map((path) => claimNames[path] ?? path),
      requireVerifiedEmail: entry.lists.requireVerifiedEmail,
      admits: (claims) =>
        rules.meets(0, {
          subject: '',
          issuer: '',
          ...(entry.id !== undefined && { provider: entry.id }),
          claims: renamed(claims, claimNames),
        }).ok,
      clock,
      timer,
      random,
      randomBytes,
      logger: entry.id === undefined ? logger : withFields(logger, { provider: entry.name }),
      metrics,
      cache: providerDocuments,
      noteCall: calls.noted,
      ...(client.registration !== undefined && {
        registration: {
          store: createClientStore({ cache, sealer: sealerFor(`client ${ofProvider}`), scope: ofProvider, clock }),
          leases: createLeases({ store: cache.store, timer, randomBytes }),
          scope: ofProvider,
        },
      }),
    })
    return withCallsAwaited(withClaimNames(provider, claimNames), calls)
  })
  const claimsToKeep = (claims: Claims) => keepClaims(claims, identityHeaders.claimPaths)
  // As they call themselves, proven or not: whoever ends somebody's sessions means all that go by that name.
  const userOf = ({ claims, subject }: Session) => claimText(claims, access.userIdentifierClaim) || subject
  const usesPasses = outage.pass && cache.mode !== 'memory'
  const sessions = createSessions({
    cache,
    sealer: sealerFor(`session ${scope}`),
    passSealer: sealerFor(`pass ${scope}`),
    aboutSealer: sealerFor(`about ${scope}`),
    taggers: createTaggers(keys, scope),
    userOf,
    maxPerUser: lifetimes.maxPerUser,
    passRoom: passRoom(config.cookies),
    providers,
    claimsToKeep,
    nearLimits:
      cache.mode === 'memory'
        ? { maxItems: undefined, maxBytes: config.memory.maxBytes / 2 }
        : { maxItems: config.redis.l1.maxItems, maxBytes: config.redis.l1.maxBytes },
    lifetimes: {
      maxAgeMs: lifetimes.maxAgeMs,
      idleTimeoutMs: lifetimes.idleTimeoutMs,
      refreshGraceMs: lifetimes.refreshGraceMs,
      maxStaleMs: outage.maxStaleMs,
      passMaxAgeMs: usesPasses ? outage.passMaxAgeMs : undefined,
      providerTimeoutMs: config.provider.providerTimeoutMs,
    },
    runtime,
  })
  const logins = createLogins({
    flows: createFlows({ sealer: sealerFor(`flow ${scope}`), clock, randomBytes }),
    providers,
    sessions,
    used,
    disableReplayDetection: config.tokens.disableReplayDetection,
    clockSkewMs: config.provider.clockSkewMs,
    noticeClaims: createClaimNotices(
      compileLackingClaims({ access, upstreams: config.upstreams, templateClaims: identityHeaders.templateClaims }),
      logger,
    ),
    clock,
    random,
  })

  const handovers = createHandovers({ sealer: sealerFor(`handover ${scope}`), used, clock, randomBytes })

  // What is told unasked
  const { sharedSignals } = config.signals
  const { clockSkewMs, allowInsecureProvider } = config.provider
  const transmitter =
    sharedSignals &&
    createTransmitter({
      ...sharedSignals,
      issuer: sharedSignals.transmitter,
      allowInsecure: allowInsecureProvider,
      clockSkewMs,
      transport: createTransport({
        ...config.provider,
        // It is asked for documents that anybody may read.
        clientCertificate: undefined,
        timeoutMs: config.provider.providerTimeoutMs,
        clock,
        timer,
        durations: metrics.providerRequests,
      }),
      cache: { metadata: documents('metadata'), jwks: documents('jwks') },
      clock,
      logger,
    })
  const { endSelected } = sessions
  const signals = createSignals({
    config,
    providers,
    transmitter,
    // Sessions whose rights may have changed cannot be refreshed by their person yet: they end.
    selected: selected ?? {
      endSelected,
      refreshSelected: async (selection) => {
        const { ended, isKept } = await endSelected(selection)
        return { selected: ended, isKept }
      },
    },
    used,
    runtime,
  })

  // What machines bring
  const bearer =
    config.bearer &&
    createBearerService({
      config: config.bearer,
      providers,
      scope,
      cache,
      documents: providerDocuments,
      sealer: sealerFor(`token ${scope}`),
      used,
      claimPaths: identityHeaders.claimPaths,
      claimsToKeep,
      runtime,
    })

  // Numbers
  registerCacheGauges(metrics, cache)
  metrics.gauge('provider_state', '1 for the state that the provider is in.', ['state'], () =>
    (['starting', 'ready', 'failing'] as const).map((state) => ({
      labels: { state },
      value: providers.status() === state ? 1 : 0,
    })),
  )
  metrics.gauge('cache_entries', 'Values held near, per tier.', ['tier'], () => [
    { labels: { tier: 'l1' }, value: sessions.nearSize + (bearer?.size.nearSize ?? 0) },
  ])
  metrics.gauge('cache_bytes', 'Bytes held near, per tier.', ['tier'], () => [
    { labels: { tier: 'l1' }, value: sessions.nearBytes + (bearer?.size.nearBytes ?? 0) },
  ])

  return {
    scope,
    rules,
    identityHeaders,
    identityTokens,
    cache,
    providers,
    calls,
    sessions,
    logins,
    handovers,
    rateLimits,
    signals,
    bearer,
    usesPasses,
  }
}

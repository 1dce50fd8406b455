// What decides and remembers, without HTTP: access, the shared cache, the provider, sessions, logins. Reads like a parts list.
import { claimText, keepClaims } from './access/claims.ts'
import { compileIdentityHeaders, type IdentityHeaders } from './access/identity-headers.ts'
import { compileLackingClaims } from './access/lacking-claims.ts'
import { compileRules, type CompiledRules } from './access/rules.ts'
import type { Cache } from './cache/cache.ts'
import { createCache } from './cache/create-cache.ts'
import { createDocuments } from './cache/documents.ts'
import { registerCacheGauges } from './cache/gauges.ts'
import { createReplayDetection } from './cache/replay-detection.ts'
import { createSpoolFile } from './cache/spool-file.ts'
import type { Config } from './config/config.ts'
import { deploymentScope } from './deployment.ts'
import { passRoom } from './http/cookie-budget.ts'
import { createClaimNotices } from './login/claim-notices.ts'
import { createFlows } from './login/flow.ts'
import { createLogins, type Logins } from './login/login.ts'
import { withCallsAwaited, type AwaitedProvider } from './oidc/calls-under-way.ts'
import { createProvider } from './oidc/openid-provider.ts'
import { createHttpTransport, createWhereabouts } from './peers/http-transport.ts'
import type { Runtime } from './runtime.ts'
import { createSealer } from './sealing.ts'
import type { Session } from './session/session.ts'
import { createSessions, type Sessions } from './session/sessions.ts'
import { createTaggers } from './session/sweeps.ts'
import { createMemoryStore } from './store/memory-store.ts'
import { warnOnce } from './telemetry/once.ts'

export interface Service {
  readonly scope: string
  readonly rules: CompiledRules
  readonly identityHeaders: IdentityHeaders
  readonly cache: Cache
  readonly provider: AwaitedProvider
  readonly sessions: Sessions
  readonly logins: Logins
  /** Browsers carry a pass, for an outage of what replicas share. */
  readonly usesPasses: boolean
}

/** Nothing is reached before its parts are started. Throws ConfigInvalid. */
export function createService(config: Config, runtime: Runtime): Service {
  const { clock, timer, random, randomBytes, logger, metrics } = runtime
  const { access, outage, session: lifetimes } = config
  const scope = deploymentScope(config)
  const sealerFor = (purpose: string) => createSealer(lifetimes.encryptionKeys, purpose, randomBytes)

  // Access
  const rules = compileRules({ access, upstreams: config.upstreams })
  const identityHeaders = compileIdentityHeaders({
    access,
    upstreams: config.upstreams,
    onTruncated: warnOnce(
      logger,
      { event: 'groups_cut', reason: 'header_too_long' },
      'a groups header was cut at 4 KB, at a whole group',
    ),
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

  // Provider, sessions, logins
  const provider = withCallsAwaited(
    createProvider({
      config: config.provider,
      claimsWanted: identityHeaders.claimPaths,
      requireVerifiedEmail: access.requireVerifiedEmail,
      admits: (claims) => rules.meets(0, { subject: '', issuer: '', claims }).ok,
      clock,
      timer,
      random,
      logger,
      metrics,
      cache: { metadata: documents('metadata'), jwks: documents('jwks') },
    }),
  )
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
    provider,
    claimsToKeep: (claims) => keepClaims(claims, identityHeaders.claimPaths),
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
    provider,
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

  // Numbers
  registerCacheGauges(metrics, cache)
  metrics.gauge('provider_state', '1 for the state that the provider is in.', ['state'], () =>
    (['starting', 'ready', 'failing'] as const).map((state) => ({
      labels: { state },
      value: provider.status() === state ? 1 : 0,
    })),
  )
  metrics.gauge('cache_entries', 'Values held near, per tier.', ['tier'], () => [
    { labels: { tier: 'l1' }, value: sessions.nearSize },
  ])
  metrics.gauge('cache_bytes', 'Bytes held near, per tier.', ['tier'], () => [
    { labels: { tier: 'l1' }, value: sessions.nearBytes },
  ])

  return { scope, rules, identityHeaders, cache, provider, sessions, logins, usesPasses }
}

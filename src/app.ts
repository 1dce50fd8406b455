// Composition root: every part is made here and handed to those who need it. Reads like a parts list; decides nothing.
import type { AddressInfo } from 'node:net'
import { keepClaims, claimText, memberships } from './access/claims.ts'
import { compileLackingClaims } from './access/lacking-claims.ts'
import { compileIdentityHeaders, provenNames } from './access/identity-headers.ts'
import { compileRules } from './access/rules.ts'
import { createCache } from './cache/create-cache.ts'
import { createDocuments } from './cache/documents.ts'
import { createSpoolFile } from './cache/spool-file.ts'
import { registerCacheGauges } from './cache/gauges.ts'
import { createMemoryStore } from './store/memory-store.ts'
import { createReplayDetection } from './cache/replay-detection.ts'
import type { Config } from './config/config.ts'
import { deploymentScope } from './deployment.ts'
import { createAdmissions } from './http/admissions.ts'
import { createAddresses } from './http/addresses.ts'
import { createAuth } from './http/auth.ts'
import { limitBodies } from './http/bodies.ts'
import { createBrowserCookies } from './http/browser-cookies.ts'
import { createTrustedPeers } from './http/client.ts'
import { createReaders } from './http/contracts.ts'
import { createCookieRepair, passRoom } from './http/cookie-budget.ts'
import { createDenials } from './http/denials.ts'
import { createDestinations } from './http/destination.ts'
import { createEndpoints } from './http/endpoints.ts'
import { createGateway } from './http/gateway.ts'
import { createHealth, type HealthSources } from './http/health.ts'
import { createPassRenewal } from './http/pass-renewal.ts'
import type { Person } from './http/profile-endpoints.ts'
import { createRefusals } from './http/refusals.ts'
import { createRelayedPaths } from './http/relayed-paths.ts'
import { requestIdOf } from './http/request-id.ts'
import { createSend } from './http/send.ts'
import { createConnections } from './http/connections.ts'
import { createOperatorServer, createServer } from './http/server.ts'
import { createUntrustedPeerNotices } from './http/untrusted-peers.ts'
import { createVisitReader } from './http/visit.ts'
import { createClaimNotices } from './login/claim-notices.ts'
import { createFlows } from './login/flow.ts'
import { createLogins } from './login/login.ts'
import { createLoginRateLimit } from './login/rate-limit.ts'
import { withCallsAwaited } from './oidc/calls-under-way.ts'
import { createProvider } from './oidc/openid-provider.ts'
import { createPages } from './pages/create-pages.ts'
import { registerProxy } from './proxy/proxy.ts'
import { createHttpTransport, createWhereabouts } from './peers/http-transport.ts'
import { createSealer } from './sealing.ts'
import { createSessions } from './session/sessions.ts'
import type { Session } from './session/session.ts'
import type { Runtime } from './runtime.ts'
import { stop } from './stop.ts'

export interface App {
  /** Listens; resolves with the main port. Redis and the provider are reached in the background. */
  start(): Promise<number>
  /** Stops as stop.ts says. Calling it twice is calling it once. */
  stop(): Promise<void>
}

export function createApp(config: Config, runtime: Runtime): App {
  const { clock, stopwatch, timer, random, randomBytes, logger, metrics } = runtime
  const { access, cookies: cookieConfig, outage, session: lifetimes } = config
  let phase: ReturnType<HealthSources['phase']> = 'starting'
  const scope = deploymentScope(config)
  const sealerFor = (purpose: string) => createSealer(lifetimes.encryptionKeys, purpose, randomBytes)
  const randomId = () => randomBytes(12).toString('base64url')

  // Access
  const rules = compileRules({ access, upstreams: config.upstreams })
  let truncationTold = false
  const identityHeaders = compileIdentityHeaders({
    access,
    upstreams: config.upstreams,
    onTruncated: () => {
      if (truncationTold) return
      truncationTold = true
      logger.warn(
        { event: 'groups_cut', reason: 'header_too_long' },
        'a groups header was cut at 4 KB, at a whole group',
      )
    },
  })

  const hasRules = access.rules.length + access.excludedURLs.length > 0
  let dialectTold = !hasRules
  const tellOfUnnamedDialect = () => {
    if (dialectTold) return
    dialectTold = true
    logger.warn(
      { event: 'dialect_not_named', reason: 'no_oauth2_proxy_dialect' },
      'asked at /oauth2/auth without knowing which of its headers the proxy sets, so rules cannot be followed there: set ' +
        'forwardAuth.oauth2ProxyDialect, or let the proxy ask at /auth/…',
    )
  }

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
  const sessions = createSessions({
    cache,
    sealer: sealerFor(`session ${scope}`),
    passSealer: sealerFor(`pass ${scope}`),
    passRoom: passRoom(cookieConfig),
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
      passMaxAgeMs: outage.pass && cache.mode !== 'memory' ? outage.passMaxAgeMs : undefined,
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

  // HTTP
  const pages = createPages(config.pages)
  const refusals = createRefusals(pages)
  // Those that stand in an application's place.
  const refusalsForApplications = createRefusals(pages, config.cors.allowedOrigins)
  const send = createSend(createCookieRepair(cookieConfig))
  const peers = createTrustedPeers(config.server.trustedProxies)
  const browserCookies = createBrowserCookies(cookieConfig, {
    sessionMaxAgeMs: lifetimes.maxAgeMs,
    passMaxAgeMs: outage.passMaxAgeMs,
  })
  const addresses = createAddresses({
    pathPrefix: config.paths.prefix,
    callbackPath: config.paths.callback,
    logoutPath: config.paths.logout,
    publicURL: config.server.publicURL,
    forceHTTPS: cookieConfig.forceHTTPS,
    cookieDomain: cookieConfig.domain,
    allowedRedirectHosts: access.allowedRedirectHosts,
  })
  const describe = ({ claims, subject }: Session): Person => ({
    user: claimText(claims, access.userIdentifierClaim) || subject,
    email: claimText(claims, 'email'),
    groups: memberships(claims, access.groupClaimName),
    preferredUsername: claimText(claims, 'preferred_username'),
  })
  const endpoints = createEndpoints({
    addresses,
    destinations: createDestinations({ addresses, logger, clock }),
    cookies: browserCookies,
    logins,
    sessions,
    provider,
    pages,
    refusals,
    rateLimit: createLoginRateLimit(access.loginsPerMinute, clock),
    describe: (session) => ({ ...describe(session), ...provenNames(session, access.userIdentifierClaim) }),
    issuer: config.provider.providerURL,
    skipSignIn: config.pages.skipSignIn,
    strictCookies: cookieConfig.sameSite === 'strict',
    hintSealer: sealerFor(`logout ${scope}`),
    withinBudget: cache.withinBudget,
    postLogoutRedirectURI: config.paths.postLogoutRedirectURI,
    passes: outage.pass && cache.mode !== 'memory',
    randomId,
    metrics,
    logger,
  })
  const requestId = (headers: Parameters<typeof requestIdOf>[0]) => requestIdOf(headers, randomId)
  const passRenewal = createPassRenewal(sessions, browserCookies)
  const denials = createDenials({
    passRenewal,
    peers,
    untrusted: createUntrustedPeerNotices(logger, clock),
    addresses,
    endpoints,
    refusals: refusalsForApplications,
    pages,
    describe,
    requestIdOf: requestId,
    metrics,
    logger,
  })
  const auth = createAuth({
    readers: createReaders(config.forwardAuth.oauth2ProxyDialect, tellOfUnnamedDialect),
    rules,
    sessions,
    cookies: browserCookies,
    peers,
    addresses,
    relayedPaths: createRelayedPaths({ peers, endpoints, refusals, requestIdOf: requestId, metrics }),
    admissions: createAdmissions({
      identityHeaders,
      sessions,
      denials,
      passRenewal: config.forwardAuth.renewPass ? passRenewal : undefined,
      metrics,
    }),
    denials,
    withinBudget: cache.withinBudget,
    metrics,
    stopwatch,
  })
  const health = createHealth({ cache: cache.health, provider: () => provider.status(), phase: () => phase })
  const { listen, metricsListen } = config.server
  const visitOf = createVisitReader({ peers, requestIdOf: requestId })
  const server = createServer({
    auth,
    endpoints,
    addresses,
    refusals,
    send,
    visitOf,
    health,
    metrics,
    separateMetrics: metricsListen !== undefined,
    proxies: config.upstreams.length > 0,
    contract: config.forwardAuth.contract,
    allowStatus: config.forwardAuth.allowStatus,
    groupClaimName: access.groupClaimName,
    requestIdOf: requestId,
  })
  const connections = createConnections(server.server, timer)
  if (config.upstreams.length > 0) limitBodies(server.server, timer)
  const operatorServer = metricsListen === undefined ? undefined : createOperatorServer(health, metrics)

  // Numbers
  registerCacheGauges(metrics, cache)
  metrics.gauge('cache_entries', 'Values held near, per tier.', ['tier'], () => [
    { labels: { tier: 'l1' }, value: sessions.nearSize },
  ])
  metrics.gauge('cache_bytes', 'Bytes held near, per tier.', ['tier'], () => [
    { labels: { tier: 'l1' }, value: sessions.nearBytes },
  ])

  // Reverse-proxy mode
  const gateway = createGateway({
    auth,
    rules,
    upstreams: config.upstreams,
    visitOf,
    addresses,
    refusals: refusalsForApplications,
    send,
    requestIdOf: requestId,
  })
  const proxy = (): Promise<void> =>
    registerProxy(server, {
      ...gateway,
      upstreams: config.upstreams,
      identityHeaderNames: identityHeaders.names,
      ourCookieNames: (name) => browserCookies.isOurs(name),
      timer,
      logger,
    })

  let stopping: Promise<void> | undefined
  return {
    async start() {
      // The provider's metadata may lie in the shared store: looked for there first, but nobody waits for it to listen.
      void cache.start().then(() => provider.start())
      if (operatorServer !== undefined && metricsListen !== undefined) await operatorServer.listen({ ...metricsListen })
      if (config.upstreams.length > 0) await proxy()
      await server.listen({ ...listen })
      if (phase === 'starting') phase = 'serving'
      // Listening on TCP: the address is never a pipe's name.
      const { port } = server.server.address() as AddressInfo
      logger.info(
        { event: 'listening', address: listen.host, port, cacheMode: cache.mode },
        `listening on port ${port}`,
      )
      return port
    },

    stop() {
      const wasServing = phase === 'serving'
      phase = 'draining'
      stopping ??= stop({
        drainDelayMs: wasServing ? config.server.drainDelayMs : 0,
        shutdownTimeoutMs: config.server.shutdownTimeoutMs,
        connections,
        async workDone() {
          await sessions.settled()
          await provider.settled()
        },
        async finish() {
          await server.close()
          await cache.stop()
          await operatorServer?.close()
          provider.stop()
        },
        timer,
        logger,
      })
      return stopping
    },
  }
}

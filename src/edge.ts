// The service's HTTP side: what proxies ask, what browsers ask, what operators ask and do, and reverse-proxy mode. Reads like a parts list.
import type { AddressInfo } from 'node:net'
import { provenNames } from './access/identity-headers.ts'
import { createAdmin } from './admin/admin.ts'
import type { Config } from './config/config.ts'
import { compileHandoverHosts } from './config/handover.ts'
import { surviveAcceptFaults } from './http/accept-faults.ts'
import { createAddresses } from './http/addresses.ts'
import { createAdmissions } from './http/admissions.ts'
import { createAuth } from './http/auth.ts'
import { limitBodies } from './http/bodies.ts'
import { createBearerAuth } from './http/bearer-auth.ts'
import { createBoundTickets } from './http/bound-tickets.ts'
import { createBrowserCookies } from './http/browser-cookies.ts'
import { createChallenges } from './http/challenges.ts'
import { createTrustedPeers } from './http/client.ts'
import { createConnections, type Connections } from './http/connections.ts'
import { createReaders } from './http/contracts.ts'
import { createCookieRepair } from './http/cookie-budget.ts'
import { createCrossOrigin } from './http/cors.ts'
import { createDenials } from './http/denials.ts'
import { createDestinations } from './http/destination.ts'
import { createEndpoints } from './http/endpoints.ts'
import { createGateway } from './http/gateway.ts'
import { createHealth, type HealthSources } from './http/health.ts'
import { createPassRenewal } from './http/pass-renewal.ts'
import { createPreflights } from './http/preflight.ts'
import { createDescribe } from './http/profile-endpoints.ts'
import { beyondHandover, createProviderChoice } from './http/provider-choice.ts'
import { createProtectedResources } from './http/protected-resources.ts'
import { createRefusals } from './http/refusals.ts'
import { createRelayedPaths } from './http/relayed-paths.ts'
import { requestIdOf } from './http/request-id.ts'
import { createSend } from './http/send.ts'
import { createOperatorServer, createServer } from './http/server.ts'
import { withIdentityToken } from './http/token-admissions.ts'
import { acrNamed } from './http/step-up.ts'
import { createTokenRefusals } from './http/token-refusals.ts'
import { createSessionStreams } from './http/session-streams.ts'
import { createTokenStreams } from './http/token-streams.ts'
import { createUnnamedDialectNotice } from './http/unnamed-dialect.ts'
import { createUntrustedPeerNotices } from './http/untrusted-peers.ts'
import { createEndpointRequestReader } from './http/endpoint-request.ts'
import { cannotListen } from './listen-fault.ts'
import { createPages } from './pages/create-pages.ts'
import { registerProxy } from './proxy/proxy.ts'
import { servedHosts } from './proxy/target.ts'
import { createUpstreamStates } from './proxy/upstream-states.ts'
import type { Runtime } from './runtime.ts'
import { createSealer } from './sealing.ts'
import type { Service } from './service.ts'

export interface Edge {
  /** Listens; resolves with the main port. */
  listen(): Promise<number>
  /** Of the main port. */
  readonly connections: Connections
  /** Closes the main port, and the admin port: who is ended there has to be handed over with the rest. */
  close(): Promise<void>
  /** Closes the operators' port, where there is one: until then health and metrics are told. */
  closeOperators(): Promise<void>
}

/** `phase`: what health says of the process. */
export function createEdge(config: Config, service: Service, runtime: Runtime, phase: HealthSources['phase']): Edge {
  const { clock, stopwatch, timer, random, randomBytes, logger, metrics } = runtime
  const { access, cookies: cookieConfig, outage, session: lifetimes } = config
  const {
    scope,
    rules,
    identityHeaders,
    identityTokens,
    cache,
    providers,
    sessions,
    logins,
    handovers,
    rateLimits,
    signals,
    bearer,
    usesPasses,
  } = service
  const randomId = () => randomBytes(12).toString('base64url')

  const pages = createPages(config.pages, config.providers)
  const refusals = createRefusals(pages)
  // Those that stand in an application's place.
  const refusalsForApplications = createRefusals(pages, config.cors.allowedOrigins)
  const isPreflight = createPreflights(config.cors.allowedOrigins)
  const send = createSend(createCookieRepair(cookieConfig))
  const peers = createTrustedPeers(config.server.trustedProxies)
  const isHandoverHost =
    lifetimes.handoverHosts.length === 0
      ? undefined
      : compileHandoverHosts({
          handoverHosts: lifetimes.handoverHosts,
          publicURL: config.server.publicURL,
          cookieDomain: cookieConfig.domain,
        })
  const browserCookies = createBrowserCookies(
    cookieConfig,
    { sessionMaxAgeMs: lifetimes.maxAgeMs, passMaxAgeMs: outage.passMaxAgeMs },
    isHandoverHost && { isHandoverHost, tickets: createBoundTickets(lifetimes.encryptionKeys, scope) },
  )
  const addresses = createAddresses({
    pathPrefix: config.paths.prefix,
    callbackPath: config.paths.callback,
    providers: config.providers.map(({ name }) => name),
    logoutPath: config.paths.logout,
    signalPath: {
      backChannelLogout: config.paths.backChannelLogout,
      frontChannelLogout: config.paths.frontChannelLogout,
      securityEvents: config.paths.securityEvents,
    },
    publicURL: config.server.publicURL,
    forceHTTPS: cookieConfig.forceHTTPS,
    cookieDomain: cookieConfig.domain,
    allowedRedirectHosts: access.allowedRedirectHosts,
    describesResources: config.bearer !== undefined,
    ...(isHandoverHost && { isHandoverHost }),
  })
  const resources =
    bearer &&
    createProtectedResources({
      addresses,
      audiences: bearer.issuers.flatMap(({ audiences }) => audiences),
      authorizationServers: [...new Set(bearer.issuers.map(({ issuer }) => issuer))],
      scopes: rules.scopes,
      isServed: config.upstreams.length === 0 ? () => true : servedHosts(config.upstreams),
      notFound: (request) => refusals.refuse(request, 404, 'not_found'),
    })
  const challenges = createChallenges(resources)
  const describe = createDescribe(access)
  const plainChoice = createProviderChoice(providers, rules)
  const choice: typeof plainChoice =
    isHandoverHost === undefined ? plainChoice : beyondHandover(plainChoice, addresses, handovers)
  const endpoints = createEndpoints({
    addresses,
    destinations: createDestinations({ addresses, logger, clock }),
    cookies: browserCookies,
    logins,
    handovers,
    isHandoverHost,
    sessions,
    providers,
    choice,
    pages,
    refusals,
    signals,
    rateLimits,
    describe: (session) => ({ ...describe(session), ...provenNames(session, access.userIdentifierClaim) }),
    acrNamed: acrNamed(config),
    crossOrigin: createCrossOrigin(config.cors.allowedOrigins),
    isPreflight,
    skipSignIn: config.pages.skipSignIn,
    strictCookies: cookieConfig.sameSite === 'strict',
    hintSealer: createSealer(lifetimes.encryptionKeys, `logout ${scope}`, randomBytes),
    withinBudget: cache.withinBudget,
    postLogoutRedirectURI: config.paths.postLogoutRedirectURI,
    passes: usesPasses,
    jwks: identityTokens?.jwks,
    randomId,
    resources,
    clock,
    random,
    metrics,
    logger,
  })
  const requestId = (headers: Parameters<typeof requestIdOf>[0]) => requestIdOf(headers, randomId)
  const passRenewal = createPassRenewal(sessions, browserCookies)
  const denials = createDenials({
    passRenewal,
    challenges,
    peers,
    untrusted: createUntrustedPeerNotices(logger, clock),
    addresses,
    endpoints,
    choice,
    refusals: refusalsForApplications,
    pages,
    describe,
    requestIdOf: requestId,
    metrics,
    logger,
    clock,
  })
  const tokenRefusals = createTokenRefusals({
    challenges,
    refusals: refusalsForApplications,
    requestIdOf: requestId,
    metrics,
    logger,
    clock,
  })
  const plainAdmissions = createAdmissions({
    identityHeaders,
    sessions,
    denials,
    tokenDenied: tokenRefusals.denied,
    hidesAuthorization: config.bearer?.passAuthorization === false,
    passRenewal: config.forwardAuth.renewPass ? passRenewal : undefined,
    metrics,
    clock,
  })
  const admissions =
    identityTokens !== undefined && config.identityToken?.onAuth === true
      ? withIdentityToken(plainAdmissions, identityTokens, addresses)
      : plainAdmissions
  const auth = createAuth({
    readers: createReaders(config.forwardAuth.oauth2ProxyDialect, createUnnamedDialectNotice(access, logger)),
    rules,
    sessions,
    cookies: browserCookies,
    peers,
    addresses,
    relayedPaths: createRelayedPaths({ peers, endpoints, refusals, requestIdOf: requestId, metrics }),
    admissions,
    bearer:
      bearer &&
      createBearerAuth({
        bearer: bearer.bearer,
        admissions,
        refusals: tokenRefusals,
        denials,
        addresses,
        peers,
        failures: rateLimits.bearerFailure,
        withinBudget: cache.withinBudget,
        metrics,
      }),
    denials,
    isPreflight,
    withinBudget: cache.withinBudget,
    metrics,
    stopwatch,
  })
  const upstreamStates = createUpstreamStates(config.upstreams, { logger, metrics })
  const health = createHealth({
    cache: cache.health,
    provider: providers.status,
    phase,
    ...(config.upstreams.length > 0 && { upstreams: upstreamStates.all }),
  })
  const { listen, metricsListen } = config.server
  const endpointRequestOf = createEndpointRequestReader({ peers, requestIdOf: requestId })
  const server = createServer({
    auth,
    endpoints,
    addresses,
    refusals,
    send,
    endpointRequestOf,
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
  const admin =
    config.admin &&
    createAdmin({
      config: config.admin,
      sessions,
      issuer: config.provider.providerURL,
      clockSkewMs: config.provider.clockSkewMs,
      failureLimit: rateLimits.admin,
      withinBudget: cache.withinBudget,
      requestId: randomId,
      runtime,
    })
  for (const app of [server, operatorServer]) if (app !== undefined) surviveAcceptFaults(app.server, logger, clock)

  // Reverse-proxy mode
  const gateway = createGateway({
    auth,
    sessions,
    followSession: createSessionStreams({ sessions, clock, timer }),
    cookies: browserCookies,
    rules,
    upstreams: config.upstreams,
    identityTokens,
    followToken: bearer && createTokenStreams({ bearer: bearer.bearer, clock, timer }),
    endpointRequestOf,
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
      states: upstreamStates,
      timer,
      metrics,
    })

  return {
    connections,
    async listen() {
      if (operatorServer !== undefined && metricsListen !== undefined) {
        await operatorServer.listen({ ...metricsListen }).catch((error: unknown) => {
          throw cannotListen('metrics.listen', metricsListen, error)
        })
      }
      await admin?.listen()
      if (config.upstreams.length > 0) await proxy()
      await server.listen({ ...listen }).catch((error: unknown) => {
        throw cannotListen('listen', listen, error)
      })
      // Listening on TCP: the address is never a pipe's name.
      return (server.server.address() as AddressInfo).port
    },
    async close() {
      await admin?.close()
      await server.close()
    },
    closeOperators: async () => operatorServer?.close(),
  }
}

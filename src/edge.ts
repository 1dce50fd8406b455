// The service's HTTP side: what proxies ask, what browsers ask, what operators ask and do, and reverse-proxy mode. Reads like a parts list.
import type { AddressInfo } from 'node:net'
import { provenNames } from './access/identity-headers.ts'
import { createAdmin } from './admin/admin.ts'
import { createFailureLimit } from './admin/failure-limit.ts'
import type { Config } from './config/config.ts'
import { surviveAcceptFaults } from './http/accept-faults.ts'
import { createAddresses } from './http/addresses.ts'
import { createAdmissions } from './http/admissions.ts'
import { createAuth } from './http/auth.ts'
import { limitBodies } from './http/bodies.ts'
import { createBrowserCookies } from './http/browser-cookies.ts'
import { createTrustedPeers } from './http/client.ts'
import { createConnections, type Connections } from './http/connections.ts'
import { createReaders } from './http/contracts.ts'
import { createCookieRepair } from './http/cookie-budget.ts'
import { createDenials } from './http/denials.ts'
import { createDestinations } from './http/destination.ts'
import { createEndpoints } from './http/endpoints.ts'
import { createGateway } from './http/gateway.ts'
import { createHealth, type HealthSources } from './http/health.ts'
import { createPassRenewal } from './http/pass-renewal.ts'
import { createDescribe } from './http/profile-endpoints.ts'
import { createRefusals } from './http/refusals.ts'
import { createRelayedPaths } from './http/relayed-paths.ts'
import { requestIdOf } from './http/request-id.ts'
import { createSend } from './http/send.ts'
import { createOperatorServer, createServer } from './http/server.ts'
import { createUnnamedDialectNotice } from './http/unnamed-dialect.ts'
import { createUntrustedPeerNotices } from './http/untrusted-peers.ts'
import { createEndpointRequestReader } from './http/endpoint-request.ts'
import { cannotListen } from './listen-fault.ts'
import { createLoginRateLimit } from './login/rate-limit.ts'
import { createPages } from './pages/create-pages.ts'
import { registerProxy } from './proxy/proxy.ts'
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
  const { clock, stopwatch, timer, randomBytes, logger, metrics } = runtime
  const { access, cookies: cookieConfig, outage, session: lifetimes } = config
  const { scope, rules, identityHeaders, cache, provider, sessions, logins, usesPasses } = service
  const randomId = () => randomBytes(12).toString('base64url')

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
  const describe = createDescribe(access)
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
    sessionsRateLimit: createLoginRateLimit(access.loginsPerMinute, clock),
    describe: (session) => ({ ...describe(session), ...provenNames(session, access.userIdentifierClaim) }),
    issuer: config.provider.providerURL,
    skipSignIn: config.pages.skipSignIn,
    strictCookies: cookieConfig.sameSite === 'strict',
    hintSealer: createSealer(lifetimes.encryptionKeys, `logout ${scope}`, randomBytes),
    withinBudget: cache.withinBudget,
    postLogoutRedirectURI: config.paths.postLogoutRedirectURI,
    passes: usesPasses,
    randomId,
    clock,
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
    clock,
  })
  const auth = createAuth({
    readers: createReaders(config.forwardAuth.oauth2ProxyDialect, createUnnamedDialectNotice(access, logger)),
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
  const health = createHealth({ cache: cache.health, provider: () => provider.status(), phase })
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
      failureLimit: createFailureLimit(clock),
      withinBudget: cache.withinBudget,
      requestId: randomId,
      runtime,
    })
  for (const app of [server, operatorServer]) if (app !== undefined) surviveAcceptFaults(app.server, logger, clock)

  // Reverse-proxy mode
  const gateway = createGateway({
    auth,
    rules,
    upstreams: config.upstreams,
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
      timer,
      logger,
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

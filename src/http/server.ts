// Routes and nothing else: what comes in over Fastify is handed to the parts, what they answer is sent.
import type { IncomingMessage } from 'node:http'
import { METHODS } from 'node:http'
import { fastify, LogController, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import {
  contracts,
  decisionPath,
  forwardAuthContractNames,
  type Contract,
  type ContractFacts,
  type ForwardAuthContract,
} from '../config/contracts.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { AppError, BadRequest } from '../errors.ts'
import { resourceMetadataPath, type Addresses } from './addresses.ts'
import type { HttpResponse } from './http-response.ts'
import type { Auth } from './auth.ts'
import type { AuthRequest, AuthDecision } from './auth-decision.ts'
import { readBody, type Body } from './body.ts'
import { envoyPrefix } from './contracts.ts'
import type { Endpoints } from './endpoints.ts'
import type { Health } from './health.ts'
import { constraintOf, type Constraint } from './oauth2-proxy-query.ts'
import { limitPipelining } from './pipelining.ts'
import type { Refusals } from './refusals.ts'
import type { Send } from './send.ts'
import { pathOf, queryOf, type EndpointRequest } from './endpoint-request.ts'

export interface ServerDeps {
  readonly auth: Auth
  readonly endpoints: Endpoints
  readonly addresses: Addresses
  readonly refusals: Refusals
  readonly send: Send
  readonly endpointRequestOf: (raw: IncomingMessage) => EndpointRequest
  readonly health: Health
  readonly metrics: Metrics
  /** `/metrics` is on the operators' port alone. */
  readonly separateMetrics: boolean
  /** Reverse-proxy mode: every path but our prefix is the applications'. */
  readonly proxies: boolean
  readonly contract: ForwardAuthContract
  readonly allowStatus: number
  readonly groupClaimName: string
  readonly requestIdOf: (headers: FastifyRequest['headers']) => string
}

const maxHeaderBytes = 32 * 1024
const arrivalMs = 10_000

/** Every method a proxy may ask with: Envoy and `preserveRequestMethod` pass on the original one. CONNECT never gets here. */
const allMethods = METHODS.filter((method) => method !== 'CONNECT')

export function createServer(deps: ServerDeps): FastifyInstance {
  const { auth, endpoints, addresses, refusals, send } = deps
  const { ownPath, ownPrefix, signalPath } = addresses
  const bodyPaths: ReadonlySet<string> = new Set([signalPath.backChannelLogout, signalPath.securityEvents])
  const app = fastify({
    logController: new LogController({ disableRequestLogging: true }),
    // Above the idle timeouts of the proxies in front (Traefik 90 s): whoever closes first causes the other's retry.
    keepAliveTimeout: 120_000,
    // How long a whole request may take to arrive; uploads to an application have limits of their own (bodies.ts).
    requestTimeout: deps.proxies ? 0 : arrivalMs,
    http: {
      maxHeaderSize: maxHeaderBytes,
      // Of two Host headers Node would keep the first in silence; joined, as any other header is, they are seen to be two.
      joinDuplicateHeaders: true,
      headersTimeout: arrivalMs,
      // How late these two are noticed at most. Node's own 30 s would be three times what it bounds.
      connectionsCheckingInterval: 2_000,
    },
    // A path that the router cannot decode (`/auth/envoy/%zz`) is the original request's, and ours to judge.
    frameworkErrors: (error, request, reply) =>
      !deps.proxies && (request.raw.url ?? '').startsWith(`${envoyPrefix}/`)
        ? void envoy(request, reply)
        : void failed(error, request, reply),
    exposeHeadRoutes: false,
    return503OnClosing: false,
    // Bodies are not read, but of those endpoints of ours that say so: a proxy may pass on the original request's, whatever it is.
    bodyLimit: 64 * 1024,
    routerOptions: { ignoreTrailingSlash: false, caseSensitive: true },
  })
  // Node leaves out what comes after the 2,000th, in silence: a Content-Length that nobody sees is a body that nobody watches.
  // `maxHeaderSize` bounds them.
  app.server.maxHeadersCount = 0
  if (deps.proxies) limitPipelining(app.server)
  for (const method of allMethods) {
    if (!app.supportedMethods.includes(method)) app.addHttpMethod(method, { hasBody: false })
  }
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (request, payload, done) => {
    if (!bodyPaths.has(pathOf(request.raw.url))) {
      payload.resume()
      return done(null)
    }
    readBody(payload).then(
      (body) => done(null, body),
      (error: unknown) => done(new BadRequest('the body ended before it was whole', { cause: error })),
    )
  })

  function failed(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const { headers } = request.raw
    const asked = { method: request.raw.method ?? 'GET', headers, requestId: deps.requestIdOf(headers) }
    if (error instanceof AppError) return send(reply, refusals.forError(asked, error))
    const status = statusOf(error)
    return send(reply, refusals.refuse(asked, status, status < 500 ? 'bad_request' : 'internal'))
  }

  // --- decisions ----------------------------------------------------------------------------------------------------

  const decisionEndpoint = (contract: Contract, constraint?: (request: FastifyRequest) => Constraint | undefined) => {
    const facts: ContractFacts = contracts[contract]
    const allowStatus = facts.allowStatus ?? deps.allowStatus
    return (request: FastifyRequest, reply: FastifyReply) => {
      const { raw } = request
      const subrequest: AuthRequest = {
        method: raw.method ?? 'GET',
        headers: raw.headers,
        url: raw.url ?? '/',
        peer: raw.socket.remoteAddress,
      }
      const outcome = auth.forward(contract, subrequest, constraint?.(request))
      if (outcome instanceof Promise) {
        // It never rejects; should it ever, one request is refused rather than the process ended.
        outcome
          .then((settled) => sendOutcome(reply, settled, allowStatus, send))
          .catch((error: unknown) => failed(error, request, reply))
        return reply
      }
      sendOutcome(reply, outcome, allowStatus, send)
      return reply
    }
  }

  // What a body looks like is nobody's business here: one that Fastify does not take (size, odd type) decides nothing.
  const decide = (url: string, handler: ReturnType<typeof decisionEndpoint>) =>
    app.route({
      method: [...app.supportedMethods],
      url,
      handler,
      errorHandler: (error, request, reply) =>
        isAboutBody(error) ? void handler(request, reply) : void failed(error, request, reply),
    })

  const envoy = decisionEndpoint('envoy')
  if (!deps.proxies) {
    const bare = decisionEndpoint(deps.contract)
    decide('/auth', bare)
    // Where oauth2-proxy was asked at its root (`upstream = static://202`), the same is asked there; browsers find nothing.
    decide('/', (request, reply) =>
      request.headers['x-forwarded-uri'] === undefined ? (reply.callNotFound(), reply) : bare(request, reply),
    )
    for (const contract of forwardAuthContractNames) decide(decisionPath(contract), decisionEndpoint(contract))
    decide(`${envoyPrefix}/*`, envoy)
  }
  decide(
    ownPath.auth,
    decisionEndpoint('oauth2-proxy', ({ raw }) => constraintOf(queryOf(raw.url), deps.groupClaimName)),
  )

  // --- our own paths ------------------------------------------------------------------------------------------------

  const ownEndpoint = async (request: FastifyRequest, reply: FastifyReply) => {
    // As the parser above has left it.
    const body = (request.body ?? undefined) as Body | undefined
    const answer = await endpoints.answer({ ...deps.endpointRequestOf(request.raw), body })
    return send(reply, answer)
  }
  const { callbackPaths, logoutPath } = addresses
  const wellKnown = addresses.isResourceMetadata(resourceMetadataPath)
    ? [resourceMetadataPath, `${resourceMetadataPath}/*`]
    : []
  for (const url of new Set([
    `${ownPrefix}*`,
    ...callbackPaths.values(),
    logoutPath,
    ...Object.values(signalPath),
    ...wellKnown,
  ])) {
    app.route({ method: [...app.supportedMethods], url, handler: ownEndpoint })
  }

  // --- operators ----------------------------------------------------------------------------------------------------

  if (!deps.proxies) {
    addHealthRoutes(app, deps.health)
    if (!deps.separateMetrics) addMetricsRoute(app, deps.metrics)
  }

  app.setNotFoundHandler((request, reply) => {
    const { headers } = request.raw
    return send(
      reply,
      refusals.refuse({ method: request.method, headers, requestId: deps.requestIdOf(headers) }, 404, 'not_found'),
    )
  })
  app.setErrorHandler(failed)
  return app
}

/** What operators ask, on a port of its own. */
export function createOperatorServer(health: Health, metrics: Metrics): FastifyInstance {
  const app = fastify({
    logController: new LogController({ disableRequestLogging: true }),
    exposeHeadRoutes: false,
    // Open to the last, so that probes see the whole drain; a scraper's kept connection must not hold the end.
    forceCloseConnections: true,
  })
  addHealthRoutes(app, health)
  addMetricsRoute(app, metrics)
  return app
}

function addHealthRoutes(app: FastifyInstance, health: Health): void {
  const operator = (url: string, answer: () => HttpResponse) =>
    app.route({ method: ['GET', 'HEAD'], url, handler: (_request, reply) => sendPlain(reply, answer()) })
  operator('/healthz', health.healthz)
  operator('/ready', health.healthz)
  operator('/ping', health.healthz)
  operator('/livez', health.livez)
  operator('/readyz', health.readyz)
}

/** For operators: no browser of ours, and no cookies. */
function sendPlain(reply: FastifyReply, { status, headers, body }: HttpResponse): FastifyReply {
  return reply.code(status).headers(headers).send(body)
}

function addMetricsRoute(app: FastifyInstance, metrics: Metrics): void {
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.render()))
}

function sendOutcome(reply: FastifyReply, outcome: AuthDecision, allowStatus: number, send: Send): void {
  if (outcome.allow === undefined) {
    void send(reply, outcome.answer)
    return
  }
  const { wire } = outcome.allow
  const cookies = outcome.cookies ?? []
  // Past Fastify's reply: there is no body to serialise and no hook to run, and it costs a quarter of the whole answer.
  void reply.hijack()
  reply.raw.writeHead(allowStatus, cookies.length === 0 ? wire : [...wire, 'set-cookie', [...cookies]]).end()
}

const isAboutBody = (error: { readonly code?: string }) =>
  error.code?.startsWith('FST_ERR_CTP_') === true || error.code === 'FST_ERR_ROUTE_MISSING_CONTENT_TYPE'

function statusOf(error: unknown): number {
  const status: unknown = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  return typeof status === 'number' && status >= 400 && status <= 599 ? status : 500
}

// Routes and nothing else: what comes in over Fastify is handed to the parts, what they answer is sent.
import type { IncomingMessage } from 'node:http'
import { METHODS } from 'node:http'
import { fastify, LogController, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Contract } from '../config/config.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { ownPath, ownPrefix, type Addresses } from './addresses.ts'
import type { Answer } from './answer.ts'
import type { Auth } from './auth.ts'
import type { AuthRequest, Outcome } from './outcome.ts'
import { envoyPrefix } from './contracts.ts'
import type { Endpoints } from './endpoints.ts'
import type { Health } from './health.ts'
import { extraOf, type Extra } from './oauth2-proxy-query.ts'
import type { Refusals } from './refusals.ts'
import { queryOf, type Visit } from './visit.ts'

export interface ServerDeps {
  readonly auth: Auth
  readonly endpoints: Endpoints
  readonly addresses: Addresses
  readonly refusals: Refusals
  readonly visitOf: (raw: IncomingMessage) => Visit
  readonly health: Health
  readonly metrics: Metrics
  /** `/metrics` has a port of its own. */
  readonly separateMetrics: boolean
  /** Reverse-proxy mode is on. */
  readonly proxies: boolean
  readonly contract: Contract
  readonly allowStatus: number
  readonly groupClaimName: string
  readonly requestIdOf: (headers: FastifyRequest['headers']) => string
}

const maxHeaderBytes = 32 * 1024

/** Every method a proxy may ask with: Envoy and `preserveRequestMethod` pass on the original one. CONNECT never gets here. */
const allMethods = METHODS.filter((method) => method !== 'CONNECT')

export function createServer(deps: ServerDeps): FastifyInstance {
  const { auth, endpoints, addresses, refusals, health } = deps
  const app = fastify({
    logController: new LogController({ disableRequestLogging: true }),
    // Above the idle timeouts of the proxies in front (Traefik 90 s): whoever closes first causes the other's retry.
    keepAliveTimeout: 120_000,
    // How long a whole request may take to arrive. An upload through the proxy may take as long as it likes.
    requestTimeout: deps.proxies ? 0 : 10_000,
    // Of two Host headers Node would keep the first in silence; joined, as any other header is, they are seen to be two.
    http: { maxHeaderSize: maxHeaderBytes, joinDuplicateHeaders: true },
    // A path that the router cannot decode (`/auth/envoy/%zz`) is the original request's, and ours to judge.
    frameworkErrors: (error, request, reply) =>
      (request.raw.url ?? '').startsWith(`${envoyPrefix}/`)
        ? void envoy(request, reply)
        : void failed(error, request, reply),
    exposeHeadRoutes: false,
    return503OnClosing: false,
    // Bodies are never read: a proxy may pass on the original request's, whatever it is.
    bodyLimit: 64 * 1024,
    routerOptions: { ignoreTrailingSlash: false, caseSensitive: true },
  })
  for (const method of allMethods) {
    if (!app.supportedMethods.includes(method)) app.addHttpMethod(method, { hasBody: false })
  }
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => {
    payload.resume()
    done(null)
  })

  function failed(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const { headers } = request.raw
    const status = statusOf(error)
    return send(
      reply,
      refusals.refuse(
        { method: request.raw.method ?? 'GET', headers, requestId: deps.requestIdOf(headers) },
        status,
        status < 500 ? 'bad_request' : 'internal',
      ),
    )
  }

  // --- decisions ----------------------------------------------------------------------------------------------------

  const decisionEndpoint =
    (contract: Contract, allowStatus: number, extra?: (request: FastifyRequest) => Extra | undefined) =>
    (request: FastifyRequest, reply: FastifyReply) => {
      const { raw } = request
      const subrequest: AuthRequest = {
        method: raw.method ?? 'GET',
        headers: raw.headers,
        url: raw.url ?? '/',
        peer: raw.socket.remoteAddress,
      }
      const outcome = auth.forward(contract, subrequest, extra?.(request))
      if (outcome instanceof Promise) {
        // It never rejects; should it ever, one request is refused rather than the process ended.
        outcome
          .then((settled) => sendOutcome(reply, settled, allowStatus))
          .catch((error: unknown) => failed(error, request, reply))
        return reply
      }
      sendOutcome(reply, outcome, allowStatus)
      return reply
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

  // Envoy and the Gateway API take exactly 200.
  const envoy = decisionEndpoint('envoy', 200)
  const bare = decisionEndpoint(deps.contract, deps.contract === 'envoy' ? 200 : deps.allowStatus)
  decide('/auth', bare)
  // Where oauth2-proxy was asked at its root (`upstream = static://202`), the same is asked there; browsers find nothing.
  if (!deps.proxies) {
    decide('/', (request, reply) =>
      request.headers['x-forwarded-uri'] === undefined ? (reply.callNotFound(), reply) : bare(request, reply),
    )
  }
  for (const contract of ['traefik', 'caddy', 'nginx', 'haproxy'] as const) {
    decide(`/auth/${contract}`, decisionEndpoint(contract, deps.allowStatus))
  }
  decide(envoyPrefix, envoy)
  decide(`${envoyPrefix}/*`, envoy)
  decide(
    ownPath.auth,
    decisionEndpoint('oauth2-proxy', 202, ({ raw }) => extraOf(queryOf(raw.url), deps.groupClaimName)),
  )

  // --- our own paths ------------------------------------------------------------------------------------------------

  const ownEndpoint = async (request: FastifyRequest, reply: FastifyReply) => {
    const answer = await endpoints.answer(deps.visitOf(request.raw))
    return send(reply, answer)
  }
  for (const url of new Set([`${ownPrefix}*`, addresses.callbackPath, addresses.logoutPath])) {
    app.route({ method: [...app.supportedMethods], url, handler: ownEndpoint })
  }

  // --- operators ----------------------------------------------------------------------------------------------------

  const operator = (url: string, answer: () => Answer) =>
    app.route({ method: ['GET', 'HEAD'], url, handler: (_request, reply) => send(reply, answer()) })
  operator('/healthz', health.healthz)
  operator('/ready', health.healthz)
  operator('/ping', health.healthz)
  operator('/livez', health.livez)
  operator('/readyz', health.readyz)
  if (!deps.separateMetrics) addMetricsRoute(app, deps.metrics)

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

/** `/metrics` on a port of its own. */
export function createMetricsServer(metrics: Metrics): FastifyInstance {
  const app = fastify({ logController: new LogController({ disableRequestLogging: true }) })
  addMetricsRoute(app, metrics)
  return app
}

function addMetricsRoute(app: FastifyInstance, metrics: Metrics): void {
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.render()))
}

function sendOutcome(reply: FastifyReply, outcome: Outcome, allowStatus: number): void {
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

export function send(reply: FastifyReply, answer: Answer): FastifyReply {
  void reply.code(answer.status).headers(answer.headers)
  if (answer.cookies.length > 0) void reply.header('set-cookie', answer.cookies)
  return reply.send(answer.body)
}

const isAboutBody = (error: { readonly code?: string }) =>
  error.code?.startsWith('FST_ERR_CTP_') === true || error.code === 'FST_ERR_ROUTE_MISSING_CONTENT_TYPE'

function statusOf(error: unknown): number {
  const status: unknown = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  return typeof status === 'number' && status >= 400 && status <= 599 ? status : 500
}

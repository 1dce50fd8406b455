// Routes and nothing else: what comes in over Fastify is handed to the parts, what they answer is sent.
import { fastify, LogController, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { schemeOf } from '../access/canonical.ts'
import type { Contract } from '../config/config.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { ownPath, ownPrefix, type Addresses } from './addresses.ts'
import type { Answer } from './answer.ts'
import type { Auth, AuthRequest, Outcome } from './auth.ts'
import type { TrustedPeers } from './client.ts'
import { envoyPrefix } from './contracts.ts'
import type { Endpoints } from './endpoints.ts'
import type { Health } from './health.ts'
import { extraOf, type Extra } from './oauth2-proxy-query.ts'
import type { Refusals } from './refusals.ts'
import type { Visit } from './visit.ts'

export interface ServerDeps {
  readonly auth: Auth
  readonly endpoints: Endpoints
  readonly addresses: Addresses
  readonly refusals: Refusals
  readonly peers: TrustedPeers
  readonly health: Health
  readonly metrics: Metrics
  /** `/metrics` has a port of its own. */
  readonly separateMetrics: boolean
  readonly contract: Contract
  readonly allowStatus: number
  readonly groupClaimName: string
  readonly requestIdOf: (headers: FastifyRequest['headers']) => string
}

const maxHeaderBytes = 32 * 1024

/** Every method a proxy may ask with: Envoy and `preserveRequestMethod` pass on the original one. */
const allMethods = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'PROPPATCH',
  'MKCOL',
  'COPY',
  'MOVE',
  'LOCK',
  'UNLOCK',
  'MKCALENDAR',
  'REPORT',
  'SEARCH',
  'QUERY',
]

export function createServer(deps: ServerDeps): FastifyInstance {
  const { auth, endpoints, addresses, refusals, peers, health } = deps
  const app = fastify({
    logController: new LogController({ disableRequestLogging: true }),
    // Above the idle timeouts of the proxies in front (Traefik 90 s): whoever closes first causes the other's retry.
    keepAliveTimeout: 120_000,
    requestTimeout: 10_000,
    http: { maxHeaderSize: maxHeaderBytes },
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
        void outcome.then((settled) => sendOutcome(reply, settled, allowStatus))
        return reply
      }
      sendOutcome(reply, outcome, allowStatus)
      return reply
    }

  const decide = (url: string, handler: ReturnType<typeof decisionEndpoint>) =>
    app.route({ method: [...app.supportedMethods], url, handler })

  decide('/auth', decisionEndpoint(deps.contract, deps.contract === 'envoy' ? 200 : deps.allowStatus))
  for (const contract of ['traefik', 'caddy', 'nginx', 'haproxy'] as const) {
    decide(`/auth/${contract}`, decisionEndpoint(contract, deps.allowStatus))
  }
  // Envoy and the Gateway API take exactly 200.
  decide(envoyPrefix, decisionEndpoint('envoy', 200))
  decide(`${envoyPrefix}/*`, decisionEndpoint('envoy', 200))
  decide(
    ownPath.auth,
    decisionEndpoint('oauth2-proxy', 202, ({ raw }) => extraOf(queryOf(raw.url), deps.groupClaimName)),
  )

  // --- our own paths ------------------------------------------------------------------------------------------------

  const ownEndpoint = async (request: FastifyRequest, reply: FastifyReply) => {
    const answer = await endpoints.answer(visitOf(request))
    return send(reply, answer)
  }
  for (const url of new Set([`${ownPrefix}*`, addresses.callbackPath, addresses.logoutPath])) {
    app.route({ method: [...app.supportedMethods], url, handler: ownEndpoint })
  }

  /** A proxy that we trust describes the browser's request; from anyone else the request itself is all there is. */
  function visitOf(request: FastifyRequest): Visit {
    const { raw } = request
    const { headers } = raw
    const peer = raw.socket.remoteAddress
    const trusted = peers.includes(peer)
    const url = raw.url ?? '/'
    const at = url.indexOf('?')
    return {
      method: raw.method ?? 'GET',
      scheme: (trusted ? schemeIn(headers['x-forwarded-proto']) : undefined) ?? 'http',
      host: (trusted ? hostIn(headers['x-forwarded-host']) : undefined) ?? hostIn(headers.host) ?? 'localhost',
      path: at < 0 ? url : url.slice(0, at),
      query: queryOf(url),
      headers,
      clientAddress: peers.clientAddress(peer, headers),
      requestId: deps.requestIdOf(headers),
      relayed: false,
    }
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
  app.setErrorHandler((error, request, reply) => {
    const { headers } = request.raw
    const status = statusOf(error)
    return send(
      reply,
      refusals.refuse(
        { method: request.method, headers, requestId: deps.requestIdOf(headers) },
        status,
        status < 500 ? 'bad_request' : 'internal',
      ),
    )
  })
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

const queryOf = (url: string | undefined) => {
  const at = url?.indexOf('?') ?? -1
  return at < 0 ? '' : (url ?? '').slice(at + 1)
}

function schemeIn(value: string | string[] | undefined): 'http' | 'https' | undefined {
  if (typeof value !== 'string') return undefined
  try {
    return schemeOf(value)
  } catch {
    return undefined
  }
}

/** A host that can stand in a URL of ours as it is; anything else is nobody's wish. */
function hostIn(value: string | string[] | undefined): string | undefined {
  if (typeof value !== 'string') return undefined
  const host = value.toLowerCase()
  return URL.parse(`http://${host}`)?.host === host.replace(/:80$/, '') ? host : undefined
}

function statusOf(error: unknown): number {
  const status: unknown = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  return typeof status === 'number' && status >= 400 && status <= 599 ? status : 500
}

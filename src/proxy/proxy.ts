// Reverse-proxy mode: whole requests go through to the applications, once somebody else has decided that they may. This
// room owns what an application gets to see and how; it leaves to others who may pass (`authorize`), what a refusal looks
// like (`refuse`) and which paths are this service's own (`isOurs`).
import httpProxy from '@fastify/http-proxy'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { METHODS, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import type { UpstreamConfig } from '../config/config.ts'
import type { HttpResponse } from '../http/http-response.ts'
import { hasBody } from '../http/bodies.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Timer } from '../time.ts'
import { createDispatcher, type Dispatcher } from './dispatcher.ts'
import { createExchanges, type Exchange } from './exchanges.ts'
import { checkHealth } from './health-checks.ts'
import { createRequestHeaders, responseHeaders, withoutNominated, type Forwarded } from './headers.ts'
import { createLoads } from './loads.ts'
import { createUpstreamChoice, readTarget, upstreamPath, type Upstream } from './target.ts'
import { createStreams, type Follow } from './streams.ts'
import type { UpstreamStates } from './upstream-states.ts'
import { createRouter, onTheWay } from './router.ts'
import { createWebSockets, isOwnOrigin } from './websocket.ts'

export interface ProxyOptions {
  readonly upstreams: readonly UpstreamConfig[]
  /** Undefined after it has answered the request itself. Throwing denies. */
  authorize(request: FastifyRequest, reply: FastifyReply, upstream: UpstreamConfig): Promise<Admitted | undefined>
  /** Every header that `authorize` may set: no client's copy of one ever gets through, in any spelling. */
  readonly identityHeaderNames: readonly string[]
  ourCookieNames(name: string): boolean
  /** The browser's address, scheme and host; `host` in lower case, with its port if it has one. */
  forwarded(request: FastifyRequest): Forwarded
  readonly timer: Timer
  readonly states: UpstreamStates
  readonly metrics: Pick<Metrics, 'streamsClosed' | 'gauge'>
  /** What we say when it is us who answer (`bad_gateway`, ...). Absent: JSON. */
  refuse?(request: FastifyRequest, status: number, reason: ProxyRefusal): HttpResponse
  /** Paths (decoded) that are never proxied. */
  isOurs(path: string): boolean
}

/** A request that may pass. */
export interface Admitted {
  /** Identity headers to set. */
  readonly headers: Readonly<Record<string, string>>
  /** What stands behind it for as long as it stays open. */
  readonly follow: Follow
}

export type ProxyRefusal =
  'bad_request' | 'foreign_origin' | 'not_found' | 'bad_gateway' | 'gateway_timeout' | 'upstream_busy'

/** What was decided about a request, from its authorization to its answer. */
interface Passage {
  readonly upstream: Upstream
  readonly path: string
  readonly identity: Readonly<Record<string, string>>
  readonly forwarded: Forwarded
  readonly bodyOfGet: IncomingMessage | undefined
  /** The browser's. Kept here, because undici takes it away from a request whose body it gives up. */
  readonly socket: Socket
  readonly follow: Follow
  /** Undefined for a WebSocket. */
  readonly exchange: Exchange | undefined
  /** Answers in the upstream's place. */
  fail(status: 502 | 504): void
}

/** Adds a catch-all behind every route of ours. The agent's connections end with `app.close()`. */
export async function registerProxy(app: FastifyInstance, options: ProxyOptions): Promise<void> {
  const { upstreams, ourCookieNames, authorize, forwarded, isOurs, states, timer } = options
  const refuse = options.refuse ?? plainRefusal
  const choose = createUpstreamChoice(upstreams)
  const requestHeaders = createRequestHeaders(options)
  const dispatchers = new Map(
    upstreams.map((upstream): [UpstreamConfig, Dispatcher] => [
      upstream,
      createDispatcher({ upstream, isDown: () => states.isDown(upstream), timer }),
    ]),
  )
  const dispatcherOf = ({ config }: Upstream): Dispatcher => {
    const dispatcher = dispatchers.get(config)
    if (dispatcher === undefined) throw new TypeError('an upstream that was not configured')
    return dispatcher
  }
  const healthChecks = Array.from(dispatchers, ([upstream, dispatcher]) =>
    checkHealth({ upstream, dispatcher, states, timer }),
  )
  app.addHook('onClose', async () => healthChecks.forEach((end) => end()))
  const loads = createLoads()
  const webSockets = createWebSockets(app.server, timer)
  const streams = createStreams(options.metrics)
  const exchanges = createExchanges(streams, timer)
  const passages = new WeakMap<object, Passage>()
  const passageOf = (request: object): Passage => {
    const passage = passages.get(request)
    // Cannot be: the preHandler answers every request that it does not let pass. Throwing is a 500, never a way through.
    if (passage === undefined) throw new Error('a request reached the proxy without a decision')
    return passage
  }
  const answer = (request: FastifyRequest, reply: FastifyReply, status: number, reason: ProxyRefusal): void => {
    const { headers, cookies, body, status: code } = refuse(request, status, reason)
    if (cookies.length > 0) reply.header('set-cookie', [...cookies])
    reply.code(code).headers(headers).send(body)
  }

  /** Resolves to false once the request has been answered here: refused, or by `authorize`. */
  async function admit(request: FastifyRequest, reply: FastifyReply): Promise<boolean> {
    const refused = (status: number, reason: ProxyRefusal) => {
      answer(request, reply, status, reason)
      return false
    }
    const { raw } = request
    const { socket } = raw
    const target = readTarget(raw.url ?? '')
    if (target === undefined) return refused(400, 'bad_request')
    const from = forwarded(request)
    const upstream = isOurs(target.path) ? undefined : choose(from.host, target.path)
    if (upstream === undefined) return refused(404, 'not_found')
    const { allowedOrigins } = upstream.config
    const isWebSocket = webSockets.isOne(raw)
    if (isWebSocket && !isOwnOrigin(raw.headers.origin, from, allowedOrigins)) return refused(403, 'foreign_origin')

    const admitted = socket.destroyed ? undefined : await authorize(request, reply, upstream.config)
    // Nobody to answer any more: the application is spared what is only wanted by somebody who has gone.
    if (socket.destroyed) void reply.hijack()
    if (admitted === undefined || reply.sent) return false
    const { headers: identity, follow } = admitted
    if (!loads.take(upstream.config, isWebSocket ? socket : reply.raw)) return refused(503, 'upstream_busy')
    passages.set(request, {
      upstream,
      path: upstreamPath(upstream, target),
      identity,
      forwarded: from,
      bodyOfGet: isGet(raw) && hasBody(raw) ? raw : undefined,
      socket,
      follow,
      exchange: isWebSocket
        ? undefined
        : exchanges.begin({ socket, response: reply.raw, hasBody: hasBody(raw), follow }),
      fail: (status) => answer(request, reply, status, status === 504 ? 'gateway_timeout' : 'bad_gateway'),
    })
    // Fastify reads no body for methods that it does not know to have one (PROPFIND): passed on as it comes.
    if (request.body === undefined && hasBody(raw) && !isGet(raw)) request.body = raw
    return true
  }

  function headersFor({ identity, forwarded, upstream }: Passage, received: IncomingHttpHeaders): IncomingHttpHeaders {
    const sent = requestHeaders(received, identity, forwarded)
    sent.host = upstream.config.passHost ? forwarded.host : upstream.authority
    return sent
  }

  function headersBack({ upstream, forwarded }: Passage, received: Readonly<IncomingHttpHeaders>): IncomingHttpHeaders {
    states.answered(upstream.config)
    const publicOrigin = `${forwarded.proto}://${forwarded.host}`
    return responseHeaders(received, { ourCookieNames, upstreamOrigin: upstream.origin, publicOrigin })
  }

  function openWebSocket(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const passage = passageOf(request)
    const { upstream, path, follow, fail } = passage
    const headers = headersFor(passage, withoutNominated(request.raw.headers))
    return webSockets.open(request.raw, reply, {
      upgrade: () => dispatcherOf(upstream).upgrade({ path: path + queryOf(request.raw.url), headers }),
      headersBack: (received) => headersBack(passage, received),
      opened: (close) => streams.open(() => 'websocket', follow, close),
      idleMs: upstream.config.idleTimeoutMs,
      fail(error) {
        states.failed(upstream.config, error)
        fail(502)
      },
    })
  }

  const methods = METHODS.filter((method) => method !== 'CONNECT' && method !== 'TRACE')
  for (const method of methods) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method, { hasBody: true })

  await app.register(async (scope) => {
    // Bodies stream through as they come: the built-in parsers would hold text and JSON in memory, up to a limit.
    scope.removeAllContentTypeParsers()
    await scope.register(httpProxy, {
      // Chosen per request. No prefix with parameters (CVE-2026-120213), no rewriting of what upstreams answer.
      upstream: '',
      internalRewriteLocationHeader: false,
      httpMethods: methods,
      disableRequestLogging: true,
      disableCache: true,
      destroyAgent: true,
      // A request that was sent may have had its effect: whether to repeat it is for the browser to say.
      retryMethods: [],
      undici: createRouter(() => dispatchers.values()),
      preHandler: (request, reply, done) => {
        // http-proxy's type gives its own narrower reply; ours is any Fastify reply.
        admit(request, reply as FastifyReply).then(
          (isAdmitted) => (isAdmitted ? done() : undefined),
          (error: unknown) => done(error instanceof Error ? error : new Error('authorize failed', { cause: error })),
        )
      },
      handler: (request, reply, _destination, defaults) =>
        webSockets.isOne(request.raw)
          ? openWebSocket(request, reply as FastifyReply)
          : reply.from(passageOf(request).path, { ...defaults, retriesCount: 0, retryDelay: () => null }),
      replyOptions: {
        getUpstream: (request) => passageOf(request).upstream.origin,
        rewriteRequestHeaders: (request, headers) => {
          const passage = passageOf(request)
          const sent = headersFor(passage, headers)
          return onTheWay(sent, dispatcherOf(passage.upstream), passage.bodyOfGet)
        },
        rewriteHeaders: (received, request) => {
          if (request === undefined) return received
          return headersBack(passageOf(request), received)
        },
        onResponse: (request, reply, { stream }) => {
          // http-proxy's type knows of no stream but the answer that it came with: the body, as undici gives it.
          const body = stream as unknown as Readable
          passageOf(request).exchange?.answered(body)
          reply.send(body)
        },
        onError: (reply, { error }) => {
          const { upstream, socket, fail } = passageOf(reply.request)
          // The browser has gone: nobody to answer, and no fault of the upstream's.
          if (socket.destroyed) return void reply.hijack()
          states.failed(upstream.config, error)
          fail('statusCode' in error && error.statusCode === 504 ? 504 : 502)
        },
      },
    })
  })
}

/** With its `?`; empty where there is none. */
const queryOf = (target = ''): string => /\?.*$/.exec(target)?.[0] ?? ''

const isGet = ({ method }: IncomingMessage): boolean => method === 'GET' || method === 'HEAD'

const plainRefusal = (_request: FastifyRequest, status: number, reason: ProxyRefusal): HttpResponse => ({
  status,
  headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' },
  cookies: [],
  body: JSON.stringify({ error: reason }),
})

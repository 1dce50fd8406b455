// One way to the provider: its own connections, so that `caCertPath` and `insecureSkipVerify` concern nobody else; one
// deadline for the whole exchange, a limit for the body, and no redirect is ever followed: a token request must not
// wander, and a discovery document that has moved is a matter for the operator.
import tls from 'node:tls'
import { Agent, buildConnector, type Dispatcher, EnvHttpProxyAgent } from 'undici'
import type { CertificatePair, ProxiesConfig } from '../config/config.ts'
import { AnswerLost, ProviderUnavailable } from '../errors.ts'
import type { Durations } from '../telemetry/metrics.ts'
import type { Clock, Timer } from '../time.ts'
import { seconds } from '../time.ts'
import type { ClientCertificate } from './client-certificate.ts'
import { asked, connectionFault, isRefusedHandshake, timeoutFault } from './faults.ts'
import { isObject, isTooDeep, type JSONObject } from './json.ts'

export type Operation =
  | 'discovery'
  | 'jwks'
  | 'registration'
  | 'par'
  | 'token'
  | 'refresh'
  | 'userinfo'
  | 'groups'
  | 'revocation'
  | 'introspection'

export interface ProviderRequest {
  readonly operation: Operation
  readonly url: URL
  /** The option that the address is from. Absent: the provider's own document. */
  readonly namedBy?: 'providerURL' | 'discoveryURL'
  readonly headers: Readonly<Record<string, string>>
  /** A form to POST. Absent: GET. */
  readonly form?: URLSearchParams
  readonly json?: { readonly method: 'POST' | 'PUT'; readonly text: string }
  readonly maxBytes: number
}

export interface ProviderAnswer {
  readonly status: number
  /** Lower case, without parameters. */
  readonly contentType: string
  /** Where a redirect leads. It is not followed. */
  readonly location?: string
  /** `WWW-Authenticate` */
  readonly challenge?: string
  /** `DPoP-Nonce` (RFC 9449 section 8). */
  readonly dpopNonce?: string
  /** Undefined: longer than `maxBytes`. */
  readonly body: string | undefined
}

export interface Transport {
  /**
   * Throws ProviderUnavailable when no whole answer came in time, and AnswerLost where the provider may have carried out what
   * was asked all the same. Whatever status came is the caller's business.
   */
  send(request: ProviderRequest): Promise<ProviderAnswer>
  close(): void
}

export interface TransportOptions {
  readonly caPEM: string | undefined
  readonly insecureSkipVerify: boolean
  readonly clientCertificate: Pick<ClientCertificate, 'current'> | undefined
  readonly proxies: ProxiesConfig
  readonly timeoutMs: number
  readonly clock: Clock
  readonly timer: Timer
  readonly durations: Durations<'operation' | 'outcome'>
}

type Outcome = 'ok' | 'rejected' | 'error' | 'timeout'

// Nobody waits for a refresh, and one that is cut may have spent the refresh token: it is given all the time it may need.
const refreshTimeoutMs = seconds(30)

export function createTransport(options: TransportOptions): Transport {
  const { timeoutMs, clock, timer, durations } = options
  const limitFor = (operation: Operation) =>
    operation === 'refresh' ? Math.max(timeoutMs, refreshTimeoutMs) : timeoutMs
  const { clientCertificate } = options
  let pools = openPools(options, clientCertificate?.current())
  /** Of a certificate of before: until what is under way on them has ended. */
  const retired = new Set<Pools>()

  function poolsNow(): Pools {
    const certificate = clientCertificate?.current()
    if (certificate !== pools.certificate) {
      const old = pools
      retired.add(old)
      void Promise.all([old.kept.close(), old.fresh.close()]).finally(() => retired.delete(old))
      pools = openPools(options, certificate)
    }
    return pools
  }

  const wayTo = ({ protocol }: URL) => {
    const proxy = protocol === 'https:' ? options.proxies.https : options.proxies.http
    return { proxy: proxy === undefined ? undefined : new URL(proxy).host }
  }

  function exchange(request: ProviderRequest, timedOut: () => void): Promise<ProviderAnswer> {
    const { url, headers, form, json, maxBytes, operation } = request
    const body = json?.text ?? form?.toString()
    const { promise, resolve, reject } = Promise.withResolvers<ProviderAnswer>()
    const chunks: Buffer[] = []
    let bytes = 0
    let controller: Dispatcher.DispatchController | undefined
    let isOver = false
    let head: Omit<ProviderAnswer, 'body'> = { status: 0, contentType: '' }

    const fail = (why: string, options?: ErrorOptions): void => {
      // Before a connection stood nothing was sent. What only asks can be asked again.
      const isSent = controller !== undefined && !isRefusedHandshake(options?.cause)
      const Lost = isSent && body !== undefined ? AnswerLost : ProviderUnavailable
      reject(new Lost(why, options))
    }
    const end = (): void => {
      isOver = true
      controller?.abort(new Error('no longer wanted'))
    }
    const stop = timer(() => {
      timedOut()
      fail(timeoutFault(request, limitFor(operation), wayTo(url)))
      end()
    }, limitFor(operation))

    const { kept, fresh } = poolsNow()
    const { dispatcher, method } =
      body === undefined ? { dispatcher: kept, method: 'GET' } : { dispatcher: fresh, method: json?.method ?? 'POST' }
    const type = json === undefined ? 'application/x-www-form-urlencoded' : 'application/json'
    dispatcher.dispatch(
      {
        origin: url.origin,
        path: url.pathname + url.search,
        method,
        headers: {
          'user-agent': 'foregate',
          ...headers,
          ...(body === undefined ? {} : { 'content-type': type }),
        },
        ...(body === undefined ? {} : { body }),
      },
      {
        onRequestStart(started) {
          // Its time ran out while the connection was being made: nothing is sent any more.
          if (isOver) started.abort(new Error('no longer wanted'))
          else controller = started
        },
        onResponseStart(_controller, status, headers) {
          const {
            'content-type': type = '',
            location,
            'www-authenticate': challenge,
            'dpop-nonce': dpopNonce,
          } = headers
          const [contentType = ''] = String(type).split(';', 1)
          head = {
            status,
            contentType: contentType.trim().toLowerCase(),
            ...(typeof location === 'string' && { location }),
            ...(challenge !== undefined && { challenge: String(challenge) }),
            ...(typeof dpopNonce === 'string' && { dpopNonce }),
          }
        },
        onResponseData(_controller, chunk) {
          bytes += chunk.length
          if (bytes <= maxBytes) return void chunks.push(chunk)
          resolve({ ...head, body: undefined })
          end()
        },
        onResponseEnd: () => resolve({ ...head, body: new TextDecoder().decode(Buffer.concat(chunks)) }),
        onResponseError(_controller, cause) {
          // What is refused before it is sent may be quoted in the reason.
          if ('code' in cause && cause.code === 'UND_ERR_INVALID_ARG') fail(`${asked(request)}: it cannot be sent`)
          else fail(connectionFault(request, cause, wayTo(url)), { cause })
        },
      },
    )
    return promise.finally(stop)
  }

  return {
    async send(request) {
      const startedAt = clock()
      let outcome: Outcome = 'error'
      try {
        const answer = await exchange(request, () => (outcome = 'timeout'))
        outcome = answer.status < 300 ? 'ok' : answer.status < 500 ? 'rejected' : 'error'
        return answer
      } finally {
        durations.labels({ operation: request.operation, outcome }).observe((clock() - startedAt) / 1_000)
      }
    },
    close() {
      for (const { kept, fresh } of [pools, ...retired]) for (const pool of [kept, fresh]) void pool.destroy()
    },
  }
}

interface Pools {
  readonly certificate: CertificatePair | undefined
  readonly kept: Dispatcher
  /**
   * A code or a rotating refresh token must not be sent twice, so a POST takes no chance on a kept connection that the provider may be
   * closing at this moment.
   */
  readonly fresh: Dispatcher
}

const openPools = (options: TransportOptions, certificate: CertificatePair | undefined): Pools => ({
  certificate,
  kept: connections(options, certificate, 1),
  fresh: connections(options, certificate, 0),
})

/** `pipelining` 0: each connection is for one request (undici's way to say it). */
function connections(
  { caPEM, insecureSkipVerify, proxies, timeoutMs }: TransportOptions,
  certificate: CertificatePair | undefined,
  pipelining: 0 | 1,
): Dispatcher {
  const trust = {
    rejectUnauthorized: !insecureSkipVerify,
    ...certificate,
    ...(caPEM === undefined ? {} : { ca: [...tls.getCACertificates('default'), caPEM] }),
  }
  const options = {
    pipelining,
    // A refresh may wait for its answer, not for its connection: what could not be sent may be tried again at once.
    connect: { ...trust, timeout: timeoutMs },
    allowH2: false,
    // The deadline is the caller's, for the whole exchange.
    headersTimeout: 0,
    bodyTimeout: 0,
    // Idle connections go before the 5 s after which many servers close them.
    keepAliveTimeout: seconds(4),
    keepAliveMaxTimeout: seconds(4),
  }
  const { http, https, except } = proxies
  if (http === undefined && https === undefined) return new Agent({ ...options, connect: connecting(options.connect) })
  return new EnvHttpProxyAgent({
    ...options,
    connectTimeout: timeoutMs,
    requestTls: trust,
    // Empty, not absent: undici would look into the environment by itself.
    httpProxy: http ?? '',
    httpsProxy: https ?? '',
    // Nobody else reaches this machine's own loopback.
    noProxy: ['localhost', '127.0.0.1', '::1', ...except].join(),
  })
}

/**
 * A server that refuses our certificate says why by an alert, after the handshake, and closes. undici would tell of the closing only:
 * whoever is destroyed by the alert is told of that.
 */
function connecting(options: buildConnector.BuildOptions): buildConnector.connector {
  const connect = buildConnector({ ...options, allowH2: false })
  return (target, done) =>
    connect(target, (...result) => {
      const [, socket] = result
      socket?.once('error', (alert) => socket.destroy(alert))
      done(...result)
    })
}

/** The body as a JSON object, or undefined: HTML, an array, a string, nothing, too long, too deep. */
export function jsonObject(answer: ProviderAnswer): JSONObject | undefined {
  if (answer.body === undefined) return undefined
  try {
    const value: unknown = JSON.parse(answer.body)
    return isObject(value) && !isTooDeep(value) ? value : undefined
  } catch {
    return undefined
  }
}

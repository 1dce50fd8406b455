// Connections to one upstream. Made here and not by the proxy's own package, which does not verify an https upstream's certificate
// unless told to (reply-from CVE-2026-107318), and so that each upstream is verified against its own CA.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { Agent, buildConnector, type Dispatcher as UndiciDispatcher } from 'undici'
import type { UpstreamConfig } from '../config/config.ts'
import type { Timer } from '../time.ts'

type RequestOptions = UndiciDispatcher.RequestOptions & { headers: IncomingHttpHeaders }
type Answer = (error: Error | null, data: UndiciDispatcher.ResponseData) => void

export interface Dispatcher {
  /** `body`: of a GET or HEAD. */
  request(options: RequestOptions, body: IncomingMessage | undefined, answer: Answer): void
  /** Rejects when the upstream does not answer. */
  upgrade(target: { path: string; headers: IncomingHttpHeaders }): Promise<Upgraded>
  destroy(): void
}

/** What an application says to an upgrade: yes, with what is now its end of it, or another answer. */
export type Upgraded =
  | { readonly kind: 'open'; readonly headers: IncomingHttpHeaders; readonly socket: Duplex }
  | { readonly kind: 'refused'; readonly status: number }

export interface DispatcherDeps {
  readonly upstream: UpstreamConfig
  /** The last word of the upstream was that it cannot be reached: nobody is kept waiting for another try. */
  readonly isDown: () => boolean
  readonly timer: Timer
}

export function createDispatcher({ upstream, isDown, timer }: DispatcherDeps): Dispatcher {
  const { origin } = new URL(upstream.url)
  const timeouts = { headersTimeout: upstream.responseTimeoutMs, bodyTimeout: upstream.idleTimeoutMs ?? 0 }
  const agent = new Agent({
    pipelining: 1,
    // The connector offers none; left to find that out, undici makes one connection to an https upstream at a time until one stands.
    allowH2: false,
    // No upper bound of them here: one for each request under way. Of a bounded number, event streams or clients that take an answer
    // slowly would leave none to everybody else, who would wait in silence.
    ...timeouts,
    connect: withRetries(createConnector(upstream), isDown, timer),
  })
  return {
    request(options, body, answer) {
      const timed = { ...options, ...timeouts }
      // A server may stop reading a GET at its head, and take the body for the next request: there is none on this connection.
      agent.request(body === undefined ? timed : { ...timed, body, reset: true }, answer)
    },

    upgrade(target) {
      const { promise, resolve, reject } = Promise.withResolvers<Upgraded>()
      agent.dispatch(
        { ...target, origin, method: 'GET', upgrade: 'websocket' },
        {
          onRequestUpgrade(_controller, _status, headers, socket) {
            if (/^websocket$/i.test(String(headers['upgrade']))) return resolve({ kind: 'open', headers, socket })
            socket.destroy()
            reject(new Error('the upstream agreed to another protocol'))
          },
          onResponseStart(controller, status) {
            // Early hints: the answer is still to come.
            if (status < 200) return
            resolve({ kind: 'refused', status })
            controller.abort(new Error('no upgrade'))
          },
          onResponseError: (_controller, error) => reject(error),
          // undici wants all of them.
          onRequestStart: () => undefined,
          onResponseData: () => undefined,
          onResponseEnd: () => undefined,
        },
      )
      return promise
    },

    destroy: () => void agent.destroy(),
  }
}

function createConnector(upstream: UpstreamConfig): buildConnector.connector {
  const { caPEM: ca, certPEM: cert, keyPEM: key, serverName, connectTimeoutMs: timeout } = upstream
  const connect = buildConnector({
    timeout,
    allowH2: false,
    rejectUnauthorized: true,
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && key !== undefined && { cert, key }),
  })
  return (options, connected) => {
    const { hostname } = options
    // Without it the name to verify would come from the Host header, which is the browser's. An address is none (RFC 6066).
    const servername = serverName ?? (isIP(hostname) === 0 ? hostname : '')
    if (options.protocol === 'https:') connect({ ...options, servername }, connected)
    // To undici a server name without TLS is the host to connect to.
    else connect({ ...options, servername: '' }, connected)
  }
}

/** An application that is being replaced is away for less than a second. */
const retryAfterMs = [100, 400]
const passing: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
])

/**
 * The one thing that is tried again: a connection that did not come about, over which nothing can have been sent. A request that may
 * have reached the application may have had its effect; whether to repeat it is for the browser to say.
 */
function withRetries(connect: buildConnector.connector, isDown: () => boolean, timer: Timer): buildConnector.connector {
  return (options, connected) => {
    const attempt = (number: number): void =>
      connect(options, (...outcome) => {
        const [error] = outcome
        const delayMs = retryAfterMs[number]
        const isPassing = error !== null && 'code' in error && passing.has(error.code)
        if (!isPassing || delayMs === undefined || isDown()) return connected(...outcome)
        timer(() => attempt(number + 1), delayMs)
      })
    attempt(0)
  }
}

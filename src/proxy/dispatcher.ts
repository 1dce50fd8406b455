// Connections to upstreams. Made here and not by the proxy's own package, which does not verify an https upstream's certificate
// unless told to (reply-from CVE-2026-107318), and so that each upstream is verified against its own CA.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { Agent, buildConnector, type Dispatcher } from 'undici'

export interface DispatcherOptions {
  /** The certificates to trust for an origin, instead of the system's. */
  readonly caPEM: ReadonlyMap<string, string | undefined>
  readonly connectTimeoutMs: number
  /** For an upstream's first byte; its body may take as long as it likes. */
  readonly headersTimeoutMs: number
}

const body = Symbol('body')

/** Headers of a GET or HEAD together with its body, which reply-from would not pass on. */
export const withBody = (headers: IncomingHttpHeaders, raw: IncomingMessage): IncomingHttpHeaders =>
  Object.assign(headers, { [body]: raw })

/** What an application says to an upgrade: yes, with what is now its end of it, or another answer. */
export type Upgraded =
  | { readonly kind: 'open'; readonly headers: IncomingHttpHeaders; readonly socket: Duplex }
  | { readonly kind: 'refused'; readonly status: number }

/** What reply-from sends requests with, and destroys when the server closes. */
export function createDispatcher({ caPEM, connectTimeoutMs, headersTimeoutMs }: DispatcherOptions) {
  const agent = new Agent({
    pipelining: 1,
    // The connector offers none; left to find that out, undici makes one connection to an https upstream at a time until one stands.
    allowH2: false,
    // No upper bound of them: one for each request under way. Of a bounded number, event streams or clients that take an answer
    // slowly would leave none to everybody else.
    headersTimeout: headersTimeoutMs,
    bodyTimeout: 0,
    connect: createConnector(caPEM, connectTimeoutMs),
  })
  const request = (
    options: Dispatcher.RequestOptions & { headers: IncomingHttpHeaders & { [body]?: IncomingMessage } },
    answer: (error: Error | null, data: Dispatcher.ResponseData) => void,
  ): void => {
    const { [body]: given, ...headers } = options.headers
    // A server may stop reading a GET at its head, and take the body for the next request: there is none on this connection.
    agent.request(given === undefined ? options : { ...options, headers, body: given, reset: true }, answer)
  }
  /** Rejects when the upstream does not answer. */
  function upgrade(target: { origin: string; path: string; headers: IncomingHttpHeaders }): Promise<Upgraded> {
    const { promise, resolve, reject } = Promise.withResolvers<Upgraded>()
    agent.dispatch(
      { ...target, method: 'GET', upgrade: 'websocket' },
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
  }
  return { request, upgrade, headersTimeout: headersTimeoutMs, bodyTimeout: 0, destroy: () => void agent.destroy() }
}

function createConnector(caPEM: DispatcherOptions['caPEM'], timeout: number): buildConnector.connector {
  const connectorFor = (ca: string | undefined) =>
    buildConnector({ timeout, allowH2: false, rejectUnauthorized: true, ...(ca !== undefined && { ca }) })
  const otherwise = connectorFor(undefined)
  const own = new Map([...caPEM].flatMap(([origin, ca]) => (ca === undefined ? [] : [[origin, connectorFor(ca)]])))
  return (options, connected) => {
    const { protocol, host, hostname } = options
    const connect = own.get(`${protocol}//${host}`) ?? otherwise
    // Without it the name to verify would come from the Host header, which is the browser's. An address is none (RFC 6066).
    connect({ ...options, servername: isIP(hostname) === 0 ? hostname : '' }, connected)
  }
}

// Where peers are heard: a port of its own with one endpoint. Whoever is no peer learns nothing and holds nothing: no words in
// refusals, no body read without something like a MAC, no connection longer than a peer would need.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Address } from '../config/config.ts'
import type { Logger } from '../telemetry/logger.ts'
import { cannotListen } from '../listen-fault.ts'
import { announcedLength, readBody } from './body.ts'
import { createCrowd } from './crowd.ts'
import { macShape, maxMessageBytes, type Signed } from './message.ts'
import type { Notice } from './notices.ts'

export const path = '/exchange'
export const macHeader = 'foregate-mac'

export interface ListenerLimits {
  /** For the headers, and for the whole request. */
  readonly requestMs: number
  /** Between two requests, and without a byte in either direction. */
  readonly idleMs: number
  readonly connections: number
}

export const listenerLimits: ListenerLimits = { requestMs: 2_000, idleMs: 10_000, connections: 64 }

export interface Listener {
  /** Resolves with the port. Rejects where it cannot listen. */
  start(): Promise<number>
  stop(): Promise<void>
  readonly connections: number
}

export function createListener(parts: {
  listen: Address
  limits: ListenerLimits
  /** Undefined: it is not a peer's, or does not count. */
  exchange: (question: Signed, from: string) => Signed | undefined
  logger: Logger
  notice: Notice
}): Listener {
  const { listen, limits, exchange, logger, notice } = parts
  const crowd = createCrowd(limits.connections)

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url !== path) return refuse(response, 404)
    if (request.method !== 'POST') return refuse(response, 405)
    const length = announcedLength(request, maxMessageBytes)
    if (length === undefined) return refuse(response, 413)
    const mac = request.headers[macHeader]
    if (typeof mac !== 'string' || !macShape.test(mac)) return refuse(response, 403)
    const body = await readBody(request)
    const answer = exchange({ body, mac }, request.socket.remoteAddress ?? '')
    if (answer === undefined) return refuse(response, 403)
    crowd.proved(request.socket)
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': answer.body.length,
      [macHeader]: answer.mac,
    })
    response.end(answer.body)
  }

  const server = createServer({
    headersTimeout: limits.requestMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.idleMs,
    connectionsCheckingInterval: Math.min(250, limits.requestMs / 2),
    maxHeaderSize: 4_096,
    requireHostHeader: false,
  })
  server.timeout = limits.idleMs
  server.on('connection', (socket) => crowd.admit(socket))
  server.on('request', (request, response) => {
    response.once('close', crowd.atWork(request.socket))
    handle(request, response).catch((error: unknown) => {
      // A body that was cut short is the sender's affair, and its connection is gone.
      if (request.complete) {
        logger.error({ event: 'peer_exchange_failed', reason: 'internal', err: error }, 'a peer was not answered')
      }
      if (!response.headersSent) refuse(response, 500)
    })
  })
  // Not even the reason that HTTP would give.
  server.on('clientError', (_, socket) => socket.destroy())

  return {
    start: () =>
      new Promise((resolve, reject) => {
        const refuse = (error: Error) => reject(cannotListen('peers.listen', listen, error))
        server.once('error', refuse)
        server.listen({ host: listen.host, port: listen.port }, () => {
          server.off('error', refuse)
          // Without a handler, a fault of one accept would end the process.
          server.on('error', (error) =>
            notice({ event: 'peers_failed', reason: 'listener', err: error }, 'the listener for peers failed'),
          )
          // Listening on TCP: the address is never a pipe's name.
          resolve((server.address() as AddressInfo).port)
        })
      }),
    stop: () =>
      new Promise((resolve) => {
        // The callback comes as well where it never listened.
        server.close(() => resolve())
        crowd.closeAll()
      }),
    get connections() {
      return crowd.size
    },
  }
}

/** With nothing said, and the connection closed: a stranger's body is not read to its end. */
function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { connection: 'close', 'content-length': 0 }).end()
}

// The admin port: connections, TLS, bodies, and nothing that a question means. Whoever has not passed the door has no body read.
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Address, AdminTlsConfig } from '../config/config.ts'
import { surviveAcceptFaults } from '../http/accept-faults.ts'
import { cannotListen } from '../listen-fault.ts'
import type { Logger } from '../telemetry/logger.ts'
import { seconds, type Clock, type Timer } from '../time.ts'
import { refusal, WrongQuestion, type AdminAnswer } from './answer.ts'
import type { AdminAPI } from './api.ts'
import type { Audit } from './audit.ts'
import type { Door } from './door.ts'

export interface AdminListener {
  /** Resolves with the port. Rejects where it cannot listen. */
  listen(): Promise<number>
  /** Takes no more, and lets what is being answered end, for a second. */
  close(): Promise<void>
}

const maxBodyBytes = 16 * 1024
const requestMs = seconds(5)
const closingMs = seconds(1)

export function createAdminListener(deps: {
  listen: Address
  tls: AdminTlsConfig | undefined
  door: Door
  api: AdminAPI
  audit: Audit
  requestId: () => string
  clock: Clock
  timer: Timer
  logger: Logger
}): AdminListener {
  const { listen, tls, door, api, audit, logger } = deps

  async function answer(request: IncomingMessage, requestId: string): Promise<AdminAnswer> {
    const entry = await door(request, requestId)
    if ('refused' in entry) {
      audit.refused(entry.reason)
      return entry.refused
    }
    const by = { actor: entry.actor, client: request.socket.remoteAddress ?? 'unknown', requestId }
    const url = request.url ?? '/'
    const at = url.indexOf('?')
    try {
      const handled = await api({
        method: request.method ?? 'GET',
        path: at < 0 ? url : url.slice(0, at),
        query: at < 0 ? '' : url.slice(at + 1),
        body: () => readJSON(request),
      })
      audit.act(handled.act, by)
      return handled.answer
    } catch (error) {
      audit.act({ action: 'none', outcome: 'failed' }, by)
      logger.error({ event: 'admin_failed', requestId, err: error }, 'an operator was not answered')
      return refusal(500, 'internal', 'an error of ours, with the line admin_failed in the log')
    }
  }

  const onRequest: RequestListener = (request, response) => {
    const requestId = deps.requestId()
    void answer(request, requestId).then((answered) => send(request, response, requestId, answered))
  }
  const limits = { headersTimeout: requestMs, requestTimeout: requestMs, maxHeaderSize: 8 * 1024 }
  const server: Server =
    tls === undefined
      ? createServer(limits, onRequest)
      : createTlsServer(
          {
            ...limits,
            cert: tls.cert,
            key: tls.key,
            minVersion: 'TLSv1.2',
            handshakeTimeout: requestMs,
            ...(tls.clientCA !== undefined && { ca: tls.clientCA, requestCert: true, rejectUnauthorized: true }),
          },
          onRequest,
        )
  server.maxConnections = 64
  server.keepAliveTimeout = seconds(5)
  surviveAcceptFaults(server, logger, deps.clock)

  return {
    listen: () =>
      new Promise((resolve, reject) => {
        const refuse = (error: Error) => reject(cannotListen('admin.listen', listen, error))
        server.once('error', refuse)
        server.listen({ host: listen.host, port: listen.port }, () => {
          server.off('error', refuse)
          // Listening on TCP: the address is never a pipe's name.
          const { port } = server.address() as AddressInfo
          logger.info({ event: 'admin_listening', address: listen.host, port }, `operators are heard on port ${port}`)
          resolve(port)
        })
      }),
    close: () =>
      new Promise((resolve) => {
        if (!server.listening) return resolve()
        const cancel = deps.timer(() => server.closeAllConnections(), closingMs)
        server.close(() => {
          cancel()
          resolve()
        })
        server.closeIdleConnections()
      }),
  }
}

function send(request: IncomingMessage, response: ServerResponse, requestId: string, answer: AdminAnswer): void {
  const text = `${JSON.stringify(answer.body)}\n`
  response.writeHead(answer.status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-request-id': requestId,
    ...answer.headers,
    // A body that nobody has read would be taken for the next request.
    ...(!request.complete && { connection: 'close' }),
  })
  response.end(request.method === 'HEAD' ? undefined : text)
}

async function readJSON(request: IncomingMessage): Promise<unknown> {
  // Also what a page may send to anywhere without being asked first: it would be text/plain or a form.
  if (!/^application\/json(?:\s*;|$)/i.test(request.headers['content-type'] ?? '')) {
    throw new WrongQuestion('Content-Type must be application/json', 415, 'unsupported_media_type')
  }
  const written = request.headers['content-length']
  if (written === undefined) {
    throw new WrongQuestion('Content-Length is needed: the length of a body has to be known', 411, 'length_required')
  }
  if (Number(written) > maxBodyBytes) {
    throw new WrongQuestion(`the body may have ${maxBodyBytes} bytes`, 413, 'too_large')
  }
  const chunks: Buffer[] = []
  try {
    // Never more than was announced: the parser sees to that.
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  } catch {
    throw new WrongQuestion('the body ended before it was whole')
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString()) as unknown
  } catch {
    throw new WrongQuestion('the body must be JSON, such as {"user": "ann@example.com"}')
  }
}

// WebSockets of reverse-proxy mode. Each upgrade is decided like any other request, by the same code: it is handed to the server's
// ordinary way, with its socket put aside. Once the application has agreed, bytes go through as they come (tunnel.ts); messages are
// its own business. (http-proxy's own handling takes the server's `upgrade` event for itself and answers by a library that opens and reads
// messages: CVE-2026-130647, -129500, -129502, -133111.)
import type { FastifyReply } from 'fastify'
import { ServerResponse, type IncomingHttpHeaders, type IncomingMessage, type Server } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { hasBody } from '../http/bodies.ts'
import { minutes, type Timer } from '../time.ts'
import type { Upgraded } from './dispatcher.ts'
import type { Forwarded } from './headers.ts'
import type { OpenStream, StreamEnd } from './streams.ts'
import { joinWebSocket } from './tunnel.ts'

/** Of the close frame, where a session's end closes it: of those that are an application's own (RFC 6455 section 7.4.2). */
const sessionEnded = 4401
/** Going away (section 7.4.1). */
const goingAway = 1001

export interface WebSockets {
  /** False: any other request, whose Upgrade is ignored (RFC 9110 section 7.8). */
  isOne(request: IncomingMessage): boolean
  /** Asks the application, and joins the two if it agrees. */
  open(request: IncomingMessage, reply: FastifyReply, passage: UpgradePassage): Promise<FastifyReply>
}

export interface UpgradePassage {
  /** Rejects when the application does not answer. */
  upgrade(): Promise<Upgraded>
  /** What of its headers may go to the browser. */
  headersBack(received: IncomingHttpHeaders): IncomingHttpHeaders
  /** Registers it as open; `close`: see Streams. */
  opened(close: (reason: StreamEnd) => void): OpenStream
  /** Undefined: it may be silent for ever. */
  readonly idleMs: number | undefined
  /** Answers in the application's place. */
  fail(error: Error): void
}

export function createWebSockets(server: Server, timer: Timer): WebSockets {
  const sockets = new WeakMap<IncomingMessage, Socket>()
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // Nobody else listens any more: an error without a listener would end the process.
    socket.on('error', () => socket.destroy())
    // Who speaks before the answer does not speak WebSocket: what they said would be the next request, and is lost to us.
    if (head.length > 0 || hasBody(request) || !(socket instanceof Socket)) {
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n', () => socket.destroy())
      return
    }
    socket.setTimeout(0)
    // It may be silent for hours; only this notices that the other side has vanished.
    socket.setKeepAlive(true, minutes(1))
    const response = new ServerResponse(request)
    // Whatever the answer is, its connection speaks no more HTTP: its parser is gone.
    response.shouldKeepAlive = false
    try {
      response.assignSocket(socket)
    } catch {
      // The answer to an earlier request is still under way on it.
      socket.destroy()
      return
    }
    response.once('finish', () => socket.end(() => socket.destroy()))
    if (isWebSocket(request)) sockets.set(request, socket)
    server.emit('request', request, response)
  })

  function join(client: Socket, application: Duplex, { opened, idleMs }: UpgradePassage): void {
    const tunnel = joinWebSocket({
      client,
      application,
      onUse: () => stream.used(),
      onEnd: () => stream.done(),
      idleMs,
      onIdle: () => stream.end('silent'),
      timer,
    })
    const stream = opened((reason) => tunnel.close(reason === 'silent' ? goingAway : sessionEnded, reason))
  }

  return {
    isOne: (request) => sockets.has(request),

    async open(request, reply, passage) {
      const socket = sockets.get(request)
      // Cannot be: who calls has asked `isOne`. Throwing is a 500, never a way through.
      if (socket === undefined) throw new Error('not a WebSocket')
      try {
        const upgraded = await passage.upgrade()
        if (upgraded.kind === 'refused') return reply.code(upgraded.status).send()
        void reply.hijack()
        if (socket.destroyed) upgraded.socket.destroy()
        else {
          agree(reply.raw, socket, passage.headersBack(upgraded.headers))
          join(socket, upgraded.socket, passage)
        }
      } catch (error) {
        // The browser has gone: nobody to answer, and no fault of the upstream's.
        if (socket.destroyed) return reply.hijack()
        passage.fail(error instanceof Error ? error : new Error('no upgrade', { cause: error }))
      }
      return reply
    },
  }
}

const isWebSocket = ({ method, headers }: IncomingMessage): boolean =>
  method === 'GET' && /^websocket$/i.test(headers.upgrade ?? '')

/**
 * Whether the page that asks is one of the host that it asks, or of those that the operator lists. Browsers send cookies with the WebSockets of any page of the same
 * site, and no rule of theirs keeps it from reading the answers (RFC 6455 section 10.2). Other programs name no origin.
 */
export function isOwnOrigin(
  origin: string | undefined,
  { proto, host }: Forwarded,
  allowedOrigins: readonly string[] = [],
): boolean {
  // Browsers write an origin in one way only: what is written otherwise is none of those listed.
  if (origin === undefined || allowedOrigins.includes(origin)) return true
  const page = URL.parse(origin)
  const asked = URL.parse(`${proto}://${host}`)
  // Where https ends in front of us unseen, a page's https is no other place.
  return page !== null && page.host === asked?.host && (page.protocol === 'https:' || proto === 'http')
}

/** Tells the browser of the application's agreement. */
function agree(response: ServerResponse, socket: Socket, headers: IncomingHttpHeaders): void {
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((one) => `${name}: ${one}\r\n`),
  )
  response.detachSocket(socket)
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n${lines.join('')}\r\n`,
    'latin1',
  )
}

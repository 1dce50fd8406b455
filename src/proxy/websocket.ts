// WebSockets of reverse-proxy mode. Each upgrade is decided like any other request, by the same code: it is handed to the server's
// ordinary way, with its socket put aside. Once the application has agreed, bytes go through as they come; messages are its own
// business. (http-proxy's own handling takes the server's `upgrade` event for itself and answers by a library that opens and reads
// messages: CVE-2026-130647, -129500, -129502, -133111.)
import type { FastifyReply } from 'fastify'
import { ServerResponse, type IncomingHttpHeaders, type IncomingMessage, type Server } from 'node:http'
import { Socket } from 'node:net'
import { pipeline, type Duplex } from 'node:stream'
import { hasBody } from '../http/bodies.ts'
import { minutes, type Timer } from '../time.ts'
import type { Upgraded } from './dispatcher.ts'
import type { Forwarded } from './headers.ts'

/** How late a session that has ended ends its open connections, at most. */
const lookAgainMs = 5_000

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
  /** Whether it may stay open. */
  mayGoOn(): Promise<boolean>
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
          const upstream = { socket: upgraded.socket, headers: passage.headersBack(upgraded.headers) }
          tunnel(reply.raw, socket, upstream, passage.mayGoOn, timer)
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
 * Whether the page that asks is one of the host that it asks. Browsers send cookies with the WebSockets of any page of the same
 * site, and no rule of theirs keeps it from reading the answers (RFC 6455 section 10.2). Other programs name no origin.
 */
export function isOwnOrigin(origin: string | undefined, { proto, host }: Forwarded): boolean {
  if (origin === undefined) return true
  const page = URL.parse(origin)
  const asked = URL.parse(`${proto}://${host}`)
  // Where https ends in front of us unseen, a page's https is no other place.
  return page !== null && page.host === asked?.host && (page.protocol === 'https:' || proto === 'http')
}

/** Joins the two ends, after telling the browser of the application's agreement, until one of them ends or `mayGoOn` says no. */
function tunnel(
  response: ServerResponse,
  socket: Socket,
  upstream: { readonly socket: Duplex; readonly headers: IncomingHttpHeaders },
  mayGoOn: () => Promise<boolean>,
  timer: Timer,
): void {
  const lines = Object.entries(upstream.headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((one) => `${name}: ${one}\r\n`),
  )
  response.detachSocket(socket)
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n${lines.join('')}\r\n`,
    'latin1',
  )

  let isOpen = true
  const end = () => {
    isOpen = false
    callOff()
    socket.destroy()
    upstream.socket.destroy()
  }
  const look = () => {
    // A decision never rejects; should it ever, nobody is let through.
    void mayGoOn()
      .catch(() => false)
      .then((may) => {
        if (!isOpen) return
        if (may) callOff = timer(look, lookAgainMs)
        else end()
      })
  }
  let callOff = timer(look, lookAgainMs)
  pipeline(socket, upstream.socket, socket, end)
}

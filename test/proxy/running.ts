// A real Fastify app with the proxy, in front of a real node:http upstream, both on loopback; and a raw client, because
// the well-behaved ones do not send what these tests are about.
import fastify, { type FastifyInstance } from 'fastify'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { connect, type AddressInfo } from 'node:net'
import { closeServer } from '../../deploy/demo/listen.ts'
import type { UpstreamConfig } from '../../src/config/config.ts'
import { registerProxy, type ProxyOptions } from '../../src/proxy/proxy.ts'
import type { Follow } from '../../src/proxy/streams.ts'
import { createUpstreamStates } from '../../src/proxy/upstream-states.ts'
import { createMetrics } from '../../src/telemetry/prometheus.ts'
import { anUpstream as usualUpstream } from '../fixtures/upstream.ts'
import { recordedLog, type Line } from '../fixtures/recorded-log.ts'
import { systemTimer } from '../../src/time.ts'

/** Closes whatever was opened, newest first. */
export function createCleanUp() {
  const closers: (() => Promise<unknown>)[] = []
  return {
    add: (close: () => Promise<unknown>) => void closers.unshift(close),
    run: async () => {
      for (const close of closers.splice(0)) await close()
    },
  }
}
export type CleanUp = ReturnType<typeof createCleanUp>

export async function listening(server: Server, cleanUp: CleanUp): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanUp.add(() => closeServer(server))
  return portOf(server)
}

/** A TCP server's address is never a pipe's name. */
export const portOf = (server: Server): number => (server.address() as AddressInfo).port

export const startUpstream = (listener: RequestListener, cleanUp: CleanUp): Promise<number> =>
  listening(createServer(listener), cleanUp)

export const startSecureUpstream = (tls: { key: string; cert: string }, listener: RequestListener, cleanUp: CleanUp) =>
  listening(createSecureServer(tls, listener), cleanUp)

export const anUpstream = (url: string, more: Partial<UpstreamConfig> = {}): UpstreamConfig =>
  usualUpstream({ url, ...more })

/** With no session behind it, unless `follow` says so. */
export const admitted = (headers: Readonly<Record<string, string>> = {}, follow: Follow = () => undefined) =>
  Promise.resolve({ headers, follow })

export interface Running {
  readonly app: FastifyInstance
  readonly port: number
  readonly logged: readonly Line[]
}

export async function startProxy(
  upstreams: readonly UpstreamConfig[],
  cleanUp: CleanUp,
  more: Partial<ProxyOptions> & { routes?: (app: FastifyInstance) => void } = {},
): Promise<Running> {
  const { routes, ...options } = more
  const metrics = createMetrics({ processMetrics: false })
  const logger = recordedLog()
  const app = fastify({ forceCloseConnections: true })
  routes?.(app)
  await registerProxy(app, {
    upstreams,
    authorize: () => admitted({ 'x-auth-request-user': 'ann', 'x-auth-request-email': '', 'x-team': 'blue' }),
    identityHeaderNames: ['X-Auth-Request-User', 'X-Auth-Request-Email', 'X-Team'],
    ourCookieNames: (name) => name === '__Host-foregate' || name.startsWith('__Host-foregate-flow-'),
    timer: systemTimer,
    metrics,
    states: createUpstreamStates(upstreams, { logger, metrics }),
    isOurs: (path) => path.startsWith('/oauth2/'),
    forwarded: (request) => ({ for: '192.0.2.7', proto: 'https', host: request.headers.host ?? '' }),
    ...options,
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  cleanUp.add(() => app.close())
  return { app, port: portOf(app.server), logged: logger.lines }
}

/** What the upstream received: header names and values as they came over the wire, in lower case. */
export const headersOf = (request: IncomingMessage): [name: string, value: string][] => {
  const pairs: [string, string][] = []
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    pairs.push([(request.rawHeaders[at] ?? '').toLowerCase(), request.rawHeaders[at + 1] ?? ''])
  }
  return pairs
}

/** Sends bytes as they are and reads until the other side closes (each request should ask for `Connection: close`). */
export async function sendRaw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.setEncoding('latin1')
  let answer = ''
  socket.on('data', (chunk: string) => {
    answer += chunk
  })
  // A reset after the answer is as good as an end.
  socket.on('error', () => {})
  socket.write(bytes, 'latin1')
  await once(socket, 'close')
  return answer
}

export const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0)

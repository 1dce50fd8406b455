// Transports on loopback, time by hand, and a stranger who speaks to their ports.
import { request, type IncomingHttpHeaders } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import type { PeerMessage, PeerReply } from '../../src/cache/peers.ts'
import { createHttpTransport, type HttpTransportParts } from '../../src/peers/http-transport.ts'
import type { Whereabouts } from '../../src/peers/whereabouts.ts'
import { systemTimer, type Timer } from '../../src/time.ts'
import { fakeTime } from '../fixtures/fake-time.ts'
import { recordedLog } from '../fixtures/recorded-log.ts'

export const key = Buffer.from('k9Jv2mPq8sXw4zB7nD1fG5hL0tRyUcEa')
export const newKey = Buffer.from('Q2wX8eRt5yUiO1pLkJ7hGfD4sAzXc3Vb')
export const scope = 'https://id.example.com app traefikoidc:'

/** Tasks that are due when the test says so. */
export function aTimer() {
  const planned = new Map<object, { task: () => void; delayMs: number }>()
  const timer: Timer = (task, delayMs) => {
    const plan = {}
    planned.set(plan, { task, delayMs })
    return () => void planned.delete(plan)
  }
  return {
    timer,
    delays: () => [...planned.values()].map(({ delayMs }) => delayMs),
    /** Runs all that are planned now, or those of this delay. */
    fire(delayMs?: number) {
      // What a task plans comes next time.
      for (const [plan, { task, delayMs: due }] of Array.from(planned)) {
        if (delayMs !== undefined && due !== delayMs) continue
        if (planned.delete(plan)) task()
      }
    },
  }
}

export const aMessage = (parts: Partial<PeerMessage> = {}): PeerMessage => ({
  origin: 'sender-1',
  entries: [{ id: 'session-1', floor: 4_294_967_295, expiresAt: 3_600_000 }],
  after: undefined,
  leaving: false,
  ...parts,
})

export const aReply = (parts: Partial<PeerReply> = {}): PeerReply => ({
  origin: 'receiver-1',
  entries: [],
  seq: 0,
  more: false,
  horizonAgeMs: 120,
  ...parts,
})

/** Nobody to look for, unless the test names somebody. */
export function aPlace(...addresses: string[]) {
  const current = [...addresses]
  const whereabouts: Whereabouts = { start: () => Promise.resolve(), stop: () => undefined, current: () => current }
  return { whereabouts, current }
}

/** Listens on loopback when `start` has run; stopped after the test. */
export function aTransport(t: TestContext, parts: Partial<HttpTransportParts> = {}) {
  const log = recordedLog()
  const time = fakeTime()
  const runtime = { clock: time.clock, timer: systemTimer, logger: log }
  const transport = createHttpTransport({
    listen: { host: '127.0.0.1', port: 0 },
    keys: [key],
    scope,
    whereabouts: aPlace().whereabouts,
    runtime,
    ...parts,
  })
  // What was sent before it began, nobody could tell from a replay.
  time.advance(1)
  t.after(() => transport.stop())
  const heard: PeerMessage[] = []
  return {
    transport,
    log,
    time,
    heard,
    /** Its address. Answers like a peer that knows nothing. */
    async start(answer: (message: PeerMessage) => PeerReply = () => aReply()) {
      await transport.start((message) => {
        heard.push(message)
        return answer(message)
      })
      return `127.0.0.1:${transport.port}`
    },
  }
}

export interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** One request on a connection of its own, by somebody who knows HTTP. */
export function ask(
  address: string,
  {
    path = '/exchange',
    method = 'POST',
    headers = {},
    body = Buffer.alloc(0),
  }: { path?: string; method?: string; headers?: Record<string, string>; body?: Buffer | string },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const [host, port] = address.split(':')
    // Both together are no request at all.
    const length = 'transfer-encoding' in headers ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const outgoing = request({ host, port, method, path, agent: false, headers: { ...length, ...headers } })
    outgoing.on('error', reject)
    outgoing.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () =>
        resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }),
      )
    })
    outgoing.end(body)
  })
}

/** A connection by somebody who writes what they like. `closed`: all that came back. */
export function rawly(address: string) {
  const [host, port] = address.split(':')
  const socket: Socket = connect({ host: host ?? '', port: Number(port) })
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
  socket.on('error', () => undefined)
  const connected = new Promise<void>((resolve) => socket.once('connect', resolve))
  const closed = new Promise<string>((resolve) => socket.once('close', () => resolve(text)))
  return { socket, connected, closed }
}

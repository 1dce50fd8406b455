// The admin port over the sessions of a world (test/session/world.ts), on a real socket.
import { request as httpRequest, type OutgoingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { createAdmin } from '../../src/admin/admin.ts'
import type { FailureLimit } from '../../src/admin/door.ts'
import type { AdminConfig } from '../../src/config/config.ts'
import { aWorld, type World } from '../session/world.ts'

export const token = 'Xq3-vB8_nM2.kL7/zR5+tY9wPcD1hJ4sG6f'
export const issuer = 'https://id.example.com'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  // As each test knows it.
  // oxlint-disable-next-line typescript/no-explicit-any -- what it looks like is what is tested
  readonly body: any
}

export interface Ask {
  readonly method?: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: unknown
  /** Sent as it is. */
  readonly raw?: string
  /** undefined: none. */
  readonly token?: string | undefined
  readonly tls?: { readonly ca: string; readonly cert?: string; readonly key?: string }
}

export interface AdminPort {
  readonly world: World
  readonly port: number
  readonly config: AdminConfig
  ask(path: string, ask?: Ask): Promise<Answer>
}

export async function startAdmin(
  t: { after(task: () => Promise<void>): unknown },
  options: { world?: World; config?: Partial<AdminConfig>; failureLimit?: FailureLimit } = {},
): Promise<AdminPort> {
  const world = options.world ?? aWorld()
  const given = { listen: { host: '127.0.0.1', port: 0 }, hosts: [], token, tls: undefined, ...options.config }
  const admin = createAdmin({
    config: given,
    sessions: world.sessions,
    issuer,
    clockSkewMs: 60_000,
    failureLimit: options.failureLimit ?? { take: () => Promise.resolve(0) },
    withinBudget: (task) => task(),
    requestId: () => 'request-1',
    runtime: world.runtime,
  })
  const port = await admin.listen()
  t.after(() => admin.close())
  return {
    world,
    port,
    config: { ...given, listen: { host: '127.0.0.1', port } },
    ask: (path, ask) => send(port, path, ask),
  }
}

function send(port: number, path: string, ask: Ask = {}): Promise<Answer> {
  const { method = 'GET', tls } = ask
  const shown = 'token' in ask ? ask.token : token
  const text = ask.raw ?? (ask.body === undefined ? undefined : JSON.stringify(ask.body))
  const headers: OutgoingHttpHeaders = {
    ...(shown !== undefined && { authorization: `Bearer ${shown}` }),
    ...(text !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
    ...ask.headers,
  }
  const target = { host: '127.0.0.1', port, path, method, headers, agent: false as const }
  return new Promise((resolve, reject) => {
    const outgoing = tls ? httpsRequest({ ...target, ...tls }) : httpRequest(target)
    outgoing.on('error', reject)
    outgoing.on('response', (incoming) => {
      let received = ''
      incoming.on('data', (chunk: Buffer) => (received += chunk.toString()))
      incoming.on('error', reject)
      incoming.on('end', () =>
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          text: received,
          body: received === '' ? undefined : JSON.parse(received),
        }),
      )
    })
    outgoing.end(text)
  })
}

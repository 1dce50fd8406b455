// The command line's end of the admin API: on this machine, as the configuration says that the service listens.
import { X509Certificate } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { AdminConfig, AdminTlsConfig } from '../config/config.ts'
import { minutes } from '../time.ts'

export interface AdminReply {
  readonly status: number
  /** Parsed JSON; undefined where it is none. */
  readonly body: unknown
}

export interface AdminClient {
  /** `path`: with its query. Throws Unreachable. */
  ask(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<AdminReply>
}

/** Nobody answers there, or not whom the configuration names. The message says what to look at. */
export class Unreachable extends Error {}

/** PEM. */
export interface ClientCertificate {
  readonly cert: string
  readonly key: string
}

/** What ends many sessions may take a while. */
const timeoutMs = minutes(1)
const maxAnswerBytes = 16 * 1024 * 1024

export function createAdminClient(config: AdminConfig, certificate: ClientCertificate | undefined): AdminClient {
  const { listen, token, tls } = config
  // Who listens everywhere listens here.
  const host = listen.host === '0.0.0.0' ? '127.0.0.1' : listen.host === '::' ? '::1' : listen.host
  const name = `${host.includes(':') ? `[${host}]` : host}:${listen.port}`

  return {
    async ask(method, path, body) {
      try {
        const to = { host, port: listen.port }
        const socket = tls === undefined ? await connected(connectPlain(to)) : await pinned(to, tls, certificate)
        const text = body === undefined ? undefined : JSON.stringify(body)
        return await exchange(socket, {
          method,
          path,
          headers: {
            // By address: the name of an interface need not be one of `admin.hosts`.
            host: `localhost:${listen.port}`,
            accept: 'application/json',
            ...(token !== undefined && { authorization: `Bearer ${token}` }),
            ...(text !== undefined && {
              'content-type': 'application/json',
              'content-length': String(Buffer.byteLength(text)),
            }),
          },
          text,
        })
      } catch (error) {
        throw error instanceof Unreachable ? error : new Unreachable(`${name}: ${meaningOf(error)}`, { cause: error })
      }
    },
  }
}

/**
 * The certificate must be the very one that the configuration names, whoever signed it and for whichever name: only then is the
 * credential shown. That the other side has its key is what the handshake has proved.
 */
async function pinned(
  to: { host: string; port: number },
  tls: AdminTlsConfig,
  certificate: ClientCertificate | undefined,
): Promise<Socket> {
  const socket = connectTls({
    ...to,
    minVersion: 'TLSv1.2',
    rejectUnauthorized: false,
    ...(certificate && { cert: certificate.cert, key: certificate.key }),
  })
  await connected(socket, 'secureConnect')
  if (socket.getPeerX509Certificate()?.fingerprint256 === new X509Certificate(tls.cert).fingerprint256) return socket
  socket.destroy()
  throw new Unreachable(
    'the certificate shown there is not the one in admin.tls.certFile: was the file replaced after the service started?',
  )
}

function connected<S extends Socket>(socket: S, event: 'connect' | 'secureConnect' = 'connect'): Promise<S> {
  return new Promise((resolve, reject) => {
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error('no answer')))
    socket.once('error', reject)
    socket.once(event, () => resolve(socket))
  })
}

function exchange(
  socket: Socket,
  {
    method,
    path,
    headers,
    text,
  }: { method: string; path: string; headers: Record<string, string>; text?: string | undefined },
): Promise<AdminReply> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({ method, path, headers, createConnection: () => socket }, (incoming) => {
      const chunks: Buffer[] = []
      let bytes = 0
      incoming.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > maxAnswerBytes) incoming.destroy(new Error('the answer is too large'))
        else chunks.push(chunk)
      })
      incoming.on('error', reject)
      incoming.on('end', () => {
        socket.destroy()
        resolve({ status: incoming.statusCode ?? 0, body: parsed(Buffer.concat(chunks).toString()) })
      })
    })
    outgoing.on('error', reject)
    outgoing.end(text)
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function meaningOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'ECONNREFUSED') {
    return 'nobody listens there (ECONNREFUSED); does the service run on this machine, with this configuration?'
  }
  if (/CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|CERTIFICATE_UNKNOWN/.test(code)) {
    return `it does not take the client certificate (${code}): --cert and --key must be one that admin.tls.clientCAFile vouches for`
  }
  return `${error instanceof Error ? error.message : String(error)}${code === '' ? '' : ` (${code})`}`
}

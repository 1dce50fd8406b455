// One way to the provider: its own connections, so that `caCertPath` and `insecureSkipVerify` concern nobody else; one
// deadline for the whole exchange, a limit for the body, and no redirect is ever followed: a token request must not
// wander, and a discovery document that has moved is a matter for the operator.
import http from 'node:http'
import https from 'node:https'
import tls from 'node:tls'
import { ProviderUnavailable } from '../errors.ts'
import type { Durations } from '../telemetry/metrics.ts'
import type { Clock, Timer } from '../time.ts'
import { seconds } from '../time.ts'
import type { JSONObject } from './document-cache.ts'
import { isObject } from './document-cache.ts'

export type Operation = 'discovery' | 'jwks' | 'token' | 'refresh' | 'userinfo' | 'revocation'

export interface ProviderRequest {
  readonly operation: Operation
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** A form to POST. Absent: GET. */
  readonly form?: URLSearchParams
  readonly maxBytes: number
}

export interface ProviderAnswer {
  readonly status: number
  /** Lower case, without parameters. */
  readonly contentType: string
  /** Undefined: longer than `maxBytes`. */
  readonly body: string | undefined
}

export interface Transport {
  /** Throws ProviderUnavailable when no whole answer came in time. Whatever status came is the caller's business. */
  send(request: ProviderRequest): Promise<ProviderAnswer>
  close(): void
}

export interface TransportOptions {
  readonly caPEM: string | undefined
  readonly insecureSkipVerify: boolean
  readonly timeoutMs: number
  readonly clock: Clock
  readonly timer: Timer
  readonly durations: Durations<'operation' | 'outcome'>
}

type Outcome = 'ok' | 'rejected' | 'error' | 'timeout'

export function createTransport(options: TransportOptions): Transport {
  const { caPEM, insecureSkipVerify, timeoutMs, clock, timer, durations } = options
  const trust = {
    rejectUnauthorized: !insecureSkipVerify,
    ...(caPEM === undefined ? {} : { ca: [...tls.getCACertificates('default'), caPEM] }),
  }
  // Idle connections go before the 5 s after which many servers close them.
  const reused = { keepAlive: true, timeout: seconds(4) }
  const agents = {
    'https:': { reused: new https.Agent({ ...trust, ...reused }), fresh: new https.Agent(trust) },
    'http:': { reused: new http.Agent(reused), fresh: new http.Agent() },
  }

  async function exchange({ url, headers, form, maxBytes, operation }: ProviderRequest): Promise<ProviderAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<ProviderAnswer>()
    const { request: open } = url.protocol === 'https:' ? https : http
    const pool = agents[url.protocol === 'https:' ? 'https:' : 'http:']
    const body = form?.toString()
    const request = open(url, {
      method: body === undefined ? 'GET' : 'POST',
      // A code or a rotating refresh token must not be sent twice, so a POST takes no chance on a kept connection that
      // the provider may be closing at this moment.
      agent: body === undefined ? pool.reused : pool.fresh,
      headers: {
        'user-agent': 'foregate',
        ...headers,
        ...(body === undefined
          ? {}
          : { 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(Buffer.byteLength(body)) }),
      },
    })
    const stop = timer(() => {
      reject(new TimedOut(`${operation}: no answer from the provider within ${timeoutMs} ms`))
      request.destroy()
    }, timeoutMs)
    const fail = (cause: Error): void => {
      reject(new ProviderUnavailable(`${operation}: ${describe(cause)}`, { cause }))
    }
    request.on('error', fail)
    request.on('response', (response) => {
      const chunks: Buffer[] = []
      let bytes = 0
      const answer = (body: string | undefined): void => {
        const contentType = (response.headers['content-type'] ?? '').split(';', 1)[0] ?? ''
        resolve({ status: response.statusCode ?? 0, contentType: contentType.trim().toLowerCase(), body })
      }
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes <= maxBytes) {
          chunks.push(chunk)
          return
        }
        answer(undefined)
        request.destroy()
      })
      response.on('end', () => answer(new TextDecoder().decode(Buffer.concat(chunks))))
      response.on('error', fail)
    })
    request.end(body)
    return promise.finally(stop)
  }

  return {
    async send(request) {
      const startedAt = clock()
      let outcome: Outcome = 'error'
      try {
        const answer = await exchange(request)
        outcome = answer.status < 300 ? 'ok' : answer.status < 500 ? 'rejected' : 'error'
        return answer
      } catch (error) {
        if (error instanceof TimedOut) outcome = 'timeout'
        if (error instanceof ProviderUnavailable) throw error
        // Node refuses to send it; without the cause, which may quote what it refuses.
        throw new ProviderUnavailable(`${request.operation}: the request cannot be sent`)
      } finally {
        durations.with({ operation: request.operation, outcome }).observe((clock() - startedAt) / 1_000)
      }
    },
    close() {
      for (const { reused, fresh } of Object.values(agents)) {
        reused.destroy()
        fresh.destroy()
      }
    },
  }
}

class TimedOut extends ProviderUnavailable {}

// The code (ECONNREFUSED, CERT_HAS_EXPIRED, ...) says more than the message, and holds nothing of the request.
const describe = (cause: Error): string => ('code' in cause ? String(cause.code) : cause.message)

/** The body as a JSON object, or undefined: HTML, an array, a string, nothing, too long. */
export function jsonObject(answer: ProviderAnswer): JSONObject | undefined {
  if (answer.body === undefined) return undefined
  try {
    const value: unknown = JSON.parse(answer.body)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

// What reverse-proxy mode asks of the HTTP edge: the same decision as `/auth`, for a request that came here itself.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { originalRequest } from '../access/canonical.ts'
import type { AccessRules } from '../access/access.ts'
import type { CompiledRules } from '../access/rules.ts'
import type { UpstreamConfig } from '../config/config.ts'
import type { HeaderRecord } from '../access/identity-headers.ts'
import type { Addresses } from './addresses.ts'
import type { HttpResponse } from './http-response.ts'
import type { Auth } from './auth.ts'
import { refusedWith, type AuthDecision } from './auth-decision.ts'
import type { Refusals } from './refusals.ts'
import type { Send } from './send.ts'
import type { EndpointRequest } from './endpoint-request.ts'

export interface Gateway {
  /** The identity headers for the application, or undefined once the request was answered here. */
  authorize(request: FastifyRequest, reply: FastifyReply, upstream: UpstreamConfig): Promise<HeaderRecord | undefined>
  /** Whether a connection that was let through may stay open. */
  mayGoOn(request: FastifyRequest, upstream: UpstreamConfig): Promise<boolean>
  /** Throws BadRequest where the request has not exactly one good host. */
  forwarded(request: FastifyRequest): { for: string; proto: 'http' | 'https'; host: string }
  refuse(request: FastifyRequest, status: number, reason: string): HttpResponse
  isOurs(path: string): boolean
}

export function createGateway(deps: {
  auth: Auth
  rules: CompiledRules
  upstreams: readonly UpstreamConfig[]
  endpointRequestOf: (raw: FastifyRequest['raw']) => EndpointRequest
  addresses: Addresses
  refusals: Refusals
  send: Send
  requestIdOf: (headers: FastifyRequest['headers']) => string
}): Gateway {
  const { auth, endpointRequestOf, addresses, refusals, send } = deps
  const rulesFor = new Map<UpstreamConfig, AccessRules>(
    deps.upstreams.map((upstream, at) => [upstream, deps.rules.forUpstream(at)]),
  )

  async function decide(raw: FastifyRequest['raw'], upstream: UpstreamConfig): Promise<AuthDecision> {
    const endpointRequest = endpointRequestOf(raw)
    const rules = rulesFor.get(upstream)
    if (rules === undefined) throw new TypeError('an upstream that was not configured')
    const { method = 'GET', headers, url = '/' } = raw
    let original
    try {
      original = originalRequest({ ...endpointRequest, target: url })
    } catch (error) {
      return refusedWith(refusals.forError(endpointRequest, error))
    }
    return auth.direct(original, { method, headers, url, peer: raw.socket.remoteAddress }, rules)
  }

  return {
    async authorize({ raw }, reply, upstream) {
      const outcome = await decide(raw, upstream)
      if (outcome.allow !== undefined) return outcome.allow.headers
      void send(reply, outcome.answer)
      return undefined
    },

    async mayGoOn({ raw }, upstream) {
      const outcome = await decide(raw, upstream)
      // Trouble of ours ends nobody's work.
      return outcome.allow !== undefined || outcome.answer.status >= 500
    },

    forwarded({ raw }) {
      const { clientAddress, scheme, host } = endpointRequestOf(raw)
      return { for: clientAddress, proto: scheme, host }
    },

    refuse({ raw }, status, reason) {
      const { method = 'GET', headers } = raw
      return refusals.refuse({ method, headers, requestId: deps.requestIdOf(headers) }, status, reason)
    },

    isOurs: addresses.isOwnPath,
  }
}

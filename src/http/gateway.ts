// What reverse-proxy mode asks of the HTTP edge: the same decision as `/auth`, for a request that came here itself.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { originalRequest } from '../access/canonical.ts'
import type { AccessRules, Identity, OriginalRequest } from '../access/access.ts'
import type { CompiledRules } from '../access/rules.ts'
import type { UpstreamConfig } from '../config/config.ts'
import type { HeaderRecord } from '../access/identity-headers.ts'
import { identityTokenHeader, type IdentityTokens } from '../identity-token/identity-token.ts'
import type { TokenIdentity } from '../bearer/verified-tokens.ts'
import type { Session } from '../session/session.ts'
import type { Sessions } from '../session/sessions.ts'
import type { SessionEnd, Watched } from '../session/watch.ts'
import type { Addresses } from './addresses.ts'
import type { HttpResponse } from './http-response.ts'
import type { Auth } from './auth.ts'
import type { BrowserCookies } from './browser-cookies.ts'
import type { AuthRequest } from './auth-decision.ts'
import type { Refusals } from './refusals.ts'
import type { Send } from './send.ts'
import type { FollowSession } from './session-streams.ts'
import type { FollowToken } from './token-streams.ts'
import type { EndpointRequest } from './endpoint-request.ts'

/** A request that may pass. */
export interface Passed {
  /** The identity headers for the application. */
  readonly headers: HeaderRecord
  /** For what stays open: undefined where nobody stands behind it. `onEnd`: it may not go on; called once at most. */
  follow(onEnd: (reason: SessionEnd | 'not_allowed') => void): Watched | undefined
}

export interface Gateway {
  /** Undefined once the request was answered here. */
  authorize(request: FastifyRequest, reply: FastifyReply, upstream: UpstreamConfig): Promise<Passed | undefined>
  /** Throws BadRequest where the request has not exactly one good host. */
  forwarded(request: FastifyRequest): { for: string; proto: 'http' | 'https'; host: string }
  refuse(request: FastifyRequest, status: number, reason: string): HttpResponse
  isOurs(path: string): boolean
}

/** A request, as it is decided about. */
interface Asked {
  readonly original: OriginalRequest
  readonly request: AuthRequest
  readonly rules: AccessRules
}

export function createGateway(deps: {
  auth: Pick<Auth, 'direct' | 'goesOnUntil'>
  sessions: Pick<Sessions, 'near'>
  followSession: FollowSession
  cookies: Pick<BrowserCookies, 'on'>
  rules: CompiledRules
  upstreams: readonly UpstreamConfig[]
  identityTokens: Pick<IdentityTokens, 'tokenFor'> | undefined
  /** Absent: no token is of use. */
  followToken?: FollowToken | undefined
  endpointRequestOf: (raw: FastifyRequest['raw']) => EndpointRequest
  addresses: Addresses
  refusals: Refusals
  send: Send
  requestIdOf: (headers: FastifyRequest['headers']) => string
}): Gateway {
  const { auth, cookies, endpointRequestOf, addresses, refusals, send } = deps
  const rulesFor = new Map<UpstreamConfig, AccessRules>(
    deps.upstreams.map((upstream, at) => [upstream, deps.rules.forUpstream(at)]),
  )

  function asked(raw: FastifyRequest['raw'], upstream: UpstreamConfig): Asked | HttpResponse {
    const endpointRequest = endpointRequestOf(raw)
    const rules = rulesFor.get(upstream)
    if (rules === undefined) throw new TypeError('an upstream that was not configured')
    const { method = 'GET', headers, url = '/' } = raw
    try {
      const original = originalRequest({ ...endpointRequest, target: url })
      return { original, request: { method, headers, url, peer: raw.socket.remoteAddress }, rules }
    } catch (error) {
      return refusals.forError(endpointRequest, error)
    }
  }

  /** The token is for this application alone: another one that gets hold of it is not its audience. */
  function told(headers: HeaderRecord, who: Identity | undefined, { url }: UpstreamConfig): HeaderRecord {
    if (deps.identityTokens === undefined) return headers
    const token = who === undefined ? '' : deps.identityTokens.tokenFor(who, url)
    return { ...headers, [identityTokenHeader]: token }
  }

  /** Whoever was named to the application stands behind what they keep open; a public page that names nobody is for everybody. */
  const follow =
    ({ original, request, rules }: Asked, session: Session | undefined, token?: TokenIdentity): Passed['follow'] =>
    (onEnd) => {
      const goesOnUntil = (identity: Identity) => auth.goesOnUntil(original, request, rules, identity)
      const { authorization } = request.headers
      if (token !== undefined && authorization !== undefined) {
        return deps.followToken?.(authorization, token, { goesOnUntil, onEnd })
      }
      const { cookie } = request.headers
      const here = cookies.on(original.host)
      const ofSession = session && here.tickets(cookie).filter((candidate) => candidate.startsWith(session.id))
      // Of several, the one that opens it.
      const ticket = ofSession?.find((candidate) => deps.sessions.near(candidate) !== undefined) ?? ofSession?.[0]
      if (session === undefined || ticket === undefined) return undefined
      return deps.followSession(ticket, here.passes(cookie), session, { goesOnUntil, onEnd })
    }

  return {
    async authorize({ raw }, reply, upstream) {
      const question = asked(raw, upstream)
      if (!('original' in question)) return void send(reply, question)
      const decision = await auth.direct(question.original, question.request, question.rules)
      if (decision.allow === undefined) return void send(reply, decision.answer)
      const { allow, session, token } = decision
      return { headers: told(allow.headers, session ?? token, upstream), follow: follow(question, session, token) }
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

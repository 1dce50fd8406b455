// Pushed authorization requests (RFC 9126): what a login asks for is sent to the provider first, and the browser carries only a
// reference to it. Each start of a login is then a call of ours: used where the provider demands it, or the operator does.
import type { ProviderConfig } from '../config/config.ts'
import { LoginRejected, ProviderUnavailable } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Client } from './client.ts'
import { secretsIn, unavailable, type ClientPost } from './client-post.ts'
import { asked } from './faults.ts'
import { notAnObject } from './json.ts'
import type { Metadata } from './metadata.ts'
import { oauthErrorIn } from './oauth-error.ts'
import type { ProviderHealth } from './provider-health.ts'
import { jsonObject } from './transport.ts'

type Mode = ProviderConfig['pushedAuthorizationRequests']

export interface PushedRequests {
  /**
   * The `request_uri` that stands for these parameters; undefined where they go by the browser. Throws ProviderUnavailable, and
   * LoginRejected (`client_rejected`, `provider_error`) where the provider refuses them.
   */
  push(metadata: Metadata, parameters: Record<string, string>, client: Client): Promise<string | undefined>
}

/** Characters; it is sent back in an address. */
const maxReferenceLength = 1_024

export function createPushedRequests(deps: {
  readonly mode: Mode
  readonly post: ClientPost
  readonly health: ProviderHealth
  readonly logger: Logger
}): PushedRequests {
  const { mode, post, health, logger } = deps
  return {
    async push(metadata, parameters, client) {
      if (!isPushed(mode, metadata)) return undefined
      const url = metadata.pushed_authorization_request_endpoint
      if (url === undefined) throw new ProviderUnavailable(lacksEndpoint)
      const call = { operation: 'par', url } as const
      const answer = await post.send(call, parameters, { client })
      const body = jsonObject(answer)
      const isMade = answer.status === 201 || answer.status === 200
      const reference = isMade ? body?.['request_uri'] : undefined
      if (typeof reference === 'string' && reference !== '' && reference.length <= maxReferenceLength) {
        health.granted(call)
        return reference
      }
      const refusal = oauthErrorIn(answer, body, secretsIn(parameters))
      if (refusal === undefined || refusal.isPassing) {
        const error = isMade
          ? new ProviderUnavailable(
              `${asked({ ...call, url: new URL(url) })}: no request_uri, or the answer is ${notAnObject}`,
            )
          : unavailable(call, answer, parameters)
        health.failed(call, error.message)
        throw error
      }
      const { error, message, isClients } = refusal
      if (isClients) health.clientRejected(call, error, message)
      else {
        health.answered(call)
        logger.warn(
          { event: 'authorization_request_refused', reason: error, detail: message },
          'the provider refuses what a login asks for: check the redirect URI and the scopes that it has registered for this client',
        )
      }
      throw new LoginRejected(
        isClients || error === 'unauthorized_client' ? 'client_rejected' : 'provider_error',
        `the provider refuses the authorization request: ${message}`,
      )
    },
  }
}

/**
 * Not wherever it is offered: each visitor without a session would be a call, and a login that begins needs none otherwise. What it
 * protects is protected by PKCE, `state`, `nonce` and the check of the redirect URI as well.
 */
function isPushed(mode: Mode, { requiresPushedRequests }: Metadata): boolean {
  return mode === 'require' || (mode === 'auto' && requiresPushedRequests)
}

const lacksEndpoint =
  'pushedAuthorizationRequests is require, but the provider names no pushed_authorization_request_endpoint; set it to auto'

/** What to tell the operator where ours and the provider's wishes do not meet. */
export function pushedRequestsConcern(
  mode: Mode,
  {
    pushed_authorization_request_endpoint: endpoint,
    requiresPushedRequests,
  }: Pick<Metadata, 'pushed_authorization_request_endpoint' | 'requiresPushedRequests'>,
): string | undefined {
  if (mode === 'require' && endpoint === undefined) return `${lacksEndpoint}: until then nobody can log in`
  if (mode === 'off' && requiresPushedRequests)
    return 'the provider requires pushed authorization requests, which pushedAuthorizationRequests: off forbids: logins will be refused; set it to auto'
  return undefined
}

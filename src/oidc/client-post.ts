// A form that this client sends to the provider, authenticated: token endpoint, pushed authorization requests, revocation,
// introspection. Sent once, and sorted no further than into answers and the lack of one, of which the provider's health hears.
import { AnswerLost, ProviderUnavailable } from '../errors.ts'
import type { Client } from './client.ts'
import type { DPoP } from './dpop.ts'
import { asked } from './faults.ts'
import { reasonIn } from './oauth-error.ts'
import type { Call, ProviderHealth } from './provider-health.ts'
import type { ProviderAnswer, ProviderRequest, Transport } from './transport.ts'

export interface Sender {
  readonly client: Client
  /** Proves the possession of it (RFC 9449). */
  readonly proofKey?: string | undefined
}

export interface ClientPost {
  /** Any status below 500 but "later". Throws ProviderUnavailable. */
  send(call: Call, parameters: Record<string, string>, sender: Sender): Promise<ProviderAnswer>
}

const maxBytes = 512 * 1024

export function createClientPost(deps: {
  readonly issuer: string
  readonly transport: Transport
  readonly dpop: DPoP
  readonly health: ProviderHealth
}): ClientPost {
  const { issuer, transport, dpop, health } = deps
  return {
    async send(call, parameters, { client, proofKey }) {
      const { operation, url } = call
      async function make(): Promise<ProviderRequest> {
        const form = new URLSearchParams(parameters)
        const headers = new Headers({ accept: 'application/json' })
        await client.authenticate({ issuer }, form, headers)
        return { operation, url: new URL(url), headers: Object.fromEntries(headers), form, maxBytes }
      }
      const sent = proofKey === undefined ? transport.send(await make()) : dpop.send(make, { key: proofKey })
      const answer = await sent.catch((error: unknown) => {
        if (error instanceof ProviderUnavailable && !mayBeStrangers(call, error)) health.unanswered(call, error.message)
        throw error
      })
      if (answer.status >= 500 || answer.status === 429 || answer.status === 408) {
        const error = unavailable(call, answer, parameters)
        if (!carriesStrangers(call) || isAboutNobody(answer.status)) health.failed(call, error.message)
        throw error
      }
      return answer
    },
  }
}

// A code is whatever a browser brought, a hint whatever a link had, and a token whatever a machine sent: that some server chokes on
// it says nothing about the provider. What was never sent, what got no answer in time, and the statuses of those who are not there do.
const carriesStrangers = ({ operation }: Call): boolean =>
  operation === 'token' || operation === 'par' || operation === 'introspection'
const mayBeStrangers = (call: Call, error: ProviderUnavailable): boolean =>
  carriesStrangers(call) && error instanceof AnswerLost && error.cause !== undefined
const isAboutNobody = (status: number): boolean => status === 429 || (status >= 502 && status <= 504)

const unsaid = ['code', 'code_verifier', 'refresh_token', 'token', 'state', 'nonce', 'login_hint']

/** What was sent and must not be repeated in a message. */
export const secretsIn = (parameters: Record<string, string>): string[] =>
  unsaid.flatMap((name) => parameters[name] ?? [])

export function unavailable(
  { operation, url }: Call,
  answer: ProviderAnswer,
  parameters: Record<string, string>,
): ProviderUnavailable {
  const begin = asked({ operation, url: new URL(url) })
  return new ProviderUnavailable(`${begin}: status ${answer.status}${reasonIn(answer, secretsIn(parameters))}`)
}

// As whom we speak to the provider: the client that the operator registered, or the one that was registered by us.
import type { ProviderConfig } from '../config/config.ts'
import { createClientAuth, type ClientAuth } from './client-auth.ts'

export interface Client {
  readonly id: string
  readonly authenticate: ClientAuth
}

export interface Clients {
  /** Throws ProviderUnavailable while there is none. */
  current(): Client
  /** The client that this ID token of ours was issued to; the current one where that is not known. */
  ofIDToken(idToken: string | undefined): Client
  /** Of all that sessions may be of: the current one and the one of before. Throws ProviderUnavailable while there is none. */
  ids(): readonly string[]
  /** `starting`: there was none yet. `failing`: its secret has ended. */
  status(): 'starting' | 'ready' | 'failing'
  /** The provider does not accept `client`. True: there is another one, or another secret, by now. Never throws. */
  rejected(client: Client): Promise<boolean>
  start(): void
  stop(): void
}

type ClientConfig = Pick<ProviderConfig, 'clientID' | 'clientSecret' | 'clientAuthMethod' | 'clientAssertion'>

/** The operator's: there is no other. */
export function createFixedClient(config: ClientConfig): Clients {
  const client: Client = { id: config.clientID, authenticate: createClientAuth(config) }
  return {
    current: () => client,
    ofIDToken: () => client,
    ids: () => [client.id],
    status: () => 'ready',
    rejected: () => Promise.resolve(false),
    start: () => undefined,
    stop: () => undefined,
  }
}

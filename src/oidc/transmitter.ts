// Who sends security events (Shared Signals Framework 1.0): where its keys are, by its own document or the operator's word, and
// whether a token is its.
import type { Documents } from '../cache/documents.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Clock } from '../time.ts'
import { createKeysLocation } from './keys-location.ts'
import { createKeys } from './keys.ts'
import { asymmetric } from './metadata.ts'
import { checkSecurityEventToken, type SecurityEventToken } from './security-event-token.ts'
import { verifySignal } from './signal-token.ts'
import type { Transport } from './transport.ts'

export interface Transmitter {
  /** Throws SignalRejected, or ProviderUnavailable where it cannot be verified now. */
  read(token: string): Promise<SecurityEventToken>
  stop(): void
}

export interface TransmitterOptions {
  readonly issuer: string
  /** Where its document is, when not where the specification has it. */
  readonly discoveryURL: string | undefined
  /** No document is asked for. */
  readonly jwksURI: string | undefined
  readonly audiences: readonly string[]
  readonly allowInsecure: boolean
  readonly clockSkewMs: number
  readonly transport: Transport
  readonly cache: { readonly metadata: Documents; readonly jwks: Documents }
  readonly clock: Clock
  readonly logger: Logger
}

const maxBytes = 64 * 1024

export function createTransmitter(options: TransmitterOptions): Transmitter {
  const { issuer, audiences, clockSkewMs, transport, cache, clock, logger } = options
  const keys = createKeys({ transport, cache: cache.jwks, clock, logger })
  const located = createKeysLocation({
    kind: 'ssf',
    issuer,
    addresses: [options.discoveryURL ?? wellKnown(issuer)],
    maxBytes,
    allowInsecure: options.allowInsecure,
    remedy: 'set sharedSignals.jwksURI',
    transport,
    cache: cache.metadata,
    clock,
    onTrouble: (detail) =>
      logger.warn(
        { event: 'transmitter_unavailable', issuer, detail },
        'the document of the transmitter of security events cannot be had: what it sends has to be sent again',
      ),
    onReadyAgain: () => logger.info({ event: 'transmitter_ready', issuer }, 'the transmitter is known again'),
  })
  const keysURI = async () => options.jwksURI ?? located()
  const isIssuer = (named: string) => named === issuer

  return {
    async read(token) {
      const verified = await verifySignal(token, { isIssuer, algorithms: asymmetric, keysURI }, keys)
      return checkSecurityEventToken(verified, { audiences, clockSkewMs, now: clock() })
    },
    stop: () => transport.close(),
  }
}

/** Shared Signals Framework 1.0, section 7.2: between host and path. */
function wellKnown(issuer: string): string {
  const url = new URL(issuer)
  const path = url.pathname.replace(/\/$/, '')
  return `${url.origin}/.well-known/ssf-configuration${path}`
}

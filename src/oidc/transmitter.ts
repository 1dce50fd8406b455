// Who sends security events (Shared Signals Framework 1.0): where its keys are, by its own document or the operator's word, and
// whether a token is its. The document is asked for when the first token comes, and again after an hour; it serves for a day.
import { createHash } from 'node:crypto'
import type { Documents } from '../cache/documents.ts'
import { ProviderUnavailable } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import { seconds, type Clock } from '../time.ts'
import { freshMs, load, save, usableMs } from './document-cache.ts'
import { asked } from './faults.ts'
import type { JSONObject } from './json.ts'
import { createKeys } from './keys.ts'
import { asymmetric, mayBeCalled } from './metadata.ts'
import { checkSecurityEventToken, type SecurityEventToken } from './security-event-token.ts'
import { verifySignal } from './signal-token.ts'
import { jsonObject, type Transport } from './transport.ts'

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
/** Tokens are anybody's to send: between two attempts. */
const betweenAttemptsMs = seconds(5)

export function createTransmitter(options: TransmitterOptions): Transmitter {
  const { issuer, audiences, clockSkewMs, transport, cache, clock, logger } = options
  const keys = createKeys({ transport, cache: cache.jwks, clock, logger })
  const address = options.discoveryURL ?? wellKnown(issuer)
  const id = createHash('sha256').update(`ssf ${issuer} ${address}`).digest('base64url')
  let known: { keysURI: string; fetchedAt: number } | undefined
  let attempt: Promise<void> | undefined
  let failure: { error: unknown; at: number } | undefined

  async function fetchDocument(): Promise<void> {
    const request = {
      operation: 'discovery',
      url: new URL(address),
      headers: { accept: 'application/json' },
      maxBytes,
    } as const
    const answer = await transport.send(request)
    const document = answer.status === 200 ? jsonObject(answer) : undefined
    if (document === undefined) throw new ProviderUnavailable(`${asked(request)}: status ${answer.status}, no document`)
    const fetchedAt = clock()
    known = { keysURI: keysURIIn(document), fetchedAt }
    await save(cache.metadata, id, { fetchedAt, document })
  }

  function keysURIIn(document: JSONObject): string {
    const { issuer: found, jwks_uri: uri } = document
    if (found !== issuer)
      throw new ProviderUnavailable(`${address} is the document of another issuer than sharedSignals.transmitter`)
    if (typeof uri === 'string' && mayBeCalled(uri, issuer, options.allowInsecure)) return uri
    throw new ProviderUnavailable(`${address} has no jwks_uri that may be called; set sharedSignals.jwksURI`)
  }

  async function find(): Promise<void> {
    try {
      if (known === undefined) {
        const kept = await load(cache.metadata, id, clock)
        if (kept !== undefined) known = { keysURI: keysURIIn(kept.document), fetchedAt: kept.fetchedAt }
      }
      if (known === undefined || clock() - known.fetchedAt >= freshMs) await fetchDocument()
      if (failure !== undefined) logger.info({ event: 'transmitter_ready', issuer }, 'the transmitter is known again')
      failure = undefined
    } catch (error) {
      if (failure === undefined) {
        const detail = error instanceof Error ? error.message : 'unknown'
        logger.warn(
          { event: 'transmitter_unavailable', issuer, detail },
          'the document of the transmitter of security events cannot be had: what it sends has to be sent again',
        )
      }
      failure = { error, at: clock() }
    }
  }

  async function keysURI(): Promise<string> {
    if (options.jwksURI !== undefined) return options.jwksURI
    const age = known === undefined ? Infinity : clock() - known.fetchedAt
    const mayAsk = failure === undefined || clock() - failure.at >= betweenAttemptsMs
    if (age >= freshMs && mayAsk) {
      attempt ??= find().finally(() => (attempt = undefined))
      await attempt
    }
    if (known !== undefined && clock() - known.fetchedAt < usableMs) return known.keysURI
    throw failure?.error instanceof ProviderUnavailable
      ? failure.error
      : new ProviderUnavailable('the transmitter is not known yet', { cause: failure?.error })
  }

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
